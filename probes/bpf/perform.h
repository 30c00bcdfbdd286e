/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The second half of the decision core: what the rules that fire in a call do, and what is told of them. It comes last in core.h.
 */
#ifndef GOINJECT_PERFORM_H
#define GOINJECT_PERFORM_H

/* How long a call has been delayed that a context ends, in ns: by the clock, or what it slept by that of a bubble. */
static __inline__ gi_u64 gi_time_delayed(struct gi_scratch *s)
{
	gi_u64 passed, slept;

	if (!s->slept)
		return 0;
	passed = gi_now(s) - (s->delay.deadline - s->delay.whole);
	slept = s->delay.asleep ? s->delay.whole - s->delay.duration : 0;
	return slept > passed ? slept : passed;
}

/* Reports a rule that fired. */
GI_SUBPROGRAM int gi_report(struct gi_scratch *s, gi_u32 n, gi_u32 reason)
{
	struct gi_binding *binding;
	struct gi_process *process;
	struct gi_rule *rule;
	gi_u32 i, edits;

	if (!s || n >= GI_FIRED)
		return 0;
	binding = gi_binding_row(s, s->fired[n].binding);
	process = gi_process_row(s);
	if (!binding || !process)
		return 0;
	rule = gi_rule_row(s, binding->rule);
	if (!rule)
		return 0;
	if (!gi_are_events_taken(s, binding->rule))
		return 0;
	if (!gi_is_event_wanted(s))
		return gi_drop_event(s);
	s->event.test.length = 0;
	if (GI_NEEDS(TESTS) && !gi_find_member(s, s->hit.g) && gi_test_load(s))
		s->event.test.length = 0;
	s->word[0] = 0;
	if (s->hit.g)
		gi_user_read(s, &s->word[0], 8, s->hit.g + process->goid_offset);
	s->event.goid = s->word[0];
	s->event.time = gi_now(s);
	s->event.call = s->fired[n].call;
	s->event.delay = s->fired[n].delay;
	s->event.place = s->fired[n].place;
	s->event.number = s->fired[n].number;
	s->event.tid = s->hit.tid;
	s->event.process = s->hit.serial;
	s->event.rule = binding->rule;
	s->event.site = s->hit.site;
	s->event.binding = s->fired[n].binding;
	s->event.reason = reason;
	s->event.flags = (rule->flags & GI_RULE_OBSERVE) ? GI_EVENT_OBSERVED : 0;
	edits = binding->edits;
	if (GI_NEEDS(UNTIL) && (binding->flags & GI_BINDING_UNTIL)) {
		if (s->ended == GI_ENDED_DONE) {
			s->event.flags |= GI_EVENT_ENDED;
			s->event.delay = gi_time_delayed(s);
		} else {
			edits = 0;
		}
	}
	s->event.known = 0;
	s->event.texts = 0;
	for (i = 0; i < GI_EVENT_WORDS; i++) {
		if (!GI_NEEDS(EDITS) || reason || i >= edits)
			break;
		gi_note_edit(s, binding->first_edit + i, i);
	}
	gi_emit(s);
	return 0;
}

/* Readies a call of runtime.gopanic in this one's place. Returns enum gi_reason. */
static __inline__ int gi_prepare_panic(struct gi_scratch *s)
{
	struct gi_process *process = gi_process_row(s);

	if (!process || !process->gopanic || !process->panic_return)
		return GI_NO_ROW;
	s->hit.to = process->gopanic;
	return gi_write_panic_frame(s, process->panic_return) ? GI_WRITE_FAULT : GI_OK;
}

/* Finds where a call goes on that ends before it begins: s->hit.to. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_find_end(struct gi_scratch *s, gi_u32 flags)
{
	if (!s)
		return GI_NO_ROW;
	if (flags & GI_BINDING_PANICS) {
		/* Go takes a fault at address 0 for a call of a nil func, made by the caller of this one; on a
		 * scheduler's or signal handler's stack it takes any fault for its own, and ends the program. */
		s->hit.to = 0;
		if (!gi_on_goroutine(s))
			return GI_NOT_HERE;
		return (flags & GI_BINDING_PANIC_VALUE) ? gi_prepare_panic(s) : GI_OK;
	}
	if (gi_return_address(s, &s->word[0]))
		return GI_READ_FAULT;
	s->hit.to = s->word[0];
	return GI_OK;
}

/* Ends the call before it begins: returns to the caller, or calls nil. */
static __inline__ void gi_end_call(struct gi_scratch *s, gi_u32 flags, gi_u32 edits)
{
	if (!(flags & GI_BINDING_PANICS))
		gi_leave_call(&s->hit);
	else if (flags & GI_BINDING_PANIC_VALUE)
		gi_enter_panic(&s->hit, s->planned[(edits - 2) & (GI_EDITS - 1)].after,
			       s->planned[(edits - 1) & (GI_EDITS - 1)].after);
	s->hit.redirected = 1;
	s->hit.edited = 1;
}

/* Counts a rule that fired and could do nothing, or puts it off: whether it did that. */
GI_SUBPROGRAM int gi_is_put_off(struct gi_scratch *s, gi_u32 n, gi_u32 reason)
{
	struct gi_binding *binding;

	if (!s || n >= GI_FIRED)
		return 0;
	s->fired[n].settled = GI_HAS_FAILED;
	if (reason == GI_BARRIER && gi_put_off(s, s->fired[n].binding))
		return 1;
	binding = gi_binding_row(s, s->fired[n].binding);
	if (binding)
		gi_fail_rule(s, binding->rule, reason);
	return 0;
}

/* Does what a rule that fired asks for, and reports it. */
GI_SUBPROGRAM int gi_apply_binding(struct gi_scratch *s, gi_u32 n)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	struct gi_rule *rule;
	gi_u32 ends, edits, observe;
	int reason = GI_OK;

	if (!s || n >= GI_FIRED)
		return 0;
	binding = gi_binding_row(s, s->fired[n].binding);
	if (!binding)
		return 0;
	counters = gi_counters_row(s, binding->rule);
	rule = gi_rule_row(s, binding->rule);
	if (!counters || !rule)
		return 0;
	observe = rule->flags & GI_RULE_OBSERVE;
	s->applying = n;
	ends = observe ? 0 : binding->flags & (GI_BINDING_RETURNS | GI_BINDING_PANICS);
	edits = binding->edits;
	if (GI_NEEDS(UNTIL) && (binding->flags & GI_BINDING_UNTIL)) {
		if (s->ended == GI_ENDED_DONE)
			ends |= observe ? 0 : GI_BINDING_RETURNS;
		else
			edits = 0;
		if (s->ended == GI_ENDED_UNKNOWN)
			reason = GI_NO_CONTEXT;
	}
	if (ends)
		ends |= binding->flags & GI_BINDING_PANIC_VALUE;
	/* First, for the results lie where the arguments are: a call that goes on must not meet them. */
	if (ends)
		reason = gi_find_end(s, ends);
	if (!reason && edits)
		reason = gi_make_edits(s, binding->first_edit, edits, observe);
	if (ends && !reason)
		gi_end_call(s, ends, edits);
	if (reason && gi_is_put_off(s, n, reason))
		return 0;
	if (!reason && !observe && (binding->flags & GI_BINDING_COMPLETES))
		gi_count(s, &counters->applied, 1);
	s->fired[n].settled = reason ? GI_HAS_FAILED : GI_IS_DONE;
	return gi_report(s, n, reason);
}

/* Counts a failure for every rule that fired, when what they ask for can't even be tried. */
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
			gi_fail(s, counters, reason);
		gi_report(s, i, reason);
	}
	s->fired_count = 0;
	return 0;
}

/* Does what the rules that fired in this call ask for, in file order; their delays first, added up. */
GI_SUBPROGRAM int gi_apply(struct gi_scratch *s)
{
	gi_u64 delay = 0;
	gi_u32 i, row;
	int reason;

	if (!s)
		return 0;
	for (i = 0; i < GI_FIRED; i++) {
		if (i >= s->fired_count)
			break;
		delay += s->fired[i].delay;
	}
	/* A context that is done already ends the call at once. */
	row = GI_NEEDS(UNTIL) && !s->slept ? gi_until_row(s, s->fired, s->fired_count) : 0;
	if (row)
		gi_find_end_of_context(s, row - 1);
	if (GI_NEEDS(DELAYS) && delay && !s->slept && s->ended != GI_ENDED_DONE) {
		reason = gi_start_delay(s, delay);
		return reason ? gi_abandon(s, reason) : 0;
	}
	for (i = 0; i < GI_FIRED; i++) {
		if (i >= s->fired_count)
			break;
		gi_apply_binding(s, i);
	}
	return 0;
}

/* Does what gi_begin found, where edits can be made. */
GI_SUBPROGRAM int gi_perform(struct gi_scratch *s)
{
	if (!s)
		return 0;
	switch (s->stage) {
	case GI_STAGE_SLOT:
		return gi_enter_sleep(s);
	case GI_STAGE_AGAIN:
		return gi_delay_further(s);
	default:
		return gi_apply(s);
	}
}

#endif
