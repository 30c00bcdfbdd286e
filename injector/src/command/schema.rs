//! `goinject schema`: the JSON Schemas of rule files, of events and of explorations.

use goinject_rules::schema::{output_schema, rules_schema, rules_schema_offering};

use super::{Told, open_binary, print};
use crate::cli::{DebugInformation, Schema};
use crate::error::ExitCode;
use crate::event::line::Line;
use crate::explore::results::Exploration;
use crate::inspect::overview::rule_targets;

/// Prints a schema: byte for byte the file in `schema/`, unless it is made for one binary.
pub fn run(arguments: &Schema) -> ExitCode {
    match schema(arguments) {
        Ok(text) => {
            print(&text);
            ExitCode::Met
        }
        Err(code) => code,
    }
}

fn schema(arguments: &Schema) -> Told<String> {
    if arguments.events {
        return Ok(output_schema::<Line>());
    }
    if arguments.explore {
        return Ok(output_schema::<Exploration>());
    }
    match &arguments.binary {
        Some(path) => Ok(rules_schema_offering(&rule_targets(&open_binary(
            path,
            &DebugInformation::default(),
        )?))),
        None => Ok(rules_schema()),
    }
}
