//! The JSON Schema of rule files, for completion and checking in editors.
//!
//! The types here describe the file's shape a second time: what the reader in `validate` takes, in the
//! terms of JSON Schema, with the words that an editor shows. They are never filled with data. Tests
//! hold both together: same keys everywhere, and the same files taken and refused.

mod file;
mod inject;
mod rule;
mod scalar;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The JSON Schema (draft 2020-12) of rule files, as committed in `schema/rules.schema.json`.
///
/// # Panics
///
/// Never in practice: a schema is JSON by construction.
pub fn rules_schema() -> String {
    printed(&rules())
}

/// The same schema for one program: where a function is to be named, editors offer these names. Others
/// are still taken.
///
/// # Panics
///
/// Never in practice: a schema is JSON by construction.
pub fn rules_schema_offering(functions: &[String]) -> String {
    let mut schema = rules();
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
    let definitions = definitions.expect("the schema has definitions");
    let offered = serde_json::json!({"description": "A function of the program.", "enum": functions});
    for name in ["Function", "Caller"] {
        let Some(Value::Object(definition)) = definitions.get_mut(name) else {
            continue;
        };
        definition.remove("examples");
        let mut choices = match definition.remove("anyOf") {
            Some(Value::Array(choices)) => choices,
            _ => vec![serde_json::json!({
                "type": definition.remove("type"),
                "pattern": definition.remove("pattern"),
            })],
        };
        choices.insert(0, offered.clone());
        definition.insert("anyOf".to_owned(), Value::Array(choices));
    }
    printed(&schema)
}

fn rules() -> Schema {
    SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(neutral))
        .with_transform(Absent)
        .with_transform(RecursiveTransform(allow_extensions))
        .into_generator()
        .into_root_schema_for::<file::RuleFile>()
}

/// The JSON Schema (draft 2020-12) of what goinject itself writes.
///
/// # Panics
///
/// Never in practice: a schema is JSON by construction.
pub fn output_schema<T: JsonSchema>() -> String {
    let schema = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(neutral))
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>();
    printed(&schema)
}

fn printed(schema: &Schema) -> String {
    let mut text = serde_json::to_string_pretty(schema).expect("a schema is JSON");
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
