/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The maps. goinject resizes the tables to the plan before loading, fills them before attaching,
 * and maps the counters and the control row into its own memory.
 *
 *   map            written by                  read by
 *   gi_sites       goinject, before arming     the program
 *   gi_bindings    goinject, before arming     the program
 *   gi_rules       goinject, before arming     the program
 *   gi_edit_rows   goinject, before arming     the program
 *   gi_control_map goinject; the program adds dropped events
 *   gi_counter_map the program; the core in goinject where the tracer writes   goinject
 *   gi_scratches   the program                 the program; goinject where the tracer writes
 *   gi_blank       nobody: what a new scratch starts as
 *   gi_passes      the program; goinject where the tracer writes   the program
 *   gi_events      the program                 goinject
 */
#ifndef GOINJECT_MAPS_H
#define GOINJECT_MAPS_H

struct thread_struct {
	unsigned long fsbase;
} __attribute__((preserve_access_index));

struct task_struct {
	struct thread_struct thread;
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
GI_TABLE(gi_counter_map, struct gi_counters);
GI_TABLE(gi_control_map, struct gi_control);
GI_TABLE(gi_blank, struct gi_scratch);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, gi_u32);
	__type(value, struct gi_scratch);
} gi_scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, gi_u64);
	__type(value, struct gi_pass);
} gi_passes SEC(".maps");

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
GI_ROW(gi_counters_row, gi_counter_map, struct gi_counters)

static __always_inline struct gi_control *gi_control_row(const struct gi_scratch *s)
{
	gi_u32 zero = 0;

	(void)s;
	return bpf_map_lookup_elem(&gi_control_map, &zero);
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
