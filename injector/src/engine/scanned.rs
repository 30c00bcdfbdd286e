//! Memory for new values that hold pointers: Go's garbage collector is told to scan it.
//!
//! The collector knows package variables by a list of modules, `runtime.modulesSlice`; a program has one module, and gets
//! another with each plugin. Each says where its variables are (`data`, `edata`) and which of their words are pointers
//! (`gcdatamask`, a bit for each), and the collector scans these in each of its cycles. goinject lists one more, which has
//! nothing else: its variables are the memory for copies, and their words are marked as copies are made, before any pointer to
//! one is written. The list is an immutable slice behind a pointer that the runtime reads atomically, so one store of that pointer
//! puts the longer list in its place. From then on the program's own write barriers cover the copies, as they do
//! package variables.
//!
//! Source: `activeModules`, `modulesinit` and `type moduledata` in `runtime/symtab.go`, `gcMarkRootPrepare` and `markroot` in
//! `runtime/mgcmark.go`, `bulkBarrierPreWrite` in `runtime/mbitmap.go` of Go 1.15 to 1.27.

use std::io;
use std::ops::Range;

use goinject_probes::table::{PIECE, Process};

use crate::plan::encode::{LoadBias, Loaded};
use crate::plan::{Modules, Plan};
use crate::tracee::{Memory, page_size};

/// Bytes of a word.
const WORD: u64 = 8;
/// Bytes set aside for the module: no release has one of as many.
const MODULE: u64 = 2048;
/// As many words of the first module are looked at.
const LOOKED_AT: usize = 96;
/// The list behind the module: address, length, capacity.
const HEADER: u64 = MODULE;
/// What it lists.
const LISTED: u64 = HEADER + 4 * WORD;
/// At the end of the page: where the module's `edata` is.
const END: u64 = 4096 - WORD;
/// As many modules may be listed.
const MOST: u64 = (END - LISTED) / WORD;

/// Bytes needed behind memory for copies: its marks, and a page for the module.
pub(super) fn size(copies: u64) -> u64 {
    marks(copies) + page_size()
}

/// Bytes of the marks.
pub(super) fn marks(copies: u64) -> u64 {
    (copies / PIECE as u64).next_multiple_of(page_size())
}

/// Has the collector scan the copies of a process. False where its runtime has not made its list yet.
///
/// # Errors
/// Those of its memory, or there is no list of modules as Go makes them.
pub(super) fn list(plan: &Plan, loaded: &Loaded, memory: &Memory) -> io::Result<bool> {
    let modules = plan.runtime.modules.as_ref();
    let modules = modules.ok_or_else(|| io::Error::other("the program has no module data"))?;
    let first = loaded.bias.apply(modules.first);
    let Some(pointer) = find(plan, modules, loaded.bias, memory)? else {
        return Ok(false);
    };
    let header = memory.word(pointer)?;
    if header == 0 {
        return Ok(false);
    }
    let mut listed = read_list(header, first, memory)?.ok_or_else(|| unknown("the list of modules"))?;
    let mask = mask_offset(modules, first, memory)?;
    let page = loaded.marks.end;
    listed.push(page);
    let count = listed.len() as u64;
    let words = [
        (modules.data_offset, loaded.copies.start),
        (modules.data_offset + WORD, loaded.supplied),
        (mask, (loaded.copies.end - loaded.copies.start) / WORD),
        (mask + WORD, loaded.marks.start),
        (HEADER, page + LISTED),
        (HEADER + WORD, count),
        (HEADER + 2 * WORD, count),
        (END, page + modules.data_offset + WORD),
    ];
    let mut image = [0; (END + WORD) as usize];
    for (at, word) in words.into_iter().chain((LISTED..).step_by(8).zip(listed)) {
        let at = usize::try_from(at).expect("within the page");
        image[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
    memory.write(page, &image)?;
    memory.write(pointer, &(page + HEADER).to_le_bytes())?;
    Ok(true)
}

/// Has the collector know of the copies up to there. `listed` is the memory that it was told of by [`list`].
///
/// A cycle that has begun goes on with the end that it began with. What is put into copies behind that end meanwhile passes the
/// program's write barrier, which marks it, as it does for variables that were looked at already.
pub(super) fn extend_to(end: u64, marks: &Range<u64>, memory: &Memory) -> io::Result<()> {
    let at = memory.word(marks.end + END)?;
    memory.write(at, &end.to_le_bytes())
}

/// Has the collector know no more of a process's copies than those that were made.
pub(super) fn end_at(process: &Process, used: u64, memory: &Memory) -> io::Result<()> {
    if process.copies_scanned == 0 {
        return Ok(());
    }
    let start = (process.copies_limit / PIECE as u64).wrapping_add(process.copies_scanned);
    let end = memory.word(start.next_multiple_of(page_size()) + END)?;
    memory.write(end, &used.to_le_bytes())
}

/// Where the pointer to the list is; none where it is not made yet and no symbol tells.
fn find(plan: &Plan, modules: &Modules, bias: LoadBias, memory: &Memory) -> io::Result<Option<u64>> {
    if let Some(list) = modules.list {
        return Ok(Some(bias.apply(list)));
    }
    let first = bias.apply(modules.first);
    let own: Vec<Range<u64>> = plan
        .runtime
        .data
        .iter()
        .map(|data| bias.apply(data.start)..bias.apply(data.end))
        .collect();
    for data in &own {
        let mut chunk = vec![0; 1 << 16];
        for start in data.clone().step_by(chunk.len()) {
            let rest = usize::try_from(data.end - start).unwrap_or(usize::MAX);
            let part = &mut chunk[..rest.min(1 << 16)];
            memory.read(start, part)?;
            for (at, word) in (start..).step_by(8).zip(part.chunks_exact(8)) {
                let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
                // The list is on the heap.
                let may_be = word % WORD == 0 && word > 1 << 16 && !own.iter().any(|own| own.contains(&word));
                if may_be && read_list(word, first, memory).is_ok_and(|list| list.is_some()) {
                    return Ok(Some(at));
                }
            }
        }
    }
    Ok(None)
}

/// The modules listed by a slice, if it is a list of modules.
fn read_list(header: u64, first: u64, memory: &Memory) -> io::Result<Option<Vec<u64>>> {
    let (start, count) = (memory.word(header)?, memory.word(header + WORD)?);
    let capacity = memory.word(header + 2 * WORD)?;
    if count == 0 || count >= MOST || count > capacity || start % WORD != 0 {
        return Ok(None);
    }
    let modules: io::Result<Vec<u64>> = (0..count).map(|n| memory.word(start + n * WORD)).collect();
    Ok(modules.ok().filter(|modules| modules.contains(&first)))
}

/// Where in a module its `gcdatamask` is: a number of bits and an address, and the same of `gcbssmask` behind it.
fn mask_offset(modules: &Modules, first: u64, memory: &Memory) -> io::Result<u64> {
    let mut bytes = [0; LOOKED_AT * WORD as usize];
    memory.read(first, &mut bytes)?;
    let words: Vec<u64> = bytes
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
        .collect();
    let is_mask = |of: &[u64], bits: u64| of[0] & u64::from(u32::MAX) == bits && of[1] != 0;
    let found = words
        .windows(4)
        .position(|four| is_mask(&four[..2], modules.data_words) && is_mask(&four[2..], modules.bss_words));
    found
        .map(|n| n as u64 * WORD)
        .ok_or_else(|| unknown("the module data"))
}

fn unknown(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what} of the program's runtime is not as goinject knows it"
    ))
}
