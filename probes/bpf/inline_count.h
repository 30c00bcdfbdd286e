/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* Counts in the slot's share of them: nobody else writes there. */
#ifndef GOINJECT_INLINE_COUNT_H
#define GOINJECT_INLINE_COUNT_H

#include "inline.h"

/* Finds the slot's share. goinject looks only at those that were used. */
static void gi_take_share(struct gi_slot *slot, struct gi_inside *inside)
{
	struct gi_shares *shares = &inside->shares;
	gi_u64 n = ((gi_u64)(uintptr_t)slot - inside->slots) / GI_SLOT_SIZE;

	slot->number = n;
	slot->counts = shares->first + n * shares->size - (gi_u64)(uintptr_t)inside->host.counters;
	if (!(__atomic_load_n(&shares->used, __ATOMIC_RELAXED) & 1ull << n))
		__atomic_fetch_or(&shares->used, 1ull << n, __ATOMIC_RELAXED);
}

static void gi_count_there(gi_u64 address, gi_u64 by)
{
	gi_u64 *counter = (gi_u64 *)(uintptr_t)address;

	/* In one piece, since goinject may read it at any time; but nobody else changes it. */
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}

/* The row of the run, behind those of the rules. */
static struct gi_counters *gi_counters_of_run(const struct gi_scratch *s)
{
	const struct gi_host *host = &gi_inside_of(s)->host;

	return host->counters + host->rule_count;
}

/* Adds to a counter of a rule. */
static void gi_count(struct gi_scratch *s, gi_u64 *counter, gi_u64 by)
{
	gi_count_there((gi_u64)(uintptr_t)counter + gi_slot_of(s)->counts, by);
}

/* Counts how a term came out. */
static void gi_count_term(struct gi_scratch *s, gi_u64 *counter)
{
	gi_count_there((gi_u64)(uintptr_t)counter + gi_slot_of(s)->counts + gi_inside_of(s)->shares.terms, 1);
}

/* Whether no call behind so many can fire any more, as far as that depends on their numbers. */
static int gi_is_over(const struct gi_rule *rule, gi_u64 count)
{
	gi_u32 flags = rule->flags;

	return ((flags & GI_RULE_NTH) && count >= rule->nth) || ((flags & GI_RULE_FIRST) && count >= rule->first) ||
	       ((flags & GI_RULE_UNTIL_CALLS) && count >= rule->until_calls);
}

/* Whether all calls behind so many are decided on alike, as far as that depends on their numbers. */
static int gi_are_alike(const struct gi_rule *rule, gi_u64 count)
{
	const gi_u32 ends = GI_RULE_NTH | GI_RULE_EVERY | GI_RULE_FIRST | GI_RULE_UNTIL_CALLS;

	return gi_is_over(rule, count) ||
	       (!(rule->flags & ends) && (!(rule->flags & GI_RULE_AFTER_CALLS) || count >= rule->after_calls));
}

/* Counts a call in the slot's share: its number there. */
static gi_u64 gi_count_matched(struct gi_scratch *s, struct gi_counters *counters)
{
	gi_count(s, &counters->matched, 1);
	return *(const gi_u64 *)(uintptr_t)((gi_u64)(uintptr_t)&counters->matched + gi_slot_of(s)->counts);
}

/*
 * Counts a call that matched, and numbers it: in the order of all threads' where something depends on that, else for itself. The
 * common count only grows, and no call that is counted for itself comes before one that is not. It is looked at only where rules
 * count: goinject changes it, too.
 */
static gi_u64 gi_take_number(struct gi_scratch *s, const struct gi_rule *rule, const struct gi_binding *binding,
			     struct gi_counters *counters)
{
	const gi_u32 counts =
		GI_RULE_NTH | GI_RULE_EVERY | GI_RULE_FIRST | GI_RULE_AFTER_CALLS | GI_RULE_UNTIL_CALLS;
	struct gi_slot *slot = gi_slot_of(s);
	gi_u32 lane = slot->lane + slot->number;
	gi_u64 count = 0, number;

	if (rule->flags & counts)
		count = gi_matched_count(__atomic_load_n(&counters->matched, __ATOMIC_RELAXED));
	if ((binding->flags & GI_BINDING_TELLS) && gi_are_alike(rule, count))
		return GI_TOLD_NUMBER | (gi_u64)slot->number << GI_TOLD_SLOT_SHIFT |
		       (gi_count_matched(s, counters) & ((1ull << GI_TOLD_SLOT_SHIFT) - 1));
	if (!(rule->flags & GI_OWN_COUNTS) && gi_is_over(rule, count) && gi_may_pass(s, counters)) {
		gi_count_matched(s, counters);
		return GI_PASSED;
	}
	if (!gi_is_far(rule))
		return gi_add(&counters->matched, 1) + 1;
	number = gi_count_in_order(rule, &counters->matched,
				   gi_inside_of(s)->host.lanes + (gi_u64)binding->rule * GI_LANES, &lane,
				   gi_may_pass(s, counters));
	slot->lane = lane - slot->number;
	return number;
}

/* Counts a fault against the limit of the run, or where there is none for itself. Returns whether it is allowed. */
static int gi_take_fault(struct gi_scratch *s, struct gi_control *control)
{
	gi_u64 limit = __atomic_load_n(&control->fault_limit, __ATOMIC_RELAXED);

	if (limit == ~0ull) {
		gi_count(s, &gi_counters_of_run(s)->fired, 1);
		return 1;
	}
	return __atomic_load_n(&control->faults, __ATOMIC_RELAXED) < limit && gi_add(&control->faults, 1) < limit;
}

static void gi_return_fault(struct gi_scratch *s, struct gi_control *control)
{
	if (__atomic_load_n(&control->fault_limit, __ATOMIC_RELAXED) == ~0ull)
		gi_count(s, &gi_counters_of_run(s)->fired, -1ull);
	else
		gi_add(&control->faults, -1ull);
}

#endif
