//! Go values as events show them: to people as Go would write them, to programs as JSON.

use std::fmt;
use std::time::Duration;

use goinject_rules::units::format_duration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// A Go value, as far as an event tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// nil
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A number with a point.
    Float(f64),
    /// Real and imaginary part.
    Complex(f64, f64),
    /// A duration, in nanoseconds.
    Duration(i64),
    /// A string, or its beginning.
    Text {
        /// What of it is known.
        text: String,
        /// Whether there is more.
        cut: bool,
    },
    /// An address.
    Address(u64),
    /// A slice.
    Slice {
        /// Its length.
        len: u64,
        /// Its capacity.
        cap: u64,
        /// Where its elements are; absent before they are anywhere.
        address: Option<u64>,
    },
    /// An interface value that is not nil.
    Interface {
        /// The dynamic type; absent if the program made its table at run time.
        type_name: Option<String>,
        /// What it holds.
        content: Content,
    },
    /// Fields by their names.
    Fields(Vec<(String, Seen)>),
    /// Elements.
    Elements(Vec<Seen>),
}

/// What an interface value holds, as far as it is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// An error's text.
    Message(Box<Seen>),
    /// A system error's name, or its number if it has none.
    Errno(String),
    /// What this package variable holds.
    Variable(String),
    /// The value's address, or the value if it is an address.
    Address(u64),
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seen, D::Error> {
        Value::deserialize(deserializer).map(|json| Seen::from_json(&json))
    }
}

impl Seen {
    /// The value that JSON tells. What had no form there, such as a duration, comes back as a text.
    pub fn from_json(json: &Value) -> Seen {
        match json {
            Value::Null => Seen::Nil,
            Value::Bool(value) => Seen::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Seen::Int(number.into()),
                (None, Some(number)) => Seen::Int(number.into()),
                (None, None) => Seen::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Seen::Text {
                text: text.strip_suffix('…').unwrap_or(text).to_owned(),
                cut: text.ends_with('…'),
            },
            Value::Array(elements) => Seen::Elements(elements.iter().map(Seen::from_json).collect()),
            Value::Object(object) => Seen::from_object(object),
        }
    }

    fn from_object(object: &Map<String, Value>) -> Seen {
        let number = |value: &Value| {
            value
                .as_str()
                .and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok())
        };
        let entries: Vec<(&str, &Value)> = object.iter().map(|(key, value)| (key.as_str(), value)).collect();
        if let [("type", type_name), (key, value)] = entries[..] {
            let text = value.as_str().map(str::to_owned);
            let content = match key {
                "message" => Some(Content::Message(Box::new(Seen::from_json(value)))),
                "errno" => text.map(Content::Errno),
                "variable" => text.map(Content::Variable),
                "address" => number(value).map(Content::Address),
                _ => None,
            };
            if let (Some(content), true) = (content, type_name.is_string() || type_name.is_null()) {
                let type_name = type_name.as_str().map(str::to_owned);
                return Seen::Interface { type_name, content };
            }
        }
        if let [("len", len), ("cap", cap), ("address", address)] = entries[..]
            && let (Some(len), Some(cap)) = (len.as_u64(), cap.as_u64())
        {
            let address = number(address);
            return Seen::Slice { len, cap, address };
        }
        let fields = object
            .iter()
            .map(|(name, value)| (name.clone(), Seen::from_json(value)));
        Seen::Fields(fields.collect())
    }

    /// The value in JSON. What has no form there is a text.
    pub fn to_json(&self) -> Value {
        match self {
            Seen::Nil => Value::Null,
            Seen::Bool(value) => json!(value),
            Seen::Int(number) => i64::try_from(*number).map_or_else(|_| json!(*number as u64), |n| json!(n)),
            Seen::Float(number) if number.is_finite() => json!(number),
            // As rule files write them: JSON has no such numbers.
            Seen::Float(number) if number.is_nan() => json!(".nan"),
            Seen::Float(number) => json!(if *number > 0.0 { ".inf" } else { "-.inf" }),
            Seen::Text { text, cut } => json!(format!("{text}{}", if *cut { "…" } else { "" })),
            Seen::Complex(..) | Seen::Duration(_) | Seen::Address(_) => json!(self.to_string()),
            Seen::Slice { len, cap, address } => {
                let address = address.map(|address| format!("0x{address:x}"));
                json!({"len": len, "cap": cap, "address": address})
            }
            Seen::Interface { type_name, content } => {
                let mut object = Map::new();
                object.insert("type".to_owned(), json!(type_name));
                let (key, value) = match content {
                    Content::Message(text) => ("message", text.to_json()),
                    Content::Errno(name) => ("errno", json!(name)),
                    Content::Variable(name) => ("variable", json!(name)),
                    Content::Address(address) => ("address", json!(format!("0x{address:x}"))),
                };
                object.insert(key.to_owned(), value);
                Value::Object(object)
            }
            Seen::Fields(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), value.to_json()));
                Value::Object(fields.collect())
            }
            Seen::Elements(elements) => elements.iter().map(Seen::to_json).collect(),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Nil => f.write_str("nil"),
            Seen::Bool(value) => write!(f, "{value}"),
            Seen::Int(number) => write!(f, "{number}"),
            Seen::Float(number) => float(f, *number),
            Seen::Complex(re, im) => {
                f.write_str("(")?;
                float(f, *re)?;
                if !im.is_sign_negative() || im.is_nan() {
                    f.write_str("+")?;
                }
                float(f, *im)?;
                f.write_str("i)")
            }
            Seen::Duration(nanoseconds) => {
                let sign = if *nanoseconds < 0 { "-" } else { "" };
                let duration = Duration::from_nanos(nanoseconds.unsigned_abs());
                write!(f, "{sign}{}", format_duration(duration))
            }
            Seen::Text { text, cut } => write!(f, "{text:?}{}", if *cut { "…" } else { "" }),
            Seen::Address(address) => write!(f, "0x{address:x}"),
            Seen::Slice { len, cap, address } => {
                write!(f, "len {len} cap {cap}")?;
                address.map_or(Ok(()), |address| write!(f, " 0x{address:x}"))
            }
            Seen::Interface { type_name, content } => {
                let name = type_name.as_deref().unwrap_or("?");
                match content {
                    Content::Message(text) => write!(f, "{name} {text}"),
                    Content::Errno(error) => write!(f, "{name} {error}"),
                    Content::Variable(variable) => write!(f, "{variable} ({name})"),
                    Content::Address(address) => write!(f, "{name} 0x{address:x}"),
                }
            }
            Seen::Fields(fields) => {
                f.write_str("{")?;
                for (n, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Seen::Elements(elements) => {
                f.write_str("[")?;
                for (n, value) in elements.iter().enumerate() {
                    write!(f, "{}{value}", if n == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

fn float(f: &mut fmt::Formatter<'_>, number: f64) -> fmt::Result {
    match number {
        number if number.is_nan() => f.write_str("NaN"),
        number if number.is_infinite() => f.write_str(if number > 0.0 { "+Inf" } else { "-Inf" }),
        // Rust writes no exponents here, and hundreds of digits without them.
        number if number != 0.0 && !(1e-5..1e21).contains(&number.abs()) => write!(f, "{number:e}"),
        number => write!(f, "{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Seen {
        Seen::Text {
            text: text.to_owned(),
            cut: false,
        }
    }

    #[test]
    fn values_are_shown_as_go_writes_them_and_as_json() {
        let error = Seen::Interface {
            type_name: Some("*errors.errorString".to_owned()),
            content: Content::Message(Box::new(text("disk full"))),
        };
        let slice = Seen::Slice {
            len: 3,
            cap: 8,
            address: Some(0xc0de),
        };
        for (seen, words, value) in [
            (Seen::Nil, "nil", json!(null)),
            (Seen::Float(0.5), "0.5", json!(0.5)),
            (Seen::Float(f64::NAN), "NaN", json!(".nan")),
            (Seen::Float(1e300), "1e300", json!(1e300)),
            (Seen::Complex(1.0, -2.5), "(1-2.5i)", json!("(1-2.5i)")),
            (Seen::Duration(-50_000_000), "-50ms", json!("-50ms")),
            (
                Seen::Int(u64::MAX.into()),
                "18446744073709551615",
                json!(u64::MAX),
            ),
            (text("a\"b"), "\"a\\\"b\"", json!("a\"b")),
            (
                error,
                "*errors.errorString \"disk full\"",
                json!({"type": "*errors.errorString", "message": "disk full"}),
            ),
            (
                slice.clone(),
                "len 3 cap 8 0xc0de",
                json!({"len": 3, "cap": 8, "address": "0xc0de"}),
            ),
            (
                Seen::Fields(vec![
                    ("Host".to_owned(), text("x")),
                    ("Seq".to_owned(), Seen::Elements(vec![Seen::Int(1)])),
                ]),
                "{Host: \"x\", Seq: [1]}",
                json!({"Host": "x", "Seq": [1]}),
            ),
        ] {
            assert_eq!(seen.to_string(), words);
            assert_eq!(seen.to_json(), value);
            assert_eq!(Seen::from_json(&value).to_json(), value);
        }
    }
}
