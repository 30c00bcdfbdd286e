/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* What the natively compiled core needs from its host, and what it offers. The Rust side is src/native.rs. */
#ifndef GOINJECT_NATIVE_H
#define GOINJECT_NATIVE_H

#include "abi.h"
#include "hit.h"
#include "lanes.h"

/* What outlives a hit. */
enum gi_memory {
	GI_MEMORY_CALLS = 0,      /* struct gi_call_key, struct gi_call */
	GI_MEMORY_DELAYS = 1,     /* struct gi_g_key, struct gi_delay */
	GI_MEMORY_GOROUTINES = 2, /* struct gi_goroutine_key, struct gi_goroutine */
	GI_MEMORY_MEMBERS = 3,    /* struct gi_member_key, struct gi_member */
	GI_MEMORY_TESTS = 4,      /* struct gi_member_key, struct gi_go_test */
};

enum gi_action {
	GI_LOAD = 0, /* 0 if it was there */
	GI_SAVE = 1, /* 0 if there was room */
	GI_FORGET = 2,
	GI_COUNT = 3, /* of goroutines alone: one more call, of the goroutine that the value names */
};

struct gi_host {
	struct gi_site *sites;
	struct gi_binding *bindings;
	struct gi_rule *rules;
	struct gi_edit *edits;
	struct gi_term *terms;
	struct gi_fixed_text *texts;
	struct gi_range *ranges;
	struct gi_state *states;
	struct gi_counters *counters; /* one per rule */
	struct gi_term_counters *term_counters; /* one per term */
	struct gi_control *control;
	struct gi_process *processes;
	gi_u64 *forced;
	struct gi_lane *lanes; /* GI_LANES for each rule; none: all is counted in one place */
	gi_u32 site_count;
	gi_u32 binding_count;
	gi_u32 rule_count;
	gi_u32 edit_count;
	gi_u32 term_count;
	gi_u32 text_count;
	gi_u32 range_count;
	gi_u32 process_count;
	gi_u32 state_count;
	gi_u32 forced_count;
	gi_u64 thread_pointer; /* FS base of the stopped thread */
	/* All return 0 or not 0. */
	void *context;
	int (*read)(void *context, gi_u64 address, void *to, gi_u32 size);
	int (*write)(void *context, gi_u64 address, const void *from, gi_u32 size);
	int (*float_read)(void *context, gi_u32 index, gi_u64 *value);
	int (*float_write)(void *context, gi_u32 index, gi_u64 value);
	int (*remember)(void *context, gi_u32 memory, gi_u32 action, const void *key, void *value);
	void (*emit)(void *context, const struct gi_event *event);
};

/* Decides in a call and makes the edits. */
void goinject_hit(struct gi_host *host, struct gi_scratch *s);
/* Does what the BPF program decided on. */
void goinject_perform(struct gi_host *host, struct gi_scratch *s);
/* Counts a failure for each of them. */
void goinject_abandon(struct gi_host *host, struct gi_scratch *s, gi_u32 reason);
/* The key of a call in the table of those that are forced. */
gi_u64 goinject_forced_key(gi_u64 place, gi_u64 number, gi_u32 rule);
/* How many calls of a rule matched. */
gi_u64 goinject_matched(const struct gi_rule *rule, const gi_u64 *counter, const struct gi_lane *lanes);

#endif
