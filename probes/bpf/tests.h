/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Which Go test a call is made in. A test notes its goroutine when it begins. A goroutine knows the id of the
 * one that started it, and whoever starts one is noted as a member of its own test first: so a goroutine is in a test
 * if it is noted itself or the one that started it is, however long that has been gone.
 */
#ifndef GOINJECT_TESTS_H
#define GOINJECT_TESTS_H

#include "call.h"
#include "condition.h"
#include "within.h"

/* Reads the id that is at an offset of a g: s->member_key. 0 or not 0. */
static __inline__ int gi_name_member(struct gi_scratch *s, gi_u64 g, gi_u64 offset)
{
	if (!g || gi_user_read(s, &s->word[0], 8, g + offset))
		return 1;
	s->member_key.goid = s->word[0];
	s->member_key.process = s->hit.serial;
	return 0;
}

/* Finds the test of a goroutine: s->member. 0 or not 0, and then s->member is of no test. */
GI_SUBPROGRAM int gi_find_member(struct gi_scratch *s, gi_u64 g)
{
	struct gi_process *process;

	if (!GI_NEEDS(TESTS) || !s)
		return 1;
	process = gi_process_row(s);
	if (process && process->tests) {
		if (!gi_name_member(s, g, process->goid_offset) && !gi_member_load(s))
			return 0;
		if (process->parent_offset && !gi_name_member(s, g, process->parent_offset) && !gi_member_load(s))
			return 0;
	}
	s->member.test = 0;
	s->member.globs = 0;
	return 1;
}

/* Whether what was not found may have been forgotten. */
static __inline__ int gi_members_overflow(const struct gi_control *control)
{
	return !control || control->untold || control->members > GI_MEMBERS;
}

/* Whether the call is made in a test whose name matches a pattern, from 1. Returns a truth. */
GI_SUBPROGRAM int gi_in_test(struct gi_scratch *s, gi_u32 glob)
{
	if (!GI_NEEDS(TESTS) || !s)
		return GI_TRUTH_UNREADABLE;
	if (gi_find_member(s, s->hit.g))
		return gi_members_overflow(gi_control_row(s)) ? GI_TRUTH_UNREADABLE : GI_FALSE;
	return s->member.globs >> ((glob - 1) & 63) & 1 ? GI_TRUE : GI_FALSE;
}

/* Whether the call is the test's own, and not how package testing prints what came of it. Returns a truth. */
GI_SUBPROGRAM int gi_not_printing(struct gi_scratch *s)
{
	struct gi_process *process;

	if (!GI_NEEDS(TESTS) || !GI_NEEDS(CALLERS) || !s)
		return GI_TRUTH_UNREADABLE;
	process = gi_process_row(s);
	if (!process || !process->printing)
		return GI_TRUE;
	/* What prints is among the innermost: behind more callers than are looked at it is not. */
	return gi_within(s, process->first_printing, process->printing, 1) == GI_TRUE ? GI_FALSE : GI_TRUE;
}

/* Whether the name in s->event.test matches a pattern. */
GI_SUBPROGRAM int gi_test_matches(struct gi_scratch *s, gi_u32 row)
{
	struct gi_process *process;
	struct gi_state *state;
	gi_u32 i, first;

	if (!GI_NEEDS(TESTS) || !s)
		return 0;
	process = gi_process_row(s);
	if (!process)
		return 0;
	first = process->first_state;
	for (i = 0; i < GI_TEST_NAME; i++) {
		state = gi_state_row(s, first + row);
		if (!state)
			return 0;
		if (i >= s->event.test.length)
			return state->accepts;
		row = state->next[s->event.test.name[i]];
	}
	state = gi_state_row(s, first + row);
	return state ? state->accepts : 0;
}

/* Reads the name of the test at a T, B or F: s->event.test. 0 or not 0; of length 0 for what has none. */
GI_SUBPROGRAM int gi_read_test(struct gi_scratch *s, gi_u64 test)
{
	struct gi_process *process;
	gi_u64 length;

	if (!GI_NEEDS(TESTS) || !s)
		return 1;
	s->event.test.length = 0;
	s->event.test.padding = 0;
	process = gi_process_row(s);
	if (!process || !test || gi_user_read(s, &s->word[0], 16, test + process->test_name))
		return 1;
	length = s->word[1];
	if (!length)
		return 0;
	if (length > GI_TEST_NAME)
		length = GI_TEST_NAME;
	if (gi_user_read(s, s->event.test.name, length, s->word[0]))
		return 1;
	s->event.test.length = (gi_u32)length;
	/* What all benchmarks are called from. */
	if (length == 4 && *(gi_u32 *)s->event.test.name == 0x6e69614du)
		s->event.test.length = 0;
	return 0;
}

static __inline__ int gi_save_member(struct gi_scratch *s, struct gi_control *control)
{
	gi_add(&control->members, 1);
	if (!gi_member_save(s))
		return 0;
	gi_add(&control->untold, 1);
	return 1;
}

/* A test begins: its goroutine is noted. */
GI_SUBPROGRAM int gi_note_test(struct gi_scratch *s)
{
	struct gi_control *control;
	struct gi_process *process;
	struct gi_site *site;
	gi_u32 i;

	if (!GI_NEEDS(TESTS) || !s)
		return 0;
	control = gi_control_row(s);
	process = gi_process_row(s);
	site = gi_site_row(s, s->hit.site);
	if (!control || !process || !site)
		return 0;
	if (gi_first_argument(s, site->flags & GI_SITE_REGISTER_G) || gi_read_test(s, s->word[0]) ||
	    gi_name_member(s, s->hit.g, process->goid_offset)) {
		gi_add(&control->untold, 1);
		return 0;
	}
	if (!s->event.test.length)
		return 0;
	s->member.test = s->member_key.goid;
	s->member.globs = 0;
	for (i = 0; i < GI_TEST_GLOBS; i++) {
		if (i >= process->globs)
			break;
		if (gi_test_matches(s, i))
			s->member.globs |= 1ull << i;
	}
	gi_save_member(s, control);
	return gi_test_save(s);
}

/* A goroutine is started: the one that does it is noted, if it is in a test. */
GI_SUBPROGRAM int gi_note_spawn(struct gi_scratch *s)
{
	struct gi_control *control;
	struct gi_process *process;
	gi_u64 g, goid;

	if (!GI_NEEDS(TESTS) || !s)
		return 0;
	control = gi_control_row(s);
	process = gi_process_row(s);
	if (!control || !process)
		return 0;
	g = s->hit.reg[GI_SECOND_ARGUMENT];
	if (gi_find_member(s, g))
		return 0;
	goid = s->member_key.goid;
	if (gi_name_member(s, g, process->goid_offset) || s->member_key.goid == goid)
		return 0;
	return gi_save_member(s, control);
}

#endif
