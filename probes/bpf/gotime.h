/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* Points in time, as Go keeps them. */
#ifndef GOINJECT_GOTIME_H
#define GOINJECT_GOTIME_H

#include "place.h"

/*
 * Go's time.Time. Its first word ends in nanoseconds. Most times have a reading of the monotonic clock: the first word
 * then begins with a one and has the seconds since 1885 as well, and the second word is that reading. In others the second
 * word has the seconds since the year 1, and the first nothing more. (time/time.go)
 */
#define GI_TIME_MONOTONIC (1ull << 63)
#define GI_TIME_NANOSECONDS 30
#define GI_TIME_SECONDS 33
#define GI_TIME_1885 59453308800ull
#define GI_SECOND 1000000000ull

/* Its seconds when the edit is made, as far as the first word has them. */
static __inline__ gi_u64 gi_time_seconds(gi_u64 wall, const struct gi_edit *edit)
{
	gi_u64 nanoseconds = (wall & ((1ull << GI_TIME_NANOSECONDS) - 1)) + edit->extra;

	return (wall << 1 >> (GI_TIME_NANOSECONDS + 1)) + edit->operand + (nanoseconds >= GI_SECOND);
}

static __inline__ gi_u64 gi_time_first(gi_u64 wall, const struct gi_edit *edit)
{
	gi_u64 nanoseconds = (wall & ((1ull << GI_TIME_NANOSECONDS) - 1)) + edit->extra;
	gi_u64 seconds = gi_time_seconds(wall, edit);

	if (nanoseconds >= GI_SECOND)
		nanoseconds -= GI_SECOND;
	/* Out of the years that the first word has room for, Go drops the monotonic reading, too. */
	if (!(wall & GI_TIME_MONOTONIC) || seconds >> GI_TIME_SECONDS)
		return nanoseconds;
	return GI_TIME_MONOTONIC | seconds << GI_TIME_NANOSECONDS | nanoseconds;
}

static __inline__ gi_u64 gi_time_rest(gi_u64 rest, gi_u64 wall, const struct gi_edit *edit)
{
	gi_u64 seconds = gi_time_seconds(wall, edit);

	if (!(wall & GI_TIME_MONOTONIC))
		return rest + seconds;
	if (seconds >> GI_TIME_SECONDS)
		return GI_TIME_1885 + seconds;
	return rest + edit->operand * GI_SECOND + edit->extra;
}

/* What edit n, of a time, will put in place: s->word[0]. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_time(struct gi_scratch *s, gi_u32 row, gi_u32 n)
{
	struct gi_edit *edit;
	gi_u64 wall;

	if (!GI_NEEDS(EDITS) || !s || n >= GI_EDITS)
		return GI_NO_ROW;
	edit = gi_edit_row(s, row);
	if (!edit)
		return GI_NO_ROW;
	if (edit->source == GI_TIME) {
		s->word[0] = gi_time_first(s->planned[n].before, edit);
		return GI_OK;
	}
	wall = s->planned[(n - 1) & (GI_EDITS - 1)].before;
	s->word[0] = gi_time_rest(s->planned[n].before, wall, edit);
	return GI_OK;
}

#endif
