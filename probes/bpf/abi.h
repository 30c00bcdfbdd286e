/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The tables: what the planner writes and the decision core reads, and back.
 *
 * One definition for both sides. The Rust side is src/table.rs; sizes and offsets are asserted here
 * and compared with Rust's by a test. Integers have fixed widths, padding is explicit, there is no
 * bool and no pointer. Zero is a legal value of every offset and address, so presence is always a
 * bit or a count of its own.
 */
#ifndef GOINJECT_ABI_H
#define GOINJECT_ABI_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 gi_u8;
typedef __u16 gi_u16;
typedef __u32 gi_u32;
typedef __u64 gi_u64;
typedef __s32 gi_s32;
typedef __s64 gi_s64;
#else
#include <stdint.h>
typedef uint8_t gi_u8;
typedef uint16_t gi_u16;
typedef uint32_t gi_u32;
typedef uint64_t gi_u64;
typedef int32_t gi_s32;
typedef int64_t gi_s64;
#endif

/* Dereferences on the way to a value: a.b.c.d behind six pointers is more than Go code does. */
#define GI_STEPS 6
/* Rules that one probe serves. */
#define GI_BINDINGS 1024
/* Rules that may fire in one and the same call. */
#define GI_FIRED 32
/* Words shown in one event, and texts, and bytes of each text. */
#define GI_EVENT_WORDS 16
#define GI_EVENT_TEXTS 3
#define GI_TEXT 64
#define GI_REASONS 16

/* Where a place starts. */
enum gi_base {
	GI_BASE_INTEGER = 0,  /* general register, by goabi.h's index */
	GI_BASE_FLOAT = 1,    /* X0 to X14 */
	GI_BASE_STACK = 2,    /* entry stack pointer + offset */
	GI_BASE_ABSOLUTE = 3, /* run-time address */
};

/* One dereference: the word found so far is a pointer. */
struct gi_step {
	gi_s32 offset; /* bytes from where it points */
	gi_u32 bound;  /* if not 0: the word behind the pointer is a length, at least this */
};

/* A place in a stopped call: a register or memory, perhaps behind pointers. */
struct gi_place {
	gi_u8 base;    /* enum gi_base */
	gi_u8 index;   /* register */
	gi_u8 size;    /* bytes read or written at the end: 1, 2, 4 or 8 */
	gi_u8 steps;   /* entries of step in use */
	gi_s32 offset; /* GI_BASE_STACK */
	gi_u64 address; /* GI_BASE_ABSOLUTE */
	struct gi_step step[GI_STEPS];
};

/* What an edit puts into its place. */
enum gi_source {
	GI_PUT = 0,  /* operand */
	GI_COPY = 1, /* the word at address operand, read at the hit */
	GI_KEEP = 2, /* nothing: shown in the event only */
};

/* How the bits of a value are to be understood. */
enum gi_kind {
	GI_KIND_UNSIGNED = 0, /* also bool and pointers */
	GI_KIND_SIGNED = 1,
	GI_KIND_FLOAT = 2,
};

/* gi_edit.flags */
#define GI_EDIT_POINTER 1 /* holds a pointer: outside the own stack only while the write barrier is off */
#define GI_EDIT_TEXT 2    /* first word of a string: the event shows its bytes; the next edit is its length */

/* One word overwritten. The edits of a rule are made all or none. */
struct gi_edit {
	struct gi_place place;
	gi_u64 operand;
	gi_u8 source; /* enum gi_source */
	gi_u8 kind;   /* enum gi_kind */
	gi_u8 flags;
	gi_u8 padding[5];
};

/* What a rule does at one site. */
struct gi_binding {
	gi_u32 rule;       /* index into rules and counters */
	gi_u32 first_edit; /* rows of the edit table */
	gi_u32 edits;
	gi_u32 flags; /* GI_BINDING_* */
};
#define GI_BINDING_COUNTS 1    /* this binding counts the rule's calls and decides */
#define GI_BINDING_COMPLETES 2 /* with this one the rule has done all it does in a call */

/* gi_rule.flags */
#define GI_RULE_OBSERVE 1 /* writes nothing */

/* How a rule decides. */
struct gi_rule {
	gi_u32 flags;
	gi_u32 padding;
};

/* Why something could not be read or written. */
enum gi_reason {
	GI_OK = 0,
	GI_NIL = 1,         /* a pointer on the way is nil */
	GI_RANGE = 2,       /* an index is beyond the length */
	GI_READ_FAULT = 3,  /* memory not readable now */
	GI_WRITE_FAULT = 4, /* memory not writable now */
	GI_BARRIER = 5,     /* pointer into the heap while the collector marks */
	GI_NO_FLOATS = 6,   /* floating-point registers out of reach of this writer */
	GI_WRONG_PC = 7,    /* the signal frame is not that of the probed instruction */
	GI_NO_SIGNAL = 8,   /* the kernel did not send the signal */
	GI_NO_ROOM = 9,     /* a table is full */
	GI_LOST = 10,       /* the signal never came back to this thread */
	GI_TOO_MANY = 11,   /* more than GI_FIRED rules fired in one call */
	GI_NO_ROW = 12,     /* a row that is not there: a defect of goinject */
};

/* What a rule has done. Only ever added to, atomically. */
struct gi_counters {
	gi_u64 calls;   /* reached a counting site */
	gi_u64 matched; /* and its condition held */
	gi_u64 fired;   /* and its turn had come */
	gi_u64 applied; /* and all its edits were made */
	gi_u64 failed[GI_REASONS]; /* and they were not, by enum gi_reason */
};

/* What kind of place a site is. */
enum gi_site_kind {
	GI_SITE_ENTRY = 0,
	GI_SITE_RETURN = 1,
	GI_SITE_SIGNAL = 2, /* runtime.sigtramp */
};

/* How edits reach the target at a site. */
enum gi_writer {
	GI_WRITER_NONE = 0,    /* only observed */
	GI_WRITER_MEMORY = 1,  /* user memory, at once */
	GI_WRITER_CONTEXT = 2, /* registers of the probe's context, and user memory, at once */
	GI_WRITER_FRAME = 3,   /* a signal to the thread; edits go into its signal frame */
	GI_WRITER_TRACER = 4,  /* a signal to the thread; its tracer makes the edits */
	GI_WRITER_DIRECT = 5,  /* the caller of the core: the ptrace engine */
};

/* gi_site.flags */
#define GI_SITE_REGISTER_G 1 /* g is in R14; else in thread-local storage */
#define GI_SITE_RESTART 2    /* the instruction uses up an argument: edits after it must run it again */

/* Where the probed instruction leads: what the saved PC of a signal frame must be. */
enum gi_lead {
	GI_LEAD_NEXT = 0,   /* pc + length */
	GI_LEAD_BRANCH = 1, /* pc + length, or pc + displacement */
	GI_LEAD_TARGET = 2, /* pc + displacement */
	GI_LEAD_RETURN = 3, /* the word at the stack pointer */
};

/* One probe. Row number = attach cookie. */
struct gi_site {
	gi_u64 address; /* run-time */
	gi_u32 first_binding;
	gi_u32 bindings;
	gi_s32 displacement;
	gi_u8 kind;   /* enum gi_site_kind */
	gi_u8 flags;
	gi_u8 writer; /* enum gi_writer */
	gi_u8 lead;   /* enum gi_lead */
	gi_u8 length; /* of the instruction */
	gi_u8 check_flags; /* any of these bits set in RFLAGS: on its way to morestack, not a call yet */
	gi_u8 padding[6];
};

/* Facts of the target, and the switch. One row. */
struct gi_control {
	gi_u32 armed;           /* 0: every probe passes */
	gi_u32 padding;
	gi_s64 tls_g;           /* g's place relative to the thread pointer */
	gi_u64 goid_offset;     /* in g */
	gi_u64 write_barrier;   /* run-time address of runtime.writeBarrier; 0 unknown */
	gi_u64 dropped_events;
	gi_u64 lost_hits;       /* calls that could not even be looked at: no room for another thread */
};

/* One word of an event. */
struct gi_word {
	gi_u64 before;
	gi_u64 after;
};

/* gi_event.flags */
#define GI_EVENT_OBSERVED 1  /* nothing was written */

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
	gi_u32 padding;
	struct gi_word word[GI_EVENT_WORDS]; /* in the order of the binding's edits */
	gi_u8 text[GI_EVENT_TEXTS][GI_TEXT];
};

/* A binding that fired in a call, kept until its edits are made. */
struct gi_fired {
	gi_u32 binding;
	gi_u32 padding;
	gi_u64 call;
};

_Static_assert(sizeof(struct gi_place) == 64, "gi_place");
_Static_assert(sizeof(struct gi_edit) == 80, "gi_edit");
_Static_assert(sizeof(struct gi_binding) == 16, "gi_binding");
_Static_assert(sizeof(struct gi_rule) == 8, "gi_rule");
_Static_assert(sizeof(struct gi_counters) == 160, "gi_counters");
_Static_assert(sizeof(struct gi_site) == 32, "gi_site");
_Static_assert(sizeof(struct gi_control) == 48, "gi_control");
_Static_assert(sizeof(struct gi_event) == 520, "gi_event");
_Static_assert(sizeof(struct gi_fired) == 16, "gi_fired");

#endif
