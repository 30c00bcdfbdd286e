// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/* The decision core compiled for goinject itself: the ptrace engine, and edits that the tracer makes. And, by inline.c, for the target. */
#include <stddef.h>
#ifndef GI_INLINE
#include <time.h>
#endif

#include "abi.h"
#include "goabi.h"
#include "hit.h"
#include "native.h"

#ifdef GI_NATIVE_FRAME
/* The hit's floats are an address here, as they are in the BPF program. */
static __thread struct gi_host *gi_lent;

static struct gi_host *gi_host_of(const struct gi_scratch *s)
{
	(void)s;
	return gi_lent;
}
#else
static struct gi_host *gi_host_of(const struct gi_scratch *s)
{
	return (struct gi_host *)(uintptr_t)s->hit.floats;
}
#endif

#define GI_ROW(function, row, table, count)                                        \
	static row *function(const struct gi_scratch *s, gi_u32 index)               \
	{                                                                          \
		struct gi_host *host = gi_host_of(s);                            \
		return index < host->count ? &host->table[index] : NULL;           \
	}

GI_ROW(gi_site_row, struct gi_site, sites, site_count)
GI_ROW(gi_binding_row, struct gi_binding, bindings, binding_count)
GI_ROW(gi_rule_row, struct gi_rule, rules, rule_count)
GI_ROW(gi_edit_row, struct gi_edit, edits, edit_count)
GI_ROW(gi_term_row, struct gi_term, terms, term_count)
GI_ROW(gi_text_row, struct gi_fixed_text, texts, text_count)
GI_ROW(gi_range_row, struct gi_range, ranges, range_count)
GI_ROW(gi_state_row, struct gi_state, states, state_count)
GI_ROW(gi_forced_row, gi_u64, forced, forced_count)
GI_ROW(gi_counters_row, struct gi_counters, counters, rule_count)
GI_ROW(gi_term_counters_row, struct gi_term_counters, term_counters, term_count)

static struct gi_control *gi_control_row(const struct gi_scratch *s)
{
	return gi_host_of(s)->control;
}

static struct gi_process *gi_process_row(const struct gi_scratch *s)
{
	struct gi_host *host = gi_host_of(s);

	return s->hit.process < host->process_count ? &host->processes[s->hit.process] : NULL;
}

#ifndef GI_INLINE
static int gi_user_read(const struct gi_scratch *s, void *to, gi_u32 size, gi_u64 address)
{
	struct gi_host *host = gi_host_of(s);

	return host->read(host->context, address, to, size);
}

static int gi_user_write(const struct gi_scratch *s, gi_u64 address, const void *from, gi_u32 size)
{
	struct gi_host *host = gi_host_of(s);

	return host->write(host->context, address, from, size);
}
#endif

#ifdef GI_INLINE
#include "inline_access.h"
#elif defined(GI_NATIVE_FRAME)
#include "signal_frame.h"

static int gi_float_read(struct gi_scratch *s, gi_u32 index, gi_u64 *value)
{
	(void)value;
	return gi_frame_float_read(s, index);
}

static int gi_float_write(struct gi_scratch *s, gi_u32 index, const gi_u64 *value)
{
	(void)value;
	return gi_frame_float_write(s, index);
}
#else
static int gi_float_read(struct gi_scratch *s, gi_u32 index, gi_u64 *value)
{
	struct gi_host *host = gi_host_of(s);

	return host->float_read(host->context, index, value);
}

static int gi_float_write(struct gi_scratch *s, gi_u32 index, const gi_u64 *value)
{
	struct gi_host *host = gi_host_of(s);

	return host->float_write(host->context, index, *value);
}
#endif

#ifndef GI_INLINE
static gi_u64 gi_thread_g(struct gi_scratch *s)
{
	struct gi_host *host = gi_host_of(s);
	struct gi_process *process = gi_process_row(s);
	gi_u64 g = 0;

	if (!process || gi_user_read(s, &g, 8, host->thread_pointer + (gi_u64)process->tls_g))
		return 0;
	return g;
}

static gi_u64 gi_now(const struct gi_scratch *s)
{
	struct timespec now;

	(void)s;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (gi_u64)now.tv_sec * 1000000000ull + (gi_u64)now.tv_nsec;
}
#endif

/* The tracer shares its counters with the BPF program, hence atomic here too. */
static gi_u64 gi_add(gi_u64 *counter, gi_u64 by)
{
	return __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

static gi_u64 gi_swap(gi_u64 *place, gi_u64 from, gi_u64 to)
{
	__atomic_compare_exchange_n(place, &from, to, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return from;
}

/* Whether a call that can't be its rule's turn needs no number. It does where a recorded run says what fires, or one makes up for another. */
static int gi_may_pass(const struct gi_scratch *s, const struct gi_counters *counters)
{
	const struct gi_process *process = gi_process_row(s);

	return process && !process->forced && !__atomic_load_n(&counters->owed, __ATOMIC_RELAXED);
}

#ifdef GI_INLINE
#include "inline_count.h"
#include "inline_kept.h"
#else
static void gi_count(struct gi_scratch *s, gi_u64 *counter, gi_u64 by)
{
	(void)s;
	gi_add(counter, by);
}

static void gi_count_term(struct gi_scratch *s, gi_u64 *counter)
{
	(void)s;
	gi_add(counter, 1);
}

static int gi_are_events_taken(const struct gi_scratch *s, gi_u32 rule)
{
	(void)s;
	(void)rule;
	return 1;
}

/* Counts a call that matched, and numbers it. */
static gi_u64 gi_take_number(struct gi_scratch *s, const struct gi_rule *rule, const struct gi_binding *binding,
			     struct gi_counters *counters)
{
	struct gi_lane *lanes = gi_host_of(s)->lanes;
	gi_u32 lane = 0;

	if (!lanes || !gi_is_far(rule))
		return gi_add(&counters->matched, 1) + 1;
	return gi_count_in_order(rule, &counters->matched, lanes + (gi_u64)binding->rule * GI_LANES, &lane,
				 gi_may_pass(s, counters));
}

static int gi_is_event_wanted(const struct gi_scratch *s)
{
	(void)s;
	return 1;
}

static int gi_drop_event(const struct gi_scratch *s)
{
	(void)s;
	return 0;
}

static int gi_remember(struct gi_scratch *s, gi_u32 memory, gi_u32 action, const void *key, void *value)
{
	struct gi_host *host = gi_host_of(s);

	return host->remember(host->context, memory, action, key, value);
}
#endif

static int gi_call_load(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_CALLS, GI_LOAD, &s->call_key, &s->call);
}

static int gi_call_save(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_CALLS, GI_SAVE, &s->call_key, &s->call);
}

static int gi_call_forget(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_CALLS, GI_FORGET, &s->call_key, &s->call);
}

static int gi_delay_load(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_DELAYS, GI_LOAD, &s->g_key, &s->delay);
}

static int gi_delay_save(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_DELAYS, GI_SAVE, &s->g_key, &s->delay);
}

static int gi_delay_forget(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_DELAYS, GI_FORGET, &s->g_key, &s->delay);
}

#ifndef GI_INLINE
static gi_u64 gi_count_goroutine(struct gi_scratch *s, gi_u64 goid)
{
	struct gi_goroutine counted = {.goid = goid};

	return gi_remember(s, GI_MEMORY_GOROUTINES, GI_COUNT, &s->goroutine_key, &counted) ? 0 : counted.calls;
}

static gi_u64 gi_take_in_scope(struct gi_scratch *s)
{
	struct gi_goroutine counted = {0};
	gi_u64 before;

	if (gi_remember(s, GI_MEMORY_GOROUTINES, GI_LOAD, &s->goroutine_key, &counted))
		return ~0ull;
	before = counted.taken++;
	return gi_remember(s, GI_MEMORY_GOROUTINES, GI_SAVE, &s->goroutine_key, &counted) ? ~0ull : before;
}
#endif

static int gi_member_load(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_MEMBERS, GI_LOAD, &s->member_key, &s->member);
}

static int gi_member_save(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_MEMBERS, GI_SAVE, &s->member_key, &s->member);
}

static int gi_test_load(struct gi_scratch *s)
{
	struct gi_member_key key = {s->member.test, s->member_key.process};

	return gi_remember(s, GI_MEMORY_TESTS, GI_LOAD, &key, &s->event.test);
}

static int gi_test_save(struct gi_scratch *s)
{
	return gi_remember(s, GI_MEMORY_TESTS, GI_SAVE, &s->member_key, &s->event.test);
}

#ifndef GI_INLINE
static void gi_emit(struct gi_scratch *s)
{
	struct gi_host *host = gi_host_of(s);

	host->emit(host->context, &s->event);
}
#endif

#include "core.h"

#ifdef GI_NATIVE_FRAME
/* Room for goroutines that are sent back to run an instruction again; how many are. */
static __thread gi_u32 gi_pass_room, gi_passes;

static int gi_pass_save(struct gi_scratch *s, gi_u64 depth)
{
	(void)s;
	(void)depth;
	if (gi_passes >= gi_pass_room)
		return 1;
	gi_passes++;
	return 0;
}

static int gi_pass_forget(struct gi_scratch *s)
{
	(void)s;
	if (gi_passes)
		gi_passes--;
	return 0;
}

#include "frame.h"

/* The signal-frame writer over a memory that a test lends. Returns how many goroutines are let pass. */
gi_u32 goinject_in_frame(struct gi_host *host, struct gi_scratch *s, gi_u64 ucontext, gi_u32 pass_room)
{
	gi_lent = host;
	gi_pass_room = pass_room;
	gi_passes = 0;
	if (s->stage == GI_STAGE_DECIDE || gi_begin(s))
		gi_in_frame(s, ucontext);
	return gi_passes;
}
#elif !defined(GI_INLINE)

void goinject_hit(struct gi_host *host, struct gi_scratch *s)
{
	const struct gi_process *process;
	const struct gi_site *site;

	s->hit.floats = (gi_u64)(uintptr_t)host;
	site = gi_site_row(s, s->hit.site);
	if (!site)
		return;
	s->hit.process = site->process;
	process = gi_process_row(s);
	if (!process || !host->control->armed || process->armed != GI_ARMED || !gi_is_call(site, s->hit.flags))
		return;
	s->hit.serial = process->serial;
	gi_know_goroutine(s, site);
	if (gi_begin(s))
		gi_perform(s);
}

void goinject_perform(struct gi_host *host, struct gi_scratch *s)
{
	s->hit.floats = (gi_u64)(uintptr_t)host;
	if (s->stage != GI_STAGE_DECIDE || gi_begin(s))
		gi_perform(s);
}

gi_u64 goinject_forced_key(gi_u64 place, gi_u64 number, gi_u32 rule)
{
	return gi_forced_key(place, number, rule);
}

gi_u64 goinject_matched(const struct gi_rule *rule, const gi_u64 *counter, const struct gi_lane *lanes)
{
	return gi_count_all(rule, counter, lanes);
}

void goinject_abandon(struct gi_host *host, struct gi_scratch *s, gi_u32 reason)
{
	s->hit.floats = (gi_u64)(uintptr_t)host;
	gi_abandon(s, reason);
}
#endif
