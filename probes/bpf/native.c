// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/* The decision core compiled for goinject itself: the ptrace engine, and edits that the tracer makes. */
#include <stddef.h>
#include <time.h>

#include "abi.h"
#include "goabi.h"
#include "hit.h"
#include "native.h"

static struct gi_host *gi_host_of(const struct gi_hit *hit)
{
	return (struct gi_host *)(uintptr_t)hit->floats;
}

#define GI_ROW(function, row, table, count)                                        \
	static row *function(const struct gi_hit *hit, gi_u32 index)               \
	{                                                                          \
		struct gi_host *host = gi_host_of(hit);                            \
		return index < host->count ? &host->table[index] : NULL;           \
	}

GI_ROW(gi_site_row, struct gi_site, sites, site_count)
GI_ROW(gi_binding_row, struct gi_binding, bindings, binding_count)
GI_ROW(gi_rule_row, struct gi_rule, rules, rule_count)
GI_ROW(gi_edit_row, struct gi_edit, edits, edit_count)
GI_ROW(gi_counters_row, struct gi_counters, counters, rule_count)

static struct gi_control *gi_control_row(const struct gi_hit *hit)
{
	return gi_host_of(hit)->control;
}

static struct gi_scratch *gi_scratch_for(const struct gi_hit *hit)
{
	return gi_host_of(hit)->scratch;
}

static int gi_user_read(const struct gi_hit *hit, void *to, gi_u32 size, gi_u64 address)
{
	struct gi_host *host = gi_host_of(hit);

	return host->read(host->context, address, to, size);
}

static int gi_user_write(const struct gi_hit *hit, gi_u64 address, const void *from, gi_u32 size)
{
	struct gi_host *host = gi_host_of(hit);

	return host->write(host->context, address, from, size);
}

static int gi_float_read(struct gi_hit *hit, gi_u32 index, gi_u64 *value)
{
	struct gi_host *host = gi_host_of(hit);

	return host->float_read(host->context, index, value);
}

static int gi_float_write(struct gi_hit *hit, gi_u32 index, gi_u64 value)
{
	struct gi_host *host = gi_host_of(hit);

	return host->float_write(host->context, index, value);
}

static gi_u64 gi_thread_g(const struct gi_hit *hit)
{
	struct gi_host *host = gi_host_of(hit);
	gi_u64 g = 0;

	if (gi_user_read(hit, &g, 8, host->thread_pointer + (gi_u64)host->control->tls_g))
		return 0;
	return g;
}

static gi_u64 gi_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (gi_u64)now.tv_sec * 1000000000ull + (gi_u64)now.tv_nsec;
}

/* The tracer shares its counters with the BPF program, hence atomic here too. */
static gi_u64 gi_add(gi_u64 *counter, gi_u64 by)
{
	return __atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

static void gi_emit(const struct gi_hit *hit, struct gi_scratch *scratch)
{
	struct gi_host *host = gi_host_of(hit);

	host->emit(host->context, &scratch->event);
}

#include "core.h"

gi_u32 goinject_decide(struct gi_host *host, struct gi_hit *hit)
{
	const struct gi_site *site;

	hit->floats = (gi_u64)(uintptr_t)host;
	site = gi_site_row(hit, hit->site);
	if (!site || !host->control->armed || !gi_is_call(site, hit->flags))
		return 0;
	hit->g = gi_find_g(hit, site);
	host->scratch->fired_count = 0;
	return gi_decide(hit, site);
}

void goinject_apply(struct gi_host *host, struct gi_hit *hit)
{
	hit->floats = (gi_u64)(uintptr_t)host;
	gi_apply(hit, host->scratch);
}

void goinject_abandon(struct gi_host *host, struct gi_hit *hit, gi_u32 reason)
{
	hit->floats = (gi_u64)(uintptr_t)host;
	gi_abandon(hit, host->scratch, reason);
}

/* Compared with the Rust declarations by a test. */
const gi_u64 goinject_sizes[] = {
	sizeof(struct gi_place), sizeof(struct gi_edit), sizeof(struct gi_binding), sizeof(struct gi_rule),
	sizeof(struct gi_counters), sizeof(struct gi_site), sizeof(struct gi_control), sizeof(struct gi_event),
	sizeof(struct gi_hit), sizeof(struct gi_scratch), sizeof(struct gi_host),
};
