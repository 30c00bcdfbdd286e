/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * What IEEE 754 leaves to the processor, as the SSE instructions have it: the sign of what an operation
 * without a result gives, and which of two operands that are no numbers is handed on.
 */
#ifndef GOINJECT_NAN_H
#define GOINJECT_NAN_H

#define GI_NO_RESULT_SIGN 1ull
#define GI_NAN_OF(a, b) (gi_is_nan(a) ? (a) : (b))

#endif
