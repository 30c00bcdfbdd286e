// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/*
 * The generic probe program: every probe of every rule runs this, told apart by its attach cookie.
 *
 * What the host does not allow is switched off through read-only data before loading. The verifier
 * prunes the dead branches with the helper calls and context stores in them, so one object loads on
 * locked-down hosts too.
 *
 * It is compiled twice. Built with GI_SLEEPABLE it runs where page faults are served (Linux 6.0): a
 * page that is out, or just being moved by the kernel, is waited for. The verifier looks for helpers
 * that sleep in dead code as well, so this can't be a switch.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

const volatile gi_u32 may_write_memory = 0;
const volatile gi_u32 may_write_context = 0;
const volatile gi_u32 may_signal = 0;
const volatile gi_u32 needs = 0; /* enum gi_need */
/* The PID namespace that goinject lives in, so that both mean the same by a thread id. */
const volatile gi_u64 pid_namespace_device = 0;
const volatile gi_u64 pid_namespace_inode = 0;

#include "goabi.h"
#include "hit.h"
#include "maps.h"
#include "context.h"

#define GI_SIGURG 23

/* Not every header of the build host has it. */
static long (*const gi_send_signal_thread)(gi_u32 signal) = (void *)117;

static __always_inline int gi_user_read(struct gi_scratch *s, void *to, gi_u32 size, gi_u64 address)
{
	(void)s;
	if (!bpf_probe_read_user(to, size, (const void *)address))
		return 0;
#ifdef GI_SLEEPABLE
	/* Only now, as it takes longer: the kernel checks the map that it copies into. */
	return bpf_copy_from_user(to, size, (const void *)address) < 0;
#else
	return 1;
#endif
}

/*
 * The kernel's helper never waits for a page. Where this program may, reading the place first brings
 * the page in; then another try.
 */
static __always_inline int gi_user_write(struct gi_scratch *s, gi_u64 address, const void *from, gi_u32 size)
{
	if (!may_write_memory)
		return 1;
	if (!bpf_probe_write_user((void *)address, from, size))
		return 0;
#ifdef GI_SLEEPABLE
	if (!bpf_copy_from_user(&s->word[3], size > 8 ? 8 : size, (const void *)address))
		return bpf_probe_write_user((void *)address, from, size) < 0;
#endif
	return 1;
}

#include "signal_frame.h"

static __always_inline int gi_float_read(struct gi_scratch *s, gi_u32 index, gi_u64 *value)
{
	(void)value; /* the core's is always the scratch's first word */
	return gi_frame_float_read(s, index);
}

static __always_inline int gi_float_write(struct gi_scratch *s, gi_u32 index, const gi_u64 *value)
{
	(void)value;
	return gi_frame_float_write(s, index);
}

static __always_inline gi_u64 gi_now(const struct gi_scratch *s)
{
	(void)s;
	return bpf_ktime_get_ns();
}

static __always_inline gi_u64 gi_add(gi_u64 *counter, gi_u64 by)
{
	return __sync_fetch_and_add(counter, by);
}

static __always_inline void gi_count(struct gi_scratch *s, gi_u64 *counter, gi_u64 by)
{
	(void)s;
	gi_add(counter, by);
}

static __always_inline void gi_count_term(struct gi_scratch *s, gi_u64 *counter)
{
	(void)s;
	gi_add(counter, 1);
}

static __always_inline gi_u64 gi_swap(gi_u64 *place, gi_u64 from, gi_u64 to)
{
	return __sync_val_compare_and_swap(place, from, to);
}

/* g of functions that do not keep it in a register: in thread-local storage. */
GI_SUBPROGRAM int gi_load_thread_g(struct gi_scratch *s)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct gi_process *process;

	if (!s)
		return 1;
	process = gi_process_row(s);
	if (!process)
		return 1;
	return bpf_probe_read_kernel(&s->word[0], 8, GI_THREAD_POINTER(task)) ||
	       gi_user_read(s, &s->word[0], 8, s->word[0] + process->tls_g);
}

static __always_inline gi_u64 gi_thread_g(struct gi_scratch *s)
{
	return gi_load_thread_g(s) ? 0 : s->word[0];
}

static __always_inline int gi_are_events_taken(const struct gi_scratch *s, gi_u32 rule)
{
	(void)s;
	(void)rule;
	return 1;
}

static __always_inline int gi_is_event_wanted(const struct gi_scratch *s)
{
	(void)s;
	return 1;
}

static __always_inline int gi_drop_event(const struct gi_scratch *s)
{
	(void)s;
	return 0;
}

static __always_inline void gi_emit(struct gi_scratch *s)
{
	struct gi_control *control;
	gi_u64 frames = s->event.frames, size = sizeof(s->event);

	if (frames > GI_STACK)
		frames = GI_STACK;
	if (!s->event.test.length)
		size = __builtin_offsetof(struct gi_event, stack) + 8 * frames;
	if (!bpf_ringbuf_output(&gi_events, &s->event, size, 0))
		return;
	control = gi_control_row(s);
	if (control)
		gi_add(&control->dropped_events, 1);
}

#include "core.h"
#include "frame.h"

#define GI_PID_LEVELS 32 /* MAX_PID_NS_LEVEL of the kernel */

/*
 * A task's id in goinject's PID namespace, which may be one above its own: then the helper does not know it. 0
 * if it is in none below.
 */
GI_SUBPROGRAM int gi_outer_id(gi_u32 leader)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct pid_namespace *ns;
	struct upid *entry;
	struct pid *pid;
	gi_u32 i, level, inode;
	int id;

	if (leader &&
	    bpf_probe_read_kernel(&task, 8, __builtin_preserve_access_index(&task->group_leader)))
		return 0;
	if (bpf_probe_read_kernel(&pid, 8, __builtin_preserve_access_index(&task->thread_pid)) ||
	    bpf_probe_read_kernel(&level, 4, __builtin_preserve_access_index(&pid->level)))
		return 0;
	entry = __builtin_preserve_access_index(&pid->numbers[0]);
	for (i = 0; i < GI_PID_LEVELS; i++, entry++) {
		if (i > level)
			return 0;
		if (bpf_probe_read_kernel(&ns, 8, __builtin_preserve_access_index(&entry->ns)) ||
		    bpf_probe_read_kernel(&inode, 4, __builtin_preserve_access_index(&ns->ns.inum)))
			return 0;
		if (inode != (gi_u32)pid_namespace_inode)
			continue;
		if (bpf_probe_read_kernel(&id, 4, __builtin_preserve_access_index(&entry->nr)))
			return 0;
		return id;
	}
	return 0;
}

/* The current thread's id, or its process's. */
GI_SUBPROGRAM int gi_id(gi_u32 leader)
{
	struct bpf_pidns_info info = {};

	if (!pid_namespace_inode)
		return leader ? bpf_get_current_pid_tgid() >> 32 : (gi_u32)bpf_get_current_pid_tgid();
	if (bpf_get_ns_current_pid_tgid(pid_namespace_device, pid_namespace_inode, &info, sizeof(info)))
		return gi_outer_id(leader);
	return leader ? info.tgid : info.pid;
}

/* Whether this is the second run of an instruction that was sent back with its edits made. */
GI_SUBPROGRAM int gi_pass_site(struct gi_scratch *s)
{
	struct gi_g_key key;
	struct gi_pass *pass;
	int same;

	if (!s || !s->hit.g)
		return 0;
	key = s->g_key;
	pass = bpf_map_lookup_elem(&gi_passes, &key);
	if (!pass || gi_user_read(s, &s->word[0], 8, s->hit.g + GI_G_STACK_HIGH))
		return 0;
	same = pass->site == s->hit.site && pass->depth == s->word[0] - s->hit.reg[GI_SP];
	bpf_map_delete_elem(&gi_passes, &key);
	return same;
}

/* The signal reached the thread: make the edits in its signal frame. */
static __always_inline int gi_signal(gi_u32 tid, gi_u32 serial, gi_u64 ucontext)
{
	struct gi_scratch *s = bpf_map_lookup_elem(&gi_scratches, &tid);

	if (!s || s->state != GI_SCRATCH_SIGNAL || s->hit.serial != serial)
		return 0;
	s->state = GI_SCRATCH_IDLE;
	return gi_in_frame(s, ucontext);
}

/* Keeps the call for the moment when its edits can be made, and brings that about. */
GI_SUBPROGRAM int gi_send(struct gi_scratch *s)
{
	if (!s)
		return 0;
	s->state = GI_SCRATCH_SIGNAL;
	if (may_signal && !gi_send_signal_thread(GI_SIGURG))
		return 0;
	s->state = GI_SCRATCH_IDLE;
	return gi_abandon(s, GI_NO_SIGNAL);
}

static __always_inline int gi_probe(struct pt_regs *ctx)
{
	gi_u32 row = bpf_get_attach_cookie(ctx);
	struct gi_control *control;
	struct gi_process *process;
	struct gi_scratch *s;
	struct gi_site *site;
	gi_u32 tid, serial;
	int ends;

	control = gi_control_row(0);
	site = gi_site_row(0, row);
	if (!control || !site)
		return 0;
	process = gi_process_at(site->process);
	/* What was begun while the probes acted is brought to its end: its signal may come later. */
	ends = GI_NEEDS(FRAMES) && site->kind == GI_SITE_SIGNAL;
	if (!process || process->armed == GI_EXECUTED || ((!control->armed || process->armed != GI_ARMED) && !ends))
		return 0;
	serial = process->serial;
	/* Another program, or the same one loaded elsewhere: the rows' addresses are not its own. */
	if (GI_CONTEXT_PC(ctx) != site->address)
		return 0;
	if (!gi_is_call(site, GI_CONTEXT_FLAGS(ctx)))
		return 0;
	tid = gi_id(0);
	if (site->kind == GI_SITE_SIGNAL)
		return GI_NEEDS(FRAMES) && (gi_u32)GI_CONTEXT_SIGNAL(ctx) == GI_SIGURG
			       ? gi_signal(tid, serial, GI_CONTEXT_UCONTEXT(ctx)) : 0;

	s = gi_scratch_for(tid);
	if (!s) {
		gi_add(&control->lost_hits, 1);
		return 0;
	}
	if (s->state != GI_SCRATCH_IDLE) {
		s->state = GI_SCRATCH_IDLE;
		/* The rows that another process had may be a third one's by now. */
		if (s->hit.serial == serial)
			gi_abandon(s, GI_LOST);
	}
	gi_capture(&s->hit, ctx);
	s->hit.site = row;
	s->hit.tid = tid;
	s->hit.process = site->process;
	s->hit.serial = serial;
	s->hit.floats = 0;
	s->hit.dirty = 0;
	s->hit.edited = 0;
	s->hit.redirected = 0;
	gi_know_goroutine(s, site);
	if ((site->flags & GI_SITE_RESTART) && gi_pass_site(s))
		return 0;
	if (site->flags & GI_SITE_FLOATS) {
		s->stage = GI_STAGE_DECIDE;
		return gi_send(s);
	}
	if (!gi_begin(s))
		return 0;
	if (s->writes && site->writer >= GI_WRITER_FRAME)
		return gi_send(s);
	gi_perform(s);
	if (may_write_context && s->hit.edited && site->writer == GI_WRITER_CONTEXT)
		gi_commit_context(&s->hit, ctx);
	return 0;
}

#ifdef GI_SLEEPABLE
#define GI_SECTION(name) name ".s"
#else
#define GI_SECTION(name) name
#endif

SEC(GI_SECTION("uprobe"))
int goinject_single(struct pt_regs *ctx)
{
	return gi_probe(ctx);
}

SEC(GI_SECTION("uprobe.multi"))
int goinject_multi(struct pt_regs *ctx)
{
	return gi_probe(ctx);
}

/*
 * A process runs another program from here on, perhaps from the same file: before its first instruction, the
 * rows of the old one are disarmed.
 */
SEC("raw_tp/sched_process_exec")
int goinject_executed(void *ctx)
{
	struct gi_process *process;
	gi_u32 pid = gi_id(1), *row;

	row = bpf_map_lookup_elem(&gi_pids, &pid);
	process = row ? gi_process_at(*row) : 0;
	if (process)
		process->armed = GI_EXECUTED;
	return 0;
}

/* What the project's benchmarks compare with. */
SEC(GI_SECTION("uprobe"))
int goinject_empty(struct pt_regs *ctx)
{
	return 0;
}

SEC(GI_SECTION("uprobe.multi"))
int goinject_empty_multi(struct pt_regs *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
