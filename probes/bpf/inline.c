// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/* The decision core compiled for the target: position-independent, with general registers only. */
#define GI_INLINE
#include "native.c"
#include "inline.h"

/*
 * A thread at a site, whose registers are in its slot. Returns where it goes on, with the registers that are in the slot
 * then.
 */
gi_u64 goinject_inline(struct gi_slot *slot, gi_u32 row, gi_u64 flags, struct gi_inside *inside, const gi_u64 *displaced)
{
	struct gi_scratch *s = &slot->scratch;
	const struct gi_process *process = inside->host.processes;
	const struct gi_site *site;

	s->hit.floats = (gi_u64)(uintptr_t)inside;
	s->hit.site = row;
	s->hit.process = 0;
	site = gi_site_row(s, row);
	if (!site || !__atomic_load_n(&inside->host.control->armed, __ATOMIC_ACQUIRE) ||
	    __atomic_load_n(&process->armed, __ATOMIC_ACQUIRE) != GI_ARMED || !gi_is_call(site, flags))
		return displaced[row];
	s->hit.pc = site->address;
	s->hit.flags = flags;
	s->hit.redirected = 0;
	s->hit.dirty = 0;
	s->hit.edited = 0;
	s->hit.tid = 0;
	s->hit.serial = process->serial;
	slot->now = 0;
	slot->goroutine = 0;
	slot->event = 0;
	gi_take_share(slot, inside);
	gi_know_goroutine(s, site);
	if (!gi_begin(s))
		return displaced[row];
	/* Nobody may be there any more. If there is, it hears of it. */
	if (gi_now(s) < __atomic_load_n(&inside->lease, __ATOMIC_RELAXED))
		gi_perform(s);
	else
		gi_abandon(s, GI_LOST);
	/* Where it goes on as before, the registers are as before, too, but for edits. */
	return s->hit.redirected ? s->hit.to : displaced[row];
}
