// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/*
 * The generic probe program: every probe of every rule runs this, told apart by its attach cookie.
 *
 * What the host does not allow is switched off through read-only data before loading. The verifier
 * prunes the dead branches with the helper calls and context stores in them, so one object loads on
 * locked-down hosts too.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "goabi.h"
#include "hit.h"
#include "maps.h"

#define GI_SIGURG 23

/* Not every header of the build host has it. */
static long (*const gi_send_signal_thread)(gi_u32 signal) = (void *)117;

const volatile gi_u32 may_write_memory = 0;
const volatile gi_u32 may_write_context = 0;
const volatile gi_u32 may_signal = 0;
/* The PID namespace that goinject lives in, so that both mean the same by a thread id. */
const volatile gi_u64 pid_namespace_device = 0;
const volatile gi_u64 pid_namespace_inode = 0;

static __always_inline int gi_user_read(const struct gi_hit *hit, void *to, gi_u32 size, gi_u64 address)
{
	(void)hit;
	return bpf_probe_read_user(to, size, (const void *)address) < 0;
}

static __always_inline int gi_user_write(const struct gi_hit *hit, gi_u64 address, const void *from, gi_u32 size)
{
	(void)hit;
	if (!may_write_memory)
		return 1;
	return bpf_probe_write_user((void *)address, from, size) < 0;
}

#include "frame.h"

static __always_inline int gi_float_read(struct gi_hit *hit, gi_u32 index, gi_u64 *value)
{
	return gi_frame_float_read(hit, index, value);
}

static __always_inline int gi_float_write(struct gi_hit *hit, gi_u32 index, gi_u64 value)
{
	return gi_frame_float_write(hit, index, value);
}

static __always_inline gi_u64 gi_now(void)
{
	return bpf_ktime_get_ns();
}

static __always_inline gi_u64 gi_add(gi_u64 *counter, gi_u64 by)
{
	return __sync_fetch_and_add(counter, by);
}

/* g of functions that do not keep it in a register: in thread-local storage. */
static __always_inline gi_u64 gi_thread_g(const struct gi_hit *hit)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct gi_control *control = gi_control_row(hit);
	gi_u64 base = 0, g = 0;

	if (!control ||
	    bpf_probe_read_kernel(&base, sizeof(base), __builtin_preserve_access_index(&task->thread.fsbase)))
		return 0;
	if (gi_user_read(hit, &g, 8, base + control->tls_g))
		return 0;
	return g;
}

static __always_inline void gi_emit(const struct gi_hit *hit, struct gi_scratch *scratch)
{
	struct gi_control *control;

	if (!bpf_ringbuf_output(&gi_events, &scratch->event, sizeof(scratch->event), 0))
		return;
	control = gi_control_row(hit);
	if (control)
		gi_add(&control->dropped_events, 1);
}

#include "core.h"

static __always_inline gi_u32 gi_thread(void)
{
	struct bpf_pidns_info info = {};

	if (pid_namespace_inode &&
	    !bpf_get_ns_current_pid_tgid(pid_namespace_device, pid_namespace_inode, &info, sizeof(info)))
		return info.pid;
	return (gi_u32)bpf_get_current_pid_tgid();
}

/* Copied field by field: the verifier wants every access to the context at a constant offset. */
static __always_inline void gi_capture(struct gi_hit *hit, const volatile struct pt_regs *ctx)
{
	hit->reg[GI_RAX] = ctx->rax;
	hit->reg[GI_RBX] = ctx->rbx;
	hit->reg[GI_RCX] = ctx->rcx;
	hit->reg[GI_RDI] = ctx->rdi;
	hit->reg[GI_RSI] = ctx->rsi;
	hit->reg[GI_R8] = ctx->r8;
	hit->reg[GI_R9] = ctx->r9;
	hit->reg[GI_R10] = ctx->r10;
	hit->reg[GI_R11] = ctx->r11;
	hit->reg[GI_RDX] = ctx->rdx;
	hit->reg[GI_RSP] = ctx->rsp;
	hit->reg[GI_RBP] = ctx->rbp;
	hit->reg[GI_R12] = ctx->r12;
	hit->reg[GI_R13] = ctx->r13;
	hit->reg[GI_R14] = ctx->r14;
	hit->reg[GI_R15] = ctx->r15;
	hit->flags = ctx->eflags;
}

/* The context writer: the kernel resumes the thread with these registers (Linux 6.18 and later). */
static __always_inline void gi_commit_context(const struct gi_hit *hit, volatile struct pt_regs *ctx)
{
	if (!may_write_context || !hit->dirty)
		return;
	ctx->rax = hit->reg[GI_RAX];
	ctx->rbx = hit->reg[GI_RBX];
	ctx->rcx = hit->reg[GI_RCX];
	ctx->rdi = hit->reg[GI_RDI];
	ctx->rsi = hit->reg[GI_RSI];
	ctx->r8 = hit->reg[GI_R8];
	ctx->r9 = hit->reg[GI_R9];
	ctx->r10 = hit->reg[GI_R10];
	ctx->r11 = hit->reg[GI_R11];
	ctx->rdx = hit->reg[GI_RDX];
}

/* Whether this is the second run of an instruction that was sent back with its edits made. */
static __always_inline int gi_pass(struct gi_hit *hit)
{
	struct gi_pass *pass;
	gi_u64 high = 0;
	int same;

	if (!hit->g)
		return 0;
	pass = bpf_map_lookup_elem(&gi_passes, &hit->g);
	if (!pass)
		return 0;
	gi_user_read(hit, &high, 8, hit->g + GI_G_STACK_HIGH);
	same = pass->site == hit->site && pass->depth == high - hit->reg[GI_RSP];
	bpf_map_delete_elem(&gi_passes, &hit->g);
	return same;
}

/* The signal reached the thread: make the edits in its signal frame. */
static __always_inline int gi_signal(struct pt_regs *ctx, gi_u32 tid)
{
	struct gi_scratch *scratch;
	struct gi_site *site;
	gi_u64 ucontext = ctx->rdx;
	gi_u32 reason;

	if ((gi_u32)ctx->rdi != GI_SIGURG)
		return 0;
	scratch = bpf_map_lookup_elem(&gi_scratches, &tid);
	if (!scratch || scratch->state != GI_SCRATCH_SIGNAL)
		return 0;
	scratch->state = GI_SCRATCH_IDLE;
	site = gi_site_row(&scratch->hit, scratch->hit.site);
	if (!site)
		return 0;
	reason = gi_frame_open(&scratch->hit, site, ucontext);
	if (reason) {
		gi_abandon(&scratch->hit, scratch, reason);
		return 0;
	}
	gi_apply(&scratch->hit, scratch);
	gi_frame_commit(&scratch->hit, site, ucontext);
	return 0;
}

static __always_inline int gi_probe(struct pt_regs *ctx)
{
	gi_u32 row = bpf_get_attach_cookie(ctx);
	struct gi_scratch *scratch;
	struct gi_control *control;
	struct gi_site *site;
	struct gi_hit hit;
	gi_u32 tid;

	control = gi_control_row(0);
	site = gi_site_row(0, row);
	if (!control || !site || !control->armed)
		return 0;
	/* Another program, or the same one loaded elsewhere: the rows' addresses are not its own. */
	if (ctx->rip != site->address)
		return 0;
	if (!gi_is_call(site, ctx->eflags))
		return 0;
	tid = gi_thread();
	if (site->kind == GI_SITE_SIGNAL)
		return gi_signal(ctx, tid);

	__builtin_memset(&hit, 0, sizeof(hit));
	gi_capture(&hit, ctx);
	hit.pc = site->address;
	hit.site = row;
	hit.tid = tid;
	hit.g = gi_find_g(&hit, site);
	if ((site->flags & GI_SITE_RESTART) && gi_pass(&hit))
		return 0;
	if (!gi_decide(&hit, site))
		return 0;
	scratch = gi_scratch_for(&hit);
	if (!scratch)
		return 0;
	if (site->writer < GI_WRITER_FRAME) {
		gi_apply(&hit, scratch);
		if (site->writer == GI_WRITER_CONTEXT)
			gi_commit_context(&hit, ctx);
		return 0;
	}
	scratch->hit = hit;
	scratch->state = GI_SCRATCH_SIGNAL;
	if (!may_signal || gi_send_signal_thread(GI_SIGURG)) {
		scratch->state = GI_SCRATCH_IDLE;
		gi_abandon(&hit, scratch, GI_NO_SIGNAL);
	}
	return 0;
}

SEC("uprobe")
int goinject_single(struct pt_regs *ctx)
{
	return gi_probe(ctx);
}

SEC("uprobe.multi")
int goinject_multi(struct pt_regs *ctx)
{
	return gi_probe(ctx);
}

/* What the project's benchmarks compare with. */
SEC("uprobe")
int goinject_empty(struct pt_regs *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
