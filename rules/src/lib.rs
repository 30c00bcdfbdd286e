//! Rule files of goinject: parsed, validated, described by a schema.
//!
//! Data flows one way: text → `document` (as written, with spans) → `validate` → [`model::RuleSet`]
//! (checked, nothing left to misread) — or a list of [`diagnostic::Diagnostic`], all mistakes at once.
//! This crate never learns what an offset or a process is.

pub mod diagnostic;
pub mod model;
pub mod source;
