//! Facts of a Go binary: its functions, their types, where their values live and where to probe.
//!
//! Reads files only; knows neither rules nor processes.

pub mod abi;
pub mod address;
pub mod types;
