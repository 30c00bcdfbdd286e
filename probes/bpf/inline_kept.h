/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/*
 * What outlives a hit, and events, in memory that the target's threads share: with each other and, of the run, with other
 * processes.
 *
 * Each bucket has a lock. It is never waited for without end: a thread may be interrupted while it has it, and the signal's
 * handler come to a site itself. What can't be had then counts as no room.
 */
#ifndef GOINJECT_INLINE_KEPT_H
#define GOINJECT_INLINE_KEPT_H

#include "inline.h"

#define GI_LOCK_TURNS 4096
#define GI_LOCK_YIELDS 4

static int gi_lock(gi_u64 *lock)
{
	gi_u32 turn;

	for (turn = 1; turn <= GI_LOCK_TURNS; turn++) {
		gi_u64 free = 0;

		if (__atomic_compare_exchange_n(lock, &free, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return 0;
		gi_pause();
		/* Whoever has it may wait for this processor. */
		if (turn % (GI_LOCK_TURNS / GI_LOCK_YIELDS) == 0)
			gi_system_call(GI_SYS_SCHED_YIELD, 0, 0, 0, 0, 0, 0);
	}
	return 1;
}

static void gi_unlock(gi_u64 *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static gi_u64 *gi_bucket(const struct gi_kept_table *table, const gi_u64 *key)
{
	gi_u64 hash = 0, words = GI_WAYS * (GI_ENTRY_WORDS + table->key_words + table->value_words) + GI_BUCKET_WORDS;
	gi_u32 i;

	for (i = 0; i < table->key_words; i++) {
		hash = (hash ^ key[i]) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return (gi_u64 *)(uintptr_t)table->buckets + ((hash ^ hash >> 32) & table->mask) * words;
}

static gi_u64 *gi_entry(const struct gi_kept_table *table, gi_u64 *bucket, gi_u32 way)
{
	return bucket + GI_BUCKET_WORDS + way * (GI_ENTRY_WORDS + table->key_words + table->value_words);
}

/* The entry of a key, in a bucket that is locked; or 0. */
static gi_u64 *gi_find_entry(const struct gi_kept_table *table, gi_u64 *bucket, const gi_u64 *key)
{
	gi_u32 way, i;

	for (way = 0; way < GI_WAYS; way++) {
		gi_u64 *entry = gi_entry(table, bucket, way);

		for (i = 0; i < table->key_words && entry[0]; i++) {
			if (entry[GI_ENTRY_WORDS + i] != key[i])
				break;
		}
		if (entry[0] && i == table->key_words)
			return entry;
	}
	return 0;
}

/* An entry for a new key, in a bucket that is locked; or 0. */
static gi_u64 *gi_new_entry(const struct gi_kept_table *table, gi_u64 *bucket, const gi_u64 *key)
{
	gi_u64 *oldest = 0;
	gi_u32 way, i;

	for (way = 0; way < GI_WAYS; way++) {
		gi_u64 *entry = gi_entry(table, bucket, way);

		if (!oldest || entry[0] < oldest[0])
			oldest = entry;
	}
	if (oldest[0] && !table->forgets)
		return 0;
	for (i = 0; i < table->key_words; i++)
		oldest[GI_ENTRY_WORDS + i] = key[i];
	return oldest;
}

/* Finds or makes the entry of a key, as the newest; or 0. The bucket is locked. */
static gi_u64 *gi_touch_entry(const struct gi_kept_table *table, gi_u64 *bucket, const gi_u64 *key, int *is_new)
{
	gi_u64 *entry = gi_find_entry(table, bucket, key);

	*is_new = !entry;
	if (!entry)
		entry = gi_new_entry(table, bucket, key);
	if (entry)
		entry[0] = ++bucket[1];
	return entry;
}

static int gi_remember(struct gi_scratch *s, gi_u32 memory, gi_u32 action, const void *key, void *value)
{
	const struct gi_kept_table *table = &gi_inside_of(s)->kept[memory];
	gi_u64 *bucket = gi_bucket(table, key), *entry;
	int is_new = 0;

	if (gi_lock(bucket))
		return 1;
	entry = action == GI_SAVE ? gi_touch_entry(table, bucket, key, &is_new) : gi_find_entry(table, bucket, key);
	if (entry && action == GI_LOAD)
		gi_copy_bytes(value, entry + GI_ENTRY_WORDS + table->key_words, 8 * table->value_words);
	if (entry && action == GI_SAVE)
		gi_copy_bytes(entry + GI_ENTRY_WORDS + table->key_words, value, 8 * table->value_words);
	if (entry && action == GI_FORGET)
		entry[0] = 0;
	gi_unlock(bucket);
	return !entry;
}

static gi_u64 gi_count_goroutine(struct gi_scratch *s, gi_u64 goid)
{
	const struct gi_kept_table *table = &gi_inside_of(s)->kept[GI_MEMORY_GOROUTINES];
	const gi_u64 *key = (const gi_u64 *)&s->goroutine_key;
	gi_u64 *bucket = gi_bucket(table, key), *entry, calls = 0;
	struct gi_goroutine *counted;
	int is_new;

	if (gi_lock(bucket))
		return 0;
	entry = gi_touch_entry(table, bucket, key, &is_new);
	if (entry) {
		counted = (struct gi_goroutine *)(entry + GI_ENTRY_WORDS + table->key_words);
		if (is_new || counted->goid != goid)
			counted->calls = counted->taken = 0;
		counted->goid = goid;
		calls = ++counted->calls;
	}
	gi_unlock(bucket);
	return calls;
}

static gi_u64 gi_take_in_scope(struct gi_scratch *s)
{
	const struct gi_kept_table *table = &gi_inside_of(s)->kept[GI_MEMORY_GOROUTINES];
	const gi_u64 *key = (const gi_u64 *)&s->goroutine_key;
	gi_u64 *bucket = gi_bucket(table, key), *entry, before = ~0ull;

	if (gi_lock(bucket))
		return before;
	entry = gi_find_entry(table, bucket, key);
	if (entry)
		before = ((struct gi_goroutine *)(entry + GI_ENTRY_WORDS + table->key_words))->taken++;
	gi_unlock(bucket);
	return before;
}

static struct gi_ring *gi_ring_of(const struct gi_scratch *s, gi_u32 n)
{
	return (struct gi_ring *)(uintptr_t)gi_inside_of(s)->rings + n;
}

/* A ring with room, as it is kept in the slot. */
static gi_u32 gi_find_ring(const struct gi_scratch *s)
{
	gi_u32 i, n;

	for (i = 0; i < GI_RINGS_TRIED; i++) {
		const struct gi_ring *ring;

		n = (gi_slot_of(s)->number + i) % GI_RINGS;
		ring = gi_ring_of(s, n);
		if (__atomic_load_n(&ring->head, __ATOMIC_RELAXED) - __atomic_load_n(&ring->tail, __ATOMIC_RELAXED) <
		    GI_RING_ENTRIES)
			return GI_FOUND_RING + n;
	}
	return GI_FOUND_NO;
}

/* How many events of a rule the slot has told, where that is limited. */
static gi_u64 *gi_told_by_slot(const struct gi_scratch *s, gi_u32 rule)
{
	return (gi_u64 *)(uintptr_t)((gi_u64)(uintptr_t)&gi_inside_of(s)->host.counters[rule].taken + gi_slot_of(s)->counts);
}

/* Whether anybody takes a rule's events, or has the first ones already. */
static int gi_are_events_taken(const struct gi_scratch *s, gi_u32 rule)
{
	const struct gi_host *host = &gi_inside_of(s)->host;
	gi_u64 limit = host->control->event_limit;

	return limit == ~0ull || (rule < host->rule_count && *gi_told_by_slot(s, rule) < limit);
}

static int gi_is_any_event_taken(const struct gi_scratch *s)
{
	gi_u32 i;

	for (i = 0; i < s->fired_count && i < GI_FIRED; i++) {
		const struct gi_binding *binding = gi_binding_row(s, s->fired[i].binding);

		if (binding && gi_are_events_taken(s, binding->rule))
			return 1;
	}
	return 0;
}

/* Whether somebody takes an event, and there is room for it. The same for all events of a hit. */
static int gi_is_event_wanted(const struct gi_scratch *s)
{
	struct gi_slot *slot = gi_slot_of(s);

	if (!slot->event)
		slot->event = gi_is_any_event_taken(s) ? gi_find_ring(s) : GI_FOUND_NO;
	return slot->event != GI_FOUND_NO;
}

static int gi_drop_event(struct gi_scratch *s)
{
	gi_count(s, &gi_counters_of_run(s)->calls, 1);
	return 0;
}

/* Where the words of an event go. */
struct gi_sending {
	struct gi_ring_entry *entry;
	struct gi_ring_rest *rest;
	gi_u64 count;
};

static void gi_send_words(struct gi_sending *to, const void *from, gi_u64 count)
{
	const gi_u64 *in = from;
	gi_u64 i;

	for (i = 0; i < count && to->count < GI_RING_WORDS; i++)
		((volatile gi_u64 *)to->entry->word)[to->count++] = in[i];
	for (; i < count; i++)
		((volatile gi_u64 *)to->rest->word)[to->count++ - GI_RING_WORDS] = in[i];
}

/* What begins an event, each field as it was just written: a processor waits where it reads two at once. */
static void gi_send_head(struct gi_sending *to, const struct gi_event *event)
{
	const gi_u32 *in = (const gi_u32 *)event;
	gi_u32 i;

	for (i = 0; i < offsetof(struct gi_event, tid) / 8; i++)
		((volatile gi_u64 *)to->entry->word)[i] = ((const gi_u64 *)in)[i];
	for (i *= 2; i < offsetof(struct gi_event, delay) / 4; i++)
		((volatile gi_u32 *)to->entry->word)[i] = ((const volatile gi_u32 *)in)[i];
	for (i /= 2; i < offsetof(struct gi_event, word) / 8; i++)
		((volatile gi_u64 *)to->entry->word)[i] = ((const gi_u64 *)in)[i];
	to->count = i;
}

/* An event as far as it is in use. All of its parts are of whole words. */
static void gi_send_event(struct gi_sending *to, struct gi_event *event, gi_u32 words)
{
	event->padding = words | (event->test.length ? GI_SENT_TEST : 0);
	gi_send_head(to, event);
	gi_send_words(to, event->word, 2 * words);
	gi_send_words(to, event->stack, event->frames & (2 * GI_STACK - 1));
	gi_send_words(to, event->text, sizeof(event->text[0]) / 8 * (event->texts & 3));
	if (event->test.length)
		gi_send_words(to, &event->test, sizeof(event->test) / 8);
}

/* A place in the ring that was found, or in another one: its number in that, from 1, or 0 if all are full by now. */
static gi_u64 gi_take_place(struct gi_scratch *s)
{
	struct gi_slot *slot = gi_slot_of(s);

	for (; slot->event != GI_FOUND_NO; slot->event = gi_find_ring(s)) {
		struct gi_ring *ring = gi_ring_of(s, slot->event - GI_FOUND_RING);
		gi_u64 head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);

		while (head - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) < GI_RING_ENTRIES) {
			if (__atomic_compare_exchange_n(&ring->head, &head, head + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
				return head + 1;
		}
	}
	return 0;
}

/* Hands the event to goinject, or counts it as dropped. */
static void gi_emit(struct gi_scratch *s)
{
	struct gi_inside *inside = gi_inside_of(s);
	const struct gi_binding *binding = gi_binding_row(s, s->event.binding);
	struct gi_sending to = {0, 0, 0};
	struct gi_ring_entry *entries, *next;
	gi_u32 words = binding ? binding->edits : 0;
	gi_u64 place, first;

	s->event.tid = gi_thread_number(s);
	place = gi_is_event_wanted(s) ? gi_take_place(s) : 0;
	if (!place) {
		gi_drop_event(s);
		return;
	}
	first = (gi_slot_of(s)->event - GI_FOUND_RING) * GI_RING_ENTRIES;
	entries = (struct gi_ring_entry *)(uintptr_t)inside->entries + first;
	to.entry = entries + (place - 1) % GI_RING_ENTRIES;
	to.rest = (struct gi_ring_rest *)(uintptr_t)inside->rest + first + (place - 1) % GI_RING_ENTRIES;
	gi_send_event(&to, &s->event, words > GI_EVENT_WORDS ? GI_EVENT_WORDS : words);
	if (inside->host.control->event_limit != ~0ull)
		gi_count_there((gi_u64)(uintptr_t)gi_told_by_slot(s, s->event.rule), 1);
	__atomic_store_n(&to.entry->number, place, __ATOMIC_RELEASE);
	/* The lines of a simple event are fetched ahead: goinject's processor has them. */
	next = entries + (place + 1) % GI_RING_ENTRIES;
	gi_will_write(&next->number);
	gi_will_write(&next->word[7]);
	gi_will_write(&next->word[15]);
}

#endif
