//! Calls that the compiler replaced by the called function's body.
//!
//! The runtime needs them for stack traces, so they are in every program, stripped or not. Source:
//! `runtime/symtabinl.go` and `cmd/link/internal/ld/pcln.go`, Go 1.15 to 1.27.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;

use super::functions::{Function, FunctionTable, printed};
use super::table::{Form, Record};
use super::values::Values;
use crate::go::address::Address;
use crate::go::bytes::{slice_at, u32_at};
use crate::go::frames::Frame;
use crate::go::image::Image;

/// `PCDATA_InlTreeIndex`.
const PCDATA: usize = 2;
/// Together more calls than any program has; a bound for damaged tables.
const MAX_CALLS: usize = 1 << 26;
/// Deeper nesting than any compiler makes; a bound for damaged tables.
const MAX_DEPTH: usize = 256;

/// A call that is not there any more: the called function's body stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinedCall {
    /// The function that was called.
    pub callee: String,
    /// The function whose source has the call. It may itself be inlined into `within`.
    pub caller: String,
    /// The function whose code the body stands in.
    pub within: String,
    /// Source file of the call.
    pub file: String,
    /// Line of the call.
    pub line: u32,
    /// Where the body's instructions are.
    pub ranges: Vec<Range<Address>>,
}

/// One entry of a function's tree.
struct Node {
    name: u32,
    /// Bytes from the function's start to an instruction that belongs to the call's own line.
    parent_pc: u32,
    /// File number and line of the call, before Go 1.20.
    place: Option<(i32, u32)>,
}

impl FunctionTable {
    /// The calls of functions with a wanted name that were inlined.
    pub(in crate::go) fn inlined_calls(
        &self,
        image: &Image,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Vec<InlinedCall> {
        let mut wanted: HashMap<u32, bool> = HashMap::new();
        let mut found = Vec::new();
        let mut calls = 0;
        for index in 0..self.len() {
            let Some(tree) = Tree::of(self, image, index) else {
                continue;
            };
            calls += tree.count;
            if calls > MAX_CALLS {
                break;
            }
            let matches: Vec<usize> = (0..tree.count)
                .filter(|&i| {
                    tree.node(i).is_some_and(|node| {
                        *wanted.entry(node.name).or_insert_with(|| {
                            let name = self.table().name(node.name);
                            name.is_some_and(|name| match printed(name) {
                                Cow::Borrowed(name) => is_wanted(name),
                                Cow::Owned(printed) => is_wanted(name) || is_wanted(&printed),
                            })
                        })
                    })
                })
                .collect();
            if matches.is_empty() {
                continue;
            }
            let Some(function) = self.get(index) else { continue };
            found.extend(matches.into_iter().filter_map(|i| tree.call(self, &function, i)));
        }
        found
    }
}

impl FunctionTable {
    /// The first and the last source line that have instructions of a function's own, not of what is inlined into it.
    /// The first is that of its `func` keyword, where the table or the stack check has it.
    pub(in crate::go) fn own_lines(&self, image: &Image, function: &Function) -> Option<(u32, u32)> {
        let record = self.record(function)?;
        let tree = Tree::of(self, image, function.index);
        let mut lines = record.start_line().map(|line| (line, line));
        let mut start = record.entry;
        for (end, line) in Values::new(record.lines()?, record.entry, record.end) {
            let is_inlined = |tree: &Tree<'_>| tree.innermost(start).is_some();
            if let (false, Ok(line)) = (tree.as_ref().is_some_and(is_inlined), u32::try_from(line)) {
                let (first, last) = lines.get_or_insert((line, line));
                (*first, *last) = ((*first).min(line), (*last).max(line));
            }
            start = end;
        }
        lines
    }
}

impl FunctionTable {
    /// Every piece of code that a marked function stands at, in order of address, with the marks of all functions
    /// that stand there, those inlined first and innermost first; 0 is no mark.
    pub(in crate::go) fn marked_code(
        &self,
        image: &Image,
        mark: impl Fn(&str) -> u16,
        mut visit: impl FnMut(Range<Address>, &[u16]),
    ) {
        let mut marks: HashMap<u32, u16> = HashMap::new();
        let mut mark_of = |offset: u32| {
            *marks.entry(offset).or_insert_with(|| {
                self.table().name(offset).map_or(0, |name| match printed(name) {
                    Cow::Borrowed(name) => mark(name),
                    Cow::Owned(printed) => mark(name) | mark(&printed),
                })
            })
        };
        for record in (0..self.len()).filter_map(|index| self.table().record(index)) {
            let own = mark_of(record.name_offset());
            let tree = Tree::of_record(self, image, &record);
            let inlined = tree
                .as_ref()
                .map(|tree| tree.marks(&mut mark_of))
                .unwrap_or_default();
            if own == 0 && inlined.iter().all(|&mark| mark == 0) {
                continue;
            }
            let mut start = record.entry;
            if let Some(tree) = tree {
                let stacks = tree.mark_stacks(record.entry, own, &inlined);
                for &(end, call) in tree.ranges() {
                    let inlined = usize::try_from(call).ok().and_then(|call| stacks.get(call));
                    match inlined {
                        Some(stack) => visit(start..end, stack),
                        None => visit(start..end, &[own]),
                    }
                    start = end;
                }
            }
            if start < record.end {
                visit(start..record.end, &[own]);
            }
        }
    }
}

impl FunctionTable {
    /// The functions at an instruction with their places, innermost first, without wrappers.
    pub(in crate::go) fn frames(&self, image: &Image, address: Address) -> Option<Vec<Frame>> {
        let function = self.at(address).filter(|function| !function.is_foreign)?;
        let record = self.record(&function)?;
        let tree = Tree::of_record(self, image, &record);
        let mut frames = Vec::new();
        let mut at = address;
        let mut call = tree.as_ref().and_then(|tree| tree.innermost(address));
        let mut place = (self.file_at(&function, at), self.line_at(&function, at));
        while let (Some(tree), Some(inlined)) = (&tree, call) {
            if frames.len() == MAX_DEPTH {
                break;
            }
            let node = tree.node(inlined)?;
            frames.push(Frame {
                function: printed(self.table().name(node.name)?).into_owned(),
                file: place.0?,
                line: place.1?,
                inlined: true,
            });
            at = function.entry.plus(u64::from(node.parent_pc));
            place = match node.place {
                Some((file, line)) => (record.file(file).map(str::to_owned), Some(line)),
                None => (self.file_at(&function, at), self.line_at(&function, at)),
            };
            call = tree.parent(function.entry, inlined);
        }
        // Go's own traces leave out what the compiler has put around `go` statements and methods.
        if !function.is_wrapper {
            frames.push(Frame {
                function: function.name.clone(),
                file: place.0?,
                line: place.1?,
                inlined: false,
            });
        }
        Some(frames)
    }
}

/// The tree of one function.
struct Tree<'t> {
    bytes: &'t [u8],
    form: Form,
    count: usize,
    values: Values<'t>,
    /// What the values are, once somebody wants more than their greatest.
    ranges: OnceCell<Vec<(Address, i32)>>,
}

impl<'t> Tree<'t> {
    fn of(functions: &'t FunctionTable, image: &'t Image, index: usize) -> Option<Tree<'t>> {
        Tree::of_record(functions, image, &functions.table().record(index)?)
    }

    fn of_record(functions: &FunctionTable, image: &'t Image, record: &Record<'t>) -> Option<Tree<'t>> {
        let form = functions.table().form;
        let base = functions.module().and_then(|m| m.function_data);
        let funcdata = if form == Form::Go12 { 4 } else { 3 };
        let address = record.funcdata(funcdata, base)?;
        let values = Values::new(record.pcdata(PCDATA)?, record.entry, record.end);
        let last = values.clone().map(|(_, call)| call).max()?;
        let count = usize::try_from(last).ok()? + 1;
        let size = count.checked_mul(Tree::node_size(form))?;
        Some(Tree {
            bytes: image.read(address, size)?,
            form,
            count,
            values,
            ranges: OnceCell::new(),
        })
    }

    /// Ends of instruction ranges and the innermost call that each belongs to; -1 for none.
    fn ranges(&self) -> &[(Address, i32)] {
        self.ranges.get_or_init(|| self.values.clone().collect())
    }

    fn node_size(form: Form) -> usize {
        if form == Form::Go120 { 16 } else { 20 }
    }

    fn node(&self, index: usize) -> Option<Node> {
        let size = Tree::node_size(self.form);
        let node = slice_at(self.bytes, index.checked_mul(size)?, size)?;
        if self.form == Form::Go120 {
            return Some(Node {
                name: u32_at(node, 4)?,
                parent_pc: u32_at(node, 8)?,
                place: None,
            });
        }
        let place = Some((u32_at(node, 4)? as i32, u32_at(node, 8)?));
        Some(Node {
            name: u32_at(node, 12)?,
            parent_pc: u32_at(node, 16)?,
            place,
        })
    }

    /// The innermost call that an instruction belongs to.
    fn innermost(&self, address: Address) -> Option<usize> {
        let &(_, call) = self.ranges().iter().find(|&&(end, _)| address < end)?;
        usize::try_from(call).ok()
    }

    /// The call that another one stands in.
    fn parent(&self, start: Address, index: usize) -> Option<usize> {
        let parent_pc = self.node(index)?.parent_pc;
        self.innermost(start.plus(u64::from(parent_pc)))
            .filter(|&parent| parent != index)
    }

    fn call(&self, functions: &FunctionTable, function: &Function, index: usize) -> Option<InlinedCall> {
        let node = self.node(index)?;
        let record = functions.record(function)?;
        let at = function.entry.plus(u64::from(node.parent_pc));
        let (file, line) = match node.place {
            Some((file, line)) => (record.file(file)?.to_owned(), line),
            None => (functions.file_at(function, at)?, functions.line_at(function, at)?),
        };
        let caller = match self.parent(function.entry, index) {
            Some(parent) => printed(functions.table().name(self.node(parent)?.name)?).into_owned(),
            None => function.name.clone(),
        };
        Some(InlinedCall {
            callee: printed(functions.table().name(node.name)?).into_owned(),
            caller,
            within: function.name.clone(),
            file,
            line,
            ranges: self.ranges_of(function.entry, index),
        })
    }

    /// The mark of each call.
    fn marks(&self, mark_of: &mut impl FnMut(u32) -> u16) -> Vec<u16> {
        (0..self.count)
            .map(|call| self.node(call).map_or(0, |node| mark_of(node.name)))
            .collect()
    }

    /// For each call the marks of what stands at its instructions: its own, those of the calls around it, and the
    /// function's.
    fn mark_stacks(&self, entry: Address, own: u16, marks: &[u16]) -> Vec<Vec<u16>> {
        let parents: Vec<Option<usize>> = (0..self.count).map(|call| self.parent(entry, call)).collect();
        let stack = |call: usize| {
            let around = std::iter::successors(Some(call), |&call| parents.get(call).copied().flatten());
            let around = around
                .take(MAX_DEPTH)
                .map(|call| marks.get(call).copied().unwrap_or(0));
            around.chain([own]).collect()
        };
        (0..self.count).map(stack).collect()
    }

    /// Where instructions of a call are, those of calls inside it included.
    fn ranges_of(&self, entry: Address, index: usize) -> Vec<Range<Address>> {
        let inside = |mut call: usize| {
            for _ in 0..MAX_DEPTH {
                if call == index {
                    return true;
                }
                let Some(parent) = self.parent(entry, call) else {
                    return false;
                };
                call = parent;
            }
            false
        };
        let mut found: Vec<Range<Address>> = Vec::new();
        let mut start = entry;
        for &(end, call) in self.ranges() {
            if usize::try_from(call).is_ok_and(inside) {
                match found.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => found.push(start..end),
                }
            }
            start = end;
        }
        found
    }
}
