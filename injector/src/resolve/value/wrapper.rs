//! Errors around errors: made of types that the program has for that.

use goinject_rules::errno;
use goinject_rules::model::Value;
use goinject_rules::source::{Span, Spanned};

use super::interface::typed;
use super::{Context, Located, Misfit, object, variable};
use crate::go::Binary;
use crate::plan::Source;

/// The types that errors are wrapped in.
const FORMATTED: &str = "*fmt.wrapError";
const SYSTEM_CALL: &str = "*os.SyscallError";
const PATH: [&str; 2] = ["*io/fs.PathError", "*os.PathError"];
const JOINED: &str = "*errors.joinError";
const FORMATTED_ALL: &str = "*fmt.wrapErrors";

/// An error with `message: ` before the text of another, which `errors.Unwrap` gives.
pub(super) fn wrapped(
    of: &Spanned<Value>,
    message: &str,
    at: &Located,
    empty: bool,
    context: &mut Context<'_>,
) -> Result<[Source; 2], Misfit> {
    let span = of.span;
    let has = |name: &str| context.binary.itab("error", name).is_some();
    let text = |text: &str| Spanned::new(Value::Text(text.to_owned()), span);
    let field = |name: &str, value| (Spanned::new(name.to_owned(), span), value);
    // `fmt.Errorf` puts the whole text together at once; the others do it when they are asked.
    let whole = known_text(&of.value, context).map(|inner| format!("{message}: {inner}"));
    let (name, fields) = if let (Some(whole), true) = (&whole, has(FORMATTED)) {
        (
            FORMATTED,
            vec![field("msg", text(whole)), field("err", of.clone())],
        )
    } else if has(SYSTEM_CALL) {
        (
            SYSTEM_CALL,
            vec![field("Syscall", text(message)), field("Err", of.clone())],
        )
    } else if let (Some(name), Some((operation, path))) =
        (PATH.into_iter().find(|name| has(name)), message.split_once(' '))
    {
        let fields = vec![
            field("Op", text(operation)),
            field("Path", text(path)),
            field("Err", of.clone()),
        ];
        (name, fields)
    } else {
        let message = match has(FORMATTED) {
            true => format!(
                "what this wraps is not known as text before the program runs, as `{FORMATTED}` needs it, and there is no `{SYSTEM_CALL}`"
            ),
            false => format!(
                "the program has no type to wrap an error in: neither `{FORMATTED}`, which `fmt.Errorf(\"…: %w\", err)` \
                 gives, nor `{SYSTEM_CALL}`"
            ),
        };
        let help = match PATH.into_iter().any(has) {
            true => {
                "write a message of two words or more, as `*fs.PathError` has it, or `{type: …}` with an error type of the program's own"
            }
            false => "use one somewhere in the program, or write `{type: …}` with an error type of its own",
        };
        return Err(Misfit::of_binary(message, help));
    };
    make(name, fields, span, at, empty, context)
}

/// Several errors as one.
pub(super) fn joined(
    of: &Spanned<Value>,
    at: &Located,
    empty: bool,
    context: &mut Context<'_>,
) -> Result<[Source; 2], Misfit> {
    let span = of.span;
    let field = |name: &str, value| (Spanned::new(name.to_owned(), span), value);
    let Value::List(items) = &of.value else {
        return Err(Misfit::kind(
            &of.value,
            "a list of errors",
            "write `{join: [io.EOF, {errno: EIO}]}`",
        ));
    };
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| known_text(&item.value, context))
        .collect();
    let has = |name: &str| context.binary.itab("error", name).is_some();
    let (name, fields) = match texts {
        _ if has(JOINED) => (JOINED, vec![field("errs", of.clone())]),
        Some(texts) if has(FORMATTED_ALL) => {
            let text = Spanned::new(Value::Text(texts.join("\n")), span);
            (FORMATTED_ALL, vec![field("msg", text), field("errs", of.clone())])
        }
        None if has(FORMATTED_ALL) => {
            return Err(Misfit::of_binary(
                format!(
                    "the program has no `{JOINED}` to join errors in, and not all of these texts are known before it runs"
                ),
                "use `errors.Join` somewhere in the program, or join errors by `{message: …}` and `{errno: …}`",
            ));
        }
        _ => {
            return Err(Misfit::of_binary(
                format!(
                    "the program has no type to join errors in: `{JOINED}`, which `errors.Join` gives since Go 1.20"
                ),
                "use it somewhere in the program, or write one error",
            ));
        }
    };
    make(name, fields, span, at, empty, context)
}

fn make(
    name: &str,
    fields: Vec<(Spanned<String>, Spanned<Value>)>,
    span: Span,
    at: &Located,
    empty: bool,
    context: &mut Context<'_>,
) -> Result<[Source; 2], Misfit> {
    let content = Spanned::new(Value::Fields(fields), span);
    typed(
        &Spanned::new(name.to_owned(), span),
        Some(&content),
        at.ty,
        empty,
        // None of their packages writes to one.
        object::copied,
        context,
    )
}

/// What an error says, as far as the rule and the program's file tell.
fn known_text(error: &Value, context: &Context<'_>) -> Option<String> {
    match error {
        Value::Message(text) => Some(text.clone()),
        Value::Wrap { of, message } => Some(format!("{message}: {}", known_text(&of.value, context)?)),
        Value::Errno(name) => errno_text(errno::number(name)?, context.binary),
        Value::Text(name) => variable_text(name, context),
        _ => None,
    }
}

/// What the program itself says of a system error: an element of a table of strings.
fn errno_text(number: i32, binary: &Binary) -> Option<String> {
    let table = binary.variable("syscall.errors").ok()??;
    let number = u64::try_from(number).ok()?;
    if (number + 1) * 16 > table.size? {
        return None;
    }
    string_at(binary, table.address.plus(16 * number))
}

/// The text of an error variable that the linker has filled already, as it does since Go 1.21.
fn variable_text(name: &str, context: &Context<'_>) -> Option<String> {
    let binary = context.binary;
    let found = variable::find(name, context).ok()?.word(0).address;
    let table = binary.itab("error", "*errors.errorString")?;
    if binary.read_pointer(found)? != table.address {
        return None;
    }
    string_at(binary, binary.read_pointer(found.plus(8))?)
}

fn string_at(binary: &Binary, address: crate::go::address::Address) -> Option<String> {
    let length = usize::try_from(binary.read_pointer(address.plus(8))?.0).ok()?;
    let bytes = binary.read(binary.read_pointer(address)?, length.min(4096))?;
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}
