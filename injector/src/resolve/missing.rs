//! Names that are no function of the binary: what they are instead, and what was probably meant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::model::Rule;

use super::function::{inlined_calls, traced_name};
use super::inlined::with_places;
use super::path::list;
use super::spelling::{spellings, unescaped};
use super::{Absence, Finding, near};
use crate::go::types::Kind;
use crate::go::{Binary, Function, InlinedCall};

/// What is wrong with a function's name, and what to write instead.
pub(super) fn missing(rule: &Rule, name: &str, binary: &Binary) -> Finding {
    let at = |diagnostic: Diagnostic| diagnostic.at(rule.function.span).rule(&rule.name);
    let mut calls = inlined_calls(name, binary);
    let in_full = inlined_by_last_element(name, binary);
    if calls.is_empty()
        && with_last_element(name, binary).is_empty()
        && let [(only, of_it)] = in_full.as_slice()
    {
        calls.clone_from(of_it);
        let diagnostic = Diagnostic::error(format!(
            "every call of `{only}` is inlined, so none can be reached"
        ));
        let diagnostic = at(diagnostic).help(instead_of_inlined(only, &calls, binary));
        return Finding::absence(Absence::Inlined, with_places(diagnostic, &calls));
    }
    if !calls.is_empty() {
        let diagnostic = Diagnostic::error(format!(
            "every call of `{name}` is inlined, so none can be reached"
        ));
        let diagnostic = at(diagnostic).help(instead_of_inlined(name, &calls, binary));
        return Finding::absence(Absence::Inlined, with_places(diagnostic, &calls));
    }
    if let Some(methods) = implementations(name, binary) {
        let (interface, _) = name.rsplit_once('.').unwrap_or((name, ""));
        let diagnostic = Diagnostic::error(format!(
            "`{interface}` is an interface, whose methods have no code of their own"
        ));
        return Finding::unarmable(match methods.as_slice() {
            [] => at(diagnostic).help("name the method of a type that implements it"),
            methods => at(diagnostic).help(format!("name a method that implements it: {}", list(methods))),
        });
    }
    let diagnostic = at(Diagnostic::error(format!(
        "there is no function `{name}` in {}",
        binary.path().display()
    )));
    let same_end = with_last_element(name, binary);
    if same_end.len() > 1 {
        let help = format!(
            "the package can be shortened only if the name is unique: {}",
            list(&same_end)
        );
        return Finding::unarmable(diagnostic.help(help));
    }
    let near = near::functions(name, binary);
    let Some((nearest, others)) = near.split_first() else {
        let help = format!(
            "names are as in a stack trace (`main.run`, `net/http.(*Client).Do`); `{}` lists them; a function that nothing \
             calls, or that is inlined without a trace, is not linked in",
            inspection(binary)
        );
        return Finding::absence(Absence::Unknown, diagnostic.help(help));
    };
    let diagnostic = diagnostic.help(format!("did you mean `{nearest}`?"));
    let diagnostic = match others {
        [] => diagnostic,
        others => diagnostic.note(format!("others like it: {}", list(others))),
    };
    Finding::absence(Absence::Similar, diagnostic)
}

/// The command that lists a program's functions. What `go test` builds is gone when it has run.
pub(super) fn inspection(binary: &Binary) -> String {
    let path = binary.path().display();
    match is_go_tests(binary.path()) {
        true => "goinject inspect --package PACKAGE".to_owned(),
        false => format!("goinject inspect {path}"),
    }
}

fn is_go_tests(path: &Path) -> bool {
    let is_folder = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("go-build") || name.starts_with("goinject-")
    };
    path.extension().is_some_and(|extension| extension == "test") && path.iter().any(is_folder)
}

/// The names that end in this one, whose package is written by the last element of its path: `store.(*File).Put` for
/// `example.com/shop/store.(*File).Put`.
pub(super) fn with_last_element(name: &str, binary: &Binary) -> Vec<String> {
    let package = Function::package_of(name);
    if package.contains('/') || package.len() == name.len() {
        return Vec::new();
    }
    let wanted: Vec<String> = spellings(name).map(|name| format!("/{name}")).collect();
    let names = binary.functions().names();
    let found = names.filter(|(_, full)| {
        // A slash in a type argument is none of the package's path.
        let path = Function::package_of(full).rfind('/');
        path.is_some_and(|slash| wanted.iter().any(|end| full[slash..] == **end))
    });
    let all: BTreeSet<String> = found.map(|(_, full)| full.into_owned()).collect();
    all.into_iter().collect()
}

/// The inlined calls of the functions that end in this name, whose package is written by the last element of its path.
fn inlined_by_last_element(name: &str, binary: &Binary) -> Vec<(String, Vec<InlinedCall>)> {
    let package = Function::package_of(name);
    if package.contains('/') || package.len() == name.len() {
        return Vec::new();
    }
    let wanted: Vec<String> = spellings(name).map(|name| format!("/{name}")).collect();
    let mut found: BTreeMap<String, Vec<InlinedCall>> = BTreeMap::new();
    for call in binary.inlined_calls_where(|callee| wanted.iter().any(|end| callee.ends_with(end))) {
        found.entry(call.callee.clone()).or_default().push(call);
    }
    found.into_iter().collect()
}

/// The methods of the types that the program converts to an interface, if a name is that of an interface's method.
fn implementations(name: &str, binary: &Binary) -> Option<Vec<String>> {
    let (interface, method) = name.rsplit_once('.')?;
    if interface.ends_with(')') || !interface.contains('.') {
        return None;
    }
    let short = format!("/{interface}");
    let is_it = |name: &str| name == interface || (!interface.contains('/') && name.ends_with(&short));
    let interfaces: BTreeSet<_> = binary.itabs().iter().map(|itab| itab.interface).collect();
    let named =
        |of: &crate::go::address::Address| binary.runtime_type_name(*of).is_some_and(|name| is_it(&name));
    let wanted: Vec<_> = interfaces.into_iter().filter(named).collect();
    let ty = binary.type_named(interface).ok().flatten();
    let by_types = ty.is_some_and(|ty| matches!(binary.types().get(ty).kind, Kind::Interface { .. }));
    if wanted.is_empty() && !by_types {
        return None;
    }
    let tables = binary
        .itabs()
        .iter()
        .filter(|itab| wanted.contains(&itab.interface));
    let mut found = BTreeSet::new();
    for concrete in tables.filter_map(|itab| binary.runtime_type_name(itab.concrete)) {
        found.extend(method_of(&concrete, method, binary));
    }
    Some(found.into_iter().collect())
}

/// The function that is a type's method: of the type itself, or of what it points at.
fn method_of(ty: &str, method: &str, binary: &Binary) -> Option<String> {
    let plain = ty.trim_start_matches('*');
    let package = Function::package_of(plain);
    let own = plain.get(package.len() + 1..)?;
    let names = [
        format!("{package}.{own}.{method}"),
        format!("{package}.(*{own}).{method}"),
    ];
    let exists = |name: &&String| spellings(name).any(|name| !binary.functions().find(&name).is_empty());
    names.iter().find(exists).cloned()
}

/// What to name instead of a function that is inlined everywhere.
fn instead_of_inlined(name: &str, calls: &[InlinedCall], binary: &Binary) -> String {
    let rebuild = "or build with `-gcflags=-l`, or mark it `//go:noinline`";
    let callees = callees(calls, binary);
    match callees.as_slice() {
        [] => format!("name the function that it is inlined into, {rebuild}"),
        callees => format!(
            "all that `{name}` does goes through {}: name that, {rebuild} if it is your own (`-gcflags=all=-l` for all)",
            list(callees)
        ),
    }
}

/// The functions that an inlined body calls wherever it stands.
fn callees(calls: &[InlinedCall], binary: &Binary) -> Vec<String> {
    let mut common: Option<BTreeSet<String>> = None;
    for call in calls {
        let called: BTreeSet<String> = call
            .ranges
            .iter()
            .flat_map(|range| binary.called_within(range))
            .filter(|callee| callee.package() != "runtime" && !callee.is_assembly)
            .map(|callee| unescaped(&traced_name(&callee.name)).into_owned())
            .collect();
        common = Some(match common {
            None => called,
            Some(common) => common.intersection(&called).cloned().collect(),
        });
    }
    common.unwrap_or_default().into_iter().take(3).collect()
}
