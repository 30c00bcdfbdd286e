/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Whether a context.Context is done, and with what error: read from the structs of package context, as its methods read them. What
 * types of contexts the program has, and where they keep their error or the context that they come from, the planner finds out.
 */
#ifndef GOINJECT_CONTEXT_DONE_H
#define GOINJECT_CONTEXT_DONE_H

#include "errors.h"

/* Whether an error of type s->word[0] and value s->word[1] is of the type that an interface table is for. */
static __inline__ int gi_take_table(struct gi_scratch *s, gi_u64 table)
{
	if (!table || gi_user_read(s, &s->word[2], 8, table + 8) || s->word[2] != s->word[0])
		return 0;
	s->error[0] = table;
	s->error[1] = s->word[1];
	return 1;
}

/* Looks at the context s->word[0], s->word[1]: enum gi_ended, or GI_ENDED_ELSEWHERE for the one there instead. */
GI_SUBPROGRAM int gi_look_at_context(struct gi_scratch *s, gi_u32 row)
{
	struct gi_fixed_text *fixed;
	struct gi_wrapper *wrapper;
	struct gi_until *until;
	gi_u64 data;

	if (!GI_NEEDS(UNTIL) || !s)
		return GI_ENDED_UNKNOWN;
	fixed = gi_text_row(s, row);
	if (!fixed)
		return GI_ENDED_UNKNOWN;
	until = (struct gi_until *)fixed->bytes;
	if (!s->word[0])
		return GI_ENDED_UNKNOWN;
	data = s->word[1];
	if (gi_user_read(s, &s->word[0], 8, s->word[0] + 8))
		return GI_ENDED_UNKNOWN;
	wrapper = gi_find_wrapper(s, row + 1, until->types);
	if (!wrapper)
		return GI_ENDED_UNKNOWN;
	if (wrapper->kind == GI_CONTEXT_ENDLESS)
		return GI_ENDED_NOT;
	if (!data || gi_user_read(s, &s->word[0], 16, data + wrapper->offset))
		return GI_ENDED_UNKNOWN;
	if (wrapper->kind == GI_CONTEXT_INNER)
		return GI_ENDED_ELSEWHERE;
	if (!s->word[0])
		return GI_ENDED_NOT;
	/* Without data it is just being written. */
	if (!s->word[1])
		return GI_ENDED_UNKNOWN;
	if (wrapper->kind == GI_CONTEXT_ERROR) {
		s->error[0] = s->word[0];
		s->error[1] = s->word[1];
		return GI_ENDED_DONE;
	}
	/* In an atomic.Value an error has its type in the place of an interface table. */
	if (gi_take_table(s, until->canceled) || gi_take_table(s, until->exceeded))
		return GI_ENDED_DONE;
	return GI_ENDED_UNKNOWN;
}

/* Whether the context that a row tells of is done: s->ended, and its error in s->error. */
GI_SUBPROGRAM int gi_find_end_of_context(struct gi_scratch *s, gi_u32 row)
{
	struct gi_fixed_text *fixed;
	struct gi_until *until;
	gi_u32 i;

	if (!GI_NEEDS(UNTIL) || !s)
		return 0;
	s->ended = GI_ENDED_UNKNOWN;
	fixed = gi_text_row(s, row);
	if (!fixed)
		return 0;
	until = (struct gi_until *)fixed->bytes;
	if (gi_text_find(s, &until->context))
		return 0;
	for (i = 0; i < GI_CONTEXTS; i++) {
		s->ended = gi_look_at_context(s, row);
		if (s->ended != GI_ENDED_ELSEWHERE)
			return 0;
	}
	s->ended = GI_ENDED_UNKNOWN;
	return 0;
}

#endif
