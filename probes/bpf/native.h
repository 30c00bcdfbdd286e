/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* What the natively compiled core needs from its host, and what it offers. The Rust side is src/native.rs. */
#ifndef GOINJECT_NATIVE_H
#define GOINJECT_NATIVE_H

#include "abi.h"
#include "hit.h"

struct gi_host {
	struct gi_site *sites;
	struct gi_binding *bindings;
	struct gi_rule *rules;
	struct gi_edit *edits;
	struct gi_counters *counters; /* one per rule */
	struct gi_control *control;
	gi_u32 site_count;
	gi_u32 binding_count;
	gi_u32 rule_count;
	gi_u32 edit_count;
	gi_u64 thread_pointer; /* FS base of the stopped thread */
	/* All return 0 or not 0. */
	void *context;
	int (*read)(void *context, gi_u64 address, void *to, gi_u32 size);
	int (*write)(void *context, gi_u64 address, const void *from, gi_u32 size);
	int (*float_read)(void *context, gi_u32 index, gi_u64 *value);
	int (*float_write)(void *context, gi_u32 index, gi_u64 value);
	void (*emit)(void *context, const struct gi_event *event);
};

/* Decides in a call and makes the edits. */
void goinject_hit(struct gi_host *host, struct gi_scratch *s);
/* Makes the edits that the BPF program decided on. */
void goinject_apply(struct gi_host *host, struct gi_scratch *s);
/* Counts a failure for each of them. */
void goinject_abandon(struct gi_host *host, struct gi_scratch *s, gi_u32 reason);

#endif
