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

/* Gives the frame what was edited. A thread that is redirected, or is to run the instruction again because
 * it used up an argument, gets all the registers that it had before the instruction. */
GI_SUBPROGRAM int gi_frame_commit(struct gi_scratch *s, gi_u64 ucontext)
{
	struct gi_site *site;
	struct gi_pass pass = {};
	struct gi_g_key key;

	if (!GI_NEEDS(FRAMES) || !s)
		return 0;
	site = gi_site_row(s, s->hit.site);
	if (!site || !s->hit.edited)
		return 0;
	if (s->hit.redirected) {
		gi_user_write(s, ucontext + GI_UC_PC, &s->hit.to, 8);
		return gi_frame_registers(s, ucontext, 1);
	}
	if (!(site->flags & GI_SITE_RESTART))
		return gi_frame_registers(s, ucontext, 0);
	if (!s->hit.g || gi_user_read(s, &s->word[0], 8, s->hit.g + GI_G_STACK_HIGH))
		return 0;
	pass.site = s->hit.site;
	pass.depth = s->word[0] - s->hit.reg[GI_SP];
	key = s->g_key;
	if (bpf_map_update_elem(&gi_passes, &key, &pass, BPF_ANY))
		return 0;
	gi_user_write(s, ucontext + GI_UC_PC, &s->hit.pc, 8);
	return gi_frame_registers(s, ucontext, 1);
}

#endif
