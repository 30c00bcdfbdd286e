/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Conditions: rows that work on a stack of truths, in CEL's logic of three. A part that can't be read
 * makes neither true nor false; `false && it` is still false and `true || it` still true.
 */
#ifndef GOINJECT_CONDITION_H
#define GOINJECT_CONDITION_H

#include "number.h"
#include "place.h"

#define GI_FALSE 0
#define GI_TRUE 1
#define GI_TRUTH_UNREADABLE 2
#define GI_TRUTH_ELSEWHERE 3 /* of a whole match: the condition holds, but the call comes from elsewhere */

#include "text.h"
#include "errors.h"
#include "element.h"

/*
 * Reads a place into s->word[0]. Returns enum gi_reason. Most are just a register, and a call that does not fire pays for
 * each step of the way.
 */
static __inline__ int gi_load_place(struct gi_scratch *s, struct gi_place *place)
{
	int reason;

	if (place->base == GI_BASE_INTEGER && !place->steps) {
		s->word[0] = gi_truncate(s->hit.reg[place->index & (GI_REGISTERS - 1)], place->size);
		return GI_OK;
	}
	reason = gi_resolve(s, place);
	return reason ? reason : gi_load(s, place->size);
}

/* The value of an operand, extended to 64 bits: s->operand[side]. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_load_operand(struct gi_scratch *s, gi_u32 row, gi_u32 side)
{
	struct gi_place *place;
	struct gi_term *term;
	gi_u32 source, kind;
	int reason;

	if (!GI_NEEDS(CONDITIONS) || !s)
		return GI_NO_ROW;
	term = gi_term_row(s, row);
	if (!term)
		return GI_NO_ROW;
	source = side ? term->right_source : term->left_source;
	kind = side ? term->right_kind : term->left_kind;
	if (source == GI_OPERAND_CONSTANT) {
		s->word[0] = term->constant;
	} else if (source == GI_OPERAND_CAPTURE) {
		if (!(s->call.captured & (1u << (term->slot & (GI_CAPTURES - 1)))))
			return GI_NO_ENTRY;
		s->word[0] = s->call.capture[term->slot & (GI_CAPTURES - 1)];
	} else {
		place = side ? &term->right : &term->left;
		reason = gi_load_place(s, place);
		if (reason == GI_NIL && s->where.index + 1 == place->steps &&
		    (term->flags & (side ? GI_TERM_NIL_IS_ZERO_RIGHT : GI_TERM_NIL_IS_ZERO_LEFT))) {
			s->word[0] = 0;
			reason = GI_OK;
		}
		if (reason)
			return reason;
		if (kind == GI_KIND_FLOAT && place->size == 4)
			s->word[0] = gi_widen(s->word[0]);
		else
			s->word[0] = gi_extend(s->word[0], place->size, kind);
	}
	s->operand[side & 1] = s->word[0];
	return GI_OK;
}

static __inline__ int gi_holds(gi_u32 test, int order)
{
	switch (test) {
	case GI_TEST_EQUAL: return order == 0;
	case GI_TEST_NOT_EQUAL: return order != 0;
	case GI_TEST_LESS: return order == -1;
	case GI_TEST_LESS_OR_EQUAL: return order == -1 || order == 0;
	case GI_TEST_GREATER: return order == 1;
	case GI_TEST_GREATER_OR_EQUAL: return order == 1 || order == 0;
	default: return 0;
	}
}

static __inline__ int gi_test_numbers(struct gi_scratch *s, gi_u32 row, const struct gi_term *term)
{
	if (gi_load_operand(s, row, 0))
		return GI_TRUTH_UNREADABLE;
	if (term->test == GI_TEST_TRUE)
		return (s->operand[0] & 1) != 0;
	if (term->right_source == GI_OPERAND_CONSTANT)
		s->operand[1] = term->constant;
	else if (gi_load_operand(s, row, 1))
		return GI_TRUTH_UNREADABLE;
	return gi_holds(term->test,
			gi_compare(s->operand[0], term->left_kind, s->operand[1], term->right_kind));
}

static __inline__ int gi_text_stands(struct gi_scratch *s, gi_u32 row, gi_u32 test)
{
	int order = gi_order_texts(s, row);

	return order == GI_UNORDERED ? GI_TRUTH_UNREADABLE : gi_holds(test, order);
}

/* One test, counted. Returns a truth. */
GI_SUBPROGRAM int gi_test(struct gi_scratch *s, gi_u32 row)
{
	struct gi_term_counters *counters;
	struct gi_term *term;
	int truth;

	if (!GI_NEEDS(CONDITIONS) || !s)
		return GI_TRUTH_UNREADABLE;
	term = gi_term_row(s, row);
	counters = gi_term_counters_row(s, row);
	if (!term || !counters)
		return GI_TRUTH_UNREADABLE;
	if (term->test == GI_TEST_IS)
		truth = gi_error_is(s, row);
	else if (term->test == GI_TEST_FOUND)
		truth = s->element[0] == GI_ELEMENT_UNREADABLE ? GI_TRUTH_UNREADABLE : s->element[0] != 0;
	else if (term->left_kind == GI_KIND_TEXT && term->test >= GI_TEST_LESS &&
		 term->test <= GI_TEST_GREATER_OR_EQUAL)
		truth = gi_text_stands(s, row, term->test);
	else if (term->left_kind != GI_KIND_TEXT)
		truth = gi_test_numbers(s, row, term);
	else if (term->right_source == GI_OPERAND_PLACE)
		truth = gi_texts_equal(s, row);
	else
		truth = gi_test_text(s, row);
	if (truth == GI_TRUTH_UNREADABLE)
		gi_count_term(s, &counters->unreadable);
	else if (truth)
		gi_count_term(s, &counters->held);
	else
		gi_count_term(s, &counters->failed);
	return truth;
}

/* Finds an element of the map that is a row's left operand. */
GI_SUBPROGRAM int gi_find_term(struct gi_scratch *s, gi_u32 row)
{
	struct gi_term *term;
	gi_u32 slot;

	if (!GI_NEEDS(CONDITIONS) || !s)
		return 0;
	term = gi_term_row(s, row);
	if (!term)
		return 0;
	slot = term->slot & 1;
	if (gi_load_operand(s, row, 0))
		s->element[slot] = GI_ELEMENT_UNREADABLE;
	else
		gi_find_element(s, term->text, slot);
	return 0;
}

/* Keeps the left operand of a row for the return of the call. */
static __inline__ void gi_capture_operand(struct gi_scratch *s, gi_u32 row, const struct gi_term *term)
{
	gi_u32 slot = term->slot & (GI_CAPTURES - 1);

	if (gi_load_operand(s, row, 0))
		return;
	s->call.capture[slot] = s->operand[0];
	s->call.captured |= 1u << slot;
}

static __inline__ gi_u32 gi_pop(struct gi_scratch *s)
{
	gi_u32 truth = s->truths & 3;

	s->truths >>= 2;
	return truth;
}

static __inline__ void gi_push(struct gi_scratch *s, gi_u32 truth)
{
	s->truths = s->truths << 2 | (truth & 3);
}

/* `decisive` decides alone: false for and, true for or. */
static __inline__ gi_u32 gi_join(gi_u32 left, gi_u32 right, gi_u32 decisive)
{
	if (left == decisive || right == decisive)
		return decisive;
	if (left == GI_TRUTH_UNREADABLE || right == GI_TRUTH_UNREADABLE)
		return GI_TRUTH_UNREADABLE;
	return !decisive;
}

/* Carries one row out. Returns how many rows to leave out behind it. */
static __inline__ gi_u32 gi_step_condition(struct gi_scratch *s, gi_u32 row)
{
	struct gi_term *term = gi_term_row(s, row);
	gi_u32 truth;

	if (!term)
		return 0;
	switch (term->op) {
	case GI_OP_TEST:
		gi_push(s, gi_test(s, row));
		return 0;
	case GI_OP_NOT:
		truth = gi_pop(s);
		gi_push(s, truth == GI_TRUTH_UNREADABLE ? truth : !truth);
		return 0;
	case GI_OP_AND:
		truth = gi_pop(s);
		gi_push(s, gi_join(gi_pop(s), truth, GI_FALSE));
		return 0;
	case GI_OP_OR:
		truth = gi_pop(s);
		gi_push(s, gi_join(gi_pop(s), truth, GI_TRUE));
		return 0;
	case GI_OP_SKIP_IF_FALSE:
		return (s->truths & 3) == GI_FALSE ? term->skip : 0;
	case GI_OP_SKIP_IF_TRUE:
		return (s->truths & 3) == GI_TRUE ? term->skip : 0;
	case GI_OP_FIND:
		gi_find_term(s, row);
		return 0;
	case GI_OP_RECALL:
		gi_push(s, (s->call.truths >> ((term->slot & 31) * 2)) & 3);
		return 0;
	default:
		return 0;
	}
}

/* At entry: carries one row of a record out, and keeps the outcome under its slot. */
static __inline__ void gi_record_term(struct gi_scratch *s, gi_u32 row)
{
	struct gi_term *term = gi_term_row(s, row);
	gi_u64 truth;

	if (!term)
		return;
	if (term->op == GI_OP_CAPTURE) {
		gi_capture_operand(s, row, term);
		return;
	}
	if (term->op == GI_OP_FIND) {
		gi_find_term(s, row);
		return;
	}
	truth = gi_test(s, row);
	s->call.truths |= (truth & 3) << ((term->slot & 31) * 2);
}

/* Whether a binding's condition holds. Returns a truth. */
GI_SUBPROGRAM int gi_condition(struct gi_scratch *s, gi_u32 first, gi_u32 count)
{
	gi_u32 i;

	if (!GI_NEEDS(CONDITIONS) || !s)
		return GI_TRUTH_UNREADABLE;
	s->truths = GI_TRUE;
	/* The position is kept in memory, of whose contents the verifier knows nothing: so all ways
	 * through an iteration end in one state, and it does not follow each of them to the end. */
	s->next_row = 0;
	for (i = 0; i < GI_TERMS; i++) {
		if (s->next_row >= count)
			break;
		s->next_row += 1 + gi_step_condition(s, first + s->next_row);
	}
	return s->truths & 3;
}

#endif
