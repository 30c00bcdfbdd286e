/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* What an edit puts into its place. */
#ifndef GOINJECT_SOURCE_H
#define GOINJECT_SOURCE_H

#include "gotime.h"
#include "place.h"
#include "softfloat.h"
#include "trigger.h"

/* What is there plus the operand, as the edit's kind adds. Go's integers wrap around, too. */
static __inline__ gi_u64 gi_sum(gi_u64 value, const struct gi_edit *edit)
{
	if (edit->kind != GI_KIND_FLOAT)
		return value + edit->operand;
	if (edit->place.size == 4)
		return gi_narrow(gi_float_add(gi_widen(value), gi_widen(edit->operand)));
	return gi_float_add(value, edit->operand);
}

/* A random float from low to high: the chance's share of the way. Both ends come up. */
GI_SUBPROGRAM gi_u64 gi_random_float(gi_u64 low, gi_u64 high, gi_u64 chance)
{
	gi_u64 share = gi_multiply_high(chance, GI_F64_HIDDEN + 1), value;

	if (!GI_NEEDS(ARITHMETIC))
		return 0;
	/* Not low + share * (high - low): the difference may be beyond all floats. */
	value = gi_float_add(gi_float_multiply(low, gi_fraction_of(GI_F64_HIDDEN - share)),
			     gi_float_multiply(high, gi_fraction_of(share)));
	if (gi_compare_floats(value, low) < 0)
		return low;
	return gi_compare_floats(value, high) == 1 ? high : value;
}

static __inline__ gi_u64 gi_random(struct gi_scratch *s, const struct gi_edit *edit, gi_u32 n)
{
	struct gi_fired *fired = &s->fired[s->applying & (GI_FIRED - 1)];
	struct gi_control *control = gi_control_row(s);
	struct gi_binding *binding = gi_binding_row(s, fired->binding);
	gi_u64 chance, count;

	if (!control || !binding)
		return 0;
	chance = gi_chance(control->seed, binding->rule, fired->call, GI_SALT_EDIT + n);
	if (edit->kind == GI_KIND_FLOAT && edit->place.size == 4)
		return gi_narrow(gi_random_float(gi_widen(edit->operand), gi_widen(edit->extra), chance));
	if (edit->kind == GI_KIND_FLOAT)
		return gi_random_float(edit->operand, edit->extra, chance);
	count = edit->extra - edit->operand + 1;
	/* 0: all of them. Each value comes up as often as any other, but for a part of 2^64. */
	return count ? edit->operand + gi_multiply_high(chance, count) : chance;
}

/* The word at an address; that of an interface value only if it is of the interface that is wanted. */
static __inline__ int gi_copied_word(struct gi_scratch *s, const struct gi_edit *edit)
{
	if (gi_user_read(s, &s->word[0], 8, edit->operand))
		return GI_READ_FAULT;
	if (!s->word[0] || !edit->extra)
		return GI_OK;
	/* A table starts with its interface. */
	if (gi_user_read(s, &s->word[1], 8, s->word[0]))
		return GI_READ_FAULT;
	return s->word[1] == edit->extra ? GI_OK : GI_WRONG_TYPE;
}

/* The type of an interface value: the second word of its table. */
static __inline__ int gi_type_of(struct gi_scratch *s, const struct gi_edit *edit)
{
	if (gi_user_read(s, &s->word[0], 8, edit->operand))
		return GI_READ_FAULT;
	if (s->word[0] && gi_user_read(s, &s->word[0], 8, s->word[0] + 8))
		return GI_READ_FAULT;
	return GI_OK;
}

/* What edit n will put in place: planned->after. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_source_value(struct gi_scratch *s, gi_u32 row, gi_u32 n)
{
	struct gi_edit *edit;
	struct gi_planned *planned;
	int reason = GI_OK;

	if (!GI_NEEDS(EDITS) || !s || n >= GI_EDITS)
		return GI_NO_ROW;
	edit = gi_edit_row(s, row);
	if (!edit)
		return GI_NO_ROW;
	planned = &s->planned[n];
	s->word[0] = planned->before;
	switch (edit->source) {
	case GI_CLEAR:
		planned->after = edit->operand;
		return GI_OK;
	case GI_PUT:
	case GI_FLIP:
	case GI_FRESH:
		s->word[0] = edit->operand;
		break;
	case GI_COPY:
		reason = gi_copied_word(s, edit);
		break;
	case GI_COPY_TYPE:
		reason = gi_type_of(s, edit);
		break;
	case GI_ADD:
		s->word[0] = gi_sum(planned->before, edit);
		break;
	case GI_XOR:
		s->word[0] ^= edit->operand;
		break;
	case GI_RANDOM:
		s->word[0] = gi_random(s, edit, n);
		break;
	case GI_CUT:
		if (s->word[0] > edit->operand)
			s->word[0] = edit->operand;
		break;
	case GI_SHRINK:
		if (s->word[0] < edit->operand)
			return GI_RANGE;
		s->word[0] = edit->operand;
		break;
	case GI_ENDED:
		s->word[0] = s->error[edit->operand & 1];
		break;
	case GI_REPEAT:
		s->word[0] = s->planned[(n - 1) & (GI_EDITS - 1)].after;
		break;
	case GI_TIME:
	case GI_TIME_REST:
		reason = gi_time(s, row, n);
		break;
	default:
		break;
	}
	planned->after = gi_truncate(s->word[0], edit->place.size);
	planned->extra = edit->extra;
	return reason;
}

/* Sets memory for a copy aside: its address, or 0. It is never given back. */
static __inline__ gi_u64 gi_set_aside(struct gi_scratch *s, gi_u64 length)
{
	struct gi_process *process = gi_process_row(s);
	gi_u64 size = (length + GI_PIECE - 1) & ~(gi_u64)(GI_PIECE - 1), address;

	/* What is refused takes none of it. */
	if (!process || !length || process->copies_next + size > process->copies_end)
		return 0;
	address = gi_add(&process->copies_next, size);
	return address + size <= process->copies_end ? address : 0;
}

/* Copies one piece of what gi_copy copies: from s->operand[0] to s->operand[1], flipped by s->length[1]. */
static __inline__ int gi_copy_piece(struct gi_scratch *s, gi_u32 at)
{
	gi_u64 left = s->length[0] - at;
	gi_u32 i, part = left > GI_PIECE ? GI_PIECE : left;

	if (gi_user_read(s, s->text, part, s->operand[0] + at))
		return GI_READ_FAULT;
	for (i = 0; i < GI_PIECE / 8; i++)
		s->text[i] ^= s->length[1];
	return gi_user_write(s, s->operand[1] + at, s->text, GI_PIECE) ? GI_WRITE_FAULT : GI_OK;
}

/* Has the garbage collector scan one piece of what gi_copy copies, as the byte for it says. */
static __inline__ int gi_have_scanned(struct gi_scratch *s, gi_u32 at)
{
	struct gi_process *process = gi_process_row(s);
	gi_u64 pieces = (s->length[0] + GI_PIECE - 1) / GI_PIECE;

	if (!process || !process->copies_scanned)
		return GI_UNSCANNED;
	if (gi_user_read(s, s->text, 1, s->operand[0] + pieces * GI_PIECE + at / GI_PIECE))
		return GI_READ_FAULT;
	return gi_user_write(s, process->copies_scanned + (s->operand[1] + at) / GI_PIECE, s->text, 1) ? GI_WRITE_FAULT : GI_OK;
}

/*
 * Copies what edit n is to point at, and has it point there: bytes of the scratch memory (GI_FRESH), or
 * those that the value has now, flipped (GI_FLIP). Returns enum gi_reason.
 */
GI_SUBPROGRAM int gi_copy(struct gi_scratch *s, gi_u32 n)
{
	struct gi_planned *planned;
	gi_u32 at;
	int reason;

	if (!GI_NEEDS(COPIES) || !s || n >= GI_EDITS)
		return GI_NO_ROW;
	planned = &s->planned[n];
	s->operand[0] = planned->after;
	s->length[0] = planned->extra;
	s->length[1] = 0;
	if (planned->source == GI_FLIP) {
		s->operand[0] = planned->before;
		s->length[0] = s->planned[(n + 1) & (GI_EDITS - 1)].before;
		s->length[1] = planned->after;
	}
	if (!s->length[0]) {
		planned->after = planned->before;
		return GI_OK;
	}
	if (s->length[0] > GI_COPIED)
		return GI_TOO_LONG;
	s->operand[1] = gi_set_aside(s, s->length[0]);
	if (!s->operand[1])
		return GI_NO_COPIES;
	planned->after = s->operand[1];
	for (at = 0; at < GI_COPIED; at += GI_PIECE) {
		if (at >= s->length[0])
			break;
		reason = gi_copy_piece(s, at);
		if (!reason && (planned->flags & GI_EDIT_SCANNED))
			reason = gi_have_scanned(s, at);
		if (reason)
			return reason;
	}
	return GI_OK;
}

#endif
