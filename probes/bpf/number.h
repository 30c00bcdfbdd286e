/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* Numbers compared, in integer arithmetic: BPF has no other. */
#ifndef GOINJECT_NUMBER_H
#define GOINJECT_NUMBER_H

#include "abi.h"

#define GI_UNORDERED 2

static __inline__ int gi_is_nan(gi_u64 bits)
{
	return (bits << 1) > (0x7ffull << 53);
}

/* A float32 as the float64 of the same value. */
static __inline__ gi_u64 gi_widen(gi_u32 bits)
{
	gi_u64 sign = (gi_u64)(bits >> 31) << 63;
	gi_u64 exponent = (bits >> 23) & 0xff, fraction = bits & 0x7fffff;
	gi_u32 i;

	if (exponent == 0xff)
		return sign | 0x7ffull << 52 | fraction << 29;
	if (exponent)
		return sign | (exponent + 1023 - 127) << 52 | fraction << 29;
	if (!fraction)
		return sign;
	/* Subnormal as float32, normal as float64. */
	exponent = 1023 - 126;
	for (i = 0; i < 23; i++) {
		if (fraction & 0x800000)
			break;
		fraction <<= 1;
		exponent--;
	}
	return sign | exponent << 52 | (fraction & 0x7fffff) << 29;
}

/* -1, 0, 1, or GI_UNORDERED. */
static __inline__ int gi_compare_floats(gi_u64 left, gi_u64 right)
{
	const gi_u64 sign = 1ull << 63;

	if (gi_is_nan(left) || gi_is_nan(right))
		return GI_UNORDERED;
	if (!((left | right) << 1))
		return 0;
	left = (left & sign) ? ~left : left | sign;
	right = (right & sign) ? ~right : right | sign;
	return left < right ? -1 : left > right;
}

/* Values extended to 64 bits by their own kinds. -1, 0, 1, or GI_UNORDERED. */
static __inline__ int gi_compare(gi_u64 left, gi_u32 left_kind, gi_u64 right, gi_u32 right_kind)
{
	int left_negative = left_kind == GI_KIND_SIGNED && (gi_s64)left < 0;
	int right_negative = right_kind == GI_KIND_SIGNED && (gi_s64)right < 0;

	if (left_kind == GI_KIND_FLOAT)
		return gi_compare_floats(left, right);
	if (left_negative != right_negative)
		return left_negative ? -1 : 1;
	/* Of one sign, two's complement compares like unsigned. */
	return left < right ? -1 : left > right;
}

#endif
