//! goinject: a declarative, rule-file driven fault injector for Go programs.
//!
//! ```text
//! rule file --goinject_rules--> RuleSet
//! Go binary --go::Binary--> functions, types, locations
//! RuleSet x Binary --resolve--> ResolvedRule --compile--> Plan
//! Plan --engine::select--> engine --arm--> Session --> events --> run --> sinks, verdict, exit code
//! ```

pub mod cli;
pub mod command;
pub mod compile;
pub mod console;
pub mod container;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod event;
pub mod explore;
pub mod go;
pub mod gotest;
pub mod host;
pub mod inspect;
pub mod lsp;
pub mod plan;
pub mod process;
pub mod report;
pub mod resolve;
pub mod run;
pub mod signals;
pub mod tracee;
pub mod words;
