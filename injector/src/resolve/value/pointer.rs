//! Pointers, maps and channels: nil, or what a package variable has.

use goinject_rules::model::Value;

use super::variable::{self, Variable};
use super::{Context, Fitted, Located, Misfit, composite};
use crate::go::types::{Kind, TypeId};
use crate::plan::{Shape, Source};

/// Nothing but nil and the program's own addresses: Go's runtime takes any other for corruption.
pub(super) fn pointer(
    value: &Value,
    at: &Located,
    target: Option<TypeId>,
    context: &mut Context<'_>,
) -> Result<Fitted, Misfit> {
    let name = context.type_name(at.ty);
    let source = match (value, target) {
        (Value::Null, _) => Source::Literal(0),
        (Value::Text(text), _) => {
            let found = variable::find(text, context)?;
            from_variable(&found, at.ty, target, context)?
        }
        (Value::Fields(_), Some(_)) => {
            let behind = at
                .clone()
                .dereferenced(context.types())
                .map_err(|error| Misfit::new(error.message, error.help.unwrap_or_default()))?;
            return composite::structure(value, &behind, context);
        }
        (other, _) => {
            let help = match target.map(|target| &context.types().get(target).kind) {
                Some(Kind::Struct { .. }) => {
                    "write `null` for nil, the name of a package variable, or a mapping of the fields to set"
                }
                _ => "write `null` for nil, or the name of a package variable",
            };
            return Err(Misfit::kind(other, name, help));
        }
    };
    Fitted::words(at, [source], 1, Shape::Pointer)
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
