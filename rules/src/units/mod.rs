//! Numbers with a unit, as Go writes them: durations, percentages, rates, ranges of counts.

mod count;
mod duration;
pub(crate) mod number;
mod rate;

pub use duration::{format_duration, parse_duration, parse_signed_duration};

pub(crate) use count::parse_count_range;
pub(crate) use rate::{parse_percentage, parse_rate};

/// Text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnitError {
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl UnitError {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        UnitError {
            message: message.into(),
            help: help.into(),
        }
    }
}
