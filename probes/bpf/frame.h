/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The signal-frame writer: the kernel saved the interrupted thread's registers in its signal frame
 * and rt_sigreturn will load them again; edits go there with bpf_probe_write_user.
 */
#ifndef GOINJECT_FRAME_H
#define GOINJECT_FRAME_H

#include "call.h"
#include "signal_frame.h"

/* Opens the frame of a thread that left the probed instruction. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_frame_open(struct gi_scratch *s, gi_u64 ucontext)
{
	struct gi_site *site;
	gi_u64 at, pc;
	int expected;

	if (!GI_NEEDS(FRAMES) || !s)
		return GI_NO_ROW;
	site = gi_site_row(s, s->hit.site);
	if (!site)
		return GI_NO_ROW;
	if (gi_user_read(s, &s->word[0], 8, ucontext + GI_UC_PC) || gi_frame_find_floats(s, ucontext))
		return GI_READ_FAULT;
	at = s->word[0];
	pc = s->hit.pc;
	switch (site->lead) {
	case GI_LEAD_NEXT:
		expected = at == pc + site->length;
		break;
	case GI_LEAD_BRANCH:
		expected = at == pc + site->length || at == pc + (gi_s64)site->displacement;
		break;
	case GI_LEAD_TARGET:
		expected = at == pc + (gi_s64)site->displacement;
		break;
	default:
		if (gi_return_address(s, &s->word[0]))
			return GI_READ_FAULT;
		expected = at == s->word[0];
		break;
	}
	return expected ? GI_OK : GI_WRONG_PC;
}

/*
 * Whether edits will reach the thread, found out before any is made: the frame is written to at both ends, with what is
 * there, and a thread that is to run the instruction again is noted as one to let pass. Returns enum gi_reason.
 */
GI_SUBPROGRAM int gi_frame_ready(struct gi_scratch *s, gi_u64 ucontext)
{
	struct gi_site *site;

	if (!GI_NEEDS(FRAMES) || !s)
		return GI_NO_ROW;
	site = gi_site_row(s, s->hit.site);
	if (!site)
		return GI_NO_ROW;
	if (gi_user_read(s, &s->word[0], 8, ucontext + GI_UC_REGISTERS) ||
	    gi_user_write(s, ucontext + GI_UC_REGISTERS, &s->word[0], 8) ||
	    gi_user_read(s, &s->word[0], 8, ucontext + GI_UC_PC) ||
	    gi_user_write(s, ucontext + GI_UC_PC, &s->word[0], 8))
		return GI_WRITE_FAULT;
	if (!(site->flags & GI_SITE_RESTART))
		return GI_OK;
	if (!s->hit.g || gi_user_read(s, &s->word[0], 8, s->hit.g + GI_G_STACK_HIGH))
		return GI_READ_FAULT;
	return gi_pass_save(s, s->word[0] - s->hit.reg[GI_SP]) ? GI_NO_ROOM : GI_OK;
}

/* Gives the frame what was edited. A thread that is redirected, or is to run the instruction again because
 * it used up an argument, gets all the registers that it had before the instruction. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_frame_commit(struct gi_scratch *s, gi_u64 ucontext)
{
	struct gi_site *site;
	int again;

	if (!GI_NEEDS(FRAMES) || !s)
		return GI_OK;
	site = gi_site_row(s, s->hit.site);
	if (!site)
		return GI_NO_ROW;
	again = (site->flags & GI_SITE_RESTART) && s->hit.edited && !s->hit.redirected;
	if ((site->flags & GI_SITE_RESTART) && !again)
		gi_pass_forget(s);
	if (!s->hit.edited)
		return GI_OK;
	if (gi_frame_registers(s, ucontext, again || s->hit.redirected))
		return GI_WRITE_FAULT;
	if (s->hit.redirected)
		return gi_user_write(s, ucontext + GI_UC_PC, &s->hit.to, 8) ? GI_WRITE_FAULT : GI_OK;
	if (again)
		return gi_user_write(s, ucontext + GI_UC_PC, &s->hit.pc, 8) ? GI_WRITE_FAULT : GI_OK;
	return GI_OK;
}

/*
 * The frame did not take what was to reach the thread: each rule that waited for it, or was done, has failed. What was
 * counted as applied is taken back.
 */
GI_SUBPROGRAM int gi_retract(struct gi_scratch *s, gi_u32 reason)
{
	struct gi_binding *binding;
	struct gi_counters *counters;
	struct gi_rule *rule;
	gi_u32 i;

	if (!GI_NEEDS(FRAMES) || !s)
		return 0;
	for (i = 0; i < GI_FIRED; i++) {
		if (i >= s->fired_count)
			break;
		binding = gi_binding_row(s, s->fired[i].binding);
		counters = binding ? gi_counters_row(s, binding->rule) : 0;
		rule = binding ? gi_rule_row(s, binding->rule) : 0;
		if (!binding || !counters || !rule || (rule->flags & GI_RULE_OBSERVE) ||
		    s->fired[i].settled == GI_HAS_FAILED)
			continue;
		if (s->fired[i].settled == GI_IS_DONE && (binding->flags & GI_BINDING_COMPLETES))
			gi_count(s, &counters->applied, -1ull);
		s->fired[i].settled = GI_HAS_FAILED;
		gi_fail(s, counters, reason);
		gi_report(s, i, reason);
	}
	return 0;
}

/* A thread that has left the probed instruction is where its registers are saved: makes its edits there. */
static __always_inline int gi_in_frame(struct gi_scratch *s, gi_u64 ucontext)
{
	gi_u32 reason;

	reason = gi_frame_open(s, ucontext);
	if (reason)
		return gi_abandon(s, reason);
	if (s->stage == GI_STAGE_DECIDE && !gi_begin(s))
		return 0;
	/* Where nothing is to be written there is nothing to make sure of. */
	reason = s->writes ? gi_frame_ready(s, ucontext) : GI_OK;
	if (reason)
		return gi_abandon(s, reason);
	gi_perform(s);
	reason = s->writes ? gi_frame_commit(s, ucontext) : GI_OK;
	return reason ? gi_retract(s, reason) : 0;
}

#endif
