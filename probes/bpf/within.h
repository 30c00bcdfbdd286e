/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Whether a call comes from within some functions, at whatever distance: found by walking the frame
 * pointers, which Go keeps in every release that goinject reads. It needs no memory of entries and returns, so panics,
 * recursion and moving stacks can't lead it astray.
 */
#ifndef GOINJECT_WITHIN_H
#define GOINJECT_WITHIN_H

#include "call.h"
#include "condition.h"

/* Takes the return addresses of the call and of its callers for events. */
GI_SUBPROGRAM int gi_take_stack(struct gi_scratch *s)
{
	gi_u64 frame;
	gi_u32 i;

	if (!s)
		return 0;
	s->event.frames = 0;
	frame = gi_caller_frame(&s->hit);
	if (gi_return_address(s, &s->word[1]))
		return 0;
	for (i = 0; i < GI_STACK; i++) {
		s->event.stack[i] = s->word[1];
		s->event.frames = i + 1;
		if (!frame || gi_user_read(s, &s->word[0], 16, frame))
			return 0;
		if (s->word[0] && s->word[0] <= frame)
			return 0;
		frame = s->word[0];
	}
	return 0;
}

/* Looks a return address up among a walk's ranges, and takes the walk further if it is there: s->level. */
GI_SUBPROGRAM int gi_step_walk(struct gi_scratch *s, gi_u32 first, gi_u32 count, gi_u64 address)
{
	struct gi_range *range;
	gi_u32 i, middle;

	if (!GI_NEEDS(CALLERS) || !s)
		return 0;
	s->low = 0;
	s->high = count;
	for (i = 0; i < GI_RANGE_STEPS; i++) {
		if (s->low >= s->high)
			return 0;
		middle = s->low + (s->high - s->low) / 2;
		range = gi_range_row(s, first + middle);
		if (!range)
			return 0;
		if (address < range->low) {
			s->high = middle;
		} else if (address >= range->high) {
			s->low = middle + 1;
		} else {
			s->level = (gi_u32)(range->next >> (4 * (s->level & 15))) & 15;
			return 0;
		}
	}
	return 0;
}

/*
 * Whether all of the functions that are looked for stand on the stack, one behind the other. Returns a truth; of a
 * call with more than GI_FRAMES callers among which they are not, unreadable.
 */
GI_SUBPROGRAM int gi_within(struct gi_scratch *s, gi_u32 first, gi_u32 count, gi_u32 levels)
{
	gi_u64 frame;
	gi_u32 i;

	if (!GI_NEEDS(CALLERS) || !s)
		return GI_TRUTH_UNREADABLE;
	s->level = 0;
	frame = gi_caller_frame(&s->hit);
	if (gi_return_address(s, &s->word[1]))
		return GI_TRUTH_UNREADABLE;
	for (i = 0; i < GI_FRAMES; i++) {
		/* A return address may be just behind its function: the call before it is not. */
		gi_step_walk(s, first, count, s->word[1] - 1);
		if (s->level >= levels)
			return GI_TRUE;
		if (!frame)
			return GI_FALSE;
		if (gi_user_read(s, &s->word[0], 16, frame))
			return GI_TRUTH_UNREADABLE;
		if (s->word[0] && s->word[0] <= frame)
			return GI_FALSE;
		frame = s->word[0];
	}
	return GI_TRUTH_UNREADABLE;
}

#endif
