/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Floating-point numbers added and multiplied in integer arithmetic, for BPF has no other: bit for bit
 * what the processor does (IEEE 754, round to nearest, ties to even, and its choice among NaNs).
 * float32 goes by float64, whose precision makes the second rounding harmless for these operations.
 */
#ifndef GOINJECT_SOFTFLOAT_H
#define GOINJECT_SOFTFLOAT_H

#include "nan.h"
#include "number.h"

#define GI_F64_SIGN (1ull << 63)
#define GI_F64_INFINITY (0x7ffull << 52)
#define GI_F64_HIDDEN (1ull << 52)
#define GI_F64_QUIET (1ull << 51)
/* What an operation without a result gives. */
#define GI_F64_NONE (GI_NO_RESULT_SIGN << 63 | GI_F64_INFINITY | GI_F64_QUIET)
/* Bits that a mantissa has below its last one while it is worked on; the lowest stands for all further ones. */
#define GI_F64_EXTRA 10

static __inline__ __attribute__((always_inline)) gi_u32 gi_leading_zeros(gi_u64 x)
{
	gi_u32 n = 0;

	if (!(x >> 32)) { n += 32; x <<= 32; }
	if (!(x >> 48)) { n += 16; x <<= 16; }
	if (!(x >> 56)) { n += 8; x <<= 8; }
	if (!(x >> 60)) { n += 4; x <<= 4; }
	if (!(x >> 62)) { n += 2; x <<= 2; }
	return n + !(x >> 63);
}

/* Shifts right; the last bit stands for all that were lost. */
static __inline__ gi_u64 gi_shift_sticky(gi_u64 x, gi_u32 by)
{
	if (by == 0)
		return x;
	if (by > 63)
		return x != 0;
	return x >> by | ((x << ((64 - by) & 63)) != 0);
}

/* The upper half of the product. */
static __inline__ gi_u64 gi_multiply_high(gi_u64 a, gi_u64 b)
{
	gi_u64 low = (gi_u32)a, high = a >> 32;
	gi_u64 middle = high * (gi_u32)b + (low * (gi_u32)b >> 32);
	gi_u64 other = low * (b >> 32) + (gi_u32)middle;

	return high * (b >> 32) + (middle >> 32) + (other >> 32);
}

static __inline__ gi_u64 gi_quiet(gi_u64 nan)
{
	return nan | GI_F64_QUIET;
}

/* A mantissa with its extra bits, the hidden bit at 62 unless the exponent is the least, 1. */
static __inline__ gi_u64 gi_round(gi_u64 sign, gi_u64 exponent, gi_u64 mantissa)
{
	gi_u64 odd = (mantissa >> GI_F64_EXTRA) & 1, bits;

	mantissa = (mantissa + (1 << (GI_F64_EXTRA - 1)) - 1 + odd) >> GI_F64_EXTRA;
	/* The hidden bit, where there is one, adds 1 to the exponent; so does a carry. */
	bits = ((exponent - 1) << 52) + mantissa;
	return sign | (bits >= GI_F64_INFINITY ? GI_F64_INFINITY : bits);
}

static __inline__ gi_u64 gi_exponent(gi_u64 bits)
{
	gi_u64 exponent = (bits >> 52) & 0x7ff;

	return exponent ? exponent : 1;
}

static __inline__ gi_u64 gi_mantissa(gi_u64 bits)
{
	gi_u64 fraction = bits & (GI_F64_HIDDEN - 1);

	return (bits >> 52) & 0x7ff ? fraction | GI_F64_HIDDEN : fraction;
}

/* a + b */
GI_SUBPROGRAM gi_u64 gi_float_add(gi_u64 a, gi_u64 b)
{
	gi_u64 exponent, mantissa, other, swap;
	gi_u32 shift;

	if (!GI_NEEDS(ARITHMETIC))
		return 0;
	if (gi_is_nan(a) || gi_is_nan(b))
		return gi_quiet(GI_NAN_OF(a, b));
	if ((a << 1) < (b << 1)) {
		swap = a;
		a = b;
		b = swap;
	}
	if ((a << 1) == GI_F64_INFINITY << 1)
		return (b << 1) == GI_F64_INFINITY << 1 && a != b ? GI_F64_NONE : a;
	exponent = gi_exponent(a);
	mantissa = gi_mantissa(a) << GI_F64_EXTRA;
	other = gi_shift_sticky(gi_mantissa(b) << GI_F64_EXTRA, exponent - gi_exponent(b));
	if (!((a ^ b) >> 63)) {
		mantissa += other;
		if (mantissa >> 63) {
			mantissa = gi_shift_sticky(mantissa, 1);
			exponent++;
		}
		return gi_round(a & GI_F64_SIGN, exponent, mantissa);
	}
	mantissa -= other;
	if (!mantissa)
		return 0;
	shift = gi_leading_zeros(mantissa) - 1;
	if (shift > exponent - 1)
		shift = exponent - 1;
	return gi_round(a & GI_F64_SIGN, exponent - shift, mantissa << (shift & 63));
}

/* a * b */
GI_SUBPROGRAM gi_u64 gi_float_multiply(gi_u64 a, gi_u64 b)
{
	gi_u64 sign = (a ^ b) & GI_F64_SIGN, left, right, low, mantissa;
	gi_s64 exponent;
	gi_u32 shift;

	if (!GI_NEEDS(ARITHMETIC))
		return 0;
	if (gi_is_nan(a) || gi_is_nan(b))
		return gi_quiet(GI_NAN_OF(a, b));
	left = gi_mantissa(a);
	right = gi_mantissa(b);
	if ((a << 1) == GI_F64_INFINITY << 1 || (b << 1) == GI_F64_INFINITY << 1)
		return left && right ? sign | GI_F64_INFINITY : GI_F64_NONE;
	if (!left || !right)
		return sign;
	exponent = (gi_s64)(gi_exponent(a) + gi_exponent(b)) - 1023;
	shift = gi_leading_zeros(left);
	left <<= shift & 63;
	exponent -= (gi_s64)shift - 11;
	shift = gi_leading_zeros(right);
	right <<= shift & 63;
	exponent -= (gi_s64)shift - 11;
	/* Both have bit 63 now, so the product has bit 127 or 126. */
	mantissa = gi_multiply_high(left, right);
	low = left * right;
	if (mantissa >> 63) {
		mantissa = gi_shift_sticky(mantissa, 1);
		exponent++;
	}
	mantissa |= low != 0;
	if (exponent < 1) {
		mantissa = gi_shift_sticky(mantissa, 1 - exponent > 64 ? 64 : 1 - exponent);
		exponent = 1;
	}
	if (exponent > 0x7ff)
		exponent = 0x7ff;
	return gi_round(sign, exponent, mantissa);
}

/* A float64 as the nearest float32. */
static __inline__ gi_u32 gi_narrow(gi_u64 bits)
{
	gi_u32 sign = (gi_u32)(bits >> 32) & 0x80000000u;
	gi_s64 exponent = (gi_s64)gi_exponent(bits) - 1023 + 127;
	gi_u64 mantissa = gi_mantissa(bits), half, result;

	if (gi_is_nan(bits))
		return sign | 0x7fc00000u | ((gi_u32)(bits >> 29) & 0x3fffffu);
	if (exponent > 0xff)
		return sign | 0x7f800000u;
	if (exponent < 1) {
		mantissa = gi_shift_sticky(mantissa, 1 - exponent > 64 ? 64 : 1 - exponent);
		exponent = 1;
	}
	/* 52 - 23 bits go. */
	half = (1ull << 28) - 1 + ((mantissa >> 29) & 1);
	result = ((gi_u64)(exponent - 1) << 23) + ((mantissa + half) >> 29);
	return sign | (result >= 0x7f800000u ? 0x7f800000u : (gi_u32)result);
}

/* n / 2^52, for n up to 2^52: exact. */
static __inline__ gi_u64 gi_fraction_of(gi_u64 n)
{
	gi_u32 shift;

	if (!n)
		return 0;
	shift = gi_leading_zeros(n);
	return ((gi_u64)(1023 - 52 + 63 - shift) << 52) | ((n << (shift & 63)) << 1 >> 12);
}

#endif
