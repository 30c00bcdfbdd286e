//! Package variables that values are taken from.

use super::{Context, Misfit};
use crate::go::PackageVariable;
use crate::go::types::TypeId;
use crate::plan::Global;
use crate::resolve::path::list;
use crate::resolve::spelling::spellings;

/// A package variable that a rule names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variable {
    /// As the program names it.
    pub(super) name: String,
    /// Its type, where the program tells.
    pub(super) ty: Option<TypeId>,
    found: PackageVariable,
}

/// Finds a package variable.
pub(super) fn find(name: &str, context: &Context<'_>) -> Result<Variable, Misfit> {
    let binary = context.binary;
    let unreadable =
        |error: crate::go::GoError| Misfit::of_binary(error.to_string(), "build the program anew");
    for name in spellings(name) {
        if let Some(found) = binary.variable(&name).map_err(unreadable)? {
            return Ok(Variable {
                name,
                ty: found.ty,
                found,
            });
        }
    }
    Err(missing(name, context))
}

impl Variable {
    /// The `n`-th word of it.
    pub(super) fn word(&self, n: u64) -> Global {
        Global {
            name: self.name.clone(),
            address: self.found.address,
            offset: 8 * n,
        }
    }

    /// Bytes, where the program tells.
    pub(super) fn size(&self) -> Option<u64> {
        self.found.size
    }

    /// Its type; an error if the program does not tell.
    pub(super) fn known_type(&self) -> Result<TypeId, Misfit> {
        self.ty.ok_or_else(|| {
            Misfit::of_binary(
                format!("the binary does not tell the type of `{}`", self.name),
                "build it with debug information: without `-ldflags=-w` and `-s`",
            )
        })
    }
}

/// Whether two types are the same: names are full, so that they tell.
pub(super) fn same(a: TypeId, b: TypeId, context: &Context<'_>) -> bool {
    let (a_type, b_type) = (context.types().get(a), context.types().get(b));
    a == b || (a_type.name == b_type.name && a_type.name != "?" && a_type.size == b_type.size)
}

fn missing(name: &str, context: &Context<'_>) -> Misfit {
    let binary = context.binary;
    let path = binary.path().display();
    if !binary.build().has_symbols && !binary.build().has_dwarf {
        return Misfit::of_binary(
            format!("`{name}` cannot be found: {path} is stripped of all symbols"),
            "build it without `-ldflags=-s`; for an `error`, `{message: …}` and `{errno: …}` need no symbols",
        );
    }
    let near = binary.variables_near(name).unwrap_or_default();
    let message = format!("there is no package variable `{name}` in {path}");
    let help = match near.split_first() {
        Some((nearest, [])) => format!("did you mean `{nearest}`?"),
        Some((nearest, others)) => format!("did you mean `{nearest}`? others like it: {}", list(others)),
        None if !name.contains('.') => {
            "a variable is written with its package: `io.EOF`; for an error with a text of its own write `{message: …}`"
                .to_owned()
        }
        None => "a variable that nothing in the program uses is not linked in; \
                 write the package's whole import path: `net/http.ErrServerClosed`"
            .to_owned(),
    };
    Misfit::new(message, help)
}
