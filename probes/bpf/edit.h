/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only */
/* Edits: words of a call overwritten, all of a rule's or none, and shown in its event. */
#ifndef GOINJECT_EDIT_H
#define GOINJECT_EDIT_H

#include "element.h"
#include "place.h"
#include "source.h"

/*
 * Whether a pointer may be put at s->where now. Registers, the goroutine's own stack and package
 * variables take any; a heap object only while the collector is not marking, because the write
 * passes no write barrier.
 */
GI_SUBPROGRAM int gi_pointer_allowed(struct gi_scratch *s)
{
	struct gi_process *process;

	if (!GI_NEEDS(EDITS) || !s)
		return 0;
	if (s->where.base != GI_BASE_ABSOLUTE)
		return 1;
	if (s->hit.g && !gi_user_read(s, &s->word[0], 8, s->hit.g + GI_G_STACK_LOW) &&
	    !gi_user_read(s, &s->word[1], 8, s->hit.g + GI_G_STACK_HIGH) &&
	    s->where.address >= s->word[0] && s->where.address < s->word[1])
		return 1;
	process = gi_process_row(s);
	if (!process || !process->write_barrier)
		return 0;
	s->word[0] = 1;
	return !gi_user_read(s, &s->word[0], 4, process->write_barrier) && !(gi_u32)s->word[0];
}

/* Prepares edit n: where it goes and what is there. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_prepare_edit(struct gi_scratch *s, gi_u32 row, gi_u32 n)
{
	struct gi_edit *edit;
	struct gi_planned *planned;
	int reason;

	if (!GI_NEEDS(EDITS) || !s)
		return GI_NO_ROW;
	edit = gi_edit_row(s, row);
	if (!edit || n >= GI_EDITS)
		return GI_NO_ROW;
	planned = &s->planned[n];
	planned->known = 0;
	planned->before = 0;
	planned->size = edit->place.size;
	planned->kind = edit->kind;
	planned->source = edit->source;
	planned->flags = edit->flags;
	reason = gi_resolve(s, &edit->place);
	if (reason)
		return reason;
	gi_copy_where(&planned->where, &s->where);
	if (edit->source == GI_CLEAR || s->where.base == GI_BASE_COPY)
		return GI_OK;
	reason = gi_load(s, edit->place.size);
	if (edit->source == GI_FIND)
		return reason ? reason : gi_find_element(s, edit->operand, edit->place.index);
	if (!reason) {
		planned->before = s->word[0];
		planned->known = !(edit->flags & GI_EDIT_KEPT);
	} else if (reason != GI_NO_FLOATS || edit->source != GI_PUT) {
		return reason;
	}
	if ((edit->flags & GI_EDIT_POINTER) && edit->source != GI_KEEP && !gi_pointer_allowed(s))
		return GI_BARRIER;
	return GI_OK;
}

/* Clears memory at s->where: whole words, then the bytes that are left. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_clear(struct gi_scratch *s, gi_u64 bytes)
{
	gi_u64 words = bytes / 8;
	gi_u32 i;

	if (!GI_NEEDS(EDITS) || !s)
		return GI_NO_ROW;
	s->word[0] = 0;
	for (i = 0; i < GI_CLEARED / 8; i++) {
		if (i >= words)
			break;
		if (gi_user_write(s, s->where.address + 8 * i, &s->word[0], 8))
			return GI_WRITE_FAULT;
	}
	for (i = 0; i < 7; i++) {
		if (i >= (bytes & 7))
			break;
		if (gi_user_write(s, s->where.address + 8 * words + i, &s->word[0], 1))
			return GI_WRITE_FAULT;
	}
	return GI_OK;
}

/* Makes edit n, or takes it back. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_make_edit(struct gi_scratch *s, gi_u32 n, gi_u32 back)
{
	struct gi_planned *planned;
	int reason;

	if (!GI_NEEDS(EDITS) || !s || n >= GI_EDITS)
		return GI_NO_ROW;
	planned = &s->planned[n];
	if (planned->source == GI_KEEP || planned->source == GI_FIND || (back && !planned->known))
		return GI_OK;
	gi_copy_where(&s->where, &planned->where);
	if (planned->source == GI_CLEAR)
		return gi_clear(s, planned->after);
	if (!back && (planned->flags & GI_EDIT_MADE))
		planned->after = s->planned[(n - planned->after) & (GI_EDITS - 1)].after;
	if (s->where.base == GI_BASE_COPY) {
		s->where.base = GI_BASE_ABSOLUTE;
		s->where.address += s->operand[1];
	}
	if (!back && (planned->source == GI_FRESH || planned->source == GI_FLIP)) {
		reason = gi_copy(s, n);
		if (reason || (planned->flags & GI_EDIT_MAKES))
			return reason;
		gi_copy_where(&s->where, &planned->where);
	}
	return gi_store(s, planned->size, planned->kind, back ? planned->before : planned->after);
}

/* Takes the first edits back, because a later one could not be made. */
GI_SUBPROGRAM int gi_undo_edits(struct gi_scratch *s, gi_u32 count)
{
	gi_u32 n;

	if (!GI_NEEDS(EDITS) || !s)
		return GI_NO_ROW;
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		gi_make_edit(s, n, 1);
	}
	return GI_OK;
}

#ifdef GI_INLINE
/* Whether an edit does no more than put a word into a register. */
static int gi_is_put_in_register(const struct gi_edit *edit)
{
	return edit && edit->source == GI_PUT && edit->place.base == GI_BASE_INTEGER && !edit->place.steps &&
	       !(edit->flags & ~(GI_EDIT_POINTER | GI_EDIT_TEXT | GI_EDIT_ERROR));
}

/*
 * Makes edits that all put words into registers, as most rules do: nothing can prevent these, so they need not be prepared one by one.
 * Returns whether they are such; else none is made.
 */
static int gi_put_in_registers(struct gi_scratch *s, gi_u32 first, gi_u32 count)
{
	gi_u32 n;

	for (n = 0; n < count; n++) {
		const struct gi_edit *edit = gi_edit_row(s, first + n);

		if (n >= GI_EDITS || !gi_is_put_in_register(edit))
			return 0;
		s->planned[n].before = gi_truncate(s->hit.reg[edit->place.index & (GI_REGISTERS - 1)], edit->place.size);
		s->planned[n].known = 1;
	}
	for (n = 0; n < count; n++) {
		const struct gi_edit *edit = gi_edit_row(s, first + n);
		gi_u32 index = edit->place.index & (GI_REGISTERS - 1), size = edit->place.size;

		s->planned[n].after = gi_truncate(edit->operand, size);
		s->hit.reg[index] = gi_extend(edit->operand, size, edit->kind);
		s->hit.dirty |= 1u << index;
	}
	return 1;
}
#endif

/* Makes all edits of a binding, or none. Returns enum gi_reason. */
GI_SUBPROGRAM int gi_make_edits(struct gi_scratch *s, gi_u32 first, gi_u32 count, gi_u32 observe)
{
	gi_u32 n;
	int reason;

	if (!GI_NEEDS(EDITS) || !s)
		return GI_NO_ROW;
#ifdef GI_INLINE
	if (!observe && gi_put_in_registers(s, first, count)) {
		s->hit.edited |= count;
		return GI_OK;
	}
#endif
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		reason = gi_prepare_edit(s, first + n, n);
		if (!reason)
			reason = gi_source_value(s, first + n, n);
		if (reason)
			return reason;
	}
	if (observe)
		return GI_OK;
	for (n = 0; n < GI_EDITS; n++) {
		if (n >= count)
			break;
		reason = gi_make_edit(s, n, 0);
		if (reason) {
			gi_undo_edits(s, n);
			return reason;
		}
	}
	s->hit.edited |= count;
	return GI_OK;
}

/* Adds a text to the event: `length` bytes at an address. */
GI_SUBPROGRAM int gi_note_text(struct gi_scratch *s, gi_u64 address, gi_u64 length)
{
	gi_u32 text;

	if (!GI_NEEDS(EDITS) || !s)
		return 0;
	text = s->event.texts;
	if (text >= GI_EVENT_TEXTS)
		return 0;
	s->event.texts = text + 1;
	s->event.text_length[text] = length > 0xffffffff ? 0xffffffff : length;
	if (length > GI_TEXT)
		length = GI_TEXT;
	if (length && gi_user_read(s, s->event.text[text], length, address))
		s->event.text_length[text] = 0;
	return 0;
}

/* What an error value says, if that is easily found: its text, or its number. */
static __inline__ void gi_note_error(struct gi_scratch *s, gi_u64 table, gi_u64 data)
{
	struct gi_process *process = gi_process_row(s);

	s->word[0] = 0;
	s->word[1] = 0;
	if (process && table && table == process->errno_table) {
		s->word[0] = data;
		s->word[1] = 8;
	} else if (process && table && table == process->error_string_table &&
		   gi_user_read(s, &s->word[0], 16, data)) {
		s->word[1] = 0;
	}
	gi_note_text(s, s->word[0], s->word[1]);
}

/* Shows edit n in the event, with the bytes of a text. */
GI_SUBPROGRAM int gi_note_edit(struct gi_scratch *s, gi_u32 row, gi_u32 n)
{
	struct gi_edit *edit;

	if (!GI_NEEDS(EDITS) || !s || n >= GI_EVENT_WORDS)
		return 0;
	s->event.word[n].before = s->planned[n].before;
	s->event.word[n].after = s->planned[n].after;
	if (!s->planned[n].known)
		return 0;
	s->event.known |= 1u << n;
	edit = gi_edit_row(s, row);
	if (!edit || n + 1 >= GI_EVENT_WORDS || !s->planned[n + 1].known)
		return 0;
	if (edit->flags & GI_EDIT_TEXT)
		gi_note_text(s, s->planned[n].before, s->planned[n + 1].before);
	else if (edit->flags & GI_EDIT_ERROR)
		gi_note_error(s, s->planned[n].before, s->planned[n + 1].before);
	return 0;
}

#endif
