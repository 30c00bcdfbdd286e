/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The decision core inside the target: what goinject puts there, and shares with it. The Rust side is src/inline.rs.
 *
 * A jump at each site leads to a stub, and all stubs to one piece of code (inline.S of the architecture), which saves the registers in a
 * slot, takes the slot's stack and calls goinject_inline.
 */
#ifndef GOINJECT_INLINE_H
#define GOINJECT_INLINE_H

#include <stddef.h>

#include "native.h"

/* A thread's place while it is in the core: registers, working memory and a stack of its own. */
#define GI_SLOT_SIZE 65536
#define GI_SLOTS 64

struct gi_slot {
	gi_u32 taken;
	gi_u32 number; /* among the slots */
	gi_u64 resume; /* where the thread goes on */
	/* What is found out once for all of a hit: 0 until then. */
	gi_u64 now;
	gi_u64 stack_low; /* of the goroutine that the thread runs */
	gi_u64 stack_high;
	gi_u64 m;
	gi_u32 goroutine; /* enum gi_found: whether it runs one, on its own stack */
	gi_u32 event;     /* 0, GI_FOUND_NO, or GI_FOUND_RING and more: the ring that has room for one */
	gi_u64 counts;    /* from a rule's counters to the slot's share of them */
	struct gi_scratch scratch;
	gi_u32 lane;      /* the one that its calls are counted in, less its number */
	/* The rest is the stack. */
};

enum gi_found {
	GI_FOUND_YES = 1,
	GI_FOUND_NO = 2,
	GI_FOUND_RING = 3,
};

/*
 * The time by the processor's own counter, which goinject compares with CLOCK_MONOTONIC again and again. Where the kernel does
 * not trust that counter there is none, and the kernel is asked.
 */
struct gi_clock {
	gi_u64 changes; /* odd while it is being changed; 0: no clock */
	gi_u64 counter; /* as it was at ... */
	gi_u64 time;    /* ns, CLOCK_MONOTONIC */
	gi_u64 scale;   /* ns of one count, times 2^32 */
};

/* A table of what outlives a hit: buckets of GI_WAYS entries. */
struct gi_kept_table {
	gi_u64 buckets;     /* address */
	gi_u32 mask;        /* number of buckets, less one */
	gi_u32 key_words;
	gi_u32 value_words;
	gi_u32 forgets;     /* what is oldest makes room */
};

#define GI_WAYS 8
#define GI_MEMORIES 5

/* Words of a bucket before its entries: a lock, and a clock. Words of an entry before its key: a stamp, 0 if it is free. */
#define GI_BUCKET_WORDS 2
#define GI_ENTRY_WORDS 1

/*
 * Counts that no decision depends on: each slot has a share of its own, which one thread at a time writes to, and goinject
 * adds them up. Otherwise threads that come to the same site would wait for each other's counting.
 */
struct gi_shares {
	gi_u64 first; /* address of the first slot's: a row for each rule, one of the run, and one for each term */
	gi_u64 size;  /* of one */
	gi_u64 terms; /* from where a term's counters would be, if they were as far from their share as a rule's, to there */
	gi_u64 used;  /* bit n: that of slot n */
};

/*
 * Where no decision depends on a call's number, the slot counts it in its share, and the event says the count and whose it is: goinject
 * numbers such calls as it tells them. Those that are numbered at once have fewer than 2^63.
 */
#define GI_TOLD_NUMBER (1ull << 63)
#define GI_TOLD_SLOT_SHIFT 56

/*
 * Events on their way to goinject. A thread uses the ring of its slot, and where that is full the next ones: threads at the same site
 * seldom wait for each other, and one that is alone has room enough.
 */
#define GI_RINGS 16
#define GI_RINGS_TRIED 4

struct gi_ring {
	gi_u64 head; /* taken by threads */
	gi_u64 padding[7];
	gi_u64 tail; /* read by goinject */
	gi_u64 padding2[7];
};

#define GI_RING_ENTRIES 1024

/*
 * An event as far as it is in use, its parts one behind the other: what a simple one says is in a few lines, and those of
 * several events in a row. What an entry has no room for is in another table. Lines that goinject has read cost a thread a
 * lot, unless the processor sees which will be next.
 */
#define GI_RING_WORDS 31

struct gi_ring_entry {
	gi_u64 number; /* of the event, from 1, once it is whole */
	gi_u64 word[GI_RING_WORDS];
};

struct gi_ring_rest {
	gi_u64 word[104];
};

/* Of gi_event.padding, on this way: the number of words that its rule edits, and whether it names a test. */
#define GI_SENT_WORDS 0xffff
#define GI_SENT_TEST 0x10000

/* All that the core finds in a process. */
struct gi_inside {
	struct gi_host host;
	gi_u64 rings;
	gi_u64 entries; /* GI_RING_ENTRIES of struct gi_ring_entry for each of them */
	gi_u64 tls_is_known; /* gi_process.tls_g says where g is, in every thread */
	gi_u64 lease; /* ns, CLOCK_MONOTONIC: from then on goinject is taken for dead */
	gi_u64 procid_offset; /* in m: the kernel's number of the thread; 0 unknown */
	struct gi_clock clock;
	struct gi_kept_table kept[GI_MEMORIES];
	gi_u64 slots;
	struct gi_shares shares;
	gi_u64 rest; /* GI_RING_ENTRIES of struct gi_ring_rest for each ring */
};

/* The same numbers as in src/inline/layout.rs and inline.S. */
_Static_assert(offsetof(struct gi_inside, rings) == 216 && sizeof(struct gi_inside) == 456, "gi_inside");
_Static_assert(offsetof(struct gi_slot, scratch) + offsetof(struct gi_scratch, hit) == 88, "gi_slot");
_Static_assert(8 * GI_RING_WORDS + sizeof(struct gi_ring_rest) >= sizeof(struct gi_event), "gi_ring_rest");
_Static_assert(sizeof(struct gi_slot) + 32768 <= GI_SLOT_SIZE, "gi_slot");

#endif
