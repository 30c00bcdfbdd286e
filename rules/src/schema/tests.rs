use serde_json::Value;

use super::*;
use crate::document::Keys;
use crate::validate::keys;

fn schema() -> Value {
    serde_json::from_str(&rules_schema()).expect("JSON")
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/rules.schema.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == rules_schema(),
        "schema/rules.schema.json is out of date: run `cargo xtask generate`"
    );
}

#[test]
fn the_reader_and_the_schema_know_the_same_keys() {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    for (keys, pointer) in [
        (&keys::FILE, ""),
        (&keys::TARGET, "/$defs/Target"),
        (&keys::LIMITS, "/$defs/Limits"),
        (&keys::FILE_EXPECT, "/$defs/FileExpect"),
        (&keys::RULE, "/$defs/Rule"),
        (&keys::PATTERN, "/$defs/Function/anyOf/1"),
        (&keys::WHEN, "/$defs/When"),
        (&keys::INJECT, "/$defs/Inject"),
        (&keys::DELAY, "/$defs/Delay/anyOf/1"),
        (&keys::EXPECT, "/$defs/Expect"),
    ] as [(&Keys, &str); 10]
    {
        let properties = at(&format!("{pointer}/properties"))
            .as_object()
            .expect("properties");
        let mut described: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut read = keys.names.to_vec();
        described.sort_unstable();
        read.sort_unstable();
        assert_eq!(described, read, "{}", keys.place);
        assert_eq!(
            at(&format!("{pointer}/additionalProperties")),
            &Value::Bool(false),
            "{}",
            keys.place
        );
        assert_eq!(
            at(&format!("{pointer}/patternProperties/^x-")),
            &Value::Bool(true),
            "{}",
            keys.place
        );
    }
}

#[test]
fn every_key_has_words_for_editors() {
    fn check(schema: &Value, place: &str) {
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                let described = property.get("description").is_some() || schema.get("description").is_some();
                assert!(described, "{place}/{name} has no description");
                let may_be_null = |key: &str| {
                    property
                        .get(key)
                        .is_some_and(|allowed| allowed.to_string().contains("null"))
                };
                assert!(
                    !may_be_null("type") && !may_be_null("enum"),
                    "{place}/{name} may be null"
                );
            }
        }
        match schema {
            Value::Object(members) => members
                .iter()
                .for_each(|(name, member)| check(member, &format!("{place}/{name}"))),
            Value::Array(items) => items.iter().for_each(|item| check(item, place)),
            _ => {}
        }
    }
    let schema = schema();
    check(&schema, "");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["required"], serde_json::json!(["version", "rules"]));
    assert_eq!(
        schema["$defs"]["Rule"]["required"],
        serde_json::json!(["function", "inject"])
    );
}
