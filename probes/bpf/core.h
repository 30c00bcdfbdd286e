/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The decision core: which rules fire in this call, and what they do.
 *
 * The same source is compiled by clang for BPF (inject.bpf.c) and by cc for the ptrace engine
 * (native.c), so a rule can't mean two things. It knows registers, memory and tables, and neither
 * how a value reaches the target nor what a rule file is. Whoever includes it provides, before:
 *
 *   rows      gi_forced_row, gi_site_row, gi_binding_row, gi_rule_row, gi_edit_row, gi_term_row, gi_text_row, gi_range_row, gi_state_row,
 *             gi_counters_row, gi_term_counters_row, gi_control_row,
 *             gi_process_row (of the hit): pointer to a row, or NULL
 *   memory    gi_user_read, gi_user_write: 0 or not 0
 *   floats    gi_float_read, gi_float_write, through s->word[0]: 0 or not 0
 *   thread    gi_thread_g: g from thread-local storage, or 0
 *   memories  gi_call_load, _save, _forget: s->call by s->call_key; gi_delay_load, _save, _forget: s->delay
 *             by s->g_key; gi_count_goroutine: counts s->goroutine_key and returns the count, 0 if there is no room;
 *             gi_take_in_scope: counts a firing of what that has counted, and returns how many were before
 *             gi_member_load, _save: s->member by s->member_key; gi_test_load: s->event.test by s->member.test;
 *             gi_test_save: by s->member_key
 *   counts    gi_count and gi_count_term: add to a counter of a rule, or of a term, that no decision depends on; natively also
 *             gi_take_number, which in the kernel is a plain common count, and inside a target gi_take_fault and gi_return_fault
 *   others    gi_now, gi_add and gi_swap (atomic, return the value before), gi_emit, gi_are_events_taken (of a rule, by anybody; one that is not is none),
 *             gi_is_event_wanted (before one is put together; one that is not goes to gi_drop_event)
 *
 * Every function marked GI_SUBPROGRAM is verified by the kernel by itself, which keeps the loops
 * over table rows linear for the verifier. Hence the null checks of their pointer arguments. Calls
 * may be eight deep at the most.
 */
#ifndef GOINJECT_CORE_H
#define GOINJECT_CORE_H

#include "abi.h"
#include "goabi.h"
#include "hit.h"
#include "call.h"
#include "place.h"
#include "condition.h"
#include "within.h"
#include "tests.h"
#include "trigger.h"
#include "number_call.h"
#include "edit.h"
#include "delay.h"

/* Whether a hit of this site is a call: the jump of a stack check is passed once more on the way to morestack. */
static __inline__ int gi_is_call(const struct gi_site *site, gi_u64 flags)
{
	return !gi_check_fails(flags, site->check_flags);
}

/* The goroutine: in a register of its own, or in thread-local storage where the convention has no register for it. */
static __inline__ gi_u64 gi_find_g(struct gi_scratch *s, const struct gi_site *site)
{
	return (site->flags & GI_SITE_REGISTER_G) ? s->hit.reg[GI_G] : gi_thread_g(s);
}

/* Names the goroutine, for all that is kept of it. */
static __inline__ void gi_know_goroutine(struct gi_scratch *s, const struct gi_site *site)
{
	s->hit.g = gi_find_g(s, site);
	s->g_key.g = s->hit.g;
	s->g_key.process = s->hit.serial;
	s->g_key.padding = 0;
}

static __inline__ void gi_fail(struct gi_scratch *s, struct gi_counters *counters, gi_u32 reason)
{
	gi_count(s, &counters->failed[reason & (GI_REASONS - 1)], 1);
}

GI_SUBPROGRAM int gi_fail_rule(struct gi_scratch *s, gi_u32 rule, gi_u32 reason)
{
	struct gi_counters *counters;

	if (!s)
		return 0;
	counters = gi_counters_row(s, rule);
	if (counters)
		gi_fail(s, counters, reason);
	return 0;
}

static __inline__ void gi_name_call(struct gi_scratch *s, gi_u32 rule)
{
	s->call_key.g = s->hit.g;
	s->call_key.depth = s->depth;
	s->call_key.rule = rule;
	s->call_key.process = s->hit.serial;
}

/* At an entry: keeps what the return of the same call will want to know. */
GI_SUBPROGRAM int gi_record(struct gi_scratch *s, gi_u32 row)
{
	struct gi_binding *binding;
	gi_u32 i;

	if (!GI_NEEDS(CALLS) || !s)
		return 0;
	binding = gi_binding_row(s, row);
	if (!binding || gi_find_depth(s))
		return 0;
	s->call.call = 0;
	s->call.truths = 0;
	s->call.captured = 0;
	s->call.fired = 0;
	for (i = 0; i < GI_TERMS; i++) {
		if (i >= binding->terms)
			break;
		gi_record_term(s, binding->first_term + i);
	}
	gi_name_call(s, binding->rule);
	return gi_call_save(s);
}

/* At a return: takes what was kept at the entry of the same call. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_recall(struct gi_scratch *s, gi_u32 rule)
{
	int missing;

	if (!GI_NEEDS(CALLS) || !s)
		return GI_NO_ROW;
	missing = gi_find_depth(s);
	if (!missing) {
		gi_name_call(s, rule);
		missing = gi_call_load(s);
	}
	if (!missing) {
		gi_call_forget(s);
		return GI_OK;
	}
	s->call.call = 0;
	s->call.truths = 0xaaaaaaaaaaaaaaaaull; /* all GI_TRUTH_UNREADABLE */
	s->call.captured = 0;
	s->call.fired = 0;
	return GI_NO_ENTRY;
}

/* At an entry: tells the return of the same call whether the rule fired. */
GI_SUBPROGRAM int gi_pair(struct gi_scratch *s, gi_u32 rule, gi_u64 call, gi_u32 fired)
{
	if (!GI_NEEDS(CALLS) || !s || gi_find_depth(s))
		return GI_NOT_HERE;
	gi_name_call(s, rule);
	if (!fired) {
		/* Of an earlier call at this depth, which a panic ended. */
		gi_call_forget(s);
		return GI_OK;
	}
	s->call.call = call;
	s->call.truths = 0;
	s->call.captured = 0;
	s->call.fired = 1;
	return gi_call_save(s) ? GI_NO_ROOM : GI_OK;
}

/* Whether the call is one that a binding is for. Returns a truth. */
static __inline__ int gi_matches(struct gi_scratch *s, const struct gi_binding *binding)
{
	int truth = GI_TRUE;

	if (GI_NEEDS(CALLS) && (binding->flags & GI_BINDING_RECALLS))
		gi_recall(s, binding->rule);
	if (GI_NEEDS(CONDITIONS) && binding->terms)
		truth = gi_condition(s, binding->first_term, binding->terms);
	if (truth != GI_TRUE)
		return truth;
	if (GI_NEEDS(TESTS) && binding->test)
		truth = gi_in_test(s, binding->test);
	if (GI_NEEDS(TESTS) && GI_NEEDS(CALLERS) && truth == GI_TRUE && binding->test)
		truth = gi_not_printing(s);
	if (GI_NEEDS(CALLERS) && truth == GI_TRUE && binding->ranges)
		truth = gi_within(s, binding->first_range, binding->ranges, 1);
	if (GI_NEEDS(CALLERS) && truth == GI_TRUE && binding->levels)
		truth = gi_within(s, binding->first_caller, binding->callers, binding->levels);
	return truth == GI_FALSE ? GI_TRUTH_ELSEWHERE : truth;
}

/* The number of this call among those that the rule's trigger counts; 0 if it can't be counted. */
static __inline__ gi_u64 gi_number(struct gi_scratch *s, const struct gi_rule *rule, gi_u32 row, gi_u64 call)
{
	struct gi_process *process;

	if (!GI_NEEDS(GOROUTINES) ||
	    !(rule->flags & (GI_RULE_PER_GOROUTINE | GI_RULE_PER_TEST | GI_RULE_PER_PROCESS)))
		return call;
	s->goroutine_key.process = s->hit.serial;
	if (rule->flags & GI_RULE_PER_PROCESS) {
		s->goroutine_key.g = 0;
		s->goroutine_key.rule = row | GI_SCOPE_PROCESS;
		return gi_count_goroutine(s, 0);
	}
	if (rule->flags & GI_RULE_PER_TEST) {
		/* Calls outside of all tests are counted together. */
		if (gi_find_member(s, s->hit.g) && gi_members_overflow(gi_control_row(s)))
			return 0;
		s->goroutine_key.g = s->member.test;
		s->goroutine_key.rule = row | GI_SCOPE_TEST;
		return gi_count_goroutine(s, s->member.test);
	}
	process = gi_process_row(s);
	if (!process || !s->hit.g || gi_user_read(s, &s->word[0], 8, s->hit.g + process->goid_offset))
		return 0;
	s->goroutine_key.g = s->hit.g;
	s->goroutine_key.rule = row | GI_SCOPE_GOROUTINE;
	return gi_count_goroutine(s, s->word[0]);
}

#ifdef __bpf__
/* Counts a call that matched, and numbers it. */
static __inline__ gi_u64 gi_take_number(struct gi_scratch *s, const struct gi_rule *rule,
					const struct gi_binding *binding, struct gi_counters *counters)
{
	return gi_add(&counters->matched, 1) + 1;
}
#endif

/* Counts a call of a rule and decides: the call's number if it fires, else 0. */
static __inline__ gi_u64 gi_decide_rule(struct gi_scratch *s, const struct gi_binding *binding)
{
	struct gi_counters *counters = gi_counters_row(s, binding->rule);
	struct gi_rule *rule = gi_rule_row(s, binding->rule);
	gi_u64 call, n;
	int truth;

	if (!counters || !rule)
		return 0;
	gi_count(s, &counters->calls, 1);
	truth = gi_matches(s, binding);
	if (truth == GI_TRUTH_UNREADABLE)
		gi_count(s, &counters->held[GI_HELD_UNREADABLE], 1);
	if (truth == GI_TRUTH_ELSEWHERE)
		gi_count(s, &counters->held[GI_HELD_WITHIN], 1);
	if (truth != GI_TRUE)
		return 0;
	call = gi_take_number(s, rule, binding, counters);
	if (GI_NEEDS(NUMBERS) && gi_are_numbered(s))
		gi_number_call(s, binding->rule);
#ifndef __bpf__
	/* It was counted where nobody's turn comes. */
	if (call == GI_PASSED) {
		gi_count(s, &counters->held[GI_HELD_CALLS], 1);
		return 0;
	}
#endif
	n = gi_number(s, rule, binding->rule, call);
	if (!n) {
		gi_fail(s, counters, GI_NO_ROOM);
		return 0;
	}
	if (GI_NEEDS(NUMBERS) && gi_is_process_forced(s)) {
		if (!gi_fires_as_recorded(s, binding->rule))
			return 0;
	} else if (!gi_fires(s, binding->rule, n, call)) {
		return 0;
	}
	gi_count(s, &counters->fired, 1);
	return call;
}

/* How long a binding delays its call: the jitter of the call-th. */
static __inline__ gi_u64 gi_delay_of(struct gi_scratch *s, const struct gi_binding *binding, gi_u64 call)
{
	struct gi_control *control = gi_control_row(s);
	gi_u64 jitter = binding->jitter;

	if (!GI_NEEDS(DELAYS) || !(binding->flags & GI_BINDING_DELAYS) || !control)
		return 0;
	if (jitter)
		jitter = gi_chance(control->seed, binding->rule, call, GI_SALT_JITTER) % (jitter + 1);
	return binding->delay + jitter;
}

/* Notes a binding that fired in s->fired. Returns whether the rules behind it have their turn, too. */
GI_SUBPROGRAM int gi_note_fired(struct gi_scratch *s, gi_u32 row, gi_u64 call)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	struct gi_rule *rule;
	gi_u32 n;

	if (!s)
		return 1;
	binding = gi_binding_row(s, row);
	if (!binding)
		return 1;
	counters = gi_counters_row(s, binding->rule);
	rule = gi_rule_row(s, binding->rule);
	n = s->fired_count;
	if (!counters || !rule)
		return 1;
	if (n >= GI_FIRED) {
		gi_fail(s, counters, GI_TOO_MANY);
		return 1;
	}
	s->fired[n].binding = row;
	s->fired[n].settled = 0;
	s->fired[n].call = call;
	s->fired[n].delay = 0;
	s->fired[n].place = s->place;
	s->fired[n].number = s->number;
	s->fired_count = n + 1;
	if (rule->flags & GI_RULE_OBSERVE)
		return 1;
	s->fired[n].delay = gi_delay_of(s, binding, call);
	if (binding->edits || (binding->flags & (GI_BINDING_RETURNS | GI_BINDING_PANICS | GI_BINDING_DELAYS)))
		s->writes = 1;
	return !(binding->flags & (GI_BINDING_RETURNS | GI_BINDING_PANICS | GI_BINDING_UNTIL));
}

/* Decides for one rule. Returns whether the rules behind it have their turn, too. */
GI_SUBPROGRAM int gi_decide_binding(struct gi_scratch *s, gi_u32 row)
{
	struct gi_binding *binding;
	gi_u64 call;

	if (!s)
		return 1;
	binding = gi_binding_row(s, row);
	if (!binding)
		return 1;
	if (GI_NEEDS(CALLS) && (binding->flags & GI_BINDING_RECORDS)) {
		gi_record(s, row);
		return 1;
	}
	if (GI_NEEDS(CALLS) && (binding->flags & GI_BINDING_FOLLOWS)) {
		if (gi_recall(s, binding->rule) || !s->call.fired)
			return 1;
		s->place = 0;
		s->number = 0;
		return gi_note_fired(s, row, s->call.call);
	}
	call = gi_decide_rule(s, binding);
	if (GI_NEEDS(CALLS) && (binding->flags & GI_BINDING_PAIRS) && gi_pair(s, binding->rule, call, call != 0) && call) {
		/* The return would not know of it: better nothing than half of it. */
		gi_fail_rule(s, binding->rule, GI_NO_ROOM);
		return 1;
	}
	return call ? gi_note_fired(s, row, call) : 1;
}

/* Decides for every rule of a site, in file order: s->fired. */
static __inline__ void gi_decide(struct gi_scratch *s, const struct gi_site *site)
{
	gi_u32 i;

	for (i = 0; i < GI_BINDINGS; i++) {
		if (i >= site->bindings)
			break;
		if (!gi_decide_binding(s, site->first_binding + i))
			break;
	}
}

/*
 * Looks at a thread that is at a probe. Returns whether anything is to be done where edits can be made:
 * s->stage.
 */
GI_SUBPROGRAM int gi_begin(struct gi_scratch *s)
{
	struct gi_site *site;
	int back = GI_BACK_CALL;

	if (!s)
		return 0;
	site = gi_site_row(s, s->hit.site);
	if (!site)
		return 0;
	s->stage = GI_STAGE_FAULTS;
	s->fired_count = 0;
	s->writes = 0;
	s->slept = 0;
	s->ended = GI_ENDED_NOT;
	if (GI_NEEDS(TESTS) && (site->flags & GI_SITE_TEST))
		gi_note_test(s);
	if (GI_NEEDS(TESTS) && (site->flags & GI_SITE_SPAWN))
		gi_note_spawn(s);
	if (GI_NEEDS(DELAYS) && site->kind == GI_SITE_SLOT) {
		s->stage = GI_STAGE_SLOT;
		s->writes = 1;
		return gi_at_slot(s);
	}
	if (GI_NEEDS(DELAYS) && (site->flags & GI_SITE_DELAYS))
		back = gi_back_from_delay(s);
	if (back == GI_BACK_EARLY) {
		s->stage = GI_STAGE_AGAIN;
		s->writes = 1;
		return 1;
	}
	if (back == GI_BACK_CALL)
		gi_decide(s, site);
	else
		s->writes = 1;
	if (!s->fired_count)
		return 0;
	/* Before any edit moves the stack pointer. */
	if (gi_is_event_wanted(s))
		gi_take_stack(s);
	return 1;
}

#include "perform.h"

#endif
