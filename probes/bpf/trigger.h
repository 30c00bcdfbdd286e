/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* Triggers: which of the matching calls fire. */
#ifndef GOINJECT_TRIGGER_H
#define GOINJECT_TRIGGER_H

#include "abi.h"

/* Evenly distributed 64 bits: the same for the same seed, rule, call and salt, on every engine. */
static __inline__ gi_u64 gi_chance(gi_u64 seed, gi_u32 rule, gi_u64 call, gi_u32 salt)
{
	gi_u64 x = seed ^ call * 0x9e3779b97f4a7c15ull ^ ((gi_u64)rule << 32 | salt) * 0xd1b54a32d192ed03ull;

	/* The finalizer of SplitMix64, twice: neighbouring inputs must not show in the output. */
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	x = (x ^ (x >> 31)) + 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* Salts: what a random number is for. Edit n of a rule uses GI_SALT_EDIT + n. */
#define GI_SALT_PROBABILITY 0
#define GI_SALT_JITTER 1
#define GI_SALT_EDIT 16

/* Whether the turn of the n-th call, from 1, has come. */
static __inline__ int gi_counted(const struct gi_rule *rule, gi_u64 n)
{
	gi_u32 flags = rule->flags;

	if ((flags & GI_RULE_NTH) && n != rule->nth)
		return 0;
	if ((flags & GI_RULE_EVERY) && (!rule->every || n % rule->every))
		return 0;
	if ((flags & GI_RULE_FIRST) && n > rule->first)
		return 0;
	if ((flags & GI_RULE_AFTER_CALLS) && n <= rule->after_calls)
		return 0;
	return !(flags & GI_RULE_UNTIL_CALLS) || n <= rule->until_calls;
}

static __inline__ int gi_in_window(const struct gi_rule *rule, gi_u64 since_armed)
{
	if ((rule->flags & GI_RULE_AFTER_TIME) && since_armed < rule->after_time)
		return 0;
	return !(rule->flags & GI_RULE_UNTIL_TIME) || since_armed < rule->until_time;
}

/* Whether it matters to the n-th call what time it is. Within the kernel it costs less to look than to ask. */
static __inline__ int gi_is_timed(const struct gi_rule *rule, const struct gi_control *control, gi_u64 n)
{
#ifdef __bpf__
	return 1;
#else
	return gi_counted(rule, n) && (control->deadline || *(const volatile gi_u64 *)&control->lease ||
				       (rule->flags & (GI_RULE_AFTER_TIME | GI_RULE_UNTIL_TIME | GI_RULE_RATE)));
#endif
}

/* Takes a turn at the rate, if one is free: firings are at least an interval apart. */
static __inline__ int gi_take_turn(const struct gi_rule *rule, struct gi_counters *counters, gi_u64 now)
{
	gi_u64 next = counters->next_time;

	if (!rule->interval || now < next)
		return 0;
	/* Whoever else changed it meanwhile has the turn. */
	return gi_swap(&counters->next_time, next, now + rule->interval) == next;
}

/* Whether the rule has fired as often as it may, in the whole run or in the scope whose call was just counted. */
static __inline__ int gi_spent(struct gi_scratch *s, const struct gi_rule *rule, struct gi_counters *counters)
{
	if (GI_NEEDS(GOROUTINES) && (rule->flags & (GI_RULE_PER_TEST | GI_RULE_PER_PROCESS)))
		return gi_take_in_scope(s) >= rule->times;
	return counters->taken >= rule->times || gi_add(&counters->taken, 1) >= rule->times;
}

#ifndef GI_INLINE
/* Counts a fault against the limit of the run. Returns whether that allows it. */
static __inline__ int gi_take_fault(struct gi_scratch *s, struct gi_control *control)
{
	return control->faults < control->fault_limit && gi_add(&control->faults, 1) < control->fault_limit;
}

static __inline__ void gi_return_fault(struct gi_scratch *s, struct gi_control *control)
{
	gi_add(&control->faults, -1ull);
}
#endif

/* Whether the limits of the run allow another fault, which is counted, and goinject is there to end it. */
static __inline__ int gi_allowed(struct gi_scratch *s, struct gi_control *control, gi_u64 now)
{
	gi_u64 lease = *(volatile gi_u64 *)&control->lease;

	return (!control->deadline || now < control->deadline) && (!lease || now < lease) && gi_take_fault(s, control);
}

/* Whether a call whose turn has not come makes up for one that was put off. */
GI_SUBPROGRAM int gi_makes_up(struct gi_scratch *s, gi_u32 row, gi_u32 held)
{
	struct gi_counters *counters;
	struct gi_control *control;
	struct gi_rule *rule;
	gi_u64 owed, now;

	if (!GI_NEEDS(TRIGGERS) || !s)
		return 0;
	counters = gi_counters_row(s, row);
	control = gi_control_row(s);
	rule = gi_rule_row(s, row);
	if (!counters || !control || !rule)
		return 0;
	owed = counters->owed;
	if (!owed || (held != GI_HELD_CALLS && held != GI_HELD_CHANCE && held != GI_HELD_TIMES))
		return 0;
	now = gi_now(s);
	if (!gi_in_window(rule, now - control->armed_at))
		return 0;
	/* One that is too late has taken its turn already. */
	if (held != GI_HELD_TIMES && (rule->flags & GI_RULE_RATE) && !gi_take_turn(rule, counters, now))
		return 0;
	/* Whoever else changed it meanwhile makes up for it. */
	return gi_swap(&counters->owed, owed, owed - 1) == owed && gi_allowed(s, control, now);
}

/*
 * Takes a firing back that can't be made now: the next call that could fire does. Not where it belongs to a scope, or
 * to a rule that has more to do in the same call. Returns whether it did.
 */
GI_SUBPROGRAM int gi_put_off(struct gi_scratch *s, gi_u32 row)
{
	struct gi_counters *counters;
	struct gi_binding *binding;
	struct gi_control *control;
	struct gi_rule *rule;

	if (!GI_NEEDS(EDITS) || !s)
		return 0;
	binding = gi_binding_row(s, row);
	control = gi_control_row(s);
	if (!binding || !control || !(binding->flags & GI_BINDING_COUNTS) || !(binding->flags & GI_BINDING_COMPLETES))
		return 0;
	counters = gi_counters_row(s, binding->rule);
	rule = gi_rule_row(s, binding->rule);
	if (!counters || !rule || (rule->flags & (GI_RULE_PER_GOROUTINE | GI_RULE_PER_TEST | GI_RULE_PER_PROCESS)))
		return 0;
	gi_count(s, &counters->fired, -1ull);
	gi_return_fault(s, control);
	gi_count(s, &counters->held[GI_HELD_MARKING], 1);
	gi_add(&counters->owed, 1);
	return 1;
}

/* Whether a rule fires in a call that matched: the n-th to count, the call-th of the rule. Counts what held it back. */
GI_SUBPROGRAM int gi_fires(struct gi_scratch *s, gi_u32 row, gi_u64 n, gi_u64 call)
{
	struct gi_counters *counters;
	struct gi_control *control;
	struct gi_rule *rule;
	gi_u64 now;
	gi_u32 held;

	if (!s)
		return 0;
	counters = gi_counters_row(s, row);
	control = gi_control_row(s);
	rule = gi_rule_row(s, row);
	if (!counters || !control || !rule)
		return 0;
	now = gi_is_timed(rule, control, n) ? gi_now(s) : 0;
	if (GI_NEEDS(TRIGGERS) && !gi_counted(rule, n)) {
		held = GI_HELD_CALLS;
	} else if (GI_NEEDS(TRIGGERS) && !gi_in_window(rule, now - control->armed_at)) {
		held = GI_HELD_WINDOW;
	} else if (GI_NEEDS(TRIGGERS) && (rule->flags & GI_RULE_PROBABILITY) &&
		   gi_chance(control->seed, row, call, GI_SALT_PROBABILITY) >= rule->probability) {
		held = GI_HELD_CHANCE;
	} else if (GI_NEEDS(TRIGGERS) && (rule->flags & GI_RULE_RATE) && !gi_take_turn(rule, counters, now)) {
		held = GI_HELD_RATE;
	} else if (GI_NEEDS(TRIGGERS) && (rule->flags & GI_RULE_TIMES) && gi_spent(s, rule, counters)) {
		held = GI_HELD_TIMES;
	} else if (gi_allowed(s, control, now)) {
		return 1;
	} else {
		held = GI_HELD_LIMIT;
	}
	if (GI_NEEDS(TRIGGERS) && gi_makes_up(s, row, held))
		return 1;
	counters = gi_counters_row(s, row);
	if (counters)
		gi_count(s, &counters->held[held], 1);
	return 0;
}

#endif
