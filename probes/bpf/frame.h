/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The signal-frame writer: the kernel saved the interrupted thread's registers in its signal frame
 * and rt_sigreturn will load them again; edits go there with bpf_probe_write_user.
 * Layout: struct ucontext, struct sigcontext and struct _fpstate of the x86-64 user ABI.
 */
#ifndef GOINJECT_FRAME_H
#define GOINJECT_FRAME_H

#define GI_UC_REGISTERS 40 /* uc_mcontext: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags */
#define GI_UC_RIP (GI_UC_REGISTERS + 16 * 8)
#define GI_UC_FPSTATE (GI_UC_REGISTERS + 23 * 8)
#define GI_FP_X0 160      /* FXSAVE: X0, 16 bytes each */
#define GI_FP_MAGIC 464   /* sw_reserved: FP_XSTATE_MAGIC1 if an XSAVE header follows */
#define GI_FP_FEATURES 512 /* XSTATE_BV: a clear bit makes XRSTOR ignore the saved registers and load zeros */
#define GI_XSTATE_MAGIC 0x46505853u
#define GI_XSTATE_SSE 2ull

/* Slot in uc_mcontext of each general register, in goabi.h's order. */
#define GI_SLOT_RAX 13
#define GI_SLOT_RBX 11
#define GI_SLOT_RCX 14
#define GI_SLOT_RDI 8
#define GI_SLOT_RSI 9
#define GI_SLOT_R8 0
#define GI_SLOT_R9 1
#define GI_SLOT_R10 2
#define GI_SLOT_R11 3
#define GI_SLOT_RDX 12
#define GI_SLOT_RSP 15
#define GI_SLOT_RBP 10
#define GI_SLOT_R12 4
#define GI_SLOT_R13 5
#define GI_SLOT_R14 6
#define GI_SLOT_R15 7

/* Opens the frame of a thread that left the probed instruction. Returns enum gi_reason. */
static __always_inline gi_u32 gi_frame_open(struct gi_hit *hit, const struct gi_site *site, gi_u64 ucontext)
{
	gi_u64 rip = 0, floats = 0, target = 0;
	int expected;

	if (gi_user_read(hit, &rip, 8, ucontext + GI_UC_RIP) ||
	    gi_user_read(hit, &floats, 8, ucontext + GI_UC_FPSTATE))
		return GI_READ_FAULT;
	switch (site->lead) {
	case GI_LEAD_NEXT:
		expected = rip == hit->pc + site->length;
		break;
	case GI_LEAD_BRANCH:
		expected = rip == hit->pc + site->length || rip == hit->pc + (gi_s64)site->displacement;
		break;
	case GI_LEAD_TARGET:
		expected = rip == hit->pc + (gi_s64)site->displacement;
		break;
	default:
		if (gi_user_read(hit, &target, 8, hit->reg[GI_RSP]))
			return GI_READ_FAULT;
		expected = rip == target;
		break;
	}
	if (!expected)
		return GI_WRONG_PC;
	hit->floats = floats ? floats + GI_FP_X0 : 0;
	return GI_OK;
}

static __always_inline int gi_frame_float_read(struct gi_hit *hit, gi_u32 index, gi_u64 *value)
{
	gi_u64 features = GI_XSTATE_SSE;
	gi_u32 magic = 0;

	if (!hit->floats)
		return 1;
	if (gi_user_read(hit, &magic, 4, hit->floats - GI_FP_X0 + GI_FP_MAGIC))
		return 1;
	if (magic == GI_XSTATE_MAGIC &&
	    gi_user_read(hit, &features, 8, hit->floats - GI_FP_X0 + GI_FP_FEATURES))
		return 1;
	*value = 0;
	if (!(features & GI_XSTATE_SSE))
		return 0;
	return gi_user_read(hit, value, 8, hit->floats + 16 * (gi_u64)(index & 15));
}

static __always_inline int gi_frame_float_write(struct gi_hit *hit, gi_u32 index, gi_u64 value)
{
	gi_u64 features = GI_XSTATE_SSE, other[2] = {};
	gi_u64 start = hit->floats - GI_FP_X0;
	gi_u32 magic = 0, i;

	if (!hit->floats || gi_user_read(hit, &magic, 4, start + GI_FP_MAGIC))
		return 1;
	if (magic == GI_XSTATE_MAGIC) {
		if (gi_user_read(hit, &features, 8, start + GI_FP_FEATURES))
			return 1;
		if (!(features & GI_XSTATE_SSE)) {
			/* The registers were zero and may not have been saved: write them all. */
			for (i = 0; i < 16; i++)
				if (gi_user_write(hit, hit->floats + 16 * i, other, 16))
					return 1;
			features |= GI_XSTATE_SSE;
			if (gi_user_write(hit, start + GI_FP_FEATURES, &features, 8))
				return 1;
		}
	}
	return gi_user_write(hit, hit->floats + 16 * (gi_u64)(index & 15), &value, 8);
}

#define GI_FRAME_WRITE(name)                                                                        \
	do {                                                                                        \
		if (all || (hit->dirty & (1u << GI_##name)))                                        \
			gi_user_write(hit, ucontext + GI_UC_REGISTERS + 8 * GI_SLOT_##name,         \
				      &hit->reg[GI_##name], 8);                                     \
	} while (0)

/* Writes the edited registers into the frame; all of them where the instruction is to run again. */
static __always_inline void gi_frame_commit(struct gi_hit *hit, const struct gi_site *site, gi_u64 ucontext)
{
	int all = (site->flags & GI_SITE_RESTART) && hit->edited;
	struct gi_pass pass = {};
	gi_u64 high = 0;

	if (all) {
		if (!hit->g || gi_user_read(hit, &high, 8, hit->g + GI_G_STACK_HIGH))
			return;
		pass.site = hit->site;
		pass.depth = high - hit->reg[GI_RSP];
		if (bpf_map_update_elem(&gi_passes, &hit->g, &pass, BPF_ANY))
			return;
		gi_user_write(hit, ucontext + GI_UC_RIP, &hit->pc, 8);
	}
	GI_FRAME_WRITE(RAX);
	GI_FRAME_WRITE(RBX);
	GI_FRAME_WRITE(RCX);
	GI_FRAME_WRITE(RDI);
	GI_FRAME_WRITE(RSI);
	GI_FRAME_WRITE(R8);
	GI_FRAME_WRITE(R9);
	GI_FRAME_WRITE(R10);
	GI_FRAME_WRITE(R11);
	GI_FRAME_WRITE(RDX);
	GI_FRAME_WRITE(RSP);
	GI_FRAME_WRITE(RBP);
	GI_FRAME_WRITE(R12);
	GI_FRAME_WRITE(R13);
	GI_FRAME_WRITE(R14);
	GI_FRAME_WRITE(R15);
}

#endif
