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
	GI_GENERAL_REGISTERS,
};

/* What the core calls them by. */
#define GI_SP GI_RSP
#define GI_FP GI_RBP
#define GI_G GI_R14
#define GI_FIRST_ARGUMENT GI_RAX
#define GI_SECOND_ARGUMENT GI_RBX

#define GI_INTEGER_ARGUMENTS 9
#define GI_FLOAT_ARGUMENTS 15

#endif
