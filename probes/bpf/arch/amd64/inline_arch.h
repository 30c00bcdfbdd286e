/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* What the core needs of the processor inside the target. */
#ifndef GOINJECT_INLINE_ARCH_H
#define GOINJECT_INLINE_ARCH_H

#include "abi.h"

#define GI_SYS_SCHED_YIELD 24
#define GI_SYS_GETTID 186
#define GI_SYS_CLOCK_GETTIME 228
#define GI_CLOCK_MONOTONIC 1

static gi_u64 gi_system_call(gi_u64 number, gi_u64 a, gi_u64 b, gi_u64 c, gi_u64 d, gi_u64 e, gi_u64 f)
{
	register gi_u64 r10 __asm__("r10") = d;
	register gi_u64 r8 __asm__("r8") = e;
	register gi_u64 r9 __asm__("r9") = f;
	gi_u64 result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* The processor's counter of time. */
static gi_u64 gi_counter(void)
{
	gi_u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (gi_u64)high << 32 | low;
}

static void gi_pause(void)
{
	__asm__ volatile("pause");
}

/* A line is soon written to. */
static void gi_will_write(void *line)
{
	__asm__ volatile("prefetchw (%0)" : : "r"(line));
}

/* The word at a distance from the thread pointer. */
static gi_u64 gi_thread_word(gi_s64 offset)
{
	gi_u64 word;

	__asm__ volatile("movq %%fs:(%1), %0" : "=r"(word) : "r"(offset));
	return word;
}

static void gi_copy_bytes(void *to, const void *from, gi_u64 size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* Where a thread stands when an access faults, and where it goes on then; see inline.lds. */
#define GI_FAULT(at, to) ".pushsection .faults, \"a\"\n.quad " at " - ., " to " - .\n.popsection\n"
#define GI_FAILS                                                                                    \
	".pushsection .text.faults, \"ax\"\n3: movl $1, %0\njmp 2b\n.popsection\n" GI_FAULT("1b", "3b")

#define GI_TRY_LOAD(move, constraint)                                                               \
	__asm__ volatile("1: " move " (%2), %1\n2:\n" GI_FAILS : "+r"(failed), "=&" constraint(value) \
			 : "r"(address) : "memory")
#define GI_TRY_STORE(move, constraint)                                                              \
	__asm__ volatile("1: " move " %1, (%2)\n2:\n" GI_FAILS : "+r"(failed)                           \
			 : constraint(value), "r"(address) : "memory")

/* Words that may not be there. Not 0 if they are not. */
#define GI_TRY(bits, move, constraint)                                             \
	static int gi_try_load_##bits(gi_u##bits *to, gi_u64 address)               \
	{                                                                           \
		gi_u##bits value;                                                   \
		gi_u32 failed = 0;                                                  \
                                                                                    \
		GI_TRY_LOAD(move, constraint);                                      \
		if (!failed)                                                        \
			*to = value;                                                \
		return failed;                                                      \
	}                                                                           \
                                                                                    \
	static int gi_try_store_##bits(gi_u64 address, const gi_u##bits *from)      \
	{                                                                           \
		gi_u##bits value = *from;                                           \
		gi_u32 failed = 0;                                                  \
                                                                                    \
		GI_TRY_STORE(move, constraint);                                     \
		return failed;                                                      \
	}

GI_TRY(64, "movq", "r")
GI_TRY(32, "movl", "r")
GI_TRY(16, "movw", "r")

/* Bytes that may not be there, at either end. Not 0 if some are not. */
static int gi_try_copy(gi_u64 to, gi_u64 from, gi_u64 size)
{
	__asm__ volatile("1: rep movsb\n2:\n" GI_FAULT("1b", "2b") : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return size != 0;
}

/* The compiler calls these by name for what it copies and clears itself. */
void *memcpy(void *to, const void *from, __SIZE_TYPE__ size)
{
	gi_copy_bytes(to, from, size);
	return to;
}

void *memset(void *to, int byte, __SIZE_TYPE__ size)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
	return to;
}

/* The core uses no floating-point register, so that they are the thread's own. */
#define GI_FLOATS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14)

static int gi_get_float(gi_u32 index, gi_u64 *value)
{
	switch (index) {
#define GI_GET(n)                                                              \
	case n:                                                                \
		__asm__ volatile("movlps %%xmm" #n ", (%0)" : : "r"(value) : "memory"); \
		return 0;
	GI_FLOATS(GI_GET)
	}
	return 1;
}

static int gi_put_float(gi_u32 index, gi_u64 value)
{
	switch (index) {
#define GI_SET(n)                                                              \
	case n:                                                                \
		__asm__ volatile("movlps (%0), %%xmm" #n : : "r"(&value) : "memory"); \
		return 0;
	GI_FLOATS(GI_SET)
	}
	return 1;
}

#endif
