/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* Counts that no decision depends on, in the slot's share of them: nobody else writes there. */
#ifndef GOINJECT_INLINE_COUNT_H
#define GOINJECT_INLINE_COUNT_H

#include "inline.h"

/* Finds the slot's share. goinject looks only at those that were used. */
static void gi_take_share(struct gi_slot *slot, struct gi_inside *inside)
{
	struct gi_shares *shares = &inside->shares;
	gi_u64 n = ((gi_u64)(uintptr_t)slot - inside->slots) / GI_SLOT_SIZE;

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

#endif
