//! Scalars that are more than text or a number.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::errno;

/// A named schema: its type and its JSON.
macro_rules! schema_type {
    ($name:ident, $schema:tt) => {
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema_type!(Duration, {
    "description": "A duration as in Go, with its unit: ns, us, ms, s, m or h.",
    "type": "string",
    "pattern": DURATION,
    "examples": ["50ms", "1.5s", "1h30m"],
});

schema_type!(Delay, {
    "description": "A duration, or a fixed part and a random one.",
    "anyOf": [
        {"type": "string", "pattern": DURATION},
        {
            "type": "object",
            "properties": {
                "fixed": {"description": "At least this long.", "type": "string", "pattern": DURATION},
                "jitter": {"description": "Up to this much more, uniformly distributed.", "type": "string", "pattern": DURATION},
                "until": {"description": "A context.Context: a parameter, or what is reached through one. When it is done, the call returns its error.", "type": "string", "pattern": PATH, "not": {"pattern": r"^(results\[|x-)"}},
            },
            "anyOf": [{"required": ["fixed"]}, {"required": ["jitter"]}],
            "additionalProperties": false,
        },
    ],
    "examples": ["50ms", {"fixed": "50ms", "jitter": "10ms"}, {"fixed": "2s", "until": "ctx"}],
});

schema_type!(Point, {
    "description": "A number of calls, or a time since the faults were armed.",
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": DURATION}],
    "examples": [100, "5s"],
});

schema_type!(Probability, {
    "description": "A chance from 0 to 1, or a percentage.",
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": "^([0-9]{1,2}(\\.[0-9]*)?|\\.[0-9]+|100(\\.0*)?)[ ]*%$"},
    ],
    "examples": [0.25, "25%"],
});

schema_type!(Rate, {
    "description": "A number of times per duration.",
    "type": "string",
    "pattern": "^[0-9][0-9_]*[ ]*/[ ]*((ns|us|µs|μs|ms|s|m|h)|(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$",
    "examples": ["5/s", "100/m", "5/100ms"],
});

schema_type!(CountRange, {
    "description": "An exact number, a least or a most, or a range with both ends.",
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": "^((>=|<=)?[ ]*[0-9][0-9_]*|[0-9][0-9_]*[ ]*\\.\\.[ ]*[0-9][0-9_]*)$"},
    ],
    "examples": [3, ">=1", "<=5", "2..4"],
});

schema_type!(TestName, {
    "description": "The name of a Go test, or a glob: `*` is any run of characters, `/` included.",
    "type": "string",
    "pattern": "^\\s*(Test|Fuzz|Benchmark|[*?{\\[])",
    "examples": ["TestCheckout", "TestCheckout/*", "Test*"],
});

schema_type!(Caller, {
    "description": "A function's name as in a stack trace, a glob over names, or a pattern as for `function`.",
    "anyOf": [
        {"type": "string", "pattern": "[.*]"},
        {
            "type": "object",
            "properties": {
                "glob": {"description": "As for `function`; a plain text with a `*` is a glob, too.", "type": "string", "minLength": 1},
                "regex": {"description": "As for `function`.", "type": "string", "minLength": 1},
                "max_matches": {"description": "Of no meaning here.", "type": "integer", "minimum": 1, "maximum": u32::MAX},
            },
            "oneOf": [{"required": ["glob"]}, {"required": ["regex"]}],
            "additionalProperties": false,
        },
    ],
    "examples": ["main.checkout", "main.save*", "main.(*Shop).Checkout"],
});

schema_type!(Function, {
    "description": "A function's exact name as in a stack trace, or a pattern over names.",
    "anyOf": [
        {"type": "string", "pattern": FUNCTION},
        {
            "type": "object",
            "properties": {
                "glob": {
                    "description": "`*` is any run of characters (`/` and `.` included), `?` one, `[a-z]` a class, `{a,b}` alternatives. It matches the whole name.",
                    "type": "string",
                    "minLength": 1,
                    "examples": ["main.parse*", "github.com/acme/*.{Next,Close}"],
                },
                "regex": {
                    "description": "A regular expression in the syntax of Go's regexp. It may match any part of the name.",
                    "type": "string",
                    "minLength": 1,
                    "examples": ["^main\\.(parse|read)"],
                },
                "max_matches": {
                    "description": "More matching functions than this are an error. Default 32.",
                    "type": "integer",
                    "minimum": 1,
                    "maximum": u32::MAX,
                },
            },
            "oneOf": [{"required": ["glob"]}, {"required": ["regex"]}],
            "additionalProperties": false,
        },
    ],
    "examples": FUNCTION_EXAMPLES,
});

schema_type!(Signature, {
    "type": "string",
    "pattern": "^\\s*func\\s*\\(",
    "examples": ["func(s *struct{}, key string, n ...int) (val []byte, err error)"],
});

schema_type!(Condition, {
    "anyOf": [{"type": "string", "minLength": 1, "maxLength": 2000}, {"type": "boolean"}],
    "examples": ["a1 == 1 && a2", "size(key) > 3 || req.URL.Path.startsWith(\"/cart\")", "results[1] == null"],
});

schema_type!(Exit, {
    "description": "An exit status, or `any`.",
    "anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, {"const": "any"}],
});

/// The names of system errors.
pub(super) struct Errno;

impl JsonSchema for Errno {
    fn schema_name() -> Cow<'static, str> {
        "Errno".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = errno::names().collect();
        json_schema!({"description": "A system error of Linux by its name.", "type": "string", "enum": names})
    }
}

/// `true` and nothing else.
pub(super) struct Yes;

impl JsonSchema for Yes {
    fn schema_name() -> Cow<'static, str> {
        "Yes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": [true]})
    }
}

/// Text, or what YAML takes for a number or boolean and a program for text.
pub(super) struct Word;

impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

pub(super) const DURATION: &str = r"^\+?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$";

/// A name that is not `_`, and fields and indexes behind it; or a key for notes.
pub(super) const PATH: &str = r#"^(x-.*|(?!_([.\[]|$))[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}_][\p{L}\p{N}_]*|\[[0-9]+\]|\["([^"\\]|\\.)*"\])*)$"#;

/// A dot somewhere, no space outside of brackets, a `*` only behind a parenthesis, no arguments at the end.
const FUNCTION: &str = r"^(?=.*\.)(?!/.*/$)(?!.*[^(]\*)(?!\*)(?!.*\?)(?!.*.\([^()]*\)$)([^\s]*|.*[\[{].*)$";

const FUNCTION_EXAMPLES: [&str; 4] = [
    "main.parseMe",
    "github.com/acme/blob.(*Reader).Next",
    "main.run.func1",
    "main.Map[...]",
];
