//! What an outcome can be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an outcome is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The program died: a signal, or a fatal error of Go's runtime.
    Crash,
    /// It panicked, outside of test code.
    Panic,
    /// It waits for ever, every goroutine of it.
    Deadlock,
    /// It does not end.
    Hang,
    /// It fails, or its output differs, and the error is nowhere in it.
    Corrupt,
    /// It tries again without end.
    UnboundedRetry,
    /// It tries again without end, and without a pause.
    HotRetry,
    /// A goroutine or an open file is left.
    Leak,
    /// It passes: the error became nil, nothing was tried again, and nobody was told.
    Swallowed,
    /// It passes, though the error reached the test.
    Unasserted,
    /// It passes: it tried again, or told of the error and went on.
    Recovered,
    /// It fails and tells of the error.
    Reported,
    /// The fault did not come up.
    NotFired,
    /// It did not come out the same when it was repeated.
    Flaky,
    /// The test does not always pass by itself.
    Unstable,
}

/// How much a class is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// Something is wrong with the program.
    Finding,
    /// Worth a look at the tests.
    Note,
    /// As it should be.
    Good,
    /// Neither.
    Counted,
}

impl Class {
    /// All of them, the worst first.
    pub const ALL: [Class; 15] = [
        Class::Crash,
        Class::Panic,
        Class::Deadlock,
        Class::Hang,
        Class::Corrupt,
        Class::UnboundedRetry,
        Class::HotRetry,
        Class::Leak,
        Class::Swallowed,
        Class::Unasserted,
        Class::Recovered,
        Class::Reported,
        Class::NotFired,
        Class::Flaky,
        Class::Unstable,
    ];

    /// How much it is worth.
    pub fn worth(self) -> Worth {
        match self {
            Class::Crash
            | Class::Panic
            | Class::Deadlock
            | Class::Hang
            | Class::Corrupt
            | Class::UnboundedRetry
            | Class::HotRetry
            | Class::Leak
            | Class::Swallowed => Worth::Finding,
            Class::Unasserted => Worth::Note,
            Class::Recovered | Class::Reported => Worth::Good,
            Class::NotFired | Class::Flaky | Class::Unstable => Worth::Counted,
        }
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Class::Crash => "crash",
            Class::Panic => "panic",
            Class::Deadlock => "deadlock",
            Class::Hang => "hang",
            Class::Corrupt => "corrupt",
            Class::UnboundedRetry => "unbounded-retry",
            Class::HotRetry => "hot-retry",
            Class::Leak => "leak",
            Class::Swallowed => "swallowed",
            Class::Unasserted => "unasserted",
            Class::Recovered => "recovered",
            Class::Reported => "reported",
            Class::NotFired => "not-fired",
            Class::Flaky => "flaky",
            Class::Unstable => "unstable",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_one_name_everywhere() {
        for class in Class::ALL {
            let json = serde_json::to_value(class).expect("a text");
            assert_eq!(json, class.name());
            let value = clap::ValueEnum::from_str(class.name(), false);
            assert_eq!(value, Ok(class));
        }
        assert!(Class::ALL.is_sorted());
    }
}
