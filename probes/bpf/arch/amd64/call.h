/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * A call of a Go function on amd64: its stack check, its goroutine, its return address and its callers.
 * What the core knows of a call's frame it knows through these.
 */
#ifndef GOINJECT_ARCH_CALL_H
#define GOINJECT_ARCH_CALL_H

#include "hit.h"

/* Whether the jump of a stack check is about to be taken, to morestack: with any of these bits of RFLAGS set. */
static __inline__ int gi_check_fails(gi_u64 flags, gi_u32 check_flags)
{
	return (flags & check_flags) != 0;
}

/* Where the call returns to, at an entry or a RET: on top of the stack. 0 or not 0. */
static __inline__ int gi_return_address(struct gi_scratch *s, gi_u64 *to)
{
	return gi_user_read(s, to, 8, s->hit.reg[GI_SP]);
}

/* The first parameter of a call, if it is one word: s->word[0]. 0 or not 0. */
static __inline__ int gi_first_argument(struct gi_scratch *s, gi_u32 in_register)
{
	s->word[0] = s->hit.reg[GI_FIRST_ARGUMENT];
	return in_register ? 0 : gi_user_read(s, &s->word[0], 8, s->hit.reg[GI_SP] + 8);
}

/* Gives the thread the stack pointer that its caller has after the call. */
static __inline__ void gi_leave_call(struct gi_hit *hit)
{
	hit->reg[GI_SP] += 8;
}

/* The frame record of the call's caller: the frame pointer of the one before, then the return address to it. */
static __inline__ gi_u64 gi_caller_frame(const struct gi_hit *hit)
{
	return hit->reg[GI_FP];
}

/*
 * At a CALL: makes the thread look as if this had called the function of frame_return (runtime.Gosched),
 * to return to after_call, and that had just called another with one argument. The caller's frame is two words,
 * the upper one its saved frame pointer; the lower is where the callee may save its argument. 0 or not 0.
 */
static __inline__ int gi_push_sleeper(struct gi_scratch *s, gi_u64 frame_return, gi_u64 after_call)
{
	gi_u64 sp = s->hit.reg[GI_SP];

	s->word[0] = frame_return;
	s->word[1] = s->hit.reg[GI_FP];
	s->word[2] = after_call;
	if (gi_user_write(s, sp - 32, &s->word[0], 8) || gi_user_write(s, sp - 16, &s->word[1], 8) ||
	    gi_user_write(s, sp - 8, &s->word[2], 8))
		return 1;
	s->hit.reg[GI_FP] = sp - 16;
	s->hit.reg[GI_SP] = sp - 32;
	return 0;
}

/*
 * Makes the frame that runtime.gopanic is called from with a value: that of runtime.panicdivide, which has the saved frame
 * pointer on top of the two words where the value is put. All of it is below the call's own frame, so that nothing is lost
 * if the rest can't be done. 0 or not 0.
 */
static __inline__ int gi_write_panic_frame(struct gi_scratch *s, gi_u64 panic_return)
{
	s->word[0] = panic_return;
	s->word[1] = s->hit.reg[GI_FP];
	return gi_user_write(s, s->hit.reg[GI_SP] - 32, &s->word[0], 8) ||
	       gi_user_write(s, s->hit.reg[GI_SP] - 8, &s->word[1], 8);
}

/* Gives the thread the registers with which runtime.gopanic begins. */
static __inline__ void gi_enter_panic(struct gi_hit *hit, gi_u64 type, gi_u64 data)
{
	hit->reg[GI_RAX] = type;
	hit->reg[GI_RBX] = data;
	hit->reg[GI_FP] = hit->reg[GI_SP] - 8;
	hit->reg[GI_SP] -= 32;
}

#endif
