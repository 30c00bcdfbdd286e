/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* The register context of a uprobe on amd64: struct pt_regs of the kernel's user ABI. For the BPF program only. */
#ifndef GOINJECT_ARCH_CONTEXT_H
#define GOINJECT_ARCH_CONTEXT_H

#include "hit.h"

#define GI_CONTEXT_PC(ctx) ((ctx)->rip)
#define GI_CONTEXT_FLAGS(ctx) ((ctx)->eflags)
/* At the entry of a signal handler, which has the C convention: its first and its third argument. */
#define GI_CONTEXT_SIGNAL(ctx) ((ctx)->rdi)
#define GI_CONTEXT_UCONTEXT(ctx) ((ctx)->rdx)
/* Address of a task's thread pointer, which thread-local storage is found by. */
#define GI_THREAD_POINTER(task) __builtin_preserve_access_index(&(task)->thread.fsbase)

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
	hit->pc = ctx->rip;
}

/* The context writer: the kernel resumes the thread with these registers (Linux 6.18 and later). */
static __always_inline void gi_commit_context(const struct gi_hit *hit, volatile struct pt_regs *ctx)
{
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
	if (!hit->redirected)
		return;
	/* With another instruction pointer the kernel leaves the probed instruction out. */
	ctx->rsp = hit->reg[GI_RSP];
	ctx->rbp = hit->reg[GI_RBP];
	ctx->rip = hit->to;
}

#endif
