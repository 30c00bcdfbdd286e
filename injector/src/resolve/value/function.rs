//! Functions as values: nil, what a package variable has, or a function by its name.

use goinject_rules::diagnostic::did_you_mean;
use goinject_rules::model::Value;

use super::{Context, Fitted, Located, Misfit, pointer, variable};
use crate::go::Function;
use crate::go::types::{Kind, Signature, TypeId};
use crate::plan::scratch::{Pointee, Word};
use crate::plan::{Global, Shape, Source};

pub(super) fn function(value: &Value, at: &Located, context: &mut Context<'_>) -> Result<Fitted, Misfit> {
    let named = match value {
        Value::Text(name) => context.binary.functions().find(name),
        _ => Vec::new(),
    };
    let mut bodies = named.into_iter().filter(|function| !function.is_wrapper);
    let Some(found) = bodies.next() else {
        return pointer::reference(value, at, context)
            .map_err(|misfit| near_function(misfit, value, context));
    };
    check(&found, at.ty, context)?;
    // A func value is the address of an object that begins with the code's address. A function that
    // captures nothing looks at nothing else of it.
    let code = Global {
        name: found.name.clone(),
        address: found.entry,
        offset: 0,
    };
    let object = context
        .scratch
        .object(&[Word::Pointer(Pointee::Global(code))])
        .ok_or_else(Misfit::no_room)?;
    Fitted::words(at, [Source::Scratch(object)], 1, Shape::Pointer)
}

/// What is neither a variable nor a function may be a function's name misspelt.
fn near_function(misfit: Misfit, value: &Value, context: &Context<'_>) -> Misfit {
    let Value::Text(name) = value else {
        return misfit;
    };
    if variable::find(name, context).is_ok() {
        return misfit;
    }
    let names: Vec<_> = context.binary.functions().names().map(|(_, name)| name).collect();
    match did_you_mean(name, names.iter().map(AsRef::as_ref)) {
        Some(near) if near != name => Misfit {
            help: format!("did you mean `{near}`?"),
            ..misfit
        },
        _ => misfit,
    }
}

/// Whether a function can be called through a value of a type.
fn check(found: &Function, ty: TypeId, context: &Context<'_>) -> Result<(), Misfit> {
    const HELP: &str =
        "name a function of the package level with these parameters and results, or write `null`";
    let name = &found.name;
    let refused = |why: &str| Misfit::new(format!("`{name}` cannot be a value: {why}"), HELP);
    if found.is_assembly || found.is_foreign {
        return Err(refused("it is assembly or C, which is called otherwise"));
    }
    if name.contains('[') {
        return Err(refused("it is generic"));
    }
    let own = name.get(found.package().len() + 1..).unwrap_or(name);
    if own.contains(".func") || own.contains("-fm") || own.contains('·') {
        return Err(refused("it is a closure, which may need what it captured"));
    }
    let wanted = context.type_name(ty);
    if !wanted.starts_with("func(") {
        return Err(refused(&format!(
            "only the parameters of unnamed types can be compared, and `{wanted}` is named"
        )));
    }
    let signature = context
        .binary
        .known_signature(found)
        .map_err(|error| refused(&error.to_string()))?
        .ok_or_else(|| refused("the binary does not record its parameters"))?;
    let is = [false, true].map(|variadic| declared(&signature, variadic, context));
    if is.iter().any(|declared| declared.as_deref() == Some(wanted)) {
        return Ok(());
    }
    let is = is.into_iter().flatten().next().unwrap_or_default();
    Err(Misfit::new(
        format!("`{name}` is of type `{is}`, which does not fit `{wanted}`"),
        HELP,
    ))
}

/// The type of a function as Go writes it; a method's receiver is its first parameter.
fn declared(signature: &Signature, variadic: bool, context: &Context<'_>) -> Option<String> {
    let name = |ty: TypeId| context.type_name(ty).to_owned();
    let parameters = signature.receiver.iter().chain(&signature.parameters);
    let mut parameters: Vec<String> = parameters.map(|parameter| name(parameter.ty)).collect();
    if variadic {
        let last = signature.parameters.last()?;
        let Kind::Slice { element } = context.types().get(last.ty).kind else {
            return None;
        };
        *parameters.last_mut()? = format!("...{}", name(element));
    }
    let results: Vec<String> = signature.results.iter().map(|result| name(result.ty)).collect();
    let results = match results.as_slice() {
        [] => String::new(),
        [only] => format!(" {only}"),
        all => format!(" ({})", all.join(", ")),
    };
    Some(format!("func({}){results}", parameters.join(", ")))
}
