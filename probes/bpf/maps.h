/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The maps. goinject resizes the tables to the plan before loading, fills them before attaching,
 * and maps the counters and the control row into its own memory.
 *
 *   map            written by                  read by
 *   gi_sites       goinject, before arming     the program
 *   gi_bindings    goinject, before arming     the program
 *   gi_rules       goinject, before arming     the program
 *   gi_forced      goinject, before arming     the program
 *   gi_edit_rows   goinject, before arming     the program
 *   gi_terms, gi_texts, gi_ranges, gi_states: goinject, before arming   the program
 *   gi_calls, gi_goroutines, gi_delays: the program; goinject where the tracer writes   both
 *   gi_processes   goinject; the program hands out memory for copies, and disarms at an exec
 *   gi_pids        goinject                    the program
 *   gi_members, gi_tests the program; goinject where the tracer writes   both
 *   gi_control_map goinject; the program adds dropped events
 *   gi_term_counter_map the program; the core in goinject where the tracer writes   goinject
 *   gi_counter_map the program; the core in goinject where the tracer writes   goinject
 *   gi_scratches   the program                 the program; goinject where the tracer writes
 *   gi_blank       nobody: what a new scratch starts as
 *   gi_passes      the program; goinject where the tracer writes   the program
 *   gi_events      the program                 goinject
 */
#ifndef GOINJECT_MAPS_H
#define GOINJECT_MAPS_H

#include "task.h"

/* Only what is read of these; the kernel's own layout is put in when the program is loaded. */
struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct pid_namespace {
	struct ns_common ns;
} __attribute__((preserve_access_index));

struct upid {
	int nr;
	struct pid_namespace *ns;
} __attribute__((preserve_access_index));

struct pid {
	unsigned int level;
	struct upid numbers[1];
} __attribute__((preserve_access_index));

struct task_struct {
	struct thread_struct thread;
	struct pid *thread_pid;
	struct task_struct *group_leader;
} __attribute__((preserve_access_index));

/* A goroutine sent back to run an instruction again. */
struct gi_pass {
	gi_u64 depth; /* distance of its stack pointer from the stack's high end: survives stack moves */
	gi_u32 site;
	gi_u32 padding;
};

#define GI_TABLE(name, row)                         \
	struct {                                    \
		__uint(type, BPF_MAP_TYPE_ARRAY);   \
		__uint(map_flags, BPF_F_MMAPABLE);  \
		__uint(max_entries, 1);             \
		__type(key, gi_u32);                \
		__type(value, row);                 \
	} name SEC(".maps")

GI_TABLE(gi_sites, struct gi_site);
GI_TABLE(gi_bindings, struct gi_binding);
GI_TABLE(gi_rules, struct gi_rule);
GI_TABLE(gi_edit_rows, struct gi_edit);
GI_TABLE(gi_terms, struct gi_term);
GI_TABLE(gi_texts, struct gi_fixed_text);
GI_TABLE(gi_ranges, struct gi_range);
GI_TABLE(gi_states, struct gi_state);
GI_TABLE(gi_counter_map, struct gi_counters);
GI_TABLE(gi_term_counter_map, struct gi_term_counters);
GI_TABLE(gi_processes, struct gi_process);
GI_TABLE(gi_control_map, struct gi_control);
GI_TABLE(gi_forced, gi_u64);
GI_TABLE(gi_blank, struct gi_scratch);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, gi_u32);
	__type(value, struct gi_scratch);
} gi_scratches SEC(".maps");

#define GI_HASH(name, entries, key_type, value_type) \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_HASH);     \
		__uint(max_entries, entries);        \
		__type(key, key_type);               \
		__type(value, value_type);           \
	} name SEC(".maps")

GI_HASH(gi_passes, 16384, struct gi_g_key, struct gi_pass);
GI_HASH(gi_delays, 16384, struct gi_g_key, struct gi_delay);
/* Row of each process that may run another program, by its id in goinject's PID namespace. */
GI_HASH(gi_pids, 1, gi_u32, gi_u32);
/* What has not been of use for longest makes room: calls that a panic ended are never asked for again. */
#define GI_RECENT(name, key_type, value_type)        \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_LRU_HASH); \
		__uint(max_entries, 64);             \
		__type(key, key_type);               \
		__type(value, value_type);           \
	} name SEC(".maps")

/* goinject gives those that a plan uses the room that program.rs says. */
GI_RECENT(gi_calls, struct gi_call_key, struct gi_call);
GI_RECENT(gi_members, struct gi_member_key, struct gi_member);
GI_RECENT(gi_tests, struct gi_member_key, struct gi_go_test);
GI_HASH(gi_goroutines, 65536, struct gi_goroutine_key, struct gi_goroutine);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} gi_events SEC(".maps");

#define GI_ROW(function, map, row)                                                        \
	static __always_inline row *function(const struct gi_scratch *s, gi_u32 index)    \
	{                                                                                 \
		(void)s;                                                                  \
		return bpf_map_lookup_elem(&map, &index);                                 \
	}

GI_ROW(gi_site_row, gi_sites, struct gi_site)
GI_ROW(gi_binding_row, gi_bindings, struct gi_binding)
GI_ROW(gi_rule_row, gi_rules, struct gi_rule)
GI_ROW(gi_edit_row, gi_edit_rows, struct gi_edit)
GI_ROW(gi_term_row, gi_terms, struct gi_term)
GI_ROW(gi_text_row, gi_texts, struct gi_fixed_text)
GI_ROW(gi_range_row, gi_ranges, struct gi_range)
GI_ROW(gi_state_row, gi_states, struct gi_state)
GI_ROW(gi_forced_row, gi_forced, gi_u64)
GI_ROW(gi_counters_row, gi_counter_map, struct gi_counters)
GI_ROW(gi_term_counters_row, gi_term_counter_map, struct gi_term_counters)

static __always_inline struct gi_control *gi_control_row(const struct gi_scratch *s)
{
	gi_u32 zero = 0;

	(void)s;
	return bpf_map_lookup_elem(&gi_control_map, &zero);
}

static __always_inline struct gi_process *gi_process_at(gi_u32 row)
{
	return bpf_map_lookup_elem(&gi_processes, &row);
}

/* The process of the hit. */
static __always_inline struct gi_process *gi_process_row(const struct gi_scratch *s)
{
	return gi_process_at(s->hit.process);
}

/*
 * What outlives a hit. Older verifiers take keys only from the program's own stack and new values only
 * from there or from another map: so a new entry starts blank and is filled in place. Nobody else looks
 * at it meanwhile, for it belongs to the goroutine that this thread runs.
 */
GI_SUBPROGRAM int gi_call_load(struct gi_scratch *s)
{
	struct gi_call_key key;
	struct gi_call *call;

	if (!GI_NEEDS(CALLS) || !s)
		return 1;
	key = s->call_key;
	call = bpf_map_lookup_elem(&gi_calls, &key);
	if (!call)
		return 1;
	s->call = *call;
	return 0;
}

GI_SUBPROGRAM int gi_call_save(struct gi_scratch *s)
{
	struct gi_call_key key;
	struct gi_scratch *blank;
	struct gi_call *call;
	gi_u32 zero = 0;

	if (!GI_NEEDS(CALLS) || !s)
		return 1;
	key = s->call_key;
	blank = bpf_map_lookup_elem(&gi_blank, &zero);
	if (!blank)
		return 1;
	bpf_map_update_elem(&gi_calls, &key, &blank->call, BPF_NOEXIST);
	call = bpf_map_lookup_elem(&gi_calls, &key);
	if (!call)
		return 1;
	*call = s->call;
	return 0;
}

GI_SUBPROGRAM int gi_call_forget(struct gi_scratch *s)
{
	struct gi_call_key key;

	if (!GI_NEEDS(CALLS) || !s)
		return 1;
	key = s->call_key;
	bpf_map_delete_elem(&gi_calls, &key);
	return 0;
}

GI_SUBPROGRAM int gi_delay_load(struct gi_scratch *s)
{
	struct gi_delay *delay;
	struct gi_g_key key;

	if (!GI_NEEDS(DELAYS) || !s)
		return 1;
	key = s->g_key;
	delay = bpf_map_lookup_elem(&gi_delays, &key);
	if (!delay)
		return 1;
	s->delay = *delay;
	return 0;
}

GI_SUBPROGRAM int gi_delay_save(struct gi_scratch *s)
{
	struct gi_scratch *blank;
	struct gi_delay *delay;
	gi_u32 zero = 0;
	struct gi_g_key key;

	if (!GI_NEEDS(DELAYS) || !s)
		return 1;
	key = s->g_key;
	blank = bpf_map_lookup_elem(&gi_blank, &zero);
	if (!blank)
		return 1;
	bpf_map_update_elem(&gi_delays, &key, &blank->delay, BPF_NOEXIST);
	delay = bpf_map_lookup_elem(&gi_delays, &key);
	if (!delay)
		return 1;
	*delay = s->delay;
	return 0;
}

GI_SUBPROGRAM int gi_delay_forget(struct gi_scratch *s)
{
	struct gi_g_key key;

	if (!GI_NEEDS(DELAYS) || !s)
		return 1;
	key = s->g_key;
	bpf_map_delete_elem(&gi_delays, &key);
	return 0;
}

/* Notes the goroutine as one that is sent back to the site at a depth of its stack. */
GI_SUBPROGRAM int gi_pass_save(struct gi_scratch *s, gi_u64 depth)
{
	struct gi_pass pass = {};
	struct gi_g_key key;

	if (!GI_NEEDS(FRAMES) || !s)
		return 1;
	pass.site = s->hit.site;
	pass.depth = depth;
	key = s->g_key;
	return bpf_map_update_elem(&gi_passes, &key, &pass, BPF_ANY) < 0;
}

GI_SUBPROGRAM int gi_pass_forget(struct gi_scratch *s)
{
	struct gi_g_key key;

	if (!GI_NEEDS(FRAMES) || !s)
		return 1;
	key = s->g_key;
	bpf_map_delete_elem(&gi_passes, &key);
	return 0;
}

/* Threads of one test count at the same time, and may be the first to do so: nobody's count may be lost. */
GI_SUBPROGRAM gi_u64 gi_count_goroutine(struct gi_scratch *s, gi_u64 goid)
{
	struct gi_goroutine_key key;
	struct gi_goroutine *counted, first;

	if (!GI_NEEDS(GOROUTINES) || !s)
		return 0;
	key = s->goroutine_key;
	counted = bpf_map_lookup_elem(&gi_goroutines, &key);
	if (counted && counted->goid == goid)
		return __sync_fetch_and_add(&counted->calls, 1) + 1;
	first.goid = goid;
	first.calls = 0;
	first.taken = 0;
	bpf_map_update_elem(&gi_goroutines, &key, &first, counted ? BPF_ANY : BPF_NOEXIST);
	counted = bpf_map_lookup_elem(&gi_goroutines, &key);
	return counted ? __sync_fetch_and_add(&counted->calls, 1) + 1 : 0;
}

GI_SUBPROGRAM gi_u64 gi_take_in_scope(struct gi_scratch *s)
{
	struct gi_goroutine_key key;
	struct gi_goroutine *counted;

	if (!GI_NEEDS(GOROUTINES) || !s)
		return ~0ull;
	key = s->goroutine_key;
	counted = bpf_map_lookup_elem(&gi_goroutines, &key);
	return counted ? __sync_fetch_and_add(&counted->taken, 1) : ~0ull;
}

GI_SUBPROGRAM int gi_member_load(struct gi_scratch *s)
{
	struct gi_member_key key;
	struct gi_member *member;

	if (!GI_NEEDS(TESTS) || !s)
		return 1;
	key = s->member_key;
	member = bpf_map_lookup_elem(&gi_members, &key);
	if (!member)
		return 1;
	s->member = *member;
	return 0;
}

GI_SUBPROGRAM int gi_member_save(struct gi_scratch *s)
{
	struct gi_member_key key;
	struct gi_member member;

	if (!GI_NEEDS(TESTS) || !s)
		return 1;
	key = s->member_key;
	member = s->member;
	return bpf_map_update_elem(&gi_members, &key, &member, BPF_ANY) < 0;
}

/* By the test's goroutine, s->member.test. */
GI_SUBPROGRAM int gi_test_load(struct gi_scratch *s)
{
	struct gi_member_key key;
	struct gi_go_test *test;

	if (!GI_NEEDS(TESTS) || !s)
		return 1;
	key.goid = s->member.test;
	key.process = s->member_key.process;
	test = bpf_map_lookup_elem(&gi_tests, &key);
	if (!test)
		return 1;
	s->event.test = *test;
	return 0;
}

GI_SUBPROGRAM int gi_test_save(struct gi_scratch *s)
{
	struct gi_member_key key;
	struct gi_scratch *blank;
	struct gi_go_test *test;
	gi_u32 zero = 0;

	if (!GI_NEEDS(TESTS) || !s)
		return 1;
	key = s->member_key;
	blank = bpf_map_lookup_elem(&gi_blank, &zero);
	if (!blank)
		return 1;
	bpf_map_update_elem(&gi_tests, &key, &blank->event.test, BPF_NOEXIST);
	test = bpf_map_lookup_elem(&gi_tests, &key);
	if (!test)
		return 1;
	*test = s->event.test;
	return 0;
}

/* This thread's scratch, made at its first use. */
GI_SUBPROGRAM int gi_make_scratch(gi_u32 tid)
{
	struct gi_scratch *blank;
	gi_u32 zero = 0;

	blank = bpf_map_lookup_elem(&gi_blank, &zero);
	return blank ? bpf_map_update_elem(&gi_scratches, &tid, blank, BPF_NOEXIST) : 1;
}

static __always_inline struct gi_scratch *gi_scratch_for(gi_u32 tid)
{
	struct gi_scratch *scratch = bpf_map_lookup_elem(&gi_scratches, &tid);

	if (scratch || gi_make_scratch(tid))
		return scratch;
	return bpf_map_lookup_elem(&gi_scratches, &tid);
}

#endif
