//! Package variables that values are taken from.

use super::{Context, Misfit};
use crate::go::types::TypeId;
use crate::go::{Binary, GoError, PackageVariable};
use crate::plan::Global;
use crate::resolve::near;
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

/// Finds a package variable, whose package may be written by the last element of its path where only one has that.
pub(super) fn find(name: &str, context: &Context<'_>) -> Result<Variable, Misfit> {
    let binary = context.binary;
    if let Some(found) = find_in_full(name, binary)? {
        return Ok(found);
    }
    let mut ending = Vec::new();
    // A text is more often none at all.
    if name.contains('.') && !name.contains(['/', ' ']) {
        for name in spellings(name) {
            ending.extend(binary.variables_ending(&name).map_err(unreadable)?);
        }
    }
    match ending.as_slice() {
        [] => Err(missing(name, context)),
        [only] => find_in_full(only, binary)?.ok_or_else(|| missing(name, context)),
        several => Err(Misfit::new(
            format!("`{name}` may be any of {}", list(several)),
            "write the whole import path of its package",
        )),
    }
}

fn unreadable(error: GoError) -> Misfit {
    Misfit::of_binary(error.to_string(), "rebuild the program")
}

fn find_in_full(name: &str, binary: &Binary) -> Result<Option<Variable>, Misfit> {
    for name in spellings(name) {
        if let Some(found) = binary.variable(&name).map_err(unreadable)? {
            return Ok(Some(Variable {
                name,
                ty: found.ty,
                found,
            }));
        }
    }
    Ok(None)
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
                format!("the binary does not record the type of `{}`", self.name),
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
    let message = format!("there is no package variable `{name}` in {path}");
    if name == "nil" {
        return Misfit::new(message, "write `null`");
    }
    let near = near::variables(name, binary);
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
