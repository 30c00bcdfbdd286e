//! Whether the code in memory is the code that was planned for.

use std::fs::File;
use std::io;

use super::arch::PROBE;
use crate::plan::Plan;
use crate::plan::encode::LoadBias;
use crate::tracee::{Memory, Nearby};

/// Whose breakpoints may be in the code already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nobody's.
    None,
    /// Those of uprobes, which the kernel shares among all who want one.
    Probes,
}

/// The code in memory is not the plan's.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// It differs.
    #[error(
        "the program in memory differs from the binary at 0x{address:x}: it has changed its own code, another tool has changed it, or the binary was replaced"
    )]
    Differs {
        /// Run-time address of the first difference.
        address: u64,
    },
    /// It can't be read.
    #[error("cannot read the target's code: {0}")]
    Unreadable(#[from] io::Error),
}

/// What a jump to somewhere else takes that a program writes over the first bytes of its own function. Functions are
/// further apart.
const JUMP: usize = 12;

/// Compares the instructions of all sites, and how their functions begin.
///
/// # Errors
/// With the first difference.
pub fn verify(plan: &Plan, bias: LoadBias, memory: &Memory, others: Others) -> Result<(), CodeError> {
    // Its path may be another's: in goinject's own root, or since it was replaced. Where the program is gone, so is its memory.
    let file = File::open(format!("/proc/{}/exe", memory.pid())).ok();
    let mut in_file = file.as_ref().map(Nearby::new);
    let mut in_memory = InMemory::new(memory, others);
    for site in &plan.sites {
        let (at, instruction) = (site.instruction.address, &site.instruction);
        in_memory.compare(bias.apply(at), &instruction.bytes)?;
        let entry = plan.functions[site.function].address;
        let begins = at.0.checked_sub(entry.0);
        let offset = begins.and_then(|before| instruction.file_offset.0.checked_sub(before));
        let mut beginning = [0; JUMP];
        if let (Some(file), Some(offset)) = (&mut in_file, offset)
            && file.read(offset, &mut beginning).is_ok()
        {
            in_memory.compare(bias.apply(entry), &beginning)?;
        }
    }
    Ok(())
}

/// Code in memory, of which many pieces are compared, sorted by address.
pub(super) struct InMemory<'a> {
    memory: Nearby<'a>,
    others: Others,
}

impl InMemory<'_> {
    pub(super) fn new(memory: &Memory, others: Others) -> InMemory<'_> {
        InMemory {
            memory: memory.nearby(),
            others,
        }
    }

    /// Compares bytes of code with those of the plan.
    pub(super) fn compare(&mut self, address: u64, planned: &[u8]) -> Result<(), CodeError> {
        let mut bytes = vec![0; planned.len()];
        self.memory.read(address, &mut bytes)?;
        let is_probed = |n: usize| self.others == Others::Probes && is_within_probe(&bytes, n);
        match (0..planned.len()).all(|n| bytes[n] == planned[n] || is_probed(n)) {
            true => Ok(()),
            false => Err(CodeError::Differs { address }),
        }
    }
}

/// Whether a byte is one that the kernel has written for a uprobe.
fn is_within_probe(code: &[u8], n: usize) -> bool {
    (n.saturating_sub(PROBE.len() - 1)..=n).any(|start| code[start..].starts_with(&PROBE))
}
