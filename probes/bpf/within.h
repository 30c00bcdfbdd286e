/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Whether a call comes from within some function, at whatever distance: found by walking the frame
 * pointers, which Go keeps on amd64 since 1.7 and on arm64 since 1.12. It needs no memory of entries and returns, so panics,
 * recursion and moving stacks can't lead it astray.
 */
#ifndef GOINJECT_WITHIN_H
#define GOINJECT_WITHIN_H

#include "call.h"
#include "condition.h"

/* Whether an address lies in one of a binding's ranges. */
GI_SUBPROGRAM int gi_in_ranges(struct gi_scratch *s, gi_u32 first, gi_u32 count, gi_u64 address)
{
	struct gi_range *range;
	gi_u32 i;

	if (!s)
		return 0;
	for (i = 0; i < GI_RANGES; i++) {
		if (i >= count)
			return 0;
		range = gi_range_row(s, first + i);
		if (range && address >= range->low && address < range->high)
			return 1;
	}
	return 0;
}

/* Returns a truth; of a call with more than GI_FRAMES callers and none of them the one, unreadable. */
GI_SUBPROGRAM int gi_within(struct gi_scratch *s, gi_u32 first, gi_u32 count)
{
	gi_u64 frame;
	gi_u32 i;

	if (!s)
		return GI_TRUTH_UNREADABLE;
	frame = gi_caller_frame(&s->hit);
	if (gi_return_address(s, &s->word[1]))
		return GI_TRUTH_UNREADABLE;
	for (i = 0; i < GI_FRAMES; i++) {
		/* A return address may be just behind its function: the call before it is not. */
		if (gi_in_ranges(s, first, count, s->word[1] - 1))
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
