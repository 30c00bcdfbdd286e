//! The JSON Schema of rule files, for completion and checking in editors.
//!
//! The types here describe the file's shape a second time: what the reader in `validate` takes, in the
//! terms of JSON Schema, with the words that an editor shows. They are never filled with data. Tests
//! hold both together: same keys everywhere, and the same files taken and refused.

mod file;
mod inject;
mod rule;
mod scalar;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform, transform_subschemas};
use serde_json::Value;

/// The JSON Schema (draft 2020-12) of rule files, as committed in `schema/rules.schema.json`.
///
/// # Panics
///
/// Never in practice: a schema is JSON by construction.
pub fn rules_schema() -> String {
    let schema = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(neutral))
        .with_transform(Absent)
        .with_transform(RecursiveTransform(allow_extensions))
        .into_generator()
        .into_root_schema_for::<file::RuleFile>();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}

/// Formats such as `uint64` are Rust's; the range says it to everybody. Nor are the ends of comment lines
/// the reader's business.
fn neutral(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

/// A key that may be absent may not be `null`: an optional Rust field allows both, a rule file does not.
#[derive(Clone)]
struct Absent;

impl Transform for Absent {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.values_mut().for_each(remove_null);
        }
        transform_subschemas(self, schema);
    }
}

fn remove_null(property: &mut Value) {
    let Value::Object(property) = property else { return };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_mut_slice() {
            let only = only.take();
            property.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = property.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let referenced = match property.get("anyOf") {
        Some(Value::Array(choices)) => match choices.as_slice() {
            [referenced, null] if null.get("type").is_some_and(|name| name == "null") => referenced.clone(),
            _ => return,
        },
        _ => return,
    };
    if let Value::Object(referenced) = referenced {
        property.remove("anyOf");
        property.extend(referenced);
    }
}

/// Users may add `x-…` keys wherever the keys are fixed.
fn allow_extensions(schema: &mut Schema) {
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.insert("patternProperties".to_owned(), serde_json::json!({"^x-": true}));
    }
}

#[cfg(test)]
mod tests;
