//! Instructions that were found in a binary, as the plan has them.

use super::{Consumes, Cost, Instruction, Lead, Room};
use crate::go::Binary;
use crate::go::arch::Architecture;
use crate::go::sites::{EntryKind, EntrySite, Execution, Leads, MemoryWrite, NoRoom, Site as FoundSite};

impl Instruction {
    /// A found site's instruction.
    pub fn of(found: &FoundSite, consumes: Consumes, binary: &Binary) -> Instruction {
        let (lead, consumes) = match found.leads {
            Leads::Next(_) => (Lead::Next, consumes),
            Leads::Branch { taken, .. } => (Lead::Branch(taken), consumes),
            Leads::Jump(target)
            | Leads::Call {
                target: Some(target), ..
            } => (Lead::Target(target), consumes),
            Leads::Return => (Lead::Return, consumes),
            Leads::IndirectJump | Leads::Call { target: None, .. } | Leads::Other => (
                Lead::Next,
                Consumes::Irreversible("only at run time is it known where it leads".to_owned()),
            ),
        };
        Instruction {
            address: found.address,
            file_offset: binary
                .file_offset(found.address)
                .expect("the code of a function is in the file"),
            bytes: found.bytes.clone(),
            text: found.text.clone(),
            cost: match found.execution {
                Execution::Emulated => Cost::Emulated,
                Execution::SingleStepped => Cost::Stepped,
                Execution::Refused { why } => Cost::Refused(why.to_owned()),
            },
            lead,
            consumes,
            room: match &found.room {
                Ok(room) => Room::Jump {
                    start: room.start,
                    bytes: room.bytes.clone(),
                    faulting: room.faulting.clone(),
                },
                Err(NoRoom::Beside(why)) => Room::Trap((*why).to_owned()),
                Err(NoRoom::Itself(why)) => Room::None((*why).to_owned()),
            },
        }
    }
}

impl Consumes {
    /// What the instruction at a function's entry site does to the arguments.
    pub fn at_entry(entry: &EntrySite, float_parameters: u16, architecture: Architecture) -> Consumes {
        match entry.kind {
            EntryKind::Start => consumes(&entry.site, float_parameters, architecture),
            EntryKind::AfterCheck | EntryKind::CheckJump { .. } => Consumes::Nothing,
        }
    }
}

/// What the first instruction of a function without a stack check does to the arguments.
fn consumes(site: &FoundSite, float_parameters: u16, architecture: Architecture) -> Consumes {
    let stack_pointer = architecture.stack_pointer();
    let touched = site.reads.integer_arguments
        | site.writes.integer_arguments
        | site.reads.float_arguments
        | site.writes.float_arguments;
    let uses_stack = site.reads.general & 1 << stack_pointer != 0;
    if touched == 0 && (site.sets_frame_up || !uses_stack && site.memory_writes.is_empty()) {
        return Consumes::Nothing;
    }
    if site.writes.float_arguments & float_parameters != 0 {
        return Consumes::Irreversible(format!("`{}` overwrites a floating-point parameter", site.text));
    }
    // A plain store into the call's own stack slots is made again with the edited value.
    let own_slot = |write: &MemoryWrite| {
        write.operand.base == Some(stack_pointer)
            && write.operand.index.is_none()
            && !write.operand.in_segment
    };
    let stores = site.moves && site.memory_writes.iter().all(own_slot);
    if !site.memory_writes.is_empty() && !stores {
        return Consumes::Irreversible(format!("`{}` writes memory", site.text));
    }
    Consumes::Restartable
}
