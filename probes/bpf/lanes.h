/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * Numbers of calls on which a rule's turn depends, counted by many threads at once.
 *
 * As long as threads don't meet, each call takes the next number of the common count. Once they do, and the next turn is far away, the
 * count is opened: up to the turn no call needs a number, since none of them can fire. The calls that may pass are dealt out among
 * lanes, words on lines of their own, and a thread takes one from its lane. When a lane has none left the count is closed: all lanes are
 * locked, one after the other, what was taken from them is added to the common count, and that goes on, or is opened again for what
 * is left. So each number comes once, in an order that agrees with time, and a turn only ever comes in the common count.
 *
 * Nobody waits here, and nobody owns a lane. Each step is one change of one word, whoever comes next finishes what it began, and all of
 * it is in the memory of the run: a thread that ends or is killed in between, or a process with it, leaves nothing undone, and what its lane
 * has left is there for all others.
 */
#ifndef GOINJECT_LANES_H
#define GOINJECT_LANES_H

#include "abi.h"

/* A lane has two lines: processors fetch them in pairs. */
struct gi_lane {
	gi_u64 word;
	gi_u64 padding[7];
	gi_u64 wanted; /* of a rule's first lane: how many lanes its threads could use, by experience. Nothing depends on it */
	gi_u64 padding2[7];
};

#ifndef GI_LANE_STEP
#define GI_LANES_LOG 5
/* The calls up to a turn that make it worthwhile, and those that a lane is dealt at least: each lane is one more to lock. */
#define GI_LEAST_WINDOW 16
#define GI_LEAST_DEALT 8
/* A test has fewer, and looks on at each step. */
#define GI_LANE_STEP() (void)0
#endif

/* Of each rule. */
#define GI_LANES (1u << GI_LANES_LOG)

/* A lane's word: calls that may pass; whether they may still do; and the count that it was opened at, and one. 0 is none of these. */
#define GI_LANE_LEFT ((1ull << 23) - 1)
#define GI_LANE_OPEN (1ull << 23)
#define GI_LANE_TAG_SHIFT 24

/* gi_counters.matched, while the count is open: calls are in the lanes, of which there are two to the power of the number that follows. */
#define GI_MATCHED_OPEN (1ull << 62)
#define GI_MATCHED_LANES_SHIFT 56
#define GI_MATCHED_COUNT ((1ull << GI_MATCHED_LANES_SHIFT) - 1)

/* In place of its number: the call was counted, and it is not its rule's turn. */
#define GI_PASSED (~0ull)

/* What a lane is dealt at most. */
#define GI_MOST_LEFT (1ull << 22)

/* More than any thread needs. Who writes to the target's memory at random shall not keep it here. */
#define GI_COUNT_TURNS 65536

#define GI_COUNTS_OF_TURN (GI_RULE_NTH | GI_RULE_EVERY | GI_RULE_AFTER_CALLS)
/* Their turns are by counts of their own. */
#define GI_OWN_COUNTS (GI_RULE_PER_GOROUTINE | GI_RULE_PER_TEST | GI_RULE_PER_PROCESS)

/* Whether the count of a rule is ever opened: if not, it is a plain number. */
static inline int gi_is_far(const struct gi_rule *rule)
{
	gi_u32 flags = rule->flags;

	if (!(flags & GI_COUNTS_OF_TURN) || (flags & GI_OWN_COUNTS))
		return 0;
	return ((flags & GI_RULE_NTH) && rule->nth > GI_LEAST_WINDOW) ||
	       ((flags & GI_RULE_EVERY) && rule->every > GI_LEAST_WINDOW) ||
	       ((flags & GI_RULE_AFTER_CALLS) && rule->after_calls >= GI_LEAST_WINDOW);
}

static inline gi_u64 gi_matched_count(gi_u64 matched)
{
	return matched & GI_MATCHED_OPEN ? matched & GI_MATCHED_COUNT : matched;
}

/* How many calls after so many can't be their rule's turn; 0 also where none will be. */
static inline gi_u64 gi_calls_to_pass(const struct gi_rule *rule, gi_u64 count)
{
	gi_u32 flags = rule->flags;
	gi_u64 turn = count + 1;

	if ((flags & GI_RULE_AFTER_CALLS) && turn <= rule->after_calls)
		turn = rule->after_calls + 1;
	if (flags & GI_RULE_EVERY) {
		gi_u64 over = rule->every ? turn % rule->every : 0;

		if (!rule->every)
			return 0;
		if (over)
			turn += rule->every - over;
	}
	if (flags & GI_RULE_NTH) {
		if (rule->nth < turn || ((flags & GI_RULE_EVERY) && rule->nth % rule->every))
			return 0;
		turn = rule->nth;
	}
	if (turn <= count || ((flags & GI_RULE_FIRST) && turn > rule->first) ||
	    ((flags & GI_RULE_UNTIL_CALLS) && turn > rule->until_calls))
		return 0;
	return turn - 1 - count;
}

/* What the count of a rule is when it is opened, with as many lanes as are wanted, or fewer; 0 if its turn is near. */
static inline gi_u64 gi_opened(const struct gi_rule *rule, gi_u64 count, gi_u64 wanted)
{
	gi_u64 calls = gi_calls_to_pass(rule, count), log = wanted < GI_LANES_LOG ? wanted : GI_LANES_LOG;

	if (calls < GI_LEAST_WINDOW || count > GI_MATCHED_COUNT)
		return 0;
	while (log > 1 && calls >> log < GI_LEAST_DEALT)
		log--;
	return GI_MATCHED_OPEN | (log ? log : 1) << GI_MATCHED_LANES_SHIFT | count;
}

static inline gi_u32 gi_lanes_log(gi_u64 matched)
{
	return (gi_u32)(matched >> GI_MATCHED_LANES_SHIFT) & 7;
}

/* The lanes of an open count. */
static inline gi_u32 gi_lanes_of(gi_u64 matched)
{
	gi_u32 log = gi_lanes_log(matched);

	return 1u << (log < GI_LANES_LOG ? log : GI_LANES_LOG);
}

/* How many calls each of them lets pass: the same whoever asks. */
static inline gi_u64 gi_dealt(const struct gi_rule *rule, gi_u64 matched)
{
	gi_u64 calls = gi_calls_to_pass(rule, gi_matched_count(matched)) / gi_lanes_of(matched);

	return calls < GI_MOST_LEFT ? calls : GI_MOST_LEFT;
}

/* The upper part of the words of lanes that belong to a count. It differs each time. */
static inline gi_u64 gi_tag_of(gi_u64 matched)
{
	return (gi_matched_count(matched) + 1) << GI_LANE_TAG_SHIFT;
}

static inline int gi_has_tag(gi_u64 word, gi_u64 tag)
{
	return !((word ^ tag) >> GI_LANE_TAG_SHIFT);
}

/* The logarithm of how many lanes are wanted. */
static inline gi_u64 gi_wanted(const struct gi_lane *lanes)
{
	return __atomic_load_n(&lanes->wanted, __ATOMIC_RELAXED);
}

static inline void gi_want(struct gi_lane *lanes, gi_u64 log)
{
	__atomic_store_n(&lanes->wanted, log, __ATOMIC_RELAXED);
}

static inline gi_u64 gi_look(const gi_u64 *word)
{
	GI_LANE_STEP();
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline int gi_change(gi_u64 *word, gi_u64 from, gi_u64 to)
{
	GI_LANE_STEP();
	return __atomic_compare_exchange_n(word, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* A change of a lane failed. If that is because others are in it: another one next time, and more of them. */
static inline void gi_leave_lane(struct gi_lane *lanes, const gi_u64 *lane, gi_u64 matched, gi_u32 *at)
{
	if (!(gi_look(lane) & GI_LANE_OPEN))
		return;
	++*at;
	if (gi_wanted(lanes) <= gi_lanes_log(matched) && gi_lanes_log(matched) < GI_LANES_LOG)
		gi_want(lanes, gi_lanes_log(matched) + 1);
}

/*
 * Locks a lane of an open count, and says what it has left. Not if the count is closed by now.
 *
 * The count is looked at after the word. If it is still open then, the word is none of a later one's; and if the word is the same
 * when it is changed, nobody has locked it for this one meanwhile.
 */
static inline int gi_lock_lane(gi_u64 *lane, const gi_u64 *counter, gi_u64 matched, gi_u64 dealt, gi_u64 *left)
{
	gi_u64 tag = gi_tag_of(matched);
	gi_u32 turn;

	for (turn = 0; turn < GI_COUNT_TURNS; turn++) {
		gi_u64 word = gi_look(lane);

		if (gi_look(counter) != matched)
			return 0;
		*left = gi_has_tag(word, tag) ? word & GI_LANE_LEFT : dealt;
		if ((gi_has_tag(word, tag) && !(word & GI_LANE_OPEN)) || gi_change(lane, word, tag | *left))
			return 1;
	}
	return 0;
}

/*
 * Closes an open count, or opens it again where several lanes were in use and the turn is far. Whoever does it finds the same sum; the
 * first changes the count.
 */
static __attribute__((noinline)) void gi_close(const struct gi_rule *rule, gi_u64 *counter, struct gi_lane *lanes, gi_u64 matched)
{
	gi_u64 dealt = gi_dealt(rule, matched), passed = 0, next, wanted, opened;
	gi_u32 i, used = 0;

	for (i = 0; i < gi_lanes_of(matched); i++) {
		gi_u64 left;

		if (!gi_lock_lane(&lanes[i].word, counter, matched, dealt, &left))
			return;
		passed += dealt - left;
		used += left != dealt;
	}
	next = gi_matched_count(matched) + passed;
	wanted = gi_wanted(lanes);
	if (wanted > 1 && wanted == gi_lanes_log(matched) && used << 1 < gi_lanes_of(matched))
		gi_want(lanes, --wanted);
	opened = used > 1 ? gi_opened(rule, next, wanted) : 0;
	gi_change(counter, matched, opened ? opened : next);
}

/*
 * Counts a call of a rule whose count may be opened: its number, or GI_PASSED where it may pass. 0 if the memory is not what it was. `at`
 * says which lane, and is changed where somebody else is in that.
 */
static inline gi_u64 gi_count_in_order(const struct gi_rule *rule, gi_u64 *counter, struct gi_lane *lanes, gi_u32 *at, int passes)
{
	gi_u32 turn;
	int meets = 0;

	for (turn = 0; turn < GI_COUNT_TURNS; turn++) {
		gi_u64 matched = gi_look(counter), tag, dealt, word, *lane;

		if (!(matched & GI_MATCHED_OPEN)) {
			gi_u64 opened = meets && passes ? gi_opened(rule, matched + 1, gi_wanted(lanes)) : 0;

			/* Who opens it counts itself: a count is never opened twice. */
			if (gi_change(counter, matched, opened ? opened : matched + 1))
				return matched + 1;
			meets = 1;
			continue;
		}
		lane = &lanes[*at & (gi_lanes_of(matched) - 1)].word;
		word = gi_look(lane);
		if (passes && (word & GI_LANE_OPEN) && (word & GI_LANE_LEFT)) {
			/* The lane is open, so the count is, whichever it is by now. */
			if (gi_change(lane, word, word - 1))
				return GI_PASSED;
			gi_leave_lane(lanes, lane, matched, at);
			continue;
		}
		/* As in gi_lock_lane. */
		if (gi_look(counter) != matched)
			continue;
		tag = gi_tag_of(matched);
		dealt = gi_dealt(rule, matched);
		if (passes && dealt && !gi_has_tag(word, tag)) {
			if (gi_change(lane, word, tag | GI_LANE_OPEN | (dealt - 1)))
				return GI_PASSED;
			gi_leave_lane(lanes, lane, matched, at);
			continue;
		}
		gi_close(rule, counter, lanes, matched);
	}
	return 0;
}

/* How many calls were counted, in the lanes, too. */
static inline gi_u64 gi_count_all(const struct gi_rule *rule, const gi_u64 *counter, const struct gi_lane *lanes)
{
	gi_u64 matched = 0, all = 0;
	gi_u32 turn, i;

	for (turn = 0; turn < 1000; turn++) {
		gi_u64 dealt, tag;

		matched = gi_look(counter);
		if (!(matched & GI_MATCHED_OPEN))
			return matched;
		dealt = gi_dealt(rule, matched);
		tag = gi_tag_of(matched);
		all = gi_matched_count(matched);
		for (i = 0; i < gi_lanes_of(matched); i++) {
			gi_u64 word = gi_look(&lanes[i].word);

			if (gi_has_tag(word, tag) && (word & GI_LANE_LEFT) < dealt)
				all += dealt - (word & GI_LANE_LEFT);
		}
		if (gi_look(counter) == matched)
			break;
	}
	return all;
}

#endif
