/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The target's memory, floats and time, from inside the target.
 *
 * Memory is read and written where it is. A thread that faults there goes on behind the access, which has failed then: goinject
 * sees to that, and a handler of the target's signals when goinject is gone.
 */
#ifndef GOINJECT_INLINE_ACCESS_H
#define GOINJECT_INLINE_ACCESS_H

#include "inline.h"
#include "inline_arch.h"

/* Bytes of a g that are surely there: it has more in every release. */
#define GI_G_SIZE 320
/* Nobody has memory there: a nil pointer leads to it. */
#define GI_NIL_PAGE 4096

static struct gi_inside *gi_inside_of(const struct gi_scratch *s)
{
	return (struct gi_inside *)(uintptr_t)s->hit.floats;
}

static gi_u64 gi_load_word(gi_u64 address)
{
	return *(const volatile gi_u64 *)(uintptr_t)address;
}

/* g of this thread, or 0. Every thread that runs Go code has one there. */
static gi_u64 gi_thread_g(struct gi_scratch *s)
{
	struct gi_process *process = gi_process_row(s);

	if (!process || !gi_inside_of(s)->tls_is_known)
		return 0;
	return gi_thread_word(process->tls_g);
}

static struct gi_slot *gi_slot_of(const struct gi_scratch *s)
{
	return (struct gi_slot *)((uintptr_t)s - offsetof(struct gi_slot, scratch));
}

static int gi_look_for_goroutine(const struct gi_scratch *s, struct gi_slot *slot)
{
	struct gi_process *process = gi_process_row(s);
	gi_u64 g = s->hit.g, sp = s->hit.reg[GI_SP];

	if (!g || !process || !process->m_offset || !process->curg_offset || process->m_offset > GI_G_SIZE - 8 ||
	    !gi_inside_of(s)->tls_is_known || gi_thread_word(process->tls_g) != g)
		return GI_FOUND_NO;
	slot->m = gi_load_word(g + process->m_offset);
	slot->stack_low = gi_load_word(g + GI_G_STACK_LOW);
	slot->stack_high = gi_load_word(g + GI_G_STACK_HIGH);
	return slot->m && gi_load_word(slot->m + process->curg_offset) == g && sp >= slot->stack_low &&
			       sp < slot->stack_high
		       ? GI_FOUND_YES
		       : GI_FOUND_NO;
}

/* Whether the thread runs this g's goroutine, on its own stack: then both are there. */
static int gi_runs_goroutine(const struct gi_scratch *s)
{
	struct gi_slot *slot = gi_slot_of(s);

	if (!slot->goroutine)
		slot->goroutine = gi_look_for_goroutine(s, slot);
	return slot->goroutine == GI_FOUND_YES;
}

/* In one piece where it is a word, which other threads may look at. */
static int gi_user_read(const struct gi_scratch *s, void *to, gi_u32 size, gi_u64 address)
{
	(void)s;
	if (address < GI_NIL_PAGE)
		return 1;
	switch (size) {
	case 16:
		return gi_try_load_64(to, address) || gi_try_load_64((gi_u64 *)to + 1, address + 8);
	case 8:
		return gi_try_load_64(to, address);
	case 4:
		return gi_try_load_32(to, address);
	case 2:
		return gi_try_load_16(to, address);
	}
	return gi_try_copy((gi_u64)(uintptr_t)to, address, size);
}

static int gi_user_write(const struct gi_scratch *s, gi_u64 address, const void *from, gi_u32 size)
{
	(void)s;
	if (address < GI_NIL_PAGE)
		return 1;
	switch (size) {
	case 16:
		return gi_try_store_64(address, from) || gi_try_store_64(address + 8, (const gi_u64 *)from + 1);
	case 8:
		return gi_try_store_64(address, from);
	case 4:
		return gi_try_store_32(address, from);
	case 2:
		return gi_try_store_16(address, from);
	}
	return gi_try_copy(address, (gi_u64)(uintptr_t)from, size);
}

static int gi_float_read(struct gi_scratch *s, gi_u32 index, gi_u64 *value)
{
	(void)s;
	return gi_get_float(index, value);
}

static int gi_float_write(struct gi_scratch *s, gi_u32 index, const gi_u64 *value)
{
	(void)s;
	return gi_put_float(index, *value);
}

/* The time by the processor's counter; 0 where there is none to go by. */
static gi_u64 gi_counted_time(const struct gi_clock *clock)
{
	gi_u32 turn;

	for (turn = 0; turn < 3; turn++) {
		gi_u64 changes = __atomic_load_n(&clock->changes, __ATOMIC_ACQUIRE), counter, time, scale, passed;

		if (!changes || (changes & 1))
			continue;
		counter = __atomic_load_n(&clock->counter, __ATOMIC_RELAXED);
		time = __atomic_load_n(&clock->time, __ATOMIC_RELAXED);
		scale = __atomic_load_n(&clock->scale, __ATOMIC_RELAXED);
		passed = gi_counter() - counter;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&clock->changes, __ATOMIC_RELAXED) != changes)
			continue;
		/* That of another processor may be a little behind. */
		if ((gi_s64)passed < 0)
			return time;
		return time + (gi_u64)(((unsigned __int128)passed * scale) >> 32);
	}
	return 0;
}

/* Looked at once for all of a hit. */
static gi_u64 gi_now(const struct gi_scratch *s)
{
	struct gi_slot *slot = gi_slot_of(s);
	gi_u64 now[2] = {0, 0};

	if (!slot->now)
		slot->now = gi_counted_time(&gi_inside_of(s)->clock);
	if (!slot->now) {
		gi_system_call(GI_SYS_CLOCK_GETTIME, GI_CLOCK_MONOTONIC, (gi_u64)(uintptr_t)now, 0, 0, 0, 0);
		slot->now = now[0] * 1000000000ull + now[1];
	}
	return slot->now;
}

/* The kernel's number of the thread: Go knows it, too. */
static gi_u32 gi_thread_number(const struct gi_scratch *s)
{
	gi_u64 offset = gi_inside_of(s)->procid_offset, number = 0;

	if (offset && gi_runs_goroutine(s))
		number = gi_load_word(gi_slot_of(s)->m + offset);
	return number ? (gi_u32)number : (gi_u32)gi_system_call(GI_SYS_GETTID, 0, 0, 0, 0, 0, 0);
}

#endif
