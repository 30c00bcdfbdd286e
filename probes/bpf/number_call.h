/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * By what another run of the same program recognizes a call: its rule, its Go test, its call stack, and its number
 * among the calls that have these in common. Neither addresses of data nor ids are in it, and code counts from where
 * it was linked to.
 */
#ifndef GOINJECT_NUMBER_CALL_H
#define GOINJECT_NUMBER_CALL_H

#include "abi.h"
#include "tests.h"
#include "trigger.h"
#include "within.h"

/* Halvings that find one of the forced calls. */
#define GI_FORCED_STEPS 24

static __inline__ gi_u64 gi_mix(gi_u64 hash, gi_u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

/* The name of the call's Go test, mixed into s->place. */
GI_SUBPROGRAM int gi_mix_test(struct gi_scratch *s)
{
	gi_u32 i;

	if (!GI_NEEDS(NUMBERS) || !GI_NEEDS(TESTS) || !s)
		return 0;
	if (gi_find_member(s, s->hit.g) || gi_test_load(s))
		return 0;
	for (i = 0; i < GI_TEST_NAME; i++) {
		if (i >= s->event.test.length)
			break;
		s->place = gi_mix(s->place, s->event.test.name[i]);
	}
	return 0;
}

/* The return addresses, mixed into s->place. */
GI_SUBPROGRAM int gi_mix_stack(struct gi_scratch *s, gi_u64 bias)
{
	gi_u32 i;

	if (!GI_NEEDS(NUMBERS) || !s)
		return 0;
	gi_take_stack(s);
	for (i = 0; i < GI_STACK; i++) {
		if (i >= s->event.frames)
			break;
		s->place = gi_mix(s->place, s->event.stack[i] - bias);
	}
	return 0;
}

/* Numbers a call of a rule that matched: s->place, s->number. */
GI_SUBPROGRAM int gi_number_call(struct gi_scratch *s, gi_u32 row)
{
	struct gi_process *process;

	if (!GI_NEEDS(NUMBERS) || !GI_NEEDS(GOROUTINES) || !s)
		return 0;
	process = gi_process_row(s);
	if (!process)
		return 0;
	s->place = process->build;
	gi_mix_test(s);
	gi_mix_stack(s, process->bias);
	s->goroutine_key.g = s->place;
	s->goroutine_key.rule = row | GI_SCOPE_PLACE;
	s->goroutine_key.process = 0;
	s->number = gi_count_goroutine(s, 0);
	return 0;
}

/* What a numbered call is listed by in gi_forced. */
static __inline__ gi_u64 gi_forced_key(gi_u64 place, gi_u64 number, gi_u32 row)
{
	return gi_mix(gi_mix(place, number), row);
}

/* Whether the call that was just numbered is one of the forced ones. */
GI_SUBPROGRAM int gi_is_forced(struct gi_scratch *s, gi_u32 row)
{
	struct gi_control *control;
	gi_u64 key, *there;
	gi_u32 i, middle;

	if (!GI_NEEDS(NUMBERS) || !s)
		return 0;
	control = gi_control_row(s);
	if (!control || !s->number)
		return 0;
	key = gi_forced_key(s->place, s->number, row);
	s->low = 0;
	s->high = control->forced;
	for (i = 0; i < GI_FORCED_STEPS; i++) {
		if (s->low >= s->high)
			return 0;
		middle = s->low + (s->high - s->low) / 2;
		there = gi_forced_row(s, middle);
		if (!there)
			return 0;
		if (*there == key)
			return 1;
		if (*there < key)
			s->low = middle + 1;
		else
			s->high = middle;
	}
	return 0;
}

/* Whether calls are numbered; until they are, this one has no number. */
static __inline__ int gi_are_numbered(struct gi_scratch *s)
{
	const struct gi_control *control = gi_control_row(s);

	s->place = 0;
	s->number = 0;
	return control && control->numbers;
}

static __inline__ int gi_is_process_forced(struct gi_scratch *s)
{
	const struct gi_process *process = gi_process_row(s);

	return process && process->forced;
}

/* Whether a rule fires in a call that matched because it did in the recorded run. */
GI_SUBPROGRAM int gi_fires_as_recorded(struct gi_scratch *s, gi_u32 row)
{
	struct gi_counters *counters;
	struct gi_control *control;
	gi_u32 held = GI_HELD_CALLS;

	if (!GI_NEEDS(NUMBERS) || !s)
		return 0;
	if (gi_is_forced(s, row)) {
		control = gi_control_row(s);
		if (control && gi_allowed(s, control, gi_now(s)))
			return 1;
		held = GI_HELD_LIMIT;
	}
	counters = gi_counters_row(s, row);
	if (counters)
		gi_count(s, &counters->held[held], 1);
	return 0;
}

#endif
