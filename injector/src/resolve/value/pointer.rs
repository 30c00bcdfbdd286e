//! Pointers, maps and channels: nil, what a package variable has, and what lies behind pointers.

use goinject_probes::table::STEPS;
use goinject_rules::model::Value;
use goinject_rules::source::Spanned;

use super::variable::{self, Variable};
use super::{Context, Fitted, Located, Misfit, Within, fit, object};
use crate::go::types::{Kind, TypeId};
use crate::plan::{Shape, Source};

/// A pointer itself becomes nil, an address of the program's own or of something new: Go's runtime takes any other for
/// corruption. All else is written to what it leads to.
pub(super) fn pointer(
    value: &Value,
    at: &Located,
    target: Option<TypeId>,
    context: &mut Context<'_>,
) -> Result<Fitted, Misfit> {
    let source = match (value, target) {
        (Value::Null, _) => Source::Literal(0),
        (Value::Text(text), _) => match (variable::find(text, context), target) {
            (Ok(found), _) => from_variable(&found, at.ty, target, context)?,
            (Err(_), Some(target)) if takes_texts(target, context) => {
                return through(value, at, target, context);
            }
            (Err(misfit), _) => return Err(misfit),
        },
        (Value::New(of), Some(target)) => new(of, target, context)?,
        (value, Some(target)) if leads_to(value, target, context) => {
            return through(value, at, target, context);
        }
        (other, target) => {
            return Err(Misfit::kind(
                other,
                context.type_name(at.ty),
                help(target, context),
            ));
        }
    };
    Fitted::words(at, [source], 1, Shape::Pointer)
}

fn help(target: Option<TypeId>, context: &Context<'_>) -> &'static str {
    match target.map(|target| &context.types().get(target).kind) {
        Some(Kind::Struct { .. }) => {
            "write `null` for nil, the name of a package variable, a mapping of the fields to set, or `{new: {…}}`"
        }
        _ => "write `null` for nil, or the name of a package variable",
    }
}

/// Writes a value to where the pointer leads.
fn through(value: &Value, at: &Located, target: TypeId, context: &mut Context<'_>) -> Result<Fitted, Misfit> {
    let behind = at
        .follow(0, target, 0, None)
        .map_err(|error| Misfit::new(error.message, error.help.unwrap_or_default()))?;
    fit(value, &behind, context)
}

/// Whether a value is meant for what the pointer leads to.
fn leads_to(value: &Value, target: TypeId, context: &Context<'_>) -> bool {
    match context.types().get(target).kind {
        Kind::Struct { .. } => matches!(value, Value::Fields(_) | Value::Add(_)),
        Kind::Unknown => false,
        _ => true,
    }
}

/// Whether a text may be a value of a type, rather than the name of one.
fn takes_texts(mut target: TypeId, context: &Context<'_>) -> bool {
    // A type may be a pointer to itself; paths follow no more pointers than this.
    for _ in 0..STEPS {
        let ty = context.types().get(target);
        match &ty.kind {
            Kind::Pointer { target: Some(next) } => target = *next,
            Kind::String | Kind::Complex => return true,
            Kind::Int => return ty.name == "time.Duration",
            Kind::Slice { element } => return context.types().get(*element).size == 1,
            _ => return false,
        }
    }
    false
}

/// The address of a new value, of which each firing gets one of its own: the program may write to it.
fn new(of: &Spanned<Value>, target: TypeId, context: &mut Context<'_>) -> Result<Source, Misfit> {
    match context.within {
        Within::Kept => object::shared(Some(of), target, context).map(Source::Scratch),
        Within::Call | Within::Fresh => object::fresh(Some(of), target, context),
    }
}

fn from_variable(
    found: &Variable,
    pointer: TypeId,
    target: Option<TypeId>,
    context: &Context<'_>,
) -> Result<Source, Misfit> {
    let ty = found.known_type()?;
    if variable::same(ty, pointer, context) {
        return Ok(Source::Copy(found.word(0)));
    }
    match target {
        // unsafe.Pointer: the address of anything.
        None => Ok(Source::Address(found.word(0))),
        Some(target) if variable::same(ty, target, context) => Ok(Source::Address(found.word(0))),
        Some(target) => Err(Misfit::new(
            format!(
                "`{}` is of type `{}`, which does not fit `{}`",
                found.name,
                context.type_name(ty),
                context.type_name(pointer)
            ),
            format!(
                "name a variable of type `{}` (its address is taken) or `{}` (its value is)",
                context.type_name(target),
                context.type_name(pointer)
            ),
        )),
    }
}

/// Whether a type is one direction of a channel type: Go assigns such a channel to it.
fn is_direction(direction: &str, channel: &str) -> bool {
    // `chan (<-chan int)` has its element in parentheses.
    let element = |name: &'static str, ty: &str| {
        let element = ty.strip_prefix(name)?;
        let bare = element.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        Some(bare.unwrap_or(element).to_owned())
    };
    let of = ["<-chan ", "chan<- "]
        .into_iter()
        .find_map(|name| element(name, direction));
    of.is_some() && of == element("chan ", channel)
}

/// A map or a channel.
pub(super) fn reference(value: &Value, at: &Located, context: &mut Context<'_>) -> Result<Fitted, Misfit> {
    let name = context.type_name(at.ty);
    let source = match value {
        Value::Null => Source::Literal(0),
        Value::Text(text) => {
            let found = variable::find(text, context)?;
            let ty = found.known_type()?;
            if !variable::same(ty, at.ty, context)
                && !is_direction(context.type_name(at.ty), context.type_name(ty))
            {
                let message = format!(
                    "`{}` is of type `{}`, which does not fit `{name}`",
                    found.name,
                    context.type_name(ty)
                );
                return Err(Misfit::new(message, format!("name a variable of type `{name}`")));
            }
            Source::Copy(found.word(0))
        }
        other => {
            let help = "write `null` for nil, or the name of a package variable";
            return Err(Misfit::kind(other, name, help));
        }
    };
    Fitted::words(at, [source], 1, Shape::Pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_go_to_both_directions() {
        assert!(is_direction("<-chan int", "chan int"));
        assert!(is_direction("chan<- struct {}", "chan struct {}"));
        assert!(is_direction("chan<- <-chan int", "chan (<-chan int)"));
        for (direction, channel) in [
            ("chan int", "<-chan int"),
            ("<-chan int", "chan<- int"),
            ("<-chan int", "chan string"),
            ("map[string]int", "map[string]int"),
        ] {
            assert!(!is_direction(direction, channel), "{direction} {channel}");
        }
    }
}
