//! Room for a jump: whether a site can be reached without a trap, by a jump over it and what is next to it.

use std::collections::BTreeSet;

use super::decode::Code;
use crate::go::address::Address;
use crate::go::arch::{Flow, Instruction, Moved};

/// Whole instructions that a jump may be written over. They are run elsewhere, and nothing leads into their middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Where they begin, at the site or before it.
    pub start: Address,
    /// Their bytes.
    pub bytes: Vec<u8>,
    /// Which of them may fault.
    pub faulting: Vec<Address>,
}

/// Why there is no room for a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// What is next to the instruction: a trap takes its place alone.
    Beside(&'static str),
    /// The instruction can't be run elsewhere, or its function leaves no register to get away with.
    Itself(&'static str),
}

/// What code leads to by itself.
pub(super) struct Targets {
    /// Of jumps inside, and where calls return to.
    known: BTreeSet<Address>,
    /// There are jumps to wherever a table says.
    are_more: bool,
    /// It keeps something in a register that the way into the core overwrites.
    uses_free_registers: bool,
}

impl Targets {
    /// Those of a function.
    pub(super) fn of(code: &Code<'_>, is_assembly: bool) -> Targets {
        let mut targets = Targets {
            known: BTreeSet::new(),
            are_more: false,
            uses_free_registers: is_assembly && (0..code.len()).any(|i| code.moved(i).uses_free_registers),
        };
        for (index, instruction) in code.instructions.iter().enumerate() {
            match instruction.flow {
                Flow::Call => drop(targets.known.insert(instruction.next())),
                Flow::IndirectJump => targets.are_more |= is_assembly || code.moved(index).is_by_table,
                _ => targets.known.extend(instruction.target),
            }
        }
        targets
    }
}

/// Finds the room around an instruction, or why there is none.
pub(super) fn room(code: &Code<'_>, targets: &Targets, index: usize) -> Result<Room, NoRoom> {
    if targets.uses_free_registers {
        return Err(NoRoom::Itself(
            "it is assembly that uses registers which Go's calling convention leaves to callees",
        ));
    }
    let first = code.moved(index);
    if let Some(why) = first.never {
        return Err(NoRoom::Itself(why));
    }
    // Alone, it may be anything that can be run elsewhere.
    let site = code.instructions[index];
    let found = match forwards(code, targets, index, index) {
        Err(_) if site.flow == Flow::Return => backwards(code, targets, index),
        Err(why) => behind_branch(code, targets, index).ok_or(why),
        found => found,
    };
    found.map_err(NoRoom::Beside)
}

const SHORT: &str = "what follows is too short for a jump, or is jumped to";

/// The site and what follows, with what comes before it from the first on.
fn forwards(code: &Code<'_>, targets: &Targets, first: usize, index: usize) -> Result<Room, &'static str> {
    let start = code.address(first);
    let mut end = code.instructions[index].next();
    let mut last = code.instructions[index];
    let mut next = index + 1;
    while end.0 - start.0 < code.jump_length() {
        if targets.known.contains(&end) {
            return Err(SHORT);
        }
        if ends(&last) {
            return padded(code, start, end);
        }
        last = *code.instructions.get(next).ok_or(SHORT)?;
        follows(code, targets, next)?;
        end = last.next();
        next += 1;
    }
    Ok(take(code, start, end))
}

/// The site and what follows, with a jump before it that passes it by: that of a stack check.
fn behind_branch(code: &Code<'_>, targets: &Targets, index: usize) -> Option<Room> {
    let branch = index.checked_sub(1)?;
    let leads_past = code.instructions[branch].flow == Flow::Branch && code.moved(branch).never.is_none();
    let is_led_to = targets.are_more || targets.known.contains(&code.address(index));
    if !leads_past || is_led_to {
        return None;
    }
    forwards(code, targets, branch, index).ok()
}

/// A return, with what comes before it.
fn backwards(code: &Code<'_>, targets: &Targets, index: usize) -> Result<Room, &'static str> {
    const SHORT: &str = "what comes before is too short for a jump, or is jumped to";
    let end = code.instructions[index].next();
    let mut first = index;
    while end.0 - code.address(first).0 < code.jump_length() {
        if targets.known.contains(&code.address(first)) || first == 0 {
            return Err(SHORT);
        }
        // Where a table leads, nobody knows; but never within what the compiler makes of one return.
        if targets.are_more && first == index && !code.moved(index - 1).is_frame {
            return Err(SHORT);
        }
        first -= 1;
        if ends(&code.instructions[first]) || code.instructions[first].flow == Flow::Branch {
            return Err(SHORT);
        }
        follows(code, targets, first)?;
    }
    Ok(take(code, code.address(first), end))
}

/// Whether an instruction beside the site may be moved.
fn follows(code: &Code<'_>, targets: &Targets, index: usize) -> Result<(), &'static str> {
    let moved = code.moved(index);
    match moved.never {
        Some(why) => Err(why),
        None if code.instructions[index].flow == Flow::Call => Err("the jump would take a call with it"),
        None if targets.are_more && !moved.is_frame => Err("a table of jumps may lead to what follows"),
        None => Ok(()),
    }
}

/// Whether what follows an instruction is not come to through it.
fn ends(instruction: &Instruction) -> bool {
    matches!(
        instruction.flow,
        Flow::Return | Flow::Jump | Flow::IndirectJump | Flow::Other
    )
}

/// Room that reaches into what fills the function up, which is never run.
fn padded(code: &Code<'_>, start: Address, end: Address) -> Result<Room, &'static str> {
    let wanted = Address(start.0 + code.jump_length());
    let from = (end.0 - code.start.0) as usize;
    let padding = code.bytes.get(from..(wanted.0 - code.start.0) as usize);
    let is_padding = |bytes: &[u8]| code.bytes[from..].iter().all(|byte| *byte == bytes[0]);
    match padding {
        Some(bytes) if code.is_padding(bytes) && is_padding(bytes) => Ok(take(code, start, wanted)),
        _ => Err(SHORT),
    }
}

fn take(code: &Code<'_>, start: Address, end: Address) -> Room {
    let [from, to] = [start, end].map(|address| (address.0 - code.start.0) as usize);
    let first = code
        .instructions
        .partition_point(|instruction| instruction.address < start);
    let taken = (first..code.len()).take_while(|&index| code.address(index) < end);
    Room {
        start,
        bytes: code.bytes[from..to].to_vec(),
        faulting: taken
            .filter(|&index| code.moved(index).may_fault)
            .map(|index| code.address(index))
            .collect(),
    }
}

impl Code<'_> {
    fn moved(&self, index: usize) -> Moved {
        self.architecture()
            .moved(self.bytes_of(index), self.address(index))
    }

    fn jump_length(&self) -> u64 {
        self.architecture().jump_length()
    }

    fn is_padding(&self, bytes: &[u8]) -> bool {
        self.architecture().is_padding(bytes)
    }
}
