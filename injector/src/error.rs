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
    /// It cannot be armed here: function missing, inlined everywhere, no types for it, not a Go program of an architecture that it knows, no engine.
    Unarmable = 3,
    /// A rule that was expected to fire fired 0 times.
    NeverFired = 4,
    /// Stopped by a limit.
    Limit = 5,
    /// The target was killed by a signal.
    TargetKilled = 6,
    /// The target got out of reach while its rules were armed.
    Lost = 7,
    /// internal error of goinject: a defect.
    Defect = 70,
    /// Interrupted.
    Interrupted = 130,
}

impl ExitCode {
    /// All of them. Where several hold, the first of these counts.
    pub const ALL: [ExitCode; 10] = [
        ExitCode::Defect,
        ExitCode::Invalid,
        ExitCode::Unarmable,
        ExitCode::Lost,
        ExitCode::Interrupted,
        ExitCode::TargetKilled,
        ExitCode::Unmet,
        ExitCode::NeverFired,
        ExitCode::Limit,
        ExitCode::Met,
    ];

    /// Why a run ends with it, for people; none for [`ExitCode::Met`].
    pub fn words(self) -> Option<&'static str> {
        match self {
            ExitCode::Met => None,
            ExitCode::Unmet => Some("an expectation was not met"),
            ExitCode::Invalid => Some("the rule file is wrong"),
            ExitCode::Unarmable => Some("the rules cannot be armed here"),
            ExitCode::NeverFired => Some("a rule that was expected to fire never did"),
            ExitCode::Limit => Some("a limit ended the faults"),
            ExitCode::TargetKilled => Some("the target was killed by a signal"),
            ExitCode::Lost => Some("the target was lost"),
            ExitCode::Defect => Some("internal error of goinject"),
            ExitCode::Interrupted => Some("interrupted"),
        }
    }

    /// Why a run ends with this code, for people; none for 0, and for one that goinject never ends with.
    pub fn words_of(code: u8) -> Option<&'static str> {
        let known = ExitCode::ALL.into_iter().find(|known| *known as u8 == code);
        known.and_then(ExitCode::words)
    }

    /// The one that counts of those that hold; [`ExitCode::Met`] where none does.
    pub fn first(holding: impl Iterator<Item = ExitCode>) -> ExitCode {
        let rank = |code: &ExitCode| ExitCode::ALL.iter().position(|other| other == code);
        holding.min_by_key(rank).unwrap_or(ExitCode::Met)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_counts() {
        let order = [70, 2, 3, 7, 130, 6, 1, 4, 5, 0];
        assert_eq!(ExitCode::ALL.map(|code| code as u8), order);
        for (n, code) in ExitCode::ALL.into_iter().enumerate() {
            for later in &ExitCode::ALL[n..] {
                assert_eq!(ExitCode::first([*later, code].into_iter()), code);
                assert_eq!(ExitCode::first([code, *later].into_iter()), code);
            }
        }
        assert_eq!(ExitCode::first(std::iter::empty()), ExitCode::Met);
    }
}
