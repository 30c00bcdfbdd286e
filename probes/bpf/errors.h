/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Errors looked into: whether one is another or wraps it, as errors.Is tells. The program's own methods are not called; what
 * types wrap others, and where, the planner finds out.
 */
#ifndef GOINJECT_ERRORS_H
#define GOINJECT_ERRORS_H

#include "text.h"

/* Finds what is known of the type s->word[0] among some that are in rows from one on, or NULL. */
static __inline__ struct gi_wrapper *gi_find_wrapper(struct gi_scratch *s, gi_u32 row, gi_u64 count)
{
	struct gi_fixed_text *fixed;
	struct gi_wrapper *wrapper;
	gi_u32 n;

	for (n = 0; n < GI_WRAPPERS * GI_WRAPPER_ROWS; n++) {
		if (n >= count)
			return 0;
		fixed = gi_text_row(s, row + n / GI_WRAPPERS);
		if (!fixed)
			return 0;
		wrapper = (struct gi_wrapper *)fixed->bytes + (n & (GI_WRAPPERS - 1));
		if (wrapper->type == s->word[0])
			return wrapper;
	}
	return 0;
}

/* Adds the error at an address to those to look at, s->length[0] of them in s->other_text. 0 or not 0. */
static __inline__ int gi_add_error(struct gi_scratch *s, gi_u64 address)
{
	gi_u64 *pair = &s->other_text[(2 * s->length[0]) & (GI_CONDITION_TEXT / 8 - 2)];

	if (s->length[0] >= GI_ERRORS || gi_user_read(s, pair, 16, address))
		return 1;
	s->length[0]++;
	return 0;
}

/* Looks at error n, and adds those that it wraps. Returns a truth: of nothing but this error, unless it can't be read. */
GI_SUBPROGRAM int gi_look_at_error(struct gi_scratch *s, gi_u32 row, gi_u32 n)
{
	struct gi_wrapper *wrapper;
	struct gi_term *term;
	gi_u64 *pair, data;
	gi_u32 i;

	if (!GI_NEEDS(TEXTS) || !s)
		return GI_TRUTH_UNREADABLE;
	term = gi_term_row(s, row);
	if (!term)
		return GI_TRUTH_UNREADABLE;
	pair = &s->other_text[(2 * n) & (GI_CONDITION_TEXT / 8 - 2)];
	if (!pair[0])
		return GI_FALSE;
	if (pair[0] == s->operand[0] && pair[1] == s->operand[1])
		return GI_TRUE;
	data = pair[1];
	if (gi_user_read(s, &s->word[0], 8, pair[0] + 8))
		return GI_TRUTH_UNREADABLE;
	wrapper = gi_find_wrapper(s, term->text, term->constant);
	if (!wrapper || !data)
		return GI_FALSE;
	if (wrapper->kind == GI_WRAPS_ONE)
		return gi_add_error(s, data + wrapper->offset) ? GI_TRUTH_UNREADABLE : GI_FALSE;
	if (wrapper->kind == GI_WRAPS_ERRNO) {
		if (gi_user_read(s, &s->word[0], 8, data))
			return GI_TRUTH_UNREADABLE;
		return s->word[0] && (s->word[0] == wrapper->number[0] || s->word[0] == wrapper->number[1]);
	}
	if (gi_user_read(s, &s->word[0], 16, data + wrapper->offset))
		return GI_TRUTH_UNREADABLE;
	for (i = 0; i < GI_ERRORS; i++) {
		if (i >= s->word[1])
			return GI_FALSE;
		if (gi_add_error(s, s->word[0] + 16 * i))
			return GI_TRUTH_UNREADABLE;
	}
	return GI_TRUTH_UNREADABLE;
}

/* Whether the left error of a row is the right one, or wraps it. Returns a truth. */
GI_SUBPROGRAM int gi_error_is(struct gi_scratch *s, gi_u32 row)
{
	struct gi_term *term;
	gi_u32 n;
	int truth;

	if (!GI_NEEDS(TEXTS) || !s)
		return GI_TRUTH_UNREADABLE;
	term = gi_term_row(s, row);
	if (!term)
		return GI_TRUTH_UNREADABLE;
	s->operand[0] = 0;
	s->operand[1] = 0;
	if (term->right_source == GI_OPERAND_PLACE) {
		if (gi_text_find(s, &term->right))
			return GI_TRUTH_UNREADABLE;
		s->operand[0] = s->word[0];
		s->operand[1] = s->word[1];
	}
	if (gi_text_find(s, &term->left))
		return GI_TRUTH_UNREADABLE;
	s->other_text[0] = s->word[0];
	s->other_text[1] = s->word[1];
	s->length[0] = 1;
	s->length[1] = 0; /* one of them could not be looked into */
	for (n = 0; n < GI_ERRORS; n++) {
		if (n >= s->length[0])
			break;
		truth = gi_look_at_error(s, row, n);
		if (truth == GI_TRUE)
			return GI_TRUE;
		s->length[1] |= truth;
	}
	return s->length[1] ? GI_TRUTH_UNREADABLE : GI_FALSE;
}

#endif
