/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Delays: one goroutine sleeps before a call, and all others go on.
 *
 * A function with a stack check has a place where Go itself may stop the call and let the goroutine
 * wait: the code that saves the parameters and calls runtime.morestack, under valid stack maps, and
 * then starts the function again. A delayed call is sent there. At the CALL (the slot, probed too) the
 * thread is made to look as if the function had called runtime.Gosched and that time.Sleep: Gosched's
 * frame has room for the one argument that time.Sleep may save there, and its epilogue leads back. So
 * the goroutine sleeps like any other, and comes back to the entry site with its parameters reloaded.
 *
 * A long delay is slept in parts, each an eighth of what is left or a second: once the site is gone, the goroutine goes on
 * when its part is over, and not when the whole of it would have been.
 *
 * A delay that a context ends is slept in small parts, a fraction of what is over: behind each it is looked whether the context is done.
 *
 * Where that can't be (closures, whose slot needs a register that is not saved; programs without
 * time.Sleep; Go 1.15), the call is sent the same way with a preemption request in its g, again and
 * again: runtime.newstack lets other goroutines run each time. That costs processor time.
 */
#ifndef GOINJECT_DELAY_H
#define GOINJECT_DELAY_H

#include "call.h"
#include "context_done.h"
#include "place.h"

/* The shortest part of a delay, in ns. */
#define GI_DELAY_PART 1000000000ull
/* Of what is left, a part is this fraction, as a shift: few parts even of the longest. */
#define GI_DELAY_SHIFT 3
/* The same of one that a context may end, of what is over: it ends late by no more than that, or by a fraction of what waking took. */
#define GI_UNTIL_PART 1000000ull
#define GI_UNTIL_SHIFT 5
#define GI_UNTIL_LOSS_SHIFT 2

/* runtime.stackPreempt: as a stack guard, what every stack check fails on. */
#define GI_STACK_PREEMPT 0xfffffffffffffadeull

/* Whether the thread runs its goroutine, and not the scheduler or a signal handler. */
GI_SUBPROGRAM int gi_on_goroutine(struct gi_scratch *s)
{
	struct gi_process *process;

	if (!s)
		return 0;
	process = gi_process_row(s);
	if (!process || gi_find_depth(s))
		return 0;
	if (gi_user_read(s, &s->word[0], 8, s->hit.g + process->m_offset) || !s->word[0] ||
	    gi_user_read(s, &s->word[1], 8, s->word[0] + process->curg_offset))
		return 0;
	return s->word[1] == s->hit.g;
}

/* Has the goroutine's next stack check fail, and the runtime let others run. */
static __inline__ int gi_request_preemption(struct gi_scratch *s)
{
	s->word[0] = GI_STACK_PREEMPT;
	return gi_user_write(s, s->hit.g + GI_G_STACK_GUARD, &s->word[0], 8);
}

/* Sends the thread to its function's slot, at an entry site. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_go_to_slot(struct gi_scratch *s)
{
	struct gi_site *site;

	if (!GI_NEEDS(DELAYS) || !s)
		return GI_NO_ROW;
	site = gi_site_row(s, s->hit.site);
	if (!site)
		return GI_NO_ROW;
	if (!(site->flags & GI_SITE_SLEEPS) && gi_request_preemption(s))
		return GI_WRITE_FAULT;
	s->hit.to = site->slot;
	s->hit.redirected = 1;
	s->hit.edited = 1;
	return GI_OK;
}

/* Starts a delay at an entry site; what fired waits for its end. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_start_delay(struct gi_scratch *s, gi_u64 duration)
{
	gi_u32 i;
	int reason;

	if (!GI_NEEDS(DELAYS) || !s)
		return GI_NO_ROW;
	if (!gi_on_goroutine(s))
		return GI_NOT_HERE;
	if (s->fired_count > GI_DELAYED)
		return GI_TOO_MANY;
	s->delay.deadline = gi_now(s) + duration;
	s->delay.duration = duration;
	s->delay.whole = duration;
	s->delay.depth = s->depth;
	s->delay.site = s->hit.site;
	s->delay.fired_count = s->fired_count;
	s->delay.sent = 1;
	s->delay.asleep = 0;
	for (i = 0; i < GI_DELAYED; i++)
		s->delay.fired[i] = s->fired[i];
	if (gi_delay_save(s))
		return GI_NO_ROOM;
	reason = gi_go_to_slot(s);
	if (reason)
		gi_delay_forget(s);
	return reason;
}

/* The row of what ends the delay that the first `count` of some fired rules ask for; 0 none. Only the last of them can have one. */
static __inline__ gi_u32 gi_until_row(struct gi_scratch *s, const struct gi_fired *fired, gi_u32 count)
{
	struct gi_binding *binding;

	if (!count)
		return 0;
	binding = gi_binding_row(s, fired[(count - 1) & (GI_DELAYED - 1)].binding);
	return binding && (binding->flags & GI_BINDING_UNTIL) ? binding->until + 1 : 0;
}

/* The next part of a delay that a context may end, in ns. */
static __inline__ gi_u64 gi_part_until(struct gi_scratch *s)
{
	gi_u64 slept = s->delay.whole - s->delay.duration;
	gi_u64 passed = gi_now(s) - (s->delay.deadline - s->delay.whole);
	gi_u64 part = slept >> GI_UNTIL_SHIFT;

	/* Where waking takes long, it is seldom done. In a bubble less may have passed than was slept. */
	if (passed > slept && part < (passed - slept) >> GI_UNTIL_LOSS_SHIFT)
		part = (passed - slept) >> GI_UNTIL_LOSS_SHIFT;
	return part < GI_UNTIL_PART ? GI_UNTIL_PART : part;
}

/* How long to sleep next, in ns. */
static __inline__ gi_u64 gi_part_of_delay(struct gi_scratch *s)
{
	gi_u64 part;

	if (GI_NEEDS(UNTIL) && gi_until_row(s, s->delay.fired, s->delay.fired_count))
		return gi_part_until(s);
	part = s->delay.duration >> GI_DELAY_SHIFT;
	return part < GI_DELAY_PART ? GI_DELAY_PART : part;
}

/*
 * At the slot: calls time.Sleep through the frame of runtime.Gosched. Returns enum gi_reason.
 *
 * It was sent there, so the CALL must not be made: it would double the stack, each time. Hence the sleep
 * even if it is late by now. It comes back when its time is over and not before. In a bubble of testing/synctest
 * that is the bubble's time. Where the kernel can't write to the stack, for instance to a page of it that
 * was never used, the CALL is made with a preemption request instead: it yields, comes back to the
 * entry, and has used that page.
 */
GI_SUBPROGRAM int gi_enter_sleep(struct gi_scratch *s)
{
	struct gi_process *process;
	struct gi_site *site;
	gi_u64 part;

	if (!GI_NEEDS(DELAYS) || !s)
		return GI_NO_ROW;
	process = gi_process_row(s);
	site = gi_site_row(s, s->hit.site);
	if (!process || !site)
		return GI_NO_ROW;
	s->delay.sent = 0;
	s->delay.asleep = 0;
	if (gi_delay_save(s))
		return GI_NO_ROOM;
	if (gi_push_sleeper(s, process->frame_return, site->slot)) {
		gi_request_preemption(s);
		return GI_WRITE_FAULT;
	}
	/* The parts add up to the whole: what the way here took is not known to the clock of a bubble. */
	part = gi_part_of_delay(s);
	if (part > s->delay.duration)
		part = s->delay.duration;
	s->delay.duration -= part;
	s->delay.asleep = 1;
	gi_delay_save(s);
	s->hit.reg[GI_FIRST_ARGUMENT] = part;
	s->hit.to = process->sleep;
	s->hit.redirected = 1;
	s->hit.edited = 1;
	return GI_OK;
}

/* Whether a thread at a slot was sent there to sleep. */
static __inline__ int gi_at_slot(struct gi_scratch *s)
{
	return !gi_delay_load(s) && s->delay.sent && !gi_find_depth(s) && s->depth == s->delay.depth;
}

/* Sends a goroutine whose delay is not over to its slot again. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_delay_further(struct gi_scratch *s)
{
	if (!GI_NEEDS(DELAYS) || !s)
		return GI_NO_ROW;
	s->delay.sent = 1;
	if (gi_delay_save(s))
		return GI_NO_ROOM;
	return gi_go_to_slot(s);
}

/* enum gi_back: what brings a goroutine to an entry site. */
enum gi_back {
	GI_BACK_CALL = 0,  /* a call */
	GI_BACK_EARLY = 1, /* a call that is to be delayed further */
	GI_BACK_LATE = 2,  /* a call whose delay is over: s->fired is what it was delayed with */
};

GI_SUBPROGRAM int gi_back_from_delay(struct gi_scratch *s)
{
	gi_u32 i, row;
	int early;

	if (!GI_NEEDS(DELAYS) || !s || !s->hit.g || gi_delay_load(s))
		return GI_BACK_CALL;
	if (gi_find_depth(s) || s->depth != s->delay.depth || s->hit.site != s->delay.site) {
		gi_delay_forget(s);
		return GI_BACK_CALL;
	}
	early = s->delay.asleep ? s->delay.duration != 0 : gi_now(s) < s->delay.deadline;
	if (GI_NEEDS(UNTIL)) {
		row = gi_until_row(s, s->delay.fired, s->delay.fired_count);
		if (row)
			gi_find_end_of_context(s, row - 1);
	}
	if (early && s->ended != GI_ENDED_DONE)
		return GI_BACK_EARLY;
	gi_delay_forget(s);
	for (i = 0; i < GI_DELAYED; i++)
		s->fired[i] = s->delay.fired[i];
	s->fired_count = s->delay.fired_count;
	s->slept = 1;
	return GI_BACK_LATE;
}

#endif
