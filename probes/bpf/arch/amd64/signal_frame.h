/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The signal frame on amd64: where the kernel has saved a thread's registers.
 * Layout: struct ucontext, struct sigcontext and struct _fpstate of the x86-64 user ABI.
 */
#ifndef GOINJECT_ARCH_SIGNAL_FRAME_H
#define GOINJECT_ARCH_SIGNAL_FRAME_H

#include "hit.h"

#define GI_UC_REGISTERS 40 /* uc_mcontext: r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags */
#define GI_UC_PC (GI_UC_REGISTERS + 16 * 8)
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

/* Finds the saved floating-point registers: s->hit.floats, 0 if there are none. 0 or not 0. Leaves s->word[0] alone. */
static __always_inline int gi_frame_find_floats(struct gi_scratch *s, gi_u64 ucontext)
{
	if (gi_user_read(s, &s->word[1], 8, ucontext + GI_UC_FPSTATE))
		return 1;
	s->hit.floats = s->word[1] ? s->word[1] + GI_FP_X0 : 0;
	return 0;
}

/* Whether the X registers in the frame are those of the thread; else they are all zero. Negative: unreadable. */
static __always_inline int gi_frame_has_floats(struct gi_scratch *s)
{
	gi_u64 start = s->hit.floats - GI_FP_X0;

	if (!s->hit.floats || gi_user_read(s, &s->word[2], 4, start + GI_FP_MAGIC))
		return -1;
	if ((gi_u32)s->word[2] != GI_XSTATE_MAGIC)
		return 1;
	if (gi_user_read(s, &s->word[2], 8, start + GI_FP_FEATURES))
		return -1;
	return (s->word[2] & GI_XSTATE_SSE) != 0;
}

GI_SUBPROGRAM int gi_frame_float_read(struct gi_scratch *s, gi_u32 index)
{
	int has;

	if (!GI_NEEDS(FLOATS) || !s)
		return 1;
	has = gi_frame_has_floats(s);
	s->word[0] = 0;
	if (has <= 0)
		return has;
	return gi_user_read(s, &s->word[0], 8, s->hit.floats + 16 * (gi_u64)(index & 15));
}

GI_SUBPROGRAM int gi_frame_float_write(struct gi_scratch *s, gi_u32 index)
{
	gi_u32 i;
	int has;

	if (!GI_NEEDS(FLOATS) || !s)
		return 1;
	has = gi_frame_has_floats(s);
	if (has < 0)
		return 1;
	if (!has) {
		/* They may not have been saved: write them all, then say that they are there. */
		s->word[3] = s->word[2] | GI_XSTATE_SSE;
		s->word[2] = 0;
		for (i = 0; i < 32; i++)
			if (gi_user_write(s, s->hit.floats + 8 * i, &s->word[2], 8))
				return 1;
		if (gi_user_write(s, s->hit.floats - GI_FP_X0 + GI_FP_FEATURES, &s->word[3], 8))
			return 1;
	}
	return gi_user_write(s, s->hit.floats + 16 * (gi_u64)(index & 15), &s->word[0], 8);
}

#define GI_FRAME_WRITE(name)                                                                        \
	do {                                                                                        \
		if (all || (s->hit.dirty & (1u << GI_##name)))                                      \
			failed |= gi_user_write(s, ucontext + GI_UC_REGISTERS + 8 * GI_SLOT_##name, \
						&s->hit.reg[GI_##name], 8);                         \
	} while (0)

/* Writes the edited registers into the frame, or all of them. 0 or not 0. */
GI_SUBPROGRAM int gi_frame_registers(struct gi_scratch *s, gi_u64 ucontext, gi_u32 all)
{
	int failed = 0;

	if (!GI_NEEDS(FRAMES) || !s)
		return 0;
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
	return failed;
}

#endif
