//! What happens in a run, as reports are told it: rows of the tables read back with the help of the plan.

mod clock;
mod dynamic;
mod fired;
pub mod line;
pub mod seen;
pub mod shown;
mod sink;
mod stack;

pub use self::clock::Clock;
pub use self::dynamic::DynamicTypes;
pub use self::fired::{Origin, fired};
pub use self::sink::{Notice, Progress, Sink, Standing};
pub use self::stack::Stacks;
