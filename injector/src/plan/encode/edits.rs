//! Edits as rows, and what of them an event shows.

use goinject_probes::table;

use super::{Loaded, encode_place};
use crate::plan::{Assignment, Base, Edit, Extend, Global, Shape, Source};

/// The rows of a value, or of what comes right before one; `before` is how many edits do.
pub(super) fn encode(
    assignment: &Assignment,
    before: usize,
    loaded: &Loaded,
    texts: &mut Vec<table::FixedText>,
) -> Vec<table::Edit> {
    let mut rows: Vec<table::Edit> = assignment
        .edits
        .iter()
        .enumerate()
        .map(|(n, edit)| {
            let mut row = encode_edit(edit, loaded);
            if let Source::Made(index) = edit.source {
                let count = if assignment.shape == Shape::Hidden {
                    0
                } else {
                    before
                };
                row.operand = (count + n - index) as u64;
            }
            if let Source::Find(element) = &edit.source {
                row.operand = texts.len() as u64;
                texts.push(element.lookup().into());
            }
            row
        })
        .collect();
    mark_texts(&assignment.shape, &mut rows);
    rows
}

/// Has the event show the bytes of every string of a value, and those of every error.
fn mark_texts(shape: &Shape, rows: &mut [table::Edit]) {
    let mut rest = rows;
    let mut each = |shape: &Shape| {
        let (own, behind) = std::mem::take(&mut rest).split_at_mut(shape.words());
        mark_texts(shape, own);
        rest = behind;
    };
    match shape {
        Shape::Struct(fields) => fields.iter().for_each(|(_, field)| each(field)),
        Shape::Array(elements) => elements.iter().for_each(each),
        Shape::String => rest[0].flags |= table::EDIT_TEXT,
        Shape::Interface { empty: false } => rest[0].flags |= table::EDIT_ERROR,
        _ => {}
    }
}

fn encode_edit(edit: &Edit, loaded: &Loaded) -> table::Edit {
    let at = |global: &Global| loaded.bias.apply(global.address.plus(global.offset));
    let scratch = |offset: u32| loaded.scratch + u64::from(offset);
    let (source, operand, extra) = match &edit.source {
        Source::Literal(bits) => (table::Source::Put, *bits, 0),
        Source::Address(global) => (table::Source::Put, at(global), 0),
        Source::Scratch(offset) => (table::Source::Put, scratch(*offset), 0),
        Source::Copy(global) => (table::Source::Copy, at(global), 0),
        Source::CopyInterface { from, interface } => (table::Source::Copy, at(from), at(interface)),
        Source::CopyType(global) => (table::Source::CopyType, at(global), 0),
        Source::Fresh { offset, length } => (table::Source::Fresh, scratch(*offset), u64::from(*length)),
        Source::Scanned { offset, length } => (table::Source::Fresh, scratch(*offset), u64::from(*length)),
        Source::Made(_) => (table::Source::Put, 0, 0),
        // The mask for eight bytes at once.
        Source::Flip(mask) => (table::Source::Flip, u64::from_ne_bytes([*mask; 8]), 0),
        Source::Add(bits) => (table::Source::Add, *bits, 0),
        Source::Xor(bits) => (table::Source::Xor, *bits, 0),
        Source::Random { low, high } => (table::Source::Random, *low, *high),
        Source::Cut(most) => (table::Source::Cut, *most, 0),
        Source::Shrink(length) => (table::Source::Shrink, *length, 0),
        Source::Clear(bytes) => (table::Source::Clear, *bytes, 0),
        Source::Repeat => (table::Source::Repeat, 0, 0),
        Source::Time { seconds, nanoseconds } => (
            table::Source::Time,
            seconds.cast_unsigned(),
            u64::from(*nanoseconds),
        ),
        Source::TimeRest { seconds, nanoseconds } => (
            table::Source::TimeRest,
            seconds.cast_unsigned(),
            u64::from(*nanoseconds),
        ),
        Source::Keep => (table::Source::Keep, 0, 0),
        Source::Find(_) => (table::Source::Find, 0, 0),
        Source::Ended(n) => (table::Source::Ended, *n as u64, 0),
    };
    let kind = match edit.extend {
        Extend::Zero => table::ValueKind::Unsigned,
        Extend::Sign => table::ValueKind::Signed,
        Extend::Float => table::ValueKind::Float,
    };
    let mut place = encode_place(&edit.place, edit.size, loaded.bias);
    let mut flags = if edit.pointer { table::EDIT_POINTER } else { 0 };
    if matches!(edit.place.base, Base::Scratch(_)) {
        place.address += loaded.scratch;
        flags |= table::EDIT_KEPT;
    }
    match edit.source {
        Source::Scanned { .. } => flags |= table::EDIT_SCANNED,
        Source::Made(_) => flags |= table::EDIT_MADE,
        _ => {}
    }
    if edit.place.base == Base::Nowhere {
        // Read only, and what is copied from is there.
        place.address = operand;
        flags |= table::EDIT_KEPT | table::EDIT_MAKES;
    }
    table::Edit {
        place,
        operand,
        extra,
        source: source as u8,
        kind: kind as u8,
        flags,
        ..table::Edit::default()
    }
}
