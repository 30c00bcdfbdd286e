//! Finds what fails: each call that can fail is made to, and what comes of it is judged.
//!
//! ```text
//! command --subject--> test binaries, programs --survey--> points --plan--> experiments
//! experiment --trial (a process of its own)--> outcome --judge--> class --explorer--> findings
//! ```

pub mod at_point;
pub mod changes;
pub mod class;
pub mod code;
pub mod coverage;
mod ends;
mod error_paths;
pub mod errors;
pub mod experiment;
pub mod explorer;
mod files;
mod intent;
pub mod judge;
pub mod leak;
mod meant;
pub mod point;
pub mod program;
mod replay;
pub mod results;
pub mod rule_text;
pub mod store;
pub mod subject;
pub mod survey;
pub mod sweep;
pub mod traceback;
pub mod trail;
pub mod trial;
pub mod worker;
