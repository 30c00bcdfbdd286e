//! The generic probe program: shared tables, decision core, BPF object, native build.
//!
//! A plan is laid out as [`table::Tables`]. The BPF program ([`program::Program`]) and the natively
//! compiled core ([`native::Core`]) read the same rows and decide the same way, for they are one C
//! source (`bpf/core.h`). Nothing here knows what a rule file is.

pub mod capability;
mod closer;
pub mod inline;
pub mod native;
pub mod program;
mod room;
pub mod rows;
pub mod table;
mod verifier;
