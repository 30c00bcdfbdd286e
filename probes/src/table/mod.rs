//! The tables: what the planner writes and the decision core reads. The C side is `bpf/abi.h`.

mod arch;
mod call;
mod condition;
mod control;
mod edit;
mod element;
mod event;
mod limits;
mod need;
mod place;
mod reason;
mod rule;
mod site;
mod tests;
mod until;

pub use arch::*;
pub use call::*;
pub use condition::*;
pub use control::*;
pub use edit::*;
pub use element::*;
pub use event::*;
pub use limits::*;
pub use need::*;
pub use place::*;
pub use reason::*;
pub use rule::*;
pub use site::*;
pub use tests::*;
pub use until::*;

/// All rows of one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Indexed by attach cookie.
    pub sites: Vec<Site>,
    /// Rules at sites.
    pub bindings: Vec<Binding>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Words to overwrite.
    pub edits: Vec<Edit>,
    /// Rows of conditions.
    pub terms: Vec<Term>,
    /// Texts that conditions compare with.
    pub texts: Vec<FixedText>,
    /// Code that rules must be called within.
    pub ranges: Vec<Range>,
    /// Automata over the names of Go tests.
    pub states: Vec<State>,
    /// Calls that fire in processes that have it so, by [`crate::native::forced_key`], in ascending order. Of the run.
    pub forced: Vec<u64>,
    /// Facts of the process that it is for.
    pub process: Process,
    /// Facts of the run.
    pub control: Control,
}
