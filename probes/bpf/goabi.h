/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Go's register convention on amd64, and the order in which goinject keeps the general registers:
 * first the nine that carry integer arguments and results, in the convention's sequence, so that
 * the length of a string or slice is always one further on than its pointer.
 * Source: cmd/compile/abi-internal.md of the Go project.
 */
#ifndef GOINJECT_GOABI_H
#define GOINJECT_GOABI_H

enum gi_register {
	GI_RAX, GI_RBX, GI_RCX, GI_RDI, GI_RSI, GI_R8, GI_R9, GI_R10, GI_R11,
	GI_RDX, /* closure context at entry */
	GI_RSP, GI_RBP, GI_R12, GI_R13,
	GI_R14, /* g */
	GI_R15,
	GI_REGISTERS,
};

#define GI_INTEGER_ARGUMENTS 9
#define GI_FLOAT_ARGUMENTS 15

/* runtime.g starts with stack.lo, stack.hi and stackguard0, since Go 1.0. */
#define GI_G_STACK_LOW 0
#define GI_G_STACK_HIGH 8
#define GI_G_STACK_GUARD 16

#endif
