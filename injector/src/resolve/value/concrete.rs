//! The types that an interface is to hold, by their names.

use super::interface::global;
use super::{Context, Misfit};
use crate::go::address::Address;
use crate::go::type_name_fits;
use crate::go::types::TypeId;
use crate::plan::Global;
use crate::resolve::near;
use crate::resolve::path::list;

/// A type that an interface can hold.
pub(super) struct Concrete {
    /// Its full name.
    pub(super) name: String,
    /// Its description.
    pub(super) address: Address,
    /// What the first word of the interface value is.
    pub(super) word: Global,
    /// Whether values of it are errors.
    pub(super) is_error: bool,
}

/// Finds a type by its name, with the whole import path of its package or the last part of that.
pub(super) fn find(
    name: &str,
    interface: TypeId,
    empty: bool,
    context: &Context<'_>,
) -> Result<Concrete, Misfit> {
    let binary = context.binary;
    let wanted = context.type_name(interface);
    let named = binary.types_named(name);
    let of_interface = binary
        .runtime_type(interface)
        .or_else(|| binary.interface_named(wanted));
    let table = |address: Address| {
        let mut itabs = binary.itabs().iter();
        itabs.find(|itab| Some(itab.interface) == of_interface && itab.concrete == address)
    };
    let mut fitting: Vec<Concrete> = Vec::new();
    for (address, full) in &named {
        let word = match empty {
            true => Some(global(format!("type {full}"), *address)),
            false => table(*address).map(|itab| global(format!("itab {full}, {wanted}"), itab.address)),
        };
        if let Some(word) = word {
            fitting.push(Concrete {
                name: full.clone(),
                address: *address,
                word,
                is_error: binary.itab("error", full).is_some(),
            });
        }
    }
    if fitting.len() > 1 {
        let names: Vec<String> = fitting.iter().map(|concrete| concrete.name.clone()).collect();
        return Err(Misfit::new(
            format!("`{name}` may be any of {}", list(&names)),
            "write the whole import path of its package",
        ));
    }
    match (fitting.pop(), named.first()) {
        (Some(concrete), _) => Ok(concrete),
        (None, Some((_, full))) => Err(unconverted(full, wanted)),
        (None, None) => Err(unknown(name, context)),
    }
}

fn unconverted(full: &str, wanted: &str) -> Misfit {
    Misfit::of_binary(
        format!(
            "nowhere in the program is a `{full}` used as `{wanted}`, so that there is no table to tell it by"
        ),
        "name a type that is, or the name of a package variable, or do that conversion somewhere in the program",
    )
}

fn unknown(name: &str, context: &Context<'_>) -> Misfit {
    let types = context.binary.described_types();
    let message = format!("the program has no type `{name}` that it puts into interfaces");
    // With or without the star is what is mistaken most.
    let other = match name.strip_prefix('*') {
        Some(bare) => bare.to_owned(),
        None => format!("*{name}"),
    };
    if let Some((_, full)) = types.iter().find(|(_, full)| type_name_fits(&other, full)) {
        return Misfit::new(message, format!("did you mean `{full}`?"));
    }
    match near::types(name, context.binary).first() {
        Some(near) => Misfit::new(message, format!("did you mean `{near}`?")),
        None => Misfit::new(
            message,
            "write it as `%T` prints it, `*client.StatusError`, or with the import path of its package; a type that \
             nothing in the program uses is not linked in",
        ),
    }
}
