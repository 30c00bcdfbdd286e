//! Why a target can't have jumps.

use std::io;

use crate::engine::code::CodeError;
use crate::engine::provision::ProvisionError;
use crate::tracee::Obstacle;

/// Why a target can't be armed with jumps.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// ptrace or the target's memory is out of reach.
    #[error("cannot trace the target: {0}")]
    Trace(io::Error),
    /// The code in memory is not the plan's.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// Jumps can't be put in.
    #[error("{0}")]
    Unfit(String),
    /// There was no moment for it.
    #[error(
        "a thread or goroutine of the target was about to go on within the bytes that a jump takes, each time that goinject looked: try again, or use --engine bpf or --engine ptrace"
    )]
    Busy,
    /// The target was refused what the engine needs.
    #[error("cannot put the inline engine's code into the target: {0}; use --engine bpf or --engine ptrace")]
    Refused(io::Error),
    /// There is no memory to share.
    #[error("cannot make memory to share with the target: {0}")]
    Memory(io::Error),
    /// The guard process did not start.
    #[error("cannot start the process that guards the jumps: {0}")]
    Guard(io::Error),
}

impl ArmError {
    pub(super) fn trace(error: io::Error) -> ArmError {
        ArmError::Trace(Obstacle::named(error))
    }

    /// Whether it is about jumps, so that the target may have breakpoints instead.
    pub(in crate::engine) fn is_of_jumps(&self) -> bool {
        match self {
            ArmError::Unfit(_) | ArmError::Busy | ArmError::Refused(_) | ArmError::Memory(_) => true,
            ArmError::Trace(_) | ArmError::Code(_) | ArmError::Guard(_) => false,
        }
    }
}

impl From<ProvisionError> for ArmError {
    fn from(error: ProvisionError) -> ArmError {
        ArmError::Unfit(error.to_string())
    }
}

/// What a reason against jumps says, without the advice to ask for another engine: for where that is taken anyway.
pub fn without_advice(reason: &str) -> &str {
    let Some(at) = reason.rfind("use --engine bpf") else {
        return reason;
    };
    let said = reason[..at].trim_end_matches("try again, or ");
    said.trim_end_matches([' ', ':', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told_without_advice() {
        for error in [
            ArmError::Refused(io::ErrorKind::PermissionDenied.into()),
            ArmError::Busy,
            ArmError::Unfit("in a C program; use --engine bpf".to_owned()),
        ] {
            let reason = error.to_string();
            let told = without_advice(&reason);
            assert!(reason.starts_with(told) && !told.contains("--engine"), "{told}");
            assert!(told.ends_with(char::is_alphabetic), "{told}");
        }
        assert_eq!(without_advice("a: b"), "a: b");
    }
}
