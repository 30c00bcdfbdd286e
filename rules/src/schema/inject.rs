//! Faults and the values they write.

#![expect(dead_code, reason = "the types are described, never filled")]

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::scalar::{DURATION, Delay, Errno, PATH, Yes};

/// What is done to a call; at least one of these.
#[derive(JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend(
        "anyOf" = [{"required": ["set"]}, {"required": ["return"]}, {"required": ["panic"]}, {"required": ["delay"]}],
        "not" = {"anyOf": [
            {"required": ["return", "panic"]},
            {
                "required": ["delay"],
                "properties": {"delay": {
                    "description": "One that a context may end.",
                    "type": "object",
                    "required": ["until"],
                }},
                "anyOf": [{"required": ["set"]}, {"required": ["return"]}, {"required": ["panic"]}],
            },
        ]}
    )
)]
pub(super) struct Inject {
    /// Overwrite parameters (at entry) and results (at return), by name, as `args[0]` or `results[0]`, or by a path
    /// through one such as `recv.cfg.limits[2].max`.
    #[schemars(extend("minProperties" = 1))]
    set: Option<Assignments>,
    /// Skip the body and return these results; what is not named is zero.
    #[schemars(rename = "return", extend("propertyNames" = {"not": {"pattern": r"^(args\[|recv([.\[]|$))"}}))]
    early_return: Option<Assignments>,
    /// Panic: `true` as the call of a nil func does, or with a value, a text or whatever an interface takes.
    panic: Option<Panic>,
    /// Put the goroutine to sleep first.
    delay: Option<Delay>,
}

/// `true`, or the value of a panic.
struct Panic;

impl JsonSchema for Panic {
    fn schema_name() -> Cow<'static, str> {
        "Panic".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Value>();
        json_schema!({
            "anyOf": [generator.subschema_for::<Yes>(), value],
            "not": {"anyOf": [{"const": false}, {"type": ["null", "array"]}]},
            "examples": [true, "disk on fire", {"message": "disk on fire"}],
        })
    }
}

/// Values by the path they go to.
struct Assignments;

impl JsonSchema for Assignments {
    fn schema_name() -> Cow<'static, str> {
        "Assignments".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The values to set, by parameter, result or path.",
            "type": "object",
            "propertyNames": {"pattern": PATH},
            "patternProperties": {"^x-": true},
            "additionalProperties": generator.subschema_for::<Value>(),
            "examples": [{"a1": 2021, "err": {"errno": "ENOSPC"}}],
        })
    }
}

/// A value as written; the type it replaces decides what it means.
struct Value;

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Value>();
        let amount = generator.subschema_for::<Amount>();
        let special = |key: &str, description: &str, schema: Schema| {
            json_schema!({
                "description": description,
                "type": "object",
                "properties": {key: schema},
                "required": [key],
                "additionalProperties": false,
            })
        };
        let text = || json_schema!({"type": "string", "minLength": 1});
        let natural = || json_schema!({"type": "integer", "minimum": 0, "maximum": u64::MAX});
        let random = json_schema!({"type": "array", "items": amount, "minItems": 2, "maxItems": 2});
        let bytes = json_schema!({"anyOf": [
            {"type": "string", "pattern": "^([0-9A-Fa-f]{2})+$"},
            {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
        ]});
        let made_of = json_schema!({"anyOf": [value, {"type": "object", "maxProperties": 0}]});
        let typed = json_schema!({
            "description": "What an interface holds, by its type: the fields of a struct, or the value of another type.",
            "type": "object",
            "properties": {"type": text(), "fields": made_of, "value": made_of},
            "required": ["type"],
            "additionalProperties": false,
            "not": {"required": ["fields", "value"]},
        });
        let not_null =
            json_schema!({"not": {"type": "null"}, "anyOf": [value, {"type": "object", "maxProperties": 0}]});
        let wrap = json_schema!({
            "description": "An error that wraps another one, with this text before the other's.",
            "type": "object",
            "properties": {"wrap": not_null, "message": text()},
            "required": ["wrap", "message"],
            "additionalProperties": false,
        });
        let joined = json_schema!({
            "type": "array",
            "items": {"not": {"type": "null"}, "anyOf": [value]},
            "minItems": 1,
        });
        json_schema!({
            "description": "A value as written; the type it replaces decides what it means.",
            "anyOf": [
                {"description": "A whole number.", "type": "integer", "minimum": i64::MIN, "maximum": u64::MAX},
                {"description": "A number.", "type": "number", "not": {"type": "integer"}},
                {"type": "boolean"},
                {"description": "Text; for a time.Duration a duration, for an interface or pointer the name of a package variable such as `io.EOF`.", "type": "string"},
                {"description": "nil.", "type": "null"},
                special("message", "An error with this text.", text()),
                special("errno", "A system error by its name.", generator.subschema_for::<Errno>()),
                special("add", "The current value plus this.", generator.subschema_for::<Amount>()),
                special("xor", "The current value with these bits flipped; every byte of a string or slice.", natural()),
                special("random", "Uniformly distributed between these two, both inclusive.", random),
                special("len", "The string or slice cut to this length.", natural()),
                special("bytes", "A string or slice by its bytes.", bytes),
                special("new", "A pointer to a new value.", not_null),
                typed,
                wrap,
                special("join", "These errors as one.", joined),
                {"description": "An array or slice, element by element.", "type": "array", "items": value},
                {
                    "description": "A struct, field by field.",
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"pattern": FIELD},
                    "patternProperties": {"^x-": true},
                    "additionalProperties": value,
                    "not": {"propertyNames": {"pattern": "^(message|errno|add|xor|random|len|bytes|new|type|wrap|join|x-.*)$"}},
                },
            ],
        })
    }
}

/// A number or a duration.
struct Amount;

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let signed = DURATION.replacen(r"\+?", "[+-]?", 1);
        json_schema!({
            "description": "A number or a duration.",
            "anyOf": [{"type": "number"}, {"type": "string", "pattern": signed}],
            "examples": [10, -0.5, "50ms"],
        })
    }
}

const FIELD: &str = r"^(x-.*|(?!_$)[\p{L}_][\p{L}\p{N}_]*)$";
