//! goinject: a declarative, rule-file driven fault injector for Go programs.

pub mod go;
