/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The decision core: which rules fire in this call, and what they change.
 *
 * The same source is compiled by clang for BPF (inject.bpf.c) and by cc for the ptrace engine
 * (native.c), so a rule can't mean two things. It knows registers, memory and tables, and neither
 * how a value reaches the target nor what a rule file is. Whoever includes it provides, before:
 *
 *   rows      gi_site_row, gi_binding_row, gi_rule_row, gi_edit_row, gi_counters_row, gi_control_row:
 *             pointer to a row, or NULL
 *   memory    gi_user_read, gi_user_write: 0 or negative
 *   floats    gi_float_read, gi_float_write: 0 or negative
 *   scratch   gi_scratch_for: this thread's scratch, or NULL
 *   thread    gi_thread_g: g from thread-local storage, or 0
 *   others    gi_now, gi_add (atomic, returns the value before), gi_emit
 *
 * Every function marked GI_SUBPROGRAM is verified by the kernel by itself, which keeps the loops
 * over table rows linear for the verifier. Hence the null checks of their pointer arguments.
 */
#ifndef GOINJECT_CORE_H
#define GOINJECT_CORE_H

#include "abi.h"
#include "goabi.h"
#include "hit.h"

static __inline__ gi_u64 gi_truncate(gi_u64 value, gi_u32 size)
{
	return size >= 8 ? value : value & ((1ull << (size * 8)) - 1);
}

/* As a register must hold it on the way out. */
static __inline__ gi_u64 gi_extend(gi_u64 value, gi_u32 size, gi_u32 kind)
{
	if (size >= 8 || size == 0)
		return value;
	if (kind == GI_KIND_SIGNED) {
		gi_u32 shift = 64 - size * 8;

		return (gi_u64)((gi_s64)(value << (shift & 63)) >> (shift & 63));
	}
	return gi_truncate(value, size);
}

static __inline__ gi_u64 gi_register_get(const struct gi_hit *hit, gi_u32 index)
{
	return hit->reg[index & (GI_REGISTERS - 1)];
}

/* Finds where a place is in this call, following its pointers. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_resolve(struct gi_hit *hit, struct gi_place *place, struct gi_where *where)
{
	gi_u64 address = 0, word = 0, bound = 0;
	gi_u32 steps, i;

	if (!hit || !place || !where)
		return GI_NO_ROW;
	where->base = place->base;
	where->index = place->index;
	where->address = 0;
	switch (place->base) {
	case GI_BASE_STACK:
		address = hit->reg[GI_RSP] + (gi_s64)place->offset;
		break;
	case GI_BASE_ABSOLUTE:
		address = place->address;
		break;
	default:
		break;
	}
	steps = place->steps;
	for (i = 0; i < GI_STEPS; i++) {
		if (i >= steps)
			break;
		if (where->base == GI_BASE_INTEGER) {
			word = gi_register_get(hit, where->index);
			bound = gi_register_get(hit, where->index + 1u);
		} else if (where->base == GI_BASE_FLOAT) {
			return GI_NO_ROW;
		} else {
			if (gi_user_read(hit, &word, 8, address))
				return GI_READ_FAULT;
			if (place->step[i].bound && gi_user_read(hit, &bound, 8, address + 8))
				return GI_READ_FAULT;
		}
		if (place->step[i].bound && place->step[i].bound > bound)
			return GI_RANGE;
		if (!word)
			return GI_NIL;
		address = word + (gi_s64)place->step[i].offset;
		where->base = GI_BASE_ABSOLUTE;
	}
	where->address = address;
	return GI_OK;
}

/* Reads the value at a resolved place; narrow values come zero-extended. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_load(struct gi_hit *hit, struct gi_where *where, gi_u32 size, gi_u64 *value)
{
	gi_u64 word = 0;

	if (!hit || !where || !value)
		return GI_NO_ROW;
	switch (where->base) {
	case GI_BASE_INTEGER:
		word = gi_register_get(hit, where->index);
		break;
	case GI_BASE_FLOAT:
		if (gi_float_read(hit, where->index, &word))
			return GI_NO_FLOATS;
		break;
	default:
		switch (size) {
		case 1: case 2: case 4: case 8:
			break;
		default:
			return GI_NO_ROW;
		}
		if (gi_user_read(hit, &word, size & 15, where->address))
			return GI_READ_FAULT;
	}
	*value = gi_truncate(word, size);
	return GI_OK;
}

/* Writes a value to a resolved place. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_store(struct gi_hit *hit, struct gi_where *where, gi_u32 size, gi_u32 kind, gi_u64 value)
{
	if (!hit || !where)
		return GI_NO_ROW;
	switch (where->base) {
	case GI_BASE_INTEGER:
		hit->reg[where->index & (GI_REGISTERS - 1)] = gi_extend(value, size, kind);
		hit->dirty |= 1u << (where->index & (GI_REGISTERS - 1));
		return GI_OK;
	case GI_BASE_FLOAT:
		if (gi_float_write(hit, where->index, gi_truncate(value, size)))
			return GI_NO_FLOATS;
		hit->floats_dirty |= 1u << (where->index & 15);
		return GI_OK;
	default:
		switch (size) {
		case 1: case 2: case 4: case 8:
			break;
		default:
			return GI_NO_ROW;
		}
		return gi_user_write(hit, where->address, &value, size & 15) ? GI_WRITE_FAULT : GI_OK;
	}
}

/*
 * Whether a pointer may be put at a resolved place now. Registers, the goroutine's own stack and
 * package variables take any; a heap object only while the collector is not marking, because the
 * write passes no write barrier.
 */
static __inline__ int gi_pointer_allowed(struct gi_hit *hit, const struct gi_where *where)
{
	struct gi_control *control;
	gi_u64 low = 0, high = 0;
	gi_u32 marking = 1;

	if (where->base != GI_BASE_ABSOLUTE)
		return 1;
	if (hit->g && !gi_user_read(hit, &low, 8, hit->g + GI_G_STACK_LOW) &&
	    !gi_user_read(hit, &high, 8, hit->g + GI_G_STACK_HIGH) &&
	    where->address >= low && where->address < high)
		return 1;
	control = gi_control_row(hit);
	if (!control || !control->write_barrier ||
	    gi_user_read(hit, &marking, 4, control->write_barrier))
		return 0;
	return marking == 0;
}

/* Whether a hit of this site is a call: the jump of a stack check is passed once more on the way to morestack. */
static __inline__ int gi_is_call(const struct gi_site *site, gi_u64 flags)
{
	return !(flags & site->check_flags);
}

/* The goroutine: in R14, or in thread-local storage where the convention has no register for it. */
static __inline__ gi_u64 gi_find_g(const struct gi_hit *hit, const struct gi_site *site)
{
	return (site->flags & GI_SITE_REGISTER_G) ? hit->reg[GI_R14] : gi_thread_g(hit);
}

static __inline__ gi_u64 gi_goid(const struct gi_hit *hit)
{
	struct gi_control *control = gi_control_row(hit);
	gi_u64 goid = 0;

	if (!control || !hit->g || gi_user_read(hit, &goid, 8, hit->g + control->goid_offset))
		return 0;
	return goid;
}

static __inline__ void gi_fail(struct gi_counters *counters, gi_u32 reason)
{
	gi_add(&counters->failed[reason & (GI_REASONS - 1)], 1);
}

/* Prepares edit n: where it goes, what is there, what will be. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_prepare_edit(struct gi_hit *hit, struct gi_scratch *scratch, gi_u32 row, gi_u32 n)
{
	struct gi_edit *edit;
	struct gi_planned *planned;
	gi_u64 word = 0;
	int reason;

	if (!hit || !scratch)
		return GI_NO_ROW;
	edit = gi_edit_row(hit, row);
	if (!edit || n >= GI_EDITS)
		return GI_NO_ROW;
	planned = &scratch->planned[n];
	planned->known = 0;
	reason = gi_resolve(hit, &edit->place, &planned->where);
	if (reason)
		return reason;
	reason = gi_load(hit, &planned->where, edit->place.size, &planned->before);
	if (!reason)
		planned->known = 1;
	else if (reason != GI_NO_FLOATS || edit->source != GI_PUT)
		return reason;
	planned->size = edit->place.size;
	planned->kind = edit->kind;
	planned->source = edit->source;
	switch (edit->source) {
	case GI_PUT:
		planned->after = gi_truncate(edit->operand, edit->place.size);
		break;
	case GI_COPY:
		if (gi_user_read(hit, &word, 8, edit->operand))
			return GI_READ_FAULT;
		planned->after = gi_truncate(word, edit->place.size);
		break;
	default:
		planned->after = planned->before;
		break;
	}
	if ((edit->flags & GI_EDIT_POINTER) && edit->source != GI_KEEP &&
	    !gi_pointer_allowed(hit, &planned->where))
		return GI_BARRIER;
	return GI_OK;
}

/* Notes edit n in the event, with the bytes of a text. */
GI_SUBPROGRAM int gi_note_edit(struct gi_hit *hit, struct gi_scratch *scratch, gi_u32 row, gi_u32 n)
{
	struct gi_event *event;
	struct gi_edit *edit;
	gi_u64 length;
	gi_u32 text;

	if (!hit || !scratch || n >= GI_EVENT_WORDS)
		return 0;
	event = &scratch->event;
	event->word[n].before = scratch->planned[n].before;
	event->word[n].after = scratch->planned[n].after;
	if (!scratch->planned[n].known)
		return 0;
	event->known |= 1u << n;
	edit = gi_edit_row(hit, row);
	text = event->texts;
	if (!edit || !(edit->flags & GI_EDIT_TEXT) || text >= GI_EVENT_TEXTS || n + 1 >= GI_EDITS)
		return 0;
	if (!scratch->planned[n + 1].known)
		return 0;
	length = scratch->planned[n + 1].before;
	if (length > GI_TEXT)
		length = GI_TEXT;
	if (length && gi_user_read(hit, event->text[text], length, event->word[n].before))
		length = 0;
	event->text_length[text] = length;
	event->texts = text + 1;
	return 0;
}

/* Makes edit n. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_make_edit(struct gi_hit *hit, struct gi_scratch *scratch, gi_u32 n)
{
	struct gi_planned *planned;

	if (!hit || !scratch || n >= GI_EDITS)
		return GI_NO_ROW;
	planned = &scratch->planned[n];
	if (planned->source == GI_KEEP)
		return GI_OK;
	return gi_store(hit, &planned->where, planned->size, planned->kind, planned->after);
}

/* Takes the first edits back, because a later one could not be made. */
GI_SUBPROGRAM int gi_undo_edits(struct gi_hit *hit, struct gi_scratch *scratch, gi_u32 count)
{
	struct gi_planned *planned;
	gi_u32 n;

	if (!hit || !scratch)
		return GI_NO_ROW;
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		planned = &scratch->planned[n];
		if (planned->known && planned->source != GI_KEEP)
			gi_store(hit, &planned->where, planned->size, planned->kind, planned->before);
	}
	return GI_OK;
}

/* Makes all edits of a binding, or none. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_make_edits(struct gi_hit *hit, struct gi_scratch *scratch, gi_u32 first, gi_u32 count,
				gi_u32 observe)
{
	gi_u32 n;
	int reason;

	if (!hit || !scratch)
		return GI_NO_ROW;
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		reason = gi_prepare_edit(hit, scratch, first + n, n);
		if (reason)
			return reason;
	}
	if (observe)
		return GI_OK;
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		reason = gi_make_edit(hit, scratch, n);
		if (reason) {
			gi_undo_edits(hit, scratch, n);
			return reason;
		}
	}
	hit->edited |= count;
	return GI_OK;
}

/* Shows the edits of a binding in the event. */
GI_SUBPROGRAM int gi_note_edits(struct gi_hit *hit, struct gi_scratch *scratch, gi_u32 first, gi_u32 count)
{
	gi_u32 n;

	if (!hit || !scratch)
		return 0;
	for (n = 0; n < GI_EVENT_WORDS; n++) {
		if (n >= count)
			break;
		gi_note_edit(hit, scratch, first + n, n);
	}
	return 0;
}

/* Makes the edits of a rule that fired, and reports it. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_apply_binding(struct gi_hit *hit, struct gi_scratch *scratch, gi_u32 row, gi_u64 call)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	struct gi_rule *rule;
	struct gi_event *event;
	gi_u32 observe;
	int reason;

	if (!hit || !scratch)
		return GI_NO_ROW;
	binding = gi_binding_row(hit, row);
	if (!binding)
		return GI_NO_ROW;
	counters = gi_counters_row(hit, binding->rule);
	rule = gi_rule_row(hit, binding->rule);
	if (!counters || !rule)
		return GI_NO_ROW;
	observe = rule->flags & GI_RULE_OBSERVE;
	reason = gi_make_edits(hit, scratch, binding->first_edit, binding->edits, observe);
	if (reason)
		gi_fail(counters, reason);
	else if (!observe && (binding->flags & GI_BINDING_COMPLETES))
		gi_add(&counters->applied, 1);

	event = &scratch->event;
	event->time = gi_now();
	event->call = call;
	event->goid = gi_goid(hit);
	event->tid = hit->tid;
	event->rule = binding->rule;
	event->site = hit->site;
	event->binding = row;
	event->reason = reason;
	event->flags = observe ? GI_EVENT_OBSERVED : 0;
	event->known = 0;
	event->texts = 0;
	if (!reason)
		gi_note_edits(hit, scratch, binding->first_edit, binding->edits);
	gi_emit(hit, scratch);
	return reason;
}

/* Whether a rule fires in this call; if so it is noted in the thread's scratch. */
GI_SUBPROGRAM int gi_decide_binding(struct gi_hit *hit, gi_u32 row)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	struct gi_scratch *scratch;
	gi_u32 n;
	gi_u64 call = 0;

	if (!hit)
		return 0;
	binding = gi_binding_row(hit, row);
	if (!binding)
		return 0;
	counters = gi_counters_row(hit, binding->rule);
	if (!counters)
		return 0;
	if (binding->flags & GI_BINDING_COUNTS) {
		gi_add(&counters->calls, 1);
		call = gi_add(&counters->matched, 1) + 1;
		gi_add(&counters->fired, 1);
	}
	scratch = gi_scratch_for(hit);
	if (!scratch) {
		gi_fail(counters, GI_NO_ROOM);
		return 0;
	}
	n = scratch->fired_count;
	if (n >= GI_FIRED) {
		gi_fail(counters, GI_TOO_MANY);
		return 0;
	}
	scratch->fired[n].binding = row;
	scratch->fired[n].call = call;
	scratch->fired_count = n + 1;
	return 1;
}

/* Decides for every rule of a site, in file order. Returns how many fired. */
static __inline__ gi_u32 gi_decide(struct gi_hit *hit, const struct gi_site *site)
{
	gi_u32 i, fired = 0, first = site->first_binding, count = site->bindings;

	for (i = 0; i < GI_BINDINGS; i++) {
		if (i >= count)
			break;
		fired += gi_decide_binding(hit, first + i);
	}
	return fired;
}

/* Makes the edits of every rule that fired in this call, in file order. */
static __inline__ void gi_apply(struct gi_hit *hit, struct gi_scratch *scratch)
{
	gi_u32 i;

	for (i = 0; i < GI_FIRED; i++) {
		if (i >= scratch->fired_count)
			break;
		gi_apply_binding(hit, scratch, scratch->fired[i].binding, scratch->fired[i].call);
	}
	scratch->fired_count = 0;
}

/* Counts a failure for every rule that fired, when their edits can't even be tried. */
static __inline__ void gi_abandon(struct gi_hit *hit, struct gi_scratch *scratch, gi_u32 reason)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	gi_u32 i;

	for (i = 0; i < GI_FIRED; i++) {
		if (i >= scratch->fired_count)
			break;
		binding = gi_binding_row(hit, scratch->fired[i].binding);
		counters = binding ? gi_counters_row(hit, binding->rule) : 0;
		if (counters)
			gi_fail(counters, reason);
	}
	scratch->fired_count = 0;
}

#endif
