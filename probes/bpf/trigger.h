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
	now = gi_now();
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
	} else if ((control->deadline && now >= control->deadline) || control->faults >= control->fault_limit ||
		   gi_add(&control->faults, 1) >= control->fault_limit) {
		held = GI_HELD_LIMIT;
	} else {
		return 1;
	}
	gi_add(&counters->held[held], 1);
	return 0;
}

#endif
