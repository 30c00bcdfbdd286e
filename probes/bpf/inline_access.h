/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The target's memory, floats and time, from inside the target.
 *
 * Memory that is surely there is used at once: the goroutine's own stack, the g it runs on, the program's own segments, the
 * scratch memory. All else is read and written by the kernel, which fails where the program would fault.
 */
#ifndef GOINJECT_INLINE_ACCESS_H
#define GOINJECT_INLINE_ACCESS_H

#include "inline.h"
#include "inline_arch.h"

/* Bytes of a g that are surely there: it has more in every release. */
#define GI_G_SIZE 320

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

static int gi_within_bounds(gi_u64 address, gi_u32 size, gi_u64 low, gi_u64 high)
{
	return address >= low && address < high && size <= high - address;
}

/* Whether memory is surely there. */
static int gi_is_there(const struct gi_scratch *s, gi_u64 address, gi_u32 size, int to_write)
{
	struct gi_inside *inside = gi_inside_of(s);
	gi_u64 i;

	if (gi_runs_goroutine(s)) {
		if (gi_within_bounds(address, size, gi_slot_of(s)->stack_low, gi_slot_of(s)->stack_high))
			return 1;
		if (gi_within_bounds(address, size, s->hit.g, s->hit.g + (to_write ? GI_G_STACK_GUARD + 8 : GI_G_SIZE)))
			return 1;
	}
	for (i = 0; i < inside->known_count && i < GI_KNOWN; i++) {
		if ((!to_write || inside->known[i].writable) &&
		    gi_within_bounds(address, size, inside->known[i].low, inside->known[i].high))
			return 1;
	}
	return 0;
}

/* In one piece where it is a word, which other threads may look at. */
static void gi_move(void *to, const void *from, gi_u32 size)
{
	switch (size) {
	case 16:
		((volatile gi_u64 *)to)[0] = ((const volatile gi_u64 *)from)[0];
		((volatile gi_u64 *)to)[1] = ((const volatile gi_u64 *)from)[1];
		break;
	case 8:
		*(volatile gi_u64 *)to = *(const volatile gi_u64 *)from;
		break;
	case 4:
		*(volatile gi_u32 *)to = *(const volatile gi_u32 *)from;
		break;
	case 2:
		*(volatile gi_u16 *)to = *(const volatile gi_u16 *)from;
		break;
	default:
		gi_copy_bytes(to, from, size);
	}
}

struct gi_vector {
	gi_u64 address;
	gi_u64 size;
};

static int gi_by_kernel(gi_u64 call, gi_u64 mine, gi_u64 other, gi_u32 size)
{
	struct gi_vector local = {mine, size}, remote = {other, size};
	gi_u64 pid = gi_system_call(GI_SYS_GETPID, 0, 0, 0, 0, 0, 0);

	return gi_system_call(call, pid, (gi_u64)(uintptr_t)&local, 1, (gi_u64)(uintptr_t)&remote, 1, 0) != size;
}

static int gi_user_read(const struct gi_scratch *s, void *to, gi_u32 size, gi_u64 address)
{
	if (!gi_is_there(s, address, size, 0))
		return gi_by_kernel(GI_SYS_PROCESS_VM_READV, (gi_u64)(uintptr_t)to, address, size);
	gi_move(to, (const void *)(uintptr_t)address, size);
	return 0;
}

static int gi_user_write(const struct gi_scratch *s, gi_u64 address, const void *from, gi_u32 size)
{
	if (!gi_is_there(s, address, size, 1))
		return gi_by_kernel(GI_SYS_PROCESS_VM_WRITEV, (gi_u64)(uintptr_t)from, address, size);
	gi_move((void *)(uintptr_t)address, from, size);
	return 0;
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
