/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * The tables: what the planner writes and the decision core reads, and back.
 *
 * One definition for both sides. The Rust side is src/table/; sizes and offsets are asserted here
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
/* Rules that may fire in one and the same call, and of these with a delay among them. */
#define GI_FIRED 32
#define GI_CLEARED 4096 /* bytes that one edit may clear */
#define GI_DELAYED 8
/* Rows of one condition, and operands that its evaluation at return takes from the entry. */
#define GI_TERMS 64
#define GI_CAPTURES 4
/* Code ranges that one question about the callers may have, and the halvings that find one of them. */
#define GI_RANGES 65535
#define GI_RANGE_STEPS 17
/* Functions that one rule may want to find on the stack, one behind the other. */
#define GI_LEVELS 15
/* Frames that are looked at to find out whether a call is within a function. */
#define GI_FRAMES 1024
/* Bytes of a string that conditions look at. */
#define GI_CONDITION_TEXT 256
/* Words shown in one event, and texts, and bytes of each text. */
#define GI_EVENT_WORDS 16
#define GI_EVENT_TEXTS 3
#define GI_TEXT 64
#define GI_REASONS 32
/* Return addresses shown in one event. */
#define GI_STACK 32
/* Bytes of a Go test's name that are looked at. */
#define GI_TEST_NAME 240
/* Patterns over the names of Go tests. */
#define GI_TEST_GLOBS 64
/* Goroutines that are known to belong to a test, before some may have been forgotten. */
#define GI_MEMBERS 65536
/* Bytes that are copied at most, for a value that gets memory of its own at each firing. */
#define GI_COPIED 4096
#define GI_PIECE 64 /* memory for a copy is handed out in such pieces, none of which lies in two pages */
#define GI_HELDS 9
/* Groups of eight entries of a map that one search looks at. */
#define GI_GROUPS 4096
/* Bytes of a map's key that is looked for. */
#define GI_KEY_TEXT 208

/* Where a place starts. */
enum gi_base {
	GI_BASE_INTEGER = 0,  /* general register, by goabi.h's index */
	GI_BASE_FLOAT = 1,    /* X0 to X14 */
	GI_BASE_STACK = 2,    /* entry stack pointer + offset */
	GI_BASE_ABSOLUTE = 3, /* run-time address */
	GI_BASE_COPY = 4,     /* address bytes into the copy that was made last; edits only */
	GI_BASE_ELEMENT = 5,  /* offset bytes into the element of a map that was found last, number index */
	GI_BASE_ABSENT = 6,   /* found at the hit: a map has no such element, so all of it is zero */
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
	gi_u64 address; /* GI_BASE_ABSOLUTE, GI_BASE_COPY */
	struct gi_step step[GI_STEPS];
};

/* What an edit puts into its place. */
enum gi_source {
	GI_PUT = 0,  /* operand */
	GI_COPY = 1, /* the word at address operand, read at the hit */
	GI_KEEP = 2, /* nothing: shown in the event only */
	GI_CLEAR = 3, /* operand zero bytes, for results that are too many words to list */
	GI_ADD = 4,   /* what is there plus operand */
	GI_XOR = 5,   /* what is there with operand's bits flipped */
	GI_RANDOM = 6, /* any value from operand to extra */
	GI_CUT = 7,    /* what is there, operand at most */
	GI_SHRINK = 8, /* operand, which must not be more than what is there */
	GI_COPY_TYPE = 9, /* the type that an interface table tells, whose address is at address operand; or nil */
	GI_FRESH = 10, /* the address of a copy of the extra bytes at address operand */
	GI_FLIP = 11,  /* the address of a copy of the bytes that are there, each eight xor operand; the next edit is their number */
	GI_REPEAT = 12, /* what the edit before puts into its place */
	GI_TIME = 13, /* a time.Time's first word, with operand seconds and extra nanoseconds added; the next edit is its second */
	GI_TIME_REST = 14, /* its second word */
	GI_FIND = 15, /* nothing: operand is the row by which an element of the map there is found, for the edits that follow */
	GI_ENDED = 16, /* word number operand of the error that a context is done with */
};

/* How the bits of a value are to be understood. */
enum gi_kind {
	GI_KIND_UNSIGNED = 0, /* also bool and pointers */
	GI_KIND_SIGNED = 1,
	GI_KIND_FLOAT = 2,
	GI_KIND_TEXT = 3, /* a string; in conditions only */
};

/* gi_edit.flags */
#define GI_EDIT_POINTER 1 /* holds a pointer: outside the own stack only while the write barrier is off */
#define GI_EDIT_TEXT 2    /* first word of a string: the event shows its bytes; the next edit is its length */
#define GI_EDIT_ERROR 4   /* first word of an interface value, the next edit is its second: the event shows an error's text */

#define GI_EDIT_MAKES 16   /* a copy is made, and its address is for later edits */
#define GI_EDIT_MADE 32    /* the address of the copy that the edit made which stands operand before this one */
#define GI_EDIT_SCANNED 64 /* the copy holds pointers: behind its last piece is a byte for each piece, with a bit for each word that is one */
#define GI_EDIT_KEPT 8    /* in the scratch memory, where other calls may use it by now: never taken back */

/* One word overwritten. The edits of a rule are made all or none. */
struct gi_edit {
	struct gi_place place;
	gi_u64 operand;
	gi_u64 extra; /* GI_COPY: 0, or the interface type that the word, an interface table, must be of */
	gi_u8 source; /* enum gi_source */
	gi_u8 kind;   /* enum gi_kind */
	gi_u8 flags;
	gi_u8 padding[5];
};

/* gi_binding.flags */
#define GI_BINDING_COUNTS 1    /* this binding counts the rule's calls and decides */
#define GI_BINDING_COMPLETES 2 /* with this one the rule has done all it does in a call */
#define GI_BINDING_PAIRS 4     /* the decision is kept for the same call's return */
#define GI_BINDING_FOLLOWS 8   /* fires if the entry of the same call did */
#define GI_BINDING_RECORDS 16  /* only keeps what the condition wants to know of the entry */
#define GI_BINDING_RECALLS 32  /* its condition uses what was kept */
#define GI_BINDING_RETURNS 64  /* the edits are results, and the body is skipped */
#define GI_BINDING_PANICS 128  /* the call becomes a call of nil */
#define GI_BINDING_DELAYS 256  /* the goroutine sleeps first */

#define GI_BINDING_PANIC_VALUE 512 /* the call becomes a panic with a value, which is its last two edits */
#define GI_BINDING_UNTIL 1024 /* a context ends the delay, and then the call: the edits are its results */
#define GI_BINDING_TELLS 2048 /* what it does depends on no call's number, which only its event tells */

/* What a rule does at one site. */
struct gi_binding {
	gi_u32 rule;       /* index into rules and counters */
	gi_u32 flags;      /* GI_BINDING_* */
	gi_u32 first_edit; /* rows of the edit table */
	gi_u32 edits;
	gi_u32 first_term; /* rows of the condition; none: it holds */
	gi_u32 terms;
	gi_u32 first_range; /* code that the call must come from, at whatever distance; none: anywhere */
	gi_u32 ranges;
	gi_u32 first_caller; /* ranges of code that must stand on the stack one behind the other; none: any */
	gi_u32 callers;
	gi_u32 levels; /* how many */
	gi_u32 test; /* the pattern, from 1, that the name of the call's Go test must match; 0 any call */
	gi_u64 delay;  /* ns */
	gi_u64 jitter; /* up to this much more, ns */
	gi_u32 until;  /* the row of a gi_until */
	gi_u32 padding;
};

/* What a row of a condition does to its stack of truths. */
enum gi_op {
	GI_OP_TEST = 0, /* pushes the outcome of its test */
	GI_OP_NOT = 1,
	GI_OP_AND = 2, /* of the two topmost */
	GI_OP_OR = 3,
	GI_OP_SKIP_IF_FALSE = 4, /* leaves out the next `skip` rows if the topmost is false */
	GI_OP_SKIP_IF_TRUE = 5,
	GI_OP_RECALL = 6,  /* pushes truth `slot` as it was at entry */
	GI_OP_CAPTURE = 7, /* at entry: keeps the left operand as number `slot` */
	GI_OP_FIND = 8,    /* finds an element of the map that the left operand is, by row `text`, as number `slot` */
};

enum gi_test {
	GI_TEST_TRUE = 0,
	GI_TEST_EQUAL = 1,
	GI_TEST_NOT_EQUAL = 2,
	GI_TEST_LESS = 3,
	GI_TEST_LESS_OR_EQUAL = 4,
	GI_TEST_GREATER = 5,
	GI_TEST_GREATER_OR_EQUAL = 6,
	GI_TEST_STARTS_WITH = 7,
	GI_TEST_ENDS_WITH = 8,
	GI_TEST_CONTAINS = 9,
	GI_TEST_IS = 10, /* errors: the left one is the right one, or wraps it; see gi_wrapper */
	GI_TEST_FOUND = 11, /* an element was found, number 0 */
};

/* How the errors of a type wrap others. */
enum gi_wraps {
	GI_WRAPS_ONE = 0,  /* an error, offset bytes into it */
	GI_WRAPS_LIST = 1, /* a slice of errors, offset bytes into it */
	GI_WRAPS_ERRNO = 2, /* none: it is a number, and one of two of them counts as the other error */
};

/* A type of errors that GI_TEST_IS looks into. Rows of gi_fixed_text hold GI_WRAPPERS each, a term's one after another. */
struct gi_wrapper {
	gi_u64 type; /* run-time address of its description */
	gi_u32 offset;
	gi_u16 kind; /* enum gi_wraps */
	gi_u8 number[2]; /* 0: none */
};

#define GI_WRAPPERS 16

/* How a context keeps what it is done with: gi_wrapper.kind in the rows behind a gi_until. */
enum gi_context {
	GI_CONTEXT_ERROR = 0,   /* an error, offset bytes into it */
	GI_CONTEXT_VALUE = 1,   /* an atomic.Value that holds it */
	GI_CONTEXT_INNER = 2,   /* another context, which it is done with */
	GI_CONTEXT_ENDLESS = 3, /* never */
};

/* Contexts that are looked at, each of which comes from the next one. */
#define GI_CONTEXTS 32

/* The context that ends a delay. A row of gi_fixed_text holds one; rows of gi_wrapper follow. */
struct gi_until {
	struct gi_place context;
	gi_u64 canceled; /* run-time: the interface table of context.Canceled; 0 none */
	gi_u64 exceeded; /* that of context.DeadlineExceeded */
	gi_u32 types;    /* how many gi_wrapper follow */
	gi_u32 padding;
	gi_u8 unused[168];
};

/* How a map holds its entries. */
enum gi_map_layout {
	GI_MAP_GROUPS = 0,  /* Go 1.24 on */
	GI_MAP_BUCKETS = 1, /* before */
};

/* What to look for in a map. A row of gi_fixed_text holds one. */
struct gi_lookup {
	gi_u32 layout;         /* enum gi_map_layout */
	gi_u32 text;           /* the key is a string */
	gi_u32 key_size;       /* of one that is a number: 1, 2, 4 or 8 */
	gi_u32 group_size;     /* of a group, or bucket */
	gi_u32 keys;           /* in it: the first key, and how far the next one is */
	gi_u32 key_stride;
	gi_u32 elements;
	gi_u32 element_stride;
	gi_u32 indirect;       /* elements are pointers to them */
	gi_u32 padding;
	gi_u64 number;         /* the key, or its length */
	gi_u8 key[GI_KEY_TEXT]; /* filled up with zeros */
};
/* Rows of them that a term may have. */
#define GI_WRAPPER_ROWS 4
/* Errors that one test looks at, those that are wrapped among them. */
#define GI_ERRORS 16

/* Where an operand comes from. */
enum gi_operand {
	GI_OPERAND_CONSTANT = 0, /* or the row of a fixed text */
	GI_OPERAND_PLACE = 1,
	GI_OPERAND_CAPTURE = 2, /* number `slot` of those kept at entry */
};

/* gi_term.flags */
/* The last pointer on the way to an operand may be nil, and then the operand is 0: the length of a nil map. */
#define GI_TERM_NIL_IS_ZERO_LEFT 1
#define GI_TERM_NIL_IS_ZERO_RIGHT 2

/* One row of a condition. */
struct gi_term {
	struct gi_place left;
	struct gi_place right;
	gi_u64 constant; /* right operand; for a text its length in bytes */
	gi_u32 text;     /* row of the fixed text */
	gi_u8 op;        /* enum gi_op */
	gi_u8 test;      /* enum gi_test */
	gi_u8 left_source;  /* enum gi_operand */
	gi_u8 right_source;
	gi_u8 left_kind; /* enum gi_kind */
	gi_u8 right_kind;
	gi_u8 slot;
	gi_u8 flags;
	gi_u16 skip;
	gi_u16 padding;
};

/* A fixed text, filled up with zeros. */
struct gi_fixed_text {
	gi_u8 bytes[GI_CONDITION_TEXT];
};

/* How often a row's test was true, was not, and could not be made. */
struct gi_term_counters {
	gi_u64 held;
	gi_u64 failed;
	gi_u64 unreadable;
};

/*
 * Code of functions that are looked for among the callers, run-time: low <= address < high. In order of
 * address and apart from each other. Nibble n of next: how many of the functions have been found when n
 * had been before. It is more than one further where bodies are inlined.
 */
struct gi_range {
	gi_u64 low;
	gi_u64 high;
	gi_u64 next;
};

/* gi_rule.flags: which of the fields below count */
#define GI_RULE_OBSERVE 1 /* writes nothing */
#define GI_RULE_NTH 2
#define GI_RULE_EVERY 4
#define GI_RULE_FIRST 8
#define GI_RULE_AFTER_CALLS 16
#define GI_RULE_UNTIL_CALLS 32
#define GI_RULE_AFTER_TIME 64
#define GI_RULE_UNTIL_TIME 128
#define GI_RULE_PROBABILITY 256
#define GI_RULE_TIMES 512
#define GI_RULE_RATE 1024
#define GI_RULE_PER_GOROUTINE 2048 /* calls are counted for each goroutine */
#define GI_RULE_PER_TEST 4096 /* calls are counted for each Go test */
#define GI_RULE_PER_PROCESS 8192 /* calls are counted for each process */

/* How a rule decides. */
struct gi_rule {
	gi_u32 flags;
	gi_u32 padding;
	gi_u64 nth;
	gi_u64 every;
	gi_u64 first;
	gi_u64 after_calls;
	gi_u64 until_calls;
	gi_u64 after_time;  /* ns since arming */
	gi_u64 until_time;
	gi_u64 probability; /* of 2^64 */
	gi_u64 times;
	gi_u64 interval;    /* ns between two firings at least; 0 never */
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
	GI_NO_ENTRY = 13,   /* the call began before it could be seen */
	GI_TOO_LONG = 14,   /* a string longer than GI_CONDITION_TEXT */
	GI_NOT_HERE = 15,   /* not on a goroutine's own stack */
	GI_WRONG_TYPE = 16, /* a variable does not hold what its name promised */
	GI_NO_COPIES = 17,  /* the memory for copies is used up */
	GI_UNSCANNED = 18,  /* the garbage collector does not know of the memory for copies */
	GI_NO_KEY = 19,     /* a map has no such key */
	GI_TOO_LARGE = 20,  /* a map has more than GI_GROUPS groups */
	GI_NO_CONTEXT = 21, /* whether a context is done can't be read */
};

/* Why a call that matched did not fire. */
enum gi_held {
	GI_HELD_CALLS = 0, /* nth, every, first, after, until */
	GI_HELD_WINDOW = 1,
	GI_HELD_CHANCE = 2,
	GI_HELD_RATE = 3,
	GI_HELD_TIMES = 4,
	GI_HELD_LIMIT = 5,
	GI_HELD_WITHIN = 6, /* not even matched: called from elsewhere */
	GI_HELD_UNREADABLE = 7, /* not even matched: the condition or the callers could not be read, or are more than GI_FRAMES */
	GI_HELD_MARKING = 8, /* a pointer into the heap while the collector marks: another call fires instead */
};

/* What a rule has done. Only ever added to, atomically. */
struct gi_counters {
	gi_u64 calls;   /* reached a counting site */
	gi_u64 matched; /* and its condition held */
	gi_u64 fired;   /* and its turn had come */
	gi_u64 applied; /* and all its edits were made */
	gi_u64 failed[GI_REASONS]; /* and they were not, by enum gi_reason */
	gi_u64 held[GI_HELDS];     /* did not fire, by enum gi_held */
	gi_u64 taken;     /* of gi_rule.times; in a slot's share: of gi_control.event_limit */
	gi_u64 next_time; /* ns: not before, by gi_rule.interval */
	gi_u64 owed;      /* firings put off by GI_HELD_MARKING, to be made up for */
};

/* What kind of place a site is. */
enum gi_site_kind {
	GI_SITE_ENTRY = 0,
	GI_SITE_RETURN = 1,
	GI_SITE_SIGNAL = 2, /* runtime.sigtramp */
	GI_SITE_SLOT = 3,   /* the CALL of runtime.morestack in a function that can be delayed */
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
#define GI_SITE_REGISTER_G 1 /* g is in its own register, GI_G; else in thread-local storage */
#define GI_SITE_RESTART 2    /* the instruction uses up an argument: edits after it must run it again */
#define GI_SITE_FLOATS 4     /* a condition reads floating-point registers: decide where they are in reach */
#define GI_SITE_DELAYS 8     /* a goroutine may come back here after a delay */
#define GI_SITE_SLEEPS 16    /* it can be sent to time.Sleep through its slot; else it yields */
#define GI_SITE_TEST 32      /* a Go test begins here, on a goroutine of its own; the first parameter is its T, B or F */
#define GI_SITE_SPAWN 64     /* a goroutine is started here; the second parameter is the g that does it */

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
	gi_u64 slot; /* run-time; entry: the code that leads to the slot. Slot: where its CALL returns to */
	gi_u32 first_binding;
	gi_u32 bindings;
	gi_s32 displacement;
	gi_u8 kind;   /* enum gi_site_kind */
	gi_u8 flags;
	gi_u8 writer; /* enum gi_writer */
	gi_u8 lead;   /* enum gi_lead */
	gi_u8 length; /* of the instruction */
	gi_u8 check_flags; /* any of these flags set: on its way to morestack, not a call yet */
	gi_u8 padding[2];
	gi_u32 process; /* row of the process that it is in */
};

/*
 * What of the program the rules of a run need. The rest is dead code before the kernel verifies it, which is most
 * of what a start takes. The natively compiled core has all of it.
 */
enum gi_need {
	GI_NEED_CONDITIONS = 1,
	GI_NEED_TEXTS = 2,       /* conditions on strings */
	GI_NEED_CALLERS = 4,
	GI_NEED_CALLS = 8,       /* something is kept from the entry of a call to its return */
	GI_NEED_DELAYS = 16,
	GI_NEED_GOROUTINES = 32, /* calls are counted for each goroutine */
	GI_NEED_TRIGGERS = 64,   /* not every call that matches fires */
	GI_NEED_EDITS = 128,     /* the program itself makes edits, or shows what they would be */
	GI_NEED_ARITHMETIC = 256, /* of floats, for edits */
	GI_NEED_COPIES = 512,
	GI_NEED_FRAMES = 1024,   /* signal frames are written */
	GI_NEED_FLOATS = 2048,   /* floating-point registers in them */
	GI_NEED_TESTS = 4096,    /* Go tests are told apart */
	GI_NEED_NUMBERS = 8192,  /* calls are numbered so that another run recognizes them */
	GI_NEED_ELEMENTS = 16384, /* elements of maps */
	GI_NEED_UNTIL = 32768,    /* delays that a context ends */
};

/* gi_process.armed */
enum gi_armed {
	GI_DISARMED = 0, /* its probes pass */
	GI_ARMED = 1,
	GI_EXECUTED = 2, /* it runs another program: its probes pass, and it can't be armed any more */
};

/* Facts of one process, and its switch. Addresses are run-time; 0 unknown. */
struct gi_process {
	gi_u32 armed;           /* enum gi_armed */
	gi_u32 serial;          /* from 1, no other process of the run has or had it: rows are used again */
	gi_u32 pid;             /* in goinject's PID namespace */
	gi_u32 padding;
	gi_s64 tls_g;           /* g's place relative to the thread pointer */
	gi_u64 goid_offset;     /* in g */
	gi_u64 m_offset;        /* in g: its thread's m */
	gi_u64 curg_offset;     /* in m: the goroutine that it runs */
	gi_u64 write_barrier;   /* runtime.writeBarrier */
	gi_u64 sleep;           /* time.Sleep */
	gi_u64 frame_return;    /* behind the only CALL in runtime.Gosched, or in a function like it */
	gi_u64 error_string_table; /* of *errors.errorString as error: events show the texts of these errors */
	gi_u64 errno_table;        /* of syscall.Errno as error */
	gi_u64 copies_next;        /* memory in the target for copies, none of it used twice */
	gi_u64 copies_end;         /* of what there is by now: more is supplied as it is used */
	gi_u64 copies_limit;       /* end of what there can be */
	gi_u64 copies_scanned;     /* which of its words the garbage collector scans, a byte for each piece, counted from address 0; 0: it does not know of it */
	gi_u64 gopanic;            /* runtime.gopanic */
	gi_u64 panic_return;       /* behind the CALL of it in runtime.panicdivide */
	gi_u64 parent_offset;   /* in g: the id of the goroutine that started it; 0 unknown */
	gi_u64 test_name;       /* in testing.T, B and F: its name */
	gi_u32 tests;           /* Go tests are told apart */
	gi_u32 globs;           /* patterns over their names */
	gi_u32 first_state;     /* of the patterns' automata: what their rows count from */
	gi_u32 first_printing;  /* ranges of the code with which package testing prints on the goroutines of tests */
	gi_u32 printing;
	gi_u32 forced;          /* the calls that fire are those of gi_forced, whatever the triggers say */
	gi_u64 build;           /* tells the program from others */
	gi_u64 bias;            /* how far it lies from where it was linked to */
};

/* The run: what all its processes share. One row. */
struct gi_control {
	gi_u32 armed;           /* 0: every probe of every process passes */
	gi_u32 forced;          /* rows of gi_forced, in ascending order */
	gi_u64 seed;
	gi_u64 armed_at;        /* ns, CLOCK_MONOTONIC */
	gi_u64 deadline;        /* ns, CLOCK_MONOTONIC: no faults from then on; 0 none */
	gi_u64 fault_limit;     /* no more faults than this */
	gi_u64 dropped_events;
	gi_u64 lost_hits;       /* calls that could not even be looked at: no room for another thread */
	gi_u64 members;         /* goroutines that were noted as members of a test */
	gi_u64 untold;          /* tests and goroutines that could not be noted */
	gi_u64 numbers;         /* not 0: calls are numbered */
	gi_u64 lease;           /* ns, CLOCK_MONOTONIC: no faults from then on, since nobody has extended it; 0 none */
	gi_u64 event_limit;     /* no more events of a rule than this from each slot of a process, where the core is inside: nobody takes them */
	gi_u64 padding[4];
	/* On a line of its own: all else is looked at in each hit, and seldom changed. */
	gi_u64 faults;          /* fired so far, against the limit */
	gi_u64 padding2[7];
};

/* A state of an automaton over names, a byte at a time. Row n of a process is where pattern n begins; rows in next count
 * from the first of the process. */
struct gi_state {
	gi_u16 next[256];
	gi_u32 accepts; /* a name that ends here matches */
	gi_u32 padding;
};

/* A goroutine, by its id. */
struct gi_member_key {
	gi_u64 goid;
	gi_u64 process;
};

/* The Go test that it belongs to. */
struct gi_member {
	gi_u64 test;  /* the id of the test's own goroutine */
	gi_u64 globs; /* bit n: its name matches pattern n */
};

#include "event.h"

_Static_assert(sizeof(struct gi_place) == 64, "gi_place");
_Static_assert(sizeof(struct gi_edit) == 88, "gi_edit");
_Static_assert(sizeof(struct gi_binding) == 72, "gi_binding");
_Static_assert(sizeof(struct gi_term) == 152, "gi_term");
_Static_assert(sizeof(struct gi_wrapper) * GI_WRAPPERS == GI_CONDITION_TEXT, "gi_wrapper");
_Static_assert(sizeof(struct gi_lookup) == GI_CONDITION_TEXT, "gi_lookup");
_Static_assert(sizeof(struct gi_until) == GI_CONDITION_TEXT, "gi_until");
_Static_assert(sizeof(struct gi_rule) == 88, "gi_rule");
_Static_assert(sizeof(struct gi_counters) == 384, "gi_counters");
_Static_assert(sizeof(struct gi_site) == 40, "gi_site");
_Static_assert(sizeof(struct gi_process) == 192, "gi_process");
_Static_assert(sizeof(struct gi_control) == 192, "gi_control");

#endif
