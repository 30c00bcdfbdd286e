//! goinject: a declarative, rule-file driven fault injector for Go programs.

pub mod engine;
pub mod go;
pub mod plan;
pub mod tracee;
