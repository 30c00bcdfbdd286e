//! The function table of the Go runtime, present in every Go program, stripped or not.
//!
//! Source: `runtime/symtab.go` and `debug/gosym/pclntab.go` of the Go project. `parser` finds the
//! table and reads its header, `table` holds it and reads entries when asked, `values` decodes the
//! tables that give a value for each instruction, `name_index` finds functions by name,
//! `functions` is what the rest sees.

pub(super) mod functions;
pub(super) mod inline_tree;
mod name_index;
mod parser;
pub(super) mod table;
pub(super) mod values;
