/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Elements of Go's maps. The hash of a key depends on the processor, and on a seed of each map; so all entries are looked at,
 * a group of eight after the other, until one has the key.
 */
#ifndef GOINJECT_ELEMENT_H
#define GOINJECT_ELEMENT_H

#include "text.h"

/* internal/runtime/maps.Map and table, since Go 1.24. */
#define GI_MAP_DIRECTORY 16
#define GI_TABLE_GROUPS 16
/* runtime.hmap, before. */
#define GI_HMAP_FLAGS 8
#define GI_HMAP_BUCKETS 16
#define GI_HMAP_SAME_SIZE 8 /* of its flags: as many old buckets as new ones */
#define GI_HMAP_SHIFT 40    /* more are no number of buckets */

/* Where the search through the map at an address begins. Returns enum gi_reason. */
static __inline__ int gi_begin_search(struct gi_scratch *s, const struct gi_lookup *lookup, gi_u64 map)
{
	gi_u64 shift;

	__builtin_memset(&s->search, 0, sizeof(s->search));
	if (lookup->layout == GI_MAP_GROUPS) {
		if (gi_user_read(s, &s->word[0], 16, map + GI_MAP_DIRECTORY))
			return GI_READ_FAULT;
		if (s->word[1]) {
			s->search.directory = s->word[0];
			s->search.tables = s->word[1];
		} else {
			s->search.next = s->word[0];
			s->search.groups = s->word[0] != 0;
		}
		return GI_OK;
	}
	if (gi_user_read(s, &s->word[0], 8, map + GI_HMAP_FLAGS))
		return GI_READ_FAULT;
	shift = (s->word[0] >> 8) & 0xff;
	if (shift > GI_HMAP_SHIFT)
		return GI_READ_FAULT;
	s->search.groups = 1ull << (shift & 63);
	s->search.tables = s->word[0] & GI_HMAP_SAME_SIZE ? s->search.groups : s->search.groups / 2;
	if (gi_user_read(s, &s->word[0], 16, map + GI_HMAP_BUCKETS))
		return GI_READ_FAULT;
	s->search.next = s->word[0];
	s->search.directory = s->word[1];
	if (!s->word[0])
		s->search.groups = 0;
	if (!s->word[1])
		s->search.tables = 0;
	return GI_OK;
}

/* The next table of groups: in s->search, or none of them for one that the directory has more than once. Returns enum gi_reason. */
static __inline__ int gi_next_table(struct gi_scratch *s, const struct gi_lookup *lookup)
{
	if (!s->search.tables)
		return GI_NO_KEY;
	if (lookup->layout == GI_MAP_BUCKETS) {
		s->search.next = s->search.directory;
		s->search.groups = s->search.tables;
		s->search.tables = 0;
		return GI_OK;
	}
	if (gi_user_read(s, &s->word[0], 8, s->search.directory))
		return GI_READ_FAULT;
	s->search.directory += 8;
	s->search.tables--;
	if (s->word[0] == s->search.table)
		return GI_OK;
	s->search.table = s->word[0];
	if (gi_user_read(s, &s->word[0], 16, s->search.table + GI_TABLE_GROUPS))
		return GI_READ_FAULT;
	s->search.next = s->word[0];
	s->search.groups = s->word[1] + 1;
	return GI_OK;
}

/* Goes on to the next group, whose control bytes are then in s->search.control: none is in use where there is none. */
static __inline__ int gi_next_group(struct gi_scratch *s, const struct gi_lookup *lookup)
{
	s->search.control = lookup->layout == GI_MAP_GROUPS ? ~0ull : 0;
	if (s->search.overflow) {
		s->search.group = s->search.overflow;
	} else if (s->search.groups) {
		s->search.group = s->search.next;
		s->search.next += lookup->group_size;
		s->search.groups--;
	} else {
		return gi_next_table(s, lookup);
	}
	if (gi_user_read(s, &s->word[0], 8, s->search.group))
		return GI_READ_FAULT;
	s->search.control = s->word[0];
	if (lookup->layout == GI_MAP_BUCKETS) {
		if (gi_user_read(s, &s->word[0], 8, s->search.group + lookup->group_size - 8))
			return GI_READ_FAULT;
		s->search.overflow = s->word[0];
	}
	return GI_OK;
}

/* Whether the key at an address is the one that is looked for. 0, 1, or -1 where it can't be read. Part of its only caller, as calls go
 * no deeper. */
static __inline__ __attribute__((always_inline)) int gi_is_key(struct gi_scratch *s, struct gi_lookup *lookup, gi_u64 address)
{
	gi_u64 *words;
	gi_u32 i;

	if (!lookup->text) {
		if (gi_read_sized(s, address, lookup->key_size))
			return -1;
		return s->word[0] == lookup->number;
	}
	if (gi_user_read(s, &s->word[0], 16, address))
		return -1;
	if (s->word[1] != lookup->number)
		return 0;
	if (gi_text_read(s, s->text, s->word[0], s->word[1]))
		return -1;
	words = (gi_u64 *)lookup->key;
	for (i = 0; i < GI_KEY_TEXT / 8; i++)
		if (s->text[i] != words[i])
			return 0;
	return 1;
}

/* Looks at the next group: GI_OK if the key is in it, s->search.found. Returns enum gi_reason; GI_TOO_LARGE: there may be more. */
GI_SUBPROGRAM int gi_search_group(struct gi_scratch *s, gi_u32 row)
{
	struct gi_fixed_text *fixed;
	struct gi_lookup *lookup;
	gi_u32 n, control;
	int reason;

	if (!GI_NEEDS(ELEMENTS) || !s)
		return GI_NO_ROW;
	fixed = gi_text_row(s, row);
	if (!fixed)
		return GI_NO_ROW;
	lookup = (struct gi_lookup *)fixed->bytes;
	reason = gi_next_group(s, lookup);
	if (reason)
		return reason;
	for (n = 0; n < 8; n++) {
		control = (s->search.control >> (8 * n)) & 0xff;
		/* Free, deleted, moved to a new bucket: see abi.MapCtrlEmpty and runtime.minTopHash. */
		if (lookup->layout == GI_MAP_GROUPS ? control & 0x80 : control < 5)
			continue;
		reason = gi_is_key(s, lookup, s->search.group + lookup->keys + n * lookup->key_stride);
		if (!reason)
			continue;
		if (reason < 0)
			return GI_READ_FAULT;
		s->search.found = s->search.group + lookup->elements + n * lookup->element_stride;
		return GI_OK;
	}
	return GI_TOO_LARGE;
}

/*
 * Looks for the key of a row in the map whose address is s->word[0]: the address of its element is then in
 * s->element[slot]. Returns enum gi_reason.
 */
GI_SUBPROGRAM int gi_find_element(struct gi_scratch *s, gi_u32 row, gi_u32 slot)
{
	struct gi_fixed_text *fixed;
	struct gi_lookup *lookup;
	int reason;
	gi_u32 i;

	if (!GI_NEEDS(ELEMENTS) || !s)
		return GI_NO_ROW;
	fixed = gi_text_row(s, row);
	if (!fixed)
		return GI_NO_ROW;
	lookup = (struct gi_lookup *)fixed->bytes;
	s->element[slot & 1] = GI_ELEMENT_ABSENT;
	if (!s->word[0])
		return GI_NO_KEY;
	reason = gi_begin_search(s, lookup, s->word[0]);
	if (!reason) {
		for (i = 0; i < GI_GROUPS; i++) {
			reason = gi_search_group(s, row);
			if (reason != GI_TOO_LARGE)
				break;
		}
	}
	if (!reason && lookup->indirect) {
		if (gi_user_read(s, &s->word[0], 8, s->search.found))
			reason = GI_READ_FAULT;
		s->search.found = s->word[0];
	}
	if (!reason)
		s->element[slot & 1] = s->search.found;
	else if (reason != GI_NO_KEY)
		s->element[slot & 1] = GI_ELEMENT_UNREADABLE;
	return reason;
}

#endif
