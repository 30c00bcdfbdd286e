/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The core's working memory: one stopped call, and all that is worked out about it. Not shared with
 * the planner.
 *
 * None of it is on the BPF stack. Since Linux 6.13 a function whose frame has 64 bytes or more gets a
 * stack of its own per CPU, and uprobe programs can be preempted, and put to sleep, by others that use
 * the same one: values would leak from call to call. So every function of the program keeps its frame
 * below that (build.rs checks it), and what is larger lies here, one per thread.
 */
#ifndef GOINJECT_HIT_H
#define GOINJECT_HIT_H

#include "abi.h"
#include "goabi.h"
#include "kept.h"

#ifdef __bpf__
#define GI_SUBPROGRAM __attribute__((noinline))
/* Older verifiers look at every function, called or not: so each asks first. */
#define GI_NEEDS(need) ((needs & GI_NEED_##need) != 0)
#else
#define GI_NEEDS(need) 1
#ifdef GI_INLINE
#define GI_SUBPROGRAM static
#else
#define GI_SUBPROGRAM static __attribute__((noinline))
#endif
#endif

/* Room for the general registers of any architecture: a power of two, which masks of register numbers need. */
#define GI_REGISTERS 32

/* runtime.g starts with stack.lo, stack.hi and stackguard0, since Go 1.0. */
#define GI_G_STACK_LOW 0
#define GI_G_STACK_HIGH 8
#define GI_G_STACK_GUARD 16

/* Words that one rule may overwrite in one call. */
#define GI_EDITS 64

/* A thread at a probe, before the probed instruction. */
struct gi_hit {
	gi_u64 reg[GI_REGISTERS]; /* general registers, by enum gi_register; edits are made here first */
	gi_u64 pc;
	gi_u64 flags;
	gi_u64 g;       /* address of runtime.g; 0 unknown */
	gi_u64 floats;  /* BPF: user address of the saved X0, 0 if out of reach. Native: the host's handle */
	gi_u64 to;      /* where the thread goes on, if it is redirected */
	gi_u32 redirected; /* with all general registers as they are here */
	gi_u32 dirty;   /* bit n: reg[n] was edited */
	gi_u32 edited;  /* anything at all was */
	gi_u32 site;
	gi_u32 tid;
	gi_u32 process; /* row */
	gi_u32 serial;  /* of the process */
	gi_u32 padding;
};

/* A place found in this call. */
struct gi_where {
	gi_u64 address;
	gi_u32 base; /* enum gi_base; GI_BASE_ABSOLUTE once a pointer was followed */
	gi_u32 index;
};

/* Whether the context that a delay waits for is done. */
enum gi_ended {
	GI_ENDED_NOT = 0,
	GI_ENDED_DONE = 1,
	GI_ENDED_UNKNOWN = 2,
	GI_ENDED_ELSEWHERE = 3, /* another context tells */
};

/* A search through a map. */
struct gi_search {
	gi_u64 directory; /* the next table's address is there; of buckets: the old ones, which come last */
	gi_u64 tables;    /* left; of buckets: the number of old ones */
	gi_u64 table;     /* looked at last */
	gi_u64 next;      /* the next group */
	gi_u64 groups;    /* left in this table */
	gi_u64 group;     /* being looked at */
	gi_u64 overflow;  /* the bucket behind it; 0 none */
	gi_u64 control;   /* what its eight entries are */
	gi_u64 found;     /* the element */
};

#define GI_ELEMENT_ABSENT 0
#define GI_ELEMENT_UNREADABLE 1

/* An edit ready to be made, and what undoes it. */
struct gi_planned {
	struct gi_where where;
	gi_u64 before;
	gi_u64 after;
	gi_u64 extra; /* as the edit's */
	gi_u32 size;
	gi_u8 kind;
	gi_u8 source;
	gi_u8 known; /* before was read */
	gi_u8 flags; /* as the edit's */
};

/* What a thread's scratch waits for. */
enum gi_scratch_state {
	GI_SCRATCH_IDLE = 0,
	GI_SCRATCH_SIGNAL = 1, /* the signal that brings the thread to where edits can be made */
};

/* What is to be done where edits can be made. */
enum gi_stage {
	GI_STAGE_FAULTS = 0, /* what the rules that fired ask for */
	GI_STAGE_DECIDE = 1, /* first of all find out which fire */
	GI_STAGE_SLOT = 2,   /* go to sleep: the thread is at its function's slot */
	GI_STAGE_AGAIN = 3,  /* sleep on: the goroutine came back too early */
};

/* One per thread, so that neither preemption nor migration can mix two calls up. */
struct gi_scratch {
	gi_u32 state;
	gi_u32 stage;
	gi_u32 fired_count;
	gi_u32 writes;      /* what is to be done needs a writer */
	gi_u32 slept;       /* the delays of this call are over */
	gi_u32 next_row;    /* of the condition that is worked on */
	struct gi_hit hit;
	struct gi_where where; /* the place that was resolved last */
	gi_u64 word[4];        /* small values on their way */
	gi_u32 applying;       /* which of fired */
	gi_u32 level;          /* of the callers that are looked for, how many are found */
	gi_u32 low, high;      /* the ranges that are still in question */
	gi_u64 operand[2];     /* of a condition's row; afterwards, where the last copy was made from, and to */
	gi_u64 truths;         /* stack of a condition, two bits each */
	gi_u64 depth;          /* of the frame below the stack's high end */
	gi_u64 length[2];      /* of text and other_text; afterwards, of a copy, and what it is flipped by */
	gi_u64 text[GI_CONDITION_TEXT / 8]; /* of a condition; afterwards, a piece of a copy */
	gi_u64 other_text[GI_CONDITION_TEXT / 8];
	struct gi_search search;
	gi_u64 element[2];     /* where elements of maps are, or GI_ELEMENT_* */
	gi_u64 error[2];       /* that a context is done with */
	gi_u32 ended;          /* enum gi_ended */
	gi_u32 padding;
	struct gi_g_key g_key;
	struct gi_call_key call_key;
	struct gi_call call;
	struct gi_goroutine_key goroutine_key;
	gi_u64 place;          /* of the call, as in gi_event */
	gi_u64 number;
	struct gi_member_key member_key;
	struct gi_member member;
	struct gi_delay delay;
	struct gi_fired fired[GI_FIRED];
	struct gi_planned planned[GI_EDITS];
	struct gi_event event;
};

_Static_assert(GI_GENERAL_REGISTERS <= GI_REGISTERS, "gi_register");
_Static_assert(sizeof(struct gi_hit) == 328, "gi_hit");
_Static_assert(sizeof(struct gi_where) == 16, "gi_where");
_Static_assert(sizeof(struct gi_planned) == 48, "gi_planned");

#endif
