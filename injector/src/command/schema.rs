//! `goinject schema`: the JSON Schema of rule files.

use crate::cli::Schema;
use crate::error::ExitCode;

/// Prints the schema; it is `schema/rules.schema.json` byte for byte.
pub fn run(_arguments: &Schema) -> ExitCode {
    super::print(&goinject_rules::schema::rules_schema());
    ExitCode::Met
}
