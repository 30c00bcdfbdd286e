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
 *   memory    gi_user_read, gi_user_write: 0 or not 0
 *   floats    gi_float_read, gi_float_write: 0 or not 0
 *   thread    gi_thread_g: g from thread-local storage, or 0
 *   others    gi_now, gi_add (atomic, returns the value before), gi_emit
 *
 * Every function marked GI_SUBPROGRAM is verified by the kernel by itself, which keeps the loops
 * over table rows linear for the verifier. Hence the null checks of their pointer arguments. Calls
 * may be eight deep at the most.
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
	gi_u32 shift;

	if (size >= 8 || size == 0)
		return value;
	if (kind != GI_KIND_SIGNED)
		return gi_truncate(value, size);
	shift = (64 - size * 8) & 63;
	return (gi_u64)((gi_s64)(value << shift) >> shift);
}

/* Reads 1, 2, 4 or 8 bytes into s->word[0]. Constant sizes: the verifier wants to see them. */
static __inline__ int gi_read_sized(struct gi_scratch *s, gi_u64 address, gi_u32 size)
{
	s->word[0] = 0;
	switch (size) {
	case 1: return gi_user_read(s, &s->word[0], 1, address);
	case 2: return gi_user_read(s, &s->word[0], 2, address);
	case 4: return gi_user_read(s, &s->word[0], 4, address);
	case 8: return gi_user_read(s, &s->word[0], 8, address);
	default: return 1;
	}
}

/* Writes 1, 2, 4 or 8 bytes of s->word[0]. */
static __inline__ int gi_write_sized(struct gi_scratch *s, gi_u64 address, gi_u32 size)
{
	switch (size) {
	case 1: return gi_user_write(s, address, &s->word[0], 1);
	case 2: return gi_user_write(s, address, &s->word[0], 2);
	case 4: return gi_user_write(s, address, &s->word[0], 4);
	case 8: return gi_user_write(s, address, &s->word[0], 8);
	default: return 1;
	}
}

/* Follows one pointer from s->where. Returns enum gi_reason. */
static __inline__ int gi_follow(struct gi_scratch *s, const struct gi_step *step)
{
	gi_u64 pointer, length;

	switch (s->where.base) {
	case GI_BASE_INTEGER:
		pointer = s->hit.reg[s->where.index & (GI_REGISTERS - 1)];
		length = s->hit.reg[(s->where.index + 1) & (GI_REGISTERS - 1)];
		break;
	case GI_BASE_FLOAT:
		return GI_NO_ROW;
	default:
		length = 0;
		if (step->bound) {
			if (gi_user_read(s, &s->word[0], 8, s->where.address + 8))
				return GI_READ_FAULT;
			length = s->word[0];
		}
		if (gi_user_read(s, &s->word[0], 8, s->where.address))
			return GI_READ_FAULT;
		pointer = s->word[0];
	}
	if (step->bound && step->bound > length)
		return GI_RANGE;
	if (!pointer)
		return GI_NIL;
	s->where.address = pointer + (gi_s64)step->offset;
	s->where.base = GI_BASE_ABSOLUTE;
	return GI_OK;
}

/* Finds where a place is in this call: s->where. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_resolve(struct gi_scratch *s, struct gi_place *place)
{
	gi_u32 i;
	int reason;

	if (!s || !place)
		return GI_NO_ROW;
	s->where.base = place->base;
	s->where.index = place->index;
	s->where.address = 0;
	if (place->base == GI_BASE_STACK)
		s->where.address = s->hit.reg[GI_RSP] + (gi_s64)place->offset;
	else if (place->base == GI_BASE_ABSOLUTE)
		s->where.address = place->address;
	for (i = 0; i < GI_STEPS; i++) {
		if (i >= place->steps)
			break;
		reason = gi_follow(s, &place->step[i]);
		if (reason)
			return reason;
	}
	return GI_OK;
}

/* Reads the value at s->where into s->word[0], narrow ones zero-extended. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_load(struct gi_scratch *s, gi_u32 size)
{
	if (!s)
		return GI_NO_ROW;
	switch (s->where.base) {
	case GI_BASE_INTEGER:
		s->word[0] = gi_truncate(s->hit.reg[s->where.index & (GI_REGISTERS - 1)], size);
		return GI_OK;
	case GI_BASE_FLOAT:
		if (gi_float_read(s, s->where.index, &s->word[0]))
			return GI_NO_FLOATS;
		s->word[0] = gi_truncate(s->word[0], size);
		return GI_OK;
	default:
		return gi_read_sized(s, s->where.address, size) ? GI_READ_FAULT : GI_OK;
	}
}

/* Writes a value to s->where. Returns enum gi_reason. */
static __inline__ int gi_store(struct gi_scratch *s, gi_u32 size, gi_u32 kind, gi_u64 value)
{
	gi_u32 index;

	switch (s->where.base) {
	case GI_BASE_INTEGER:
		index = s->where.index & (GI_REGISTERS - 1);
		s->hit.reg[index] = gi_extend(value, size, kind);
		s->hit.dirty |= 1u << index;
		return GI_OK;
	case GI_BASE_FLOAT:
		s->word[0] = gi_truncate(value, size);
		return gi_float_write(s, s->where.index, &s->word[0]) ? GI_NO_FLOATS : GI_OK;
	default:
		s->word[0] = value;
		return gi_write_sized(s, s->where.address, size) ? GI_WRITE_FAULT : GI_OK;
	}
}

/*
 * Whether a pointer may be put at s->where now. Registers, the goroutine's own stack and package
 * variables take any; a heap object only while the collector is not marking, because the write
 * passes no write barrier.
 */
GI_SUBPROGRAM int gi_pointer_allowed(struct gi_scratch *s)
{
	struct gi_control *control;

	if (!s)
		return 0;
	if (s->where.base != GI_BASE_ABSOLUTE)
		return 1;
	if (s->hit.g && !gi_user_read(s, &s->word[0], 8, s->hit.g + GI_G_STACK_LOW) &&
	    !gi_user_read(s, &s->word[1], 8, s->hit.g + GI_G_STACK_HIGH) &&
	    s->where.address >= s->word[0] && s->where.address < s->word[1])
		return 1;
	control = gi_control_row(s);
	if (!control || !control->write_barrier)
		return 0;
	s->word[0] = 1;
	return !gi_user_read(s, &s->word[0], 4, control->write_barrier) && !(gi_u32)s->word[0];
}

/* Whether a hit of this site is a call: the jump of a stack check is passed once more on the way to morestack. */
static __inline__ int gi_is_call(const struct gi_site *site, gi_u64 flags)
{
	return !(flags & site->check_flags);
}

/* The goroutine: in R14, or in thread-local storage where the convention has no register for it. */
static __inline__ gi_u64 gi_find_g(struct gi_scratch *s, const struct gi_site *site)
{
	return (site->flags & GI_SITE_REGISTER_G) ? s->hit.reg[GI_R14] : gi_thread_g(s);
}

static __inline__ void gi_fail(struct gi_counters *counters, gi_u32 reason)
{
	gi_add(&counters->failed[reason & (GI_REASONS - 1)], 1);
}

/* What edit n will put in place. Returns enum gi_reason. */
static __inline__ int gi_source_value(struct gi_scratch *s, struct gi_edit *edit, struct gi_planned *planned)
{
	switch (edit->source) {
	case GI_PUT:
		planned->after = gi_truncate(edit->operand, edit->place.size);
		return GI_OK;
	case GI_COPY:
		if (gi_user_read(s, &s->word[0], 8, edit->operand))
			return GI_READ_FAULT;
		planned->after = gi_truncate(s->word[0], edit->place.size);
		return GI_OK;
	default:
		planned->after = planned->before;
		return GI_OK;
	}
}

/* Prepares edit n: where it goes, what is there, what will be. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_prepare_edit(struct gi_scratch *s, gi_u32 row, gi_u32 n)
{
	struct gi_edit *edit;
	struct gi_planned *planned;
	int reason;

	if (!s)
		return GI_NO_ROW;
	edit = gi_edit_row(s, row);
	if (!edit || n >= GI_EDITS)
		return GI_NO_ROW;
	planned = &s->planned[n];
	planned->known = 0;
	planned->size = edit->place.size;
	planned->kind = edit->kind;
	planned->source = edit->source;
	reason = gi_resolve(s, &edit->place);
	if (reason)
		return reason;
	planned->where = s->where;
	reason = gi_load(s, edit->place.size);
	if (!reason) {
		planned->before = s->word[0];
		planned->known = 1;
	} else if (reason != GI_NO_FLOATS || edit->source != GI_PUT) {
		return reason;
	}
	if ((edit->flags & GI_EDIT_POINTER) && edit->source != GI_KEEP && !gi_pointer_allowed(s))
		return GI_BARRIER;
	return gi_source_value(s, edit, planned);
}

/* Makes edit n, or takes it back. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_make_edit(struct gi_scratch *s, gi_u32 n, gi_u32 back)
{
	struct gi_planned *planned;

	if (!s || n >= GI_EDITS)
		return GI_NO_ROW;
	planned = &s->planned[n];
	if (planned->source == GI_KEEP || (back && !planned->known))
		return GI_OK;
	s->where = planned->where;
	return gi_store(s, planned->size, planned->kind, back ? planned->before : planned->after);
}

/* Takes the first edits back, because a later one could not be made. */
GI_SUBPROGRAM int gi_undo_edits(struct gi_scratch *s, gi_u32 count)
{
	gi_u32 n;

	if (!s)
		return GI_NO_ROW;
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		gi_make_edit(s, n, 1);
	}
	return GI_OK;
}

/* Makes all edits of a binding, or none. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_make_edits(struct gi_scratch *s, gi_u32 first, gi_u32 count, gi_u32 observe)
{
	gi_u32 n;
	int reason;

	if (!s)
		return GI_NO_ROW;
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		reason = gi_prepare_edit(s, first + n, n);
		if (reason)
			return reason;
	}
	if (observe)
		return GI_OK;
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		reason = gi_make_edit(s, n, 0);
		if (reason) {
			gi_undo_edits(s, n);
			return reason;
		}
	}
	s->hit.edited |= count;
	return GI_OK;
}

/* Shows edit n in the event, with the bytes of a text. */
GI_SUBPROGRAM int gi_note_edit(struct gi_scratch *s, gi_u32 row, gi_u32 n)
{
	struct gi_edit *edit;
	gi_u64 length;
	gi_u32 text;

	if (!s || n >= GI_EVENT_WORDS)
		return 0;
	s->event.word[n].before = s->planned[n].before;
	s->event.word[n].after = s->planned[n].after;
	if (!s->planned[n].known)
		return 0;
	s->event.known |= 1u << n;
	edit = gi_edit_row(s, row);
	text = s->event.texts;
	if (!edit || !(edit->flags & GI_EDIT_TEXT) || text >= GI_EVENT_TEXTS || n + 1 >= GI_EDITS)
		return 0;
	if (!s->planned[n + 1].known)
		return 0;
	length = s->planned[n + 1].before;
	if (length > GI_TEXT)
		length = GI_TEXT;
	if (length && gi_user_read(s, s->event.text[text], length, s->event.word[n].before))
		length = 0;
	s->event.text_length[text] = length;
	s->event.texts = text + 1;
	return 0;
}

/* Reports a rule that fired. */
GI_SUBPROGRAM int gi_report(struct gi_scratch *s, gi_u32 row, gi_u64 call, gi_u32 reason)
{
	struct gi_binding *binding;
	struct gi_control *control;
	struct gi_rule *rule;
	gi_u32 n;

	if (!s)
		return 0;
	binding = gi_binding_row(s, row);
	control = gi_control_row(s);
	if (!binding || !control)
		return 0;
	rule = gi_rule_row(s, binding->rule);
	if (!rule)
		return 0;
	s->word[0] = 0;
	if (s->hit.g)
		gi_user_read(s, &s->word[0], 8, s->hit.g + control->goid_offset);
	s->event.goid = s->word[0];
	s->event.time = gi_now();
	s->event.call = call;
	s->event.tid = s->hit.tid;
	s->event.rule = binding->rule;
	s->event.site = s->hit.site;
	s->event.binding = row;
	s->event.reason = reason;
	s->event.flags = (rule->flags & GI_RULE_OBSERVE) ? GI_EVENT_OBSERVED : 0;
	s->event.known = 0;
	s->event.texts = 0;
	for (n = 0; n < GI_EVENT_WORDS; n++) {
		if (reason || n >= binding->edits)
			break;
		gi_note_edit(s, binding->first_edit + n, n);
	}
	gi_emit(s);
	return 0;
}

/* Makes the edits of a rule that fired, and reports it. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_apply_binding(struct gi_scratch *s, gi_u32 n)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	struct gi_rule *rule;
	gi_u32 observe;
	int reason;

	if (!s || n >= GI_FIRED)
		return GI_NO_ROW;
	binding = gi_binding_row(s, s->fired[n].binding);
	if (!binding)
		return GI_NO_ROW;
	counters = gi_counters_row(s, binding->rule);
	rule = gi_rule_row(s, binding->rule);
	if (!counters || !rule)
		return GI_NO_ROW;
	observe = rule->flags & GI_RULE_OBSERVE;
	reason = gi_make_edits(s, binding->first_edit, binding->edits, observe);
	if (reason)
		gi_fail(counters, reason);
	else if (!observe && (binding->flags & GI_BINDING_COMPLETES))
		gi_add(&counters->applied, 1);
	gi_report(s, s->fired[n].binding, s->fired[n].call, reason);
	return reason;
}

/* Whether a rule fires in this call; if so it is noted in the scratch. */
GI_SUBPROGRAM int gi_decide_binding(struct gi_scratch *s, gi_u32 row)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	gi_u64 call = 0;
	gi_u32 n;

	if (!s)
		return 0;
	binding = gi_binding_row(s, row);
	if (!binding)
		return 0;
	counters = gi_counters_row(s, binding->rule);
	if (!counters)
		return 0;
	if (binding->flags & GI_BINDING_COUNTS) {
		gi_add(&counters->calls, 1);
		call = gi_add(&counters->matched, 1) + 1;
		gi_add(&counters->fired, 1);
	}
	n = s->fired_count;
	if (n >= GI_FIRED) {
		gi_fail(counters, GI_TOO_MANY);
		return 0;
	}
	s->fired[n].binding = row;
	s->fired[n].call = call;
	s->fired_count = n + 1;
	return 1;
}

/* Decides for every rule of a site, in file order: s->fired. */
GI_SUBPROGRAM int gi_decide(struct gi_scratch *s)
{
	struct gi_site *site;
	gi_u32 i;

	if (!s)
		return 0;
	site = gi_site_row(s, s->hit.site);
	if (!site)
		return 0;
	for (i = 0; i < GI_BINDINGS; i++) {
		if (i >= site->bindings)
			break;
		gi_decide_binding(s, site->first_binding + i);
	}
	return 0;
}

/* Makes the edits of every rule that fired in this call, in file order. */
GI_SUBPROGRAM int gi_apply(struct gi_scratch *s)
{
	gi_u32 i;

	if (!s)
		return 0;
	for (i = 0; i < GI_FIRED; i++) {
		if (i >= s->fired_count)
			break;
		gi_apply_binding(s, i);
	}
	s->fired_count = 0;
	return 0;
}

/* Counts a failure for every rule that fired, when their edits can't even be tried. */
GI_SUBPROGRAM int gi_abandon(struct gi_scratch *s, gi_u32 reason)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	gi_u32 i;

	if (!s)
		return 0;
	for (i = 0; i < GI_FIRED; i++) {
		if (i >= s->fired_count)
			break;
		binding = gi_binding_row(s, s->fired[i].binding);
		counters = binding ? gi_counters_row(s, binding->rule) : 0;
		if (counters)
			gi_fail(counters, reason);
		gi_report(s, s->fired[i].binding, s->fired[i].call, reason);
	}
	s->fired_count = 0;
	return 0;
}

#endif
