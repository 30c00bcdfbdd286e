//! End-to-end tests of goinject: real Go programs, every engine.
//!
//! A [`Case`] is a section of the program `fixtures/go/cases`, rules, and what must come out. [`Batch`]es of cases run
//! natively or in a guest ([`native`], [`guest`]), with each [`Writer`]; what a host or a writer can't do is a skip, and a
//! [`Tally`] counts it with goinject's own reason.

pub mod attaching;
mod batch;
pub mod bundle;
pub mod busy;
mod case;
pub mod debugger;
mod decisions;
pub mod exploration;
mod fixture;
pub mod goinject;
pub mod guest;
pub mod long_run;
pub mod module;
pub mod native;
mod outcome;
pub mod patience;
pub mod profile;
pub mod readers;
mod signature;
mod storm;
mod tally;
pub mod tree;
mod writer;

pub use batch::{Batch, StandIn, alone, together};
pub use case::{Case, Counts, case, counts, set};
pub use decisions::{Decisions, MadeUpCall};
pub use fixture::{Build, Flags, Strip, VERSIONS, fixture};
pub use outcome::Outcome;
pub use signature::written;
pub use storm::{Seen, Storm};
pub use tally::{Tally, Verdict};
pub use writer::Writer;
