//! The exit codes: the one table that commands and documentation share.

/// How goinject ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every expectation met; nothing wrong with what was checked.
    Met = 0,
    /// An expectation not met: fired too often or too seldom, an edit failed, the target's exit status is not the expected one.
    Unmet = 1,
    /// The command line or the rule file is wrong, also against this binary.
    Invalid = 2,
    /// It cannot be armed here: function missing, inlined everywhere, no types for it, not a linux/amd64 Go program, no engine.
    Unarmable = 3,
    /// A rule that was expected to fire fired 0 times.
    NeverFired = 4,
    /// Stopped by a limit.
    Limit = 5,
    /// The target was killed by a signal.
    TargetKilled = 6,
    /// Interrupted.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}
