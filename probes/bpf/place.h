/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* Places in a stopped call: found, read, written. */
#ifndef GOINJECT_PLACE_H
#define GOINJECT_PLACE_H

#include "hit.h"

static __inline__ gi_u64 gi_truncate(gi_u64 value, gi_u32 size)
{
	return size >= 8 ? value : value & ((1ull << (size * 8)) - 1);
}

/* As a register must hold it on the way out. */
static __inline__ gi_u64 gi_extend(gi_u64 value, gi_u32 size, gi_u32 kind)
{
	gi_u32 shift;

	if (size >= 8 || size == 0)
		return value;
	if (kind != GI_KIND_SIGNED)
		return gi_truncate(value, size);
	shift = (64 - size * 8) & 63;
	return (gi_u64)((gi_s64)(value << shift) >> shift);
}

/* Field by field, as it was just written: processors wait for words that they read in one and wrote in two. */
static __inline__ void gi_copy_where(struct gi_where *to, const struct gi_where *from)
{
	to->address = from->address;
	to->base = *(const volatile gi_u32 *)&from->base;
	to->index = *(const volatile gi_u32 *)&from->index;
}

/* Reads 1, 2, 4 or 8 bytes into s->word[0]. Constant sizes: the verifier wants to see them. */
static __inline__ int gi_read_sized(struct gi_scratch *s, gi_u64 address, gi_u32 size)
{
	s->word[0] = 0;
	switch (size) {
	case 1: return gi_user_read(s, &s->word[0], 1, address);
	case 2: return gi_user_read(s, &s->word[0], 2, address);
	case 4: return gi_user_read(s, &s->word[0], 4, address);
	case 8: return gi_user_read(s, &s->word[0], 8, address);
	default: return 1;
	}
}

/* Writes 1, 2, 4 or 8 bytes of s->word[0]. */
static __inline__ int gi_write_sized(struct gi_scratch *s, gi_u64 address, gi_u32 size)
{
	switch (size) {
	case 1: return gi_user_write(s, address, &s->word[0], 1);
	case 2: return gi_user_write(s, address, &s->word[0], 2);
	case 4: return gi_user_write(s, address, &s->word[0], 4);
	case 8: return gi_user_write(s, address, &s->word[0], 8);
	default: return 1;
	}
}

/* Follows one pointer from s->where. Returns enum gi_reason. */
static __inline__ int gi_follow(struct gi_scratch *s, const struct gi_step *step)
{
	gi_u64 pointer, length;

	switch (s->where.base) {
	case GI_BASE_INTEGER:
		pointer = s->hit.reg[s->where.index & (GI_REGISTERS - 1)];
		length = s->hit.reg[(s->where.index + 1) & (GI_REGISTERS - 1)];
		break;
	case GI_BASE_FLOAT:
		return GI_NO_ROW;
	case GI_BASE_ABSENT:
		pointer = 0;
		length = 0;
		break;
	default:
		length = 0;
		if (step->bound) {
			if (gi_user_read(s, &s->word[0], 8, s->where.address + 8))
				return GI_READ_FAULT;
			length = s->word[0];
		}
		if (gi_user_read(s, &s->word[0], 8, s->where.address))
			return GI_READ_FAULT;
		pointer = s->word[0];
	}
	if (step->bound && step->bound > length)
		return GI_RANGE;
	if (!pointer)
		return GI_NIL;
	s->where.address = pointer + (gi_s64)step->offset;
	s->where.base = GI_BASE_ABSOLUTE;
	return GI_OK;
}

/*
 * Finds where a place is in this call: s->where. Returns enum gi_reason; of a way that can't be followed
 * s->where.index is the step.
 */
GI_SUBPROGRAM int gi_resolve(struct gi_scratch *s, struct gi_place *place)
{
	gi_u32 i;
	int reason;

	if (!s || !place)
		return GI_NO_ROW;
	s->where.base = place->base;
	s->where.index = place->index;
	s->where.address = 0;
	if (place->base == GI_BASE_STACK)
		s->where.address = s->hit.reg[GI_SP] + (gi_s64)place->offset;
	else if (place->base == GI_BASE_ABSOLUTE || place->base == GI_BASE_COPY)
		s->where.address = place->address;
	else if (place->base == GI_BASE_ELEMENT) {
		s->where.address = s->element[place->index & 1];
		if (s->where.address == GI_ELEMENT_UNREADABLE)
			return GI_READ_FAULT;
		s->where.base = s->where.address ? GI_BASE_ABSOLUTE : GI_BASE_ABSENT;
		s->where.address += (gi_s64)place->offset;
	}
	for (i = 0; i < GI_STEPS; i++) {
		if (i >= place->steps)
			break;
		reason = gi_follow(s, &place->step[i]);
		if (reason) {
			s->where.index = i;
			return reason;
		}
	}
	return GI_OK;
}

/* Reads the value at s->where into s->word[0], narrow ones zero-extended. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_load(struct gi_scratch *s, gi_u32 size)
{
	if (!s)
		return GI_NO_ROW;
	switch (s->where.base) {
	case GI_BASE_INTEGER:
		s->word[0] = gi_truncate(s->hit.reg[s->where.index & (GI_REGISTERS - 1)], size);
		return GI_OK;
	case GI_BASE_FLOAT:
		if (gi_float_read(s, s->where.index, &s->word[0]))
			return GI_NO_FLOATS;
		s->word[0] = gi_truncate(s->word[0], size);
		return GI_OK;
	case GI_BASE_ABSENT:
		s->word[0] = 0;
		return GI_OK;
	default:
		return gi_read_sized(s, s->where.address, size) ? GI_READ_FAULT : GI_OK;
	}
}

/* Writes a value to s->where. Returns enum gi_reason. */
static __inline__ int gi_store(struct gi_scratch *s, gi_u32 size, gi_u32 kind, gi_u64 value)
{
	gi_u32 index;

	switch (s->where.base) {
	case GI_BASE_INTEGER:
		index = s->where.index & (GI_REGISTERS - 1);
		s->hit.reg[index] = gi_extend(value, size, kind);
		s->hit.dirty |= 1u << index;
		return GI_OK;
	case GI_BASE_FLOAT:
		s->word[0] = gi_truncate(value, size);
		return gi_float_write(s, s->where.index, &s->word[0]) ? GI_NO_FLOATS : GI_OK;
	default:
		s->word[0] = value;
		return gi_write_sized(s, s->where.address, size) ? GI_WRITE_FAULT : GI_OK;
	}
}

/* How deep the thread's frame is in its goroutine's stack: s->depth. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_find_depth(struct gi_scratch *s)
{
	gi_u64 sp;

	if (!s)
		return GI_NO_ROW;
	if (!s->hit.g || gi_user_read(s, &s->word[0], 8, s->hit.g + GI_G_STACK_LOW) ||
	    gi_user_read(s, &s->word[1], 8, s->hit.g + GI_G_STACK_HIGH))
		return GI_NOT_HERE;
	sp = s->hit.reg[GI_SP];
	if (sp < s->word[0] || sp >= s->word[1])
		return GI_NOT_HERE;
	s->depth = s->word[1] - sp;
	return GI_OK;
}

#endif
