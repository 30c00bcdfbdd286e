/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* Strings of the target, looked at by conditions. */
#ifndef GOINJECT_TEXT_H
#define GOINJECT_TEXT_H

#include "place.h"

/* Pointer and length of the string at a place: s->word[0], s->word[1]. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_text_find(struct gi_scratch *s, struct gi_place *place)
{
	int reason;

	if (!GI_NEEDS(TEXTS) || !s || !place || place->base == GI_BASE_FLOAT)
		return GI_NO_ROW;
	if (place->base == GI_BASE_INTEGER && !place->steps) {
		s->word[0] = s->hit.reg[place->index & (GI_REGISTERS - 1)];
		s->word[1] = s->hit.reg[(place->index + 1) & (GI_REGISTERS - 1)];
		return GI_OK;
	}
	reason = gi_resolve(s, place);
	if (reason)
		return reason;
	if (s->where.base == GI_BASE_ABSENT) {
		s->word[0] = 0;
		s->word[1] = 0;
		return GI_OK;
	}
	if (gi_user_read(s, &s->word[0], 8, s->where.address) ||
	    gi_user_read(s, &s->word[1], 8, s->where.address + 8))
		return GI_READ_FAULT;
	return GI_OK;
}

/* Reads bytes of a string, the rest zeros, so that whole words can be compared. Returns enum gi_reason. */
static __inline__ int gi_text_read(struct gi_scratch *s, gi_u64 *to, gi_u64 address, gi_u64 length)
{
	__builtin_memset(to, 0, GI_CONDITION_TEXT);
	if (!length)
		return GI_OK;
	if (length > GI_CONDITION_TEXT)
		return GI_TOO_LONG;
	return gi_user_read(s, to, length, address) ? GI_READ_FAULT : GI_OK;
}

/* Whether s->text is a fixed text. */
GI_SUBPROGRAM int gi_text_is(struct gi_scratch *s, gi_u32 row)
{
	struct gi_fixed_text *fixed;
	gi_u64 *words;
	gi_u32 i;

	if (!GI_NEEDS(TEXTS) || !s)
		return 0;
	fixed = gi_text_row(s, row);
	if (!fixed)
		return 0;
	words = (gi_u64 *)fixed->bytes;
	for (i = 0; i < GI_CONDITION_TEXT / 8; i++)
		if (s->text[i] != words[i])
			return 0;
	return 1;
}

/* Whether a fixed text of some length stands in s->text at an offset. */
GI_SUBPROGRAM int gi_text_stands_at(struct gi_scratch *s, gi_u32 row, gi_u32 length, gi_u32 offset)
{
	struct gi_fixed_text *fixed;
	gi_u8 *bytes;
	gi_u32 i;

	if (!GI_NEEDS(TEXTS) || !s)
		return 0;
	fixed = gi_text_row(s, row);
	if (!fixed)
		return 0;
	bytes = (gi_u8 *)s->text;
	for (i = 0; i < GI_CONDITION_TEXT; i++) {
		if (i >= length)
			return 1;
		if (bytes[(offset + i) & (GI_CONDITION_TEXT - 1)] != fixed->bytes[i])
			return 0;
	}
	return 1;
}

/* Whether a fixed text stands anywhere in the first `length` bytes of s->text. */
GI_SUBPROGRAM int gi_text_contains(struct gi_scratch *s, gi_u32 row, gi_u32 fixed_length, gi_u32 length)
{
	gi_u32 offset;

	if (!GI_NEEDS(TEXTS) || !s)
		return 0;
	for (offset = 0; offset <= GI_CONDITION_TEXT; offset++) {
		if (offset + fixed_length > length)
			return 0;
		if (gi_text_stands_at(s, row, fixed_length, offset))
			return 1;
	}
	return 0;
}

/* Two strings of the target. Returns a truth: false, true, or GI_TRUTH_UNREADABLE. */
GI_SUBPROGRAM int gi_texts_equal(struct gi_scratch *s, gi_u32 row)
{
	struct gi_term *term;
	gi_u32 i;

	if (!GI_NEEDS(TEXTS) || !s)
		return GI_TRUTH_UNREADABLE;
	term = gi_term_row(s, row);
	if (!term || gi_text_find(s, &term->left))
		return GI_TRUTH_UNREADABLE;
	s->operand[0] = s->word[0];
	s->length[0] = s->word[1];
	if (gi_text_find(s, &term->right))
		return GI_TRUTH_UNREADABLE;
	if (s->length[0] != s->word[1])
		return 0;
	if (gi_text_read(s, s->other_text, s->word[0], s->length[0]) ||
	    gi_text_read(s, s->text, s->operand[0], s->length[0]))
		return GI_TRUTH_UNREADABLE;
	for (i = 0; i < GI_CONDITION_TEXT / 8; i++)
		if (s->text[i] != s->other_text[i])
			return 0;
	return 1;
}

/*
 * How the left string of a row stands to the right one, which may be fixed: -1, 0, 1, or GI_UNORDERED where that can't be
 * told: both begin with the same GI_CONDITION_TEXT bytes, or one can't be read.
 */
GI_SUBPROGRAM int gi_order_texts(struct gi_scratch *s, gi_u32 row)
{
	struct gi_fixed_text *fixed;
	struct gi_term *term;
	gi_u64 left, right;
	gi_u32 i;

	if (!GI_NEEDS(TEXTS) || !s)
		return GI_UNORDERED;
	term = gi_term_row(s, row);
	if (!term || gi_text_find(s, &term->left))
		return GI_UNORDERED;
	s->operand[0] = s->word[0];
	s->length[0] = s->word[1];
	if (term->right_source == GI_OPERAND_PLACE) {
		if (gi_text_find(s, &term->right))
			return GI_UNORDERED;
		s->length[1] = s->word[1];
		right = s->word[1] > GI_CONDITION_TEXT ? GI_CONDITION_TEXT : s->word[1];
		if (gi_text_read(s, s->other_text, s->word[0], right))
			return GI_UNORDERED;
	} else {
		s->length[1] = term->constant;
		fixed = gi_text_row(s, term->text);
		if (!fixed)
			return GI_UNORDERED;
		__builtin_memcpy(s->other_text, fixed->bytes, GI_CONDITION_TEXT);
	}
	left = s->length[0] > GI_CONDITION_TEXT ? GI_CONDITION_TEXT : s->length[0];
	if (gi_text_read(s, s->text, s->operand[0], left))
		return GI_UNORDERED;
	/* The first byte of a word counts most. */
	for (i = 0; i < GI_CONDITION_TEXT / 8; i++) {
		left = __builtin_bswap64(s->text[i]);
		right = __builtin_bswap64(s->other_text[i]);
		if (left != right)
			return left < right ? -1 : 1;
	}
	if (s->length[0] > GI_CONDITION_TEXT && s->length[1] > GI_CONDITION_TEXT)
		return GI_UNORDERED;
	return s->length[0] < s->length[1] ? -1 : s->length[0] > s->length[1];
}

/* A string of the target against a fixed text. Returns a truth. */
GI_SUBPROGRAM int gi_test_text(struct gi_scratch *s, gi_u32 row)
{
	struct gi_term *term;
	gi_u64 address, length, wanted;

	if (!GI_NEEDS(TEXTS) || !s)
		return GI_TRUTH_UNREADABLE;
	term = gi_term_row(s, row);
	if (!term || gi_text_find(s, &term->left))
		return GI_TRUTH_UNREADABLE;
	address = s->word[0];
	length = s->word[1];
	wanted = term->constant;
	if (wanted > GI_CONDITION_TEXT)
		return GI_TRUTH_UNREADABLE;
	if (wanted > length)
		return 0;
	switch (term->test) {
	case GI_TEST_EQUAL:
		if (length != wanted)
			return 0;
		break;
	case GI_TEST_ENDS_WITH:
		address += length - wanted;
		break;
	case GI_TEST_CONTAINS:
		s->length[0] = length;
		if (length > GI_CONDITION_TEXT)
			length = GI_CONDITION_TEXT;
		if (gi_text_read(s, s->text, address, length))
			return GI_TRUTH_UNREADABLE;
		if (gi_text_contains(s, term->text, wanted, length))
			return 1;
		return s->length[0] > GI_CONDITION_TEXT ? GI_TRUTH_UNREADABLE : 0;
	default:
		break;
	}
	if (gi_text_read(s, s->text, address, wanted))
		return GI_TRUTH_UNREADABLE;
	return gi_text_is(s, term->text);
}

#endif
