/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* What is told of a rule that fired: the end of abi.h. */
#ifndef GOINJECT_EVENT_H
#define GOINJECT_EVENT_H

/* One word of an event. */
struct gi_word {
	gi_u64 before;
	gi_u64 after;
};

/* A Go test, by the id of its goroutine. */
struct gi_go_test {
	gi_u32 length; /* of its name; 0: no test */
	gi_u32 padding;
	gi_u8 name[GI_TEST_NAME];
};

/* gi_event.flags */
#define GI_EVENT_OBSERVED 1  /* nothing was written */
#define GI_EVENT_ENDED 2     /* a context ended the call: the words are its results */

/* A rule that fired. */
struct gi_event {
	gi_u64 time; /* ns, CLOCK_MONOTONIC */
	gi_u64 call; /* number of the call among the rule's matched calls, from 1 */
	gi_u64 goid; /* 0 unknown */
	gi_u32 tid;
	gi_u32 rule;
	gi_u32 site;
	gi_u32 binding;
	gi_u32 reason; /* enum gi_reason: GI_OK if applied */
	gi_u32 flags;
	gi_u32 known; /* bit n: word[n].before was read */
	gi_u32 texts; /* entries of text in use */
	gi_u32 text_length[GI_EVENT_TEXTS];
	gi_u32 process; /* serial */
	gi_u32 frames; /* entries of stack in use */
	gi_u32 padding;
	gi_u64 delay; /* ns that the goroutine was to sleep */
	gi_u64 place; /* where the call was made, as another run of the program tells it: by Go test and call stack */
	gi_u64 number; /* of the call among those of its rule there, from 1; 0: not numbered */
	struct gi_word word[GI_EVENT_WORDS]; /* in the order of the binding's edits */
	gi_u8 text[GI_EVENT_TEXTS][GI_TEXT];
	/* What follows is only sent as far as it is in use. */
	gi_u64 stack[GI_STACK]; /* return addresses, innermost first */
	struct gi_go_test test;
};

_Static_assert(sizeof(struct gi_event) == 1056, "gi_event");

#endif
