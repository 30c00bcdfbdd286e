//! Interfaces: nil, what a package variable holds, and errors made for the purpose.
//!
//! An interface value is two words. The first tells the type: for `error` and all interfaces with
//! methods the address of the table that the linker made for the pair of interface and type, for
//! `any` that of the type's description. It must be the very one that the program's own values have,
//! for type switches and `errors.As` compare it. The second word is the value's address, or the value
//! itself if that is a pointer.

use goinject_rules::errno;
use goinject_rules::model::Value;
use goinject_rules::source::Spanned;

use super::variable::{self, Variable};
use super::{Context, Fitted, Located, Misfit, Within, concrete, object, wrapper};
use crate::go::types::{Kind, TypeId};
use crate::plan::scratch::{Pointee, Word};
use crate::plan::{Global, Shape, Source};

/// What `errors.New` makes: a pointer to a struct of one string.
const ERROR_STRING: &str = "*errors.errorString";
/// An error number of the system: an unsigned integer of a word.
const ERRNO: &str = "syscall.Errno";

pub(super) fn interface(
    value: &Value,
    at: &Located,
    empty: bool,
    context: &mut Context<'_>,
) -> Result<Fitted, Misfit> {
    let name = context.type_name(at.ty);
    let sources = match value {
        Value::Null => [Source::Literal(0), Source::Literal(0)],
        Value::Text(text) => {
            let found = variable::find(text, context).map_err(|misfit| as_message(misfit, text, name))?;
            from_variable(&found, at.ty, empty, context)?
        }
        Value::Message(text) => {
            let first = type_word(at.ty, empty, ERROR_STRING, context)?;
            let length = Word::Literal(text.len() as u64);
            let address = match text.as_str() {
                "" => Word::Literal(0),
                text => Word::Pointer(Pointee::Scratch(context.text(text.as_bytes())?)),
            };
            let object = context
                .scratch
                .object(&[address, length])
                .ok_or_else(Misfit::no_room)?;
            [Source::Address(first), Source::Scratch(object)]
        }
        Value::Errno(error) => {
            let first = type_word(at.ty, empty, ERRNO, context)?;
            let number = errno::number(error).expect("the rule file was checked");
            let word = Word::Literal(u64::try_from(number).expect("error numbers are positive"));
            let object = context.scratch.object(&[word]).ok_or_else(Misfit::no_room)?;
            [Source::Address(first), Source::Scratch(object)]
        }
        Value::Typed { name, content } => {
            typed(name, content.as_deref(), at.ty, empty, object::error, context)?
        }
        Value::Wrap { of, message } => wrapper::wrapped(of, message, at, empty, context)?,
        Value::Join(of) => wrapper::joined(of, at, empty, context)?,
        other => {
            let help = match name {
                "error" => {
                    "write `null` for nil, a package variable (`io.EOF`), `{message: \"disk full\"}`, `{errno: ENOSPC}`, \
                     `{type: \"*client.StatusError\", fields: {…}}`, `{wrap: io.EOF, message: reading}` or `{join: [io.EOF, {errno: EIO}]}`"
                }
                _ => {
                    "write `null` for nil, the name of a package variable, or what it is to hold: \
                     `{type: \"*main.T\", fields: {…}}`"
                }
            };
            return Err(Misfit::kind(other, name, help));
        }
    };
    Fitted::words(at, sources, 2, Shape::Interface { empty })
}

/// How an object is made.
type Make = fn(Option<&Spanned<Value>>, TypeId, &mut Context<'_>) -> Result<Source, Misfit>;

/// A value of a type that the rule names, as the interface holds it.
pub(super) fn typed(
    name: &Spanned<String>,
    content: Option<&Spanned<Value>>,
    interface: TypeId,
    empty: bool,
    make_error: Make,
    context: &mut Context<'_>,
) -> Result<[Source; 2], Misfit> {
    let concrete =
        concrete::find(&name.value, interface, empty, context).map_err(|misfit| misfit.within(name.span))?;
    let ty = context.binary.described_type(concrete.address).ok_or_else(|| {
        let message = format!(
            "the program does not describe `{}` so that it can be read",
            concrete.name
        );
        Misfit::of_binary(message, "write the name of a package variable").within(name.span)
    })?;
    let types = context.types();
    let data = match types.get(ty).kind {
        Kind::Pointer { target: Some(target) } => {
            if context.within == Within::Kept {
                Source::Scratch(object::shared(content, target, context)?)
            } else if concrete.is_error {
                make_error(content, target, context)?
            } else {
                object::fresh(content, target, context)?
            }
        }
        _ if context.binary.is_held_directly(ty) => {
            let message = format!(
                "a new `{}` cannot be made: it is a pointer to the runtime's own",
                concrete.name
            );
            return Err(Misfit::new(message, "write the name of a package variable").within(name.span));
        }
        // Nobody writes to what an interface holds: each value put there is copied.
        _ => Source::Scratch(object::shared(content, ty, context)?),
    };
    Ok([Source::Address(concrete.word), data])
}

/// For an `error`, a text that names no variable may be meant as a message.
fn as_message(misfit: Misfit, text: &str, type_name: &str) -> Misfit {
    if type_name != "error" || text.contains('.') && !text.contains(' ') {
        return misfit;
    }
    let help = match errno::number(text) {
        Some(_) => format!("for this system error write `{{errno: {text}}}`"),
        None => format!("for an error with this text write `{{message: {text:?}}}`"),
    };
    Misfit { help, ..misfit }
}

/// What tells that an interface value is of a type that every program has, if this one does.
fn type_word(
    interface: TypeId,
    empty: bool,
    concrete: &str,
    context: &Context<'_>,
) -> Result<Global, Misfit> {
    let binary = context.binary;
    let name = context.type_name(interface);
    if empty {
        let mut concretes = binary.itabs().iter().map(|itab| itab.concrete);
        let found = concretes.find(|address| binary.runtime_type_name(*address).as_deref() == Some(concrete));
        return found
            .map(|address| global(format!("type {concrete}"), address))
            .ok_or_else(|| {
                Misfit::of_binary(
                    format!("the program never uses `{concrete}`, so it has no descriptor of it"),
                    "write the name of a package variable",
                )
            });
    }
    let of_interface = binary
        .runtime_type(interface)
        .or_else(|| binary.interface_named(name));
    let table = binary.itabs().iter().find(|itab| {
        Some(itab.interface) == of_interface
            && binary.runtime_type_name(itab.concrete).as_deref() == Some(concrete)
    });
    match table {
        Some(table) => Ok(global(format!("itab {concrete}, {name}"), table.address)),
        None if name == "error" => Err(Misfit::of_binary(
            format!("the program never converts a `{concrete}` to `error`, so it has no itab for that"),
            "write the name of a package variable, such as `io.EOF`, or use the type somewhere in the program",
        )),
        None => Err(Misfit::new(
            format!("`{concrete}` is an error, and `{name}` is another interface"),
            "write `null` for nil, or the name of a package variable",
        )),
    }
}

pub(super) fn global(name: String, address: crate::go::address::Address) -> Global {
    Global {
        name,
        address,
        offset: 0,
    }
}

fn from_variable(
    found: &Variable,
    interface: TypeId,
    empty: bool,
    context: &Context<'_>,
) -> Result<[Source; 2], Misfit> {
    let Some(ty) = found.ty else {
        return untyped(found, interface, empty, context);
    };
    let types = context.types();
    match types.get(ty).kind {
        Kind::Interface { empty: of_empty }
            if variable::same(ty, interface, context) || (empty && of_empty) =>
        {
            Ok([Source::Copy(found.word(0)), Source::Copy(found.word(1))])
        }
        // `any` wants the type, which the table of another interface leads to.
        Kind::Interface { .. } if empty => Ok([Source::CopyType(found.word(0)), Source::Copy(found.word(1))]),
        Kind::Interface { .. } => Err(Misfit::new(
            format!(
                "`{}` is of type `{}`, which does not fit `{}`: what it holds is known only at run time",
                found.name,
                context.type_name(ty),
                context.type_name(interface)
            ),
            format!(
                "name a variable of type `{}`, or one of a type that is no interface",
                context.type_name(interface)
            ),
        )),
        _ => Ok([
            Source::Address(concrete_word(found, ty, interface, empty, context)?),
            if context.binary.is_held_directly(ty) {
                Source::Copy(found.word(0))
            } else {
                // The interface holds the variable itself, not a copy of what it is now.
                Source::Address(found.word(0))
            },
        ]),
    }
}

/// What tells that an interface value is of a variable's type.
fn concrete_word(
    found: &Variable,
    ty: TypeId,
    interface: TypeId,
    empty: bool,
    context: &Context<'_>,
) -> Result<Global, Misfit> {
    let binary = context.binary;
    let (name, wanted) = (context.type_name(ty), context.type_name(interface));
    let missing = |message| {
        Misfit::of_binary(
            message,
            format!("name a variable of type `{wanted}`, or do that conversion somewhere in the program"),
        )
    };
    if empty {
        return binary
            .runtime_type(ty)
            .map(|address| global(format!("type {name}"), address))
            .ok_or_else(|| missing(format!("the program never puts a `{name}` into an interface")));
    }
    binary
        .itab_of(interface, ty)
        .or_else(|| binary.itab(wanted, name))
        .map(|itab| global(format!("itab {name}, {wanted}"), itab.address))
        .ok_or_else(|| {
            missing(format!(
                "`{}` is of type `{name}`, and nowhere in the program is one used as `{wanted}`, \
                 so that there is no table to tell it by",
                found.name
            ))
        })
}

/// Without debug information a variable's type is not known: that it holds what it should is checked
/// when it is read.
fn untyped(
    found: &Variable,
    interface: TypeId,
    empty: bool,
    context: &Context<'_>,
) -> Result<[Source; 2], Misfit> {
    let name = context.type_name(interface);
    let described = context.binary.interface_named(name);
    match (described, found.size()) {
        (Some(described), Some(16)) if !empty => Ok([
            Source::CopyInterface {
                from: found.word(0),
                interface: global(format!("type {name}"), described),
            },
            Source::Copy(found.word(1)),
        ]),
        (_, Some(16)) => found.known_type().map(|_| unreachable!("it has no type")),
        (_, size) => Err(Misfit::of_binary(
            format!(
                "`{}` is not an interface: it has {} bytes, and the binary does not describe it",
                found.name,
                size.map_or_else(|| "an unknown number of".to_owned(), |size| size.to_string())
            ),
            "build it with debug information: without `-ldflags=-w` and `-s`",
        )),
    }
}
