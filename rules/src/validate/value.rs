//! Values as written, before the types they must fit are known.

use crate::diagnostic::{Diagnostic, did_you_mean, quoted};
use crate::document::{Kind, Meaning, Node, Reader, and_list};
use crate::errno;
use crate::model::Value;
use crate::path::is_identifier;
use crate::source::Spanned;
use crate::units::parse_signed_duration;
use crate::validate::made;

/// The keys that make a mapping something else than a struct.
const SPECIAL: [&str; 11] = [
    "message", "errno", "add", "xor", "random", "len", "bytes", "new", "type", "wrap", "join",
];

/// Reads a value.
pub(super) fn value(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Value>> {
    if reader.has_tag(node) {
        return None;
    }
    let value = match &node.kind {
        Kind::Scalar(_) => scalar(reader, node),
        Kind::List(items) => {
            let items: Vec<Option<Spanned<Value>>> = items.iter().map(|item| value(reader, item)).collect();
            items.into_iter().collect::<Option<_>>().map(Value::List)
        }
        Kind::Mapping(_) => mapping(reader, node),
    };
    value.map(|value| Spanned::new(value, node.span))
}

fn scalar(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let scalar = node.scalar()?;
    match &scalar.meaning {
        Meaning::Null => Some(Value::Null),
        Meaning::Bool(value) => Some(Value::Bool(*value)),
        Meaning::Integer(value) => integer(reader, node, *value).map(Value::Integer),
        Meaning::Float(value) => Some(Value::Float(*value)),
        Meaning::Text => Some(Value::Text(scalar.text.clone())),
        Meaning::Malformed(_) => {
            reader.mismatch(node, "the value", "a value", "");
            None
        }
    }
}

/// A whole number that at least one Go type can hold.
fn integer(reader: &mut Reader<'_>, node: &Node, value: i128) -> Option<i128> {
    let (least, most) = (i128::from(i64::MIN), i128::from(u64::MAX));
    if (least..=most).contains(&value) {
        return Some(value);
    }
    let help = format!("integers go from {least} (int64) to {most} (uint64)");
    reader.report(
        node.error("no Go integer is this large")
            .label("out of range")
            .help(help),
    );
    None
}

fn mapping(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    let entries = reader.entries(
        node,
        "this value",
        "write the fields of a struct: `{Host: localhost, Port: 80}`",
    )?;
    let special: Vec<_> = entries
        .iter()
        .filter(|(key, _)| SPECIAL.contains(&key.value))
        .collect();
    if let Some(value) = made::composed(reader, node, &entries) {
        return value;
    }
    match (entries.as_slice(), special.as_slice()) {
        ([], _) => {
            let finding = node.error("an empty mapping sets nothing").label("no fields");
            reader.report(finding.help("name the fields to set, or write `null` for nil"));
            None
        }
        ([(key, inner)], [_]) => special_form(reader, key.value, inner),
        (all, special) if all.len() == special.len() => {
            let (second, _) = special.last()?;
            let names: Vec<&str> = special.iter().map(|(key, _)| key.value).collect();
            let finding = node
                .error(format!("{} can't be used together", and_list(&names)))
                .at(second.span);
            reader.report(finding.help("keep one of them; write a second rule for another change"));
            None
        }
        (all, _) => fields(reader, all),
    }
}

fn fields(reader: &mut Reader<'_>, entries: &[(Spanned<&str>, &Node)]) -> Option<Value> {
    let mut fields = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        if is_identifier(key.value) && key.value != "_" {
            if let Some(value) = value(reader, node) {
                fields.push((Spanned::new(key.value.to_owned(), key.span), value));
            }
        } else {
            let finding = Diagnostic::error(format!("{} is not the name of a field", quoted(key.value)));
            reader.report(
                finding
                    .at(key.span)
                    .help("write one field name per key, and a mapping below it to go deeper"),
            );
        }
    }
    (fields.len() == entries.len()).then_some(Value::Fields(fields))
}

fn special_form(reader: &mut Reader<'_>, key: &str, node: &Node) -> Option<Value> {
    match key {
        "message" => reader
            .text(node, "`message`", "write the error's text")
            .map(|text| Value::Message(text.value)),
        "errno" => error_number(reader, node),
        "add" => {
            let amount = amount(
                reader,
                node,
                "`add`",
                "write what to add: `{add: 10}`, `{add: -0.5}`, `{add: 50ms}`",
            )?;
            if matches!(amount, Value::Integer(0) | Value::Float(0.0)) {
                reader.report(node.warning("adding 0 changes nothing").label("no change"));
            }
            Some(Value::Add(Box::new(amount)))
        }
        "xor" => {
            let bits = reader.count(node, "`xor`")?;
            if bits == 0 {
                reader.report(
                    node.warning("flipping no bits changes nothing")
                        .label("no change"),
                );
            }
            Some(Value::Xor(bits))
        }
        "random" => random(reader, node),
        "len" => reader.count(node, "`len`").map(Value::Len),
        "new" => made::new(reader, node),
        "join" => made::join(reader, node),
        _ => bytes(reader, node),
    }
}

fn error_number(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    if let Some(Meaning::Integer(number)) = node.scalar().map(|scalar| &scalar.meaning) {
        let help = match errno::name(*number) {
            Some(name) => format!("write `{{errno: {name}}}`"),
            None => "write a name, such as `{errno: ENOSPC}`".to_owned(),
        };
        reader.report(
            node.error("`errno` must be a name, not a number")
                .label("expected a name")
                .help(help),
        );
        return None;
    }
    let name = reader
        .text(node, "`errno`", "write a name, such as `{errno: ENOSPC}`")?
        .value;
    if errno::number(&name).is_some() {
        return Some(Value::Errno(name));
    }
    let finding = node
        .error(format!("{} is no system error of Linux", quoted(&name)))
        .label("not known");
    reader.report(match did_you_mean(&name, errno::names()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("names are those of `errno(3)`, such as `ENOSPC` or `ECONNRESET`"),
    });
    None
}

/// A number or a duration.
fn amount(reader: &mut Reader<'_>, node: &Node, what: &str, example: &str) -> Option<Value> {
    let wanted = "a number or a duration";
    match node.scalar().map(|scalar| &scalar.meaning) {
        Some(Meaning::Integer(value)) if node.tag.is_none() => {
            // The difference of two values may be larger than a value.
            if value.unsigned_abs() <= u128::from(u64::MAX) {
                Some(Value::Integer(*value))
            } else {
                integer(reader, node, *value).map(Value::Integer)
            }
        }
        Some(Meaning::Float(value)) if node.tag.is_none() => {
            if value.is_finite() {
                return Some(Value::Float(*value));
            }
            reader.report(node.error(format!("{what} needs a finite number")).help(example));
            None
        }
        Some(Meaning::Text) if node.tag.is_none() => {
            reader.with_unit(node, what, wanted, example, parse_signed_duration)?;
            Some(Value::Text(node.scalar()?.text.clone()))
        }
        _ => {
            reader.mismatch(node, what, wanted, example);
            None
        }
    }
}

fn random(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    const EXAMPLE: &str = "write the lowest and the highest value: `{random: [1, 10]}`";
    let items = reader.list(node, "`random`", EXAMPLE)?;
    let [low, high] = items else {
        let finding = node.error(format!("`random` needs two values, not {}", items.len()));
        reader.report(
            finding
                .label("expected a lowest and a highest value")
                .help(EXAMPLE),
        );
        return None;
    };
    let (first, second) = (
        amount(reader, low, "the lowest value", EXAMPLE),
        amount(reader, high, "the highest value", EXAMPLE),
    );
    let (first, second) = (first?, second?);
    let ordered = match (&first, &second) {
        (Value::Integer(a), Value::Integer(b)) => a <= b,
        (Value::Float(a), Value::Float(b)) => a <= b,
        (Value::Integer(a), Value::Float(b)) => *a as f64 <= *b,
        (Value::Float(a), Value::Integer(b)) => *a <= *b as f64,
        (Value::Text(a), Value::Text(b)) => parse_signed_duration(a).ok() <= parse_signed_duration(b).ok(),
        _ => {
            let finding = high.error("`random` needs two numbers or two durations");
            reader.report(
                finding
                    .label("of another kind")
                    .also(low.span, "than this")
                    .help(EXAMPLE),
            );
            return None;
        }
    };
    if !ordered {
        let finding = node
            .error("the lowest value is above the highest")
            .at(low.span)
            .label("the lowest value");
        reader.report(finding.also(high.span, "the highest value").help("swap them"));
        return None;
    }
    Some(Value::Random(Box::new(first), Box::new(second)))
}

fn bytes(reader: &mut Reader<'_>, node: &Node) -> Option<Value> {
    const EXAMPLE: &str =
        "write hexadecimal digits in quotes, `{bytes: \"6869ff\"}`, or a list, `{bytes: [104, 105, 255]}`";
    if let Kind::List(items) = &node.kind {
        let bytes: Vec<Option<i128>> = items
            .iter()
            .map(|item| reader.whole(item, "a byte", 0..=255))
            .collect();
        return bytes
            .into_iter()
            .map(|byte| u8::try_from(byte?).ok())
            .collect::<Option<_>>()
            .map(Value::Bytes);
    }
    let digits = reader.text(node, "`bytes`", EXAMPLE)?.value;
    if let Some((at, other)) = digits.char_indices().find(|(_, c)| !c.is_ascii_hexdigit()) {
        let span = reader.place_in(node, at..at + other.len_utf8());
        let finding = node
            .error(format!(
                "{} is not a hexadecimal digit",
                quoted(&other.to_string())
            ))
            .at(span);
        let prefixed = digits
            .starts_with("0x")
            .then(|| format!("leave out `0x`: `{{bytes: \"{}\"}}`", &digits[2..]));
        reader.report(finding.help(prefixed.unwrap_or_else(|| EXAMPLE.to_owned())));
        return None;
    }
    if digits.len() % 2 == 1 {
        let finding = node
            .error("`bytes` has half a byte")
            .label(format!("{} digits", digits.len()));
        reader.report(finding.help("write two digits per byte"));
        return None;
    }
    let pairs = digits.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| Some((digit(pair[0])? << 4) | digit(pair[1])?);
    pairs.map(byte).collect::<Option<_>>().map(Value::Bytes)
}

fn digit(character: u8) -> Option<u8> {
    char::from(character)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

impl Value {
    /// The first change of a present value in it: `add`, `xor` or `len`, by its key.
    pub(super) fn change(&self) -> Option<&'static str> {
        match self {
            Value::Add(_) => Some("add"),
            Value::Xor(_) => Some("xor"),
            Value::Len(_) => Some("len"),
            Value::Fields(fields) => fields.iter().find_map(|(_, value)| value.change()),
            Value::List(items) => items.iter().find_map(|value| value.change()),
            Value::New(of) | Value::Join(of) | Value::Wrap { of, .. } => of.value.change(),
            Value::Typed { content, .. } => content.as_ref()?.value.change(),
            _ => None,
        }
    }
}
