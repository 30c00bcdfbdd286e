/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * What the core keeps from one hit to another: of calls under way, of goroutines that sleep, of calls that are counted.
 * goinject reads and writes it where a tracer makes the edits. The Rust side is src/table/call.rs.
 */
#ifndef GOINJECT_KEPT_H
#define GOINJECT_KEPT_H

#include "abi.h"

/* What became of a binding that fired; 0 while it waits for its edits. */
enum gi_settled {
	GI_IS_DONE = 1,
	GI_HAS_FAILED = 2,
};

/* A binding that fired in a call, kept until its edits are made. */
struct gi_fired {
	gi_u32 binding;
	gi_u32 settled; /* enum gi_settled */
	gi_u64 call;
	gi_u64 delay; /* ns */
	gi_u64 place;  /* as in gi_event */
	gi_u64 number;
};

/* A call between its entry and its return: what the return wants to know. */
struct gi_call_key {
	gi_u64 g;
	gi_u64 depth; /* of its frame below the stack's high end: survives stack moves */
	gi_u32 rule;
	gi_u32 process; /* serial: the g of two processes may be the same */
};

struct gi_call {
	gi_u64 call;   /* its number, if it fired at entry */
	gi_u64 truths; /* of conditions at entry: bits 2n and 2n+1 for row slot n */
	gi_u64 capture[GI_CAPTURES];
	gi_u32 captured; /* bit n: capture[n] was read */
	gi_u32 fired;
};

/* What is kept of a goroutine, whichever rule it is about. */
struct gi_g_key {
	gi_u64 g;
	gi_u32 process; /* serial */
	gi_u32 padding;
};

/* A goroutine that sleeps before a call. */
struct gi_delay {
	gi_u64 deadline; /* ns, CLOCK_MONOTONIC */
	gi_u64 duration; /* ns, what is left of it */
	gi_u64 whole;    /* ns */
	gi_u64 depth;
	gi_u32 site;
	gi_u32 fired_count;
	gi_u32 sent; /* it is on its way to the slot, and not there by itself to grow its stack */
	gi_u32 asleep; /* it was sent from the slot to time.Sleep, which comes back when its part is over and not before */
	struct gi_fired fired[GI_DELAYED];
};

/* Whose calls are counted together: in the high byte of gi_goroutine_key.rule. */
enum gi_scope {
	GI_SCOPE_GOROUTINE = 0,       /* by its g. The runtime uses a g again for another goroutine, which has another id */
	GI_SCOPE_TEST = 1 << 24,      /* by the id of the test's goroutine */
	GI_SCOPE_PROCESS = 2 << 24,
	GI_SCOPE_PLACE = 3 << 24,     /* by where they were made, in whichever process */
};

/* A rule's calls in one scope. */
struct gi_goroutine_key {
	gi_u64 g;
	gi_u32 rule;
	gi_u32 process; /* serial */
};

struct gi_goroutine {
	gi_u64 goid;
	gi_u64 calls;
	gi_u64 taken; /* firings, against times */
};

_Static_assert(sizeof(struct gi_fired) == 40, "gi_fired");
_Static_assert(sizeof(struct gi_call) == 56, "gi_call");
_Static_assert(sizeof(struct gi_delay) == 368, "gi_delay");

#endif
