//! The program as a whole, and lists of its functions.

use std::collections::BTreeMap;
use std::path::PathBuf;

use goinject_rules::model::Pattern;
use serde::Serialize;

use crate::go::{Binary, Function};
use crate::resolve::facts::declared;
use crate::resolve::{functions_without_wrappers, refused_by_policy, unescaped};

/// A program and its functions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    /// The file.
    pub path: PathBuf,
    /// The Go that built it.
    pub go_version: String,
    /// Path of the main module; absent outside of modules.
    pub main_module: Option<String>,
    /// As in [`crate::plan::Binary`].
    pub build_id: Option<String>,
    /// How it was built.
    pub build: BuildFacts,
    /// Functions there are, by where they come from.
    pub counts: Counts,
    /// The functions asked for, by package.
    pub packages: Vec<Package>,
    /// Functions asked for of which every call is inlined: no rule can reach them.
    pub inlined_everywhere: Vec<InlinedFunction>,
    /// Whether all functions were asked for that are the program's own.
    pub own_only: bool,
}

/// How a program was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BuildFacts {
    /// Has types of parameters and results (DWARF).
    pub types: bool,
    /// Has a symbol table.
    pub symbols: bool,
    /// The separate file that types and symbols come from.
    pub debug_file: Option<PathBuf>,
    /// Loaded where the system likes.
    pub position_independent: bool,
    /// With C code.
    pub cgo: bool,
    /// With the race detector.
    pub race: bool,
}

/// Functions by where they come from; what the compiler made up is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Package main and the rest of the main module.
    pub own: usize,
    /// Other modules.
    pub modules: usize,
    /// The standard library without the runtime.
    pub standard: usize,
    /// The runtime, which rules may hardly touch.
    pub runtime: usize,
}

/// A package and those of its functions that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Import path.
    pub path: String,
    /// By name.
    pub functions: Vec<Listed>,
}

/// A function in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// As a rule names it.
    pub name: String,
    /// As Go would declare it; absent without types.
    pub declaration: Option<String>,
    /// Functions of that name: more than one where it is generic.
    pub instances: usize,
    /// Calls of it that no rule sees, because they are inlined.
    pub inlined_calls: usize,
    /// Why no rule may touch it.
    pub refused: Option<&'static str>,
}

/// A function without a body of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InlinedFunction {
    /// Its name.
    pub name: String,
    /// Places where its body stands.
    pub calls: usize,
}

/// Which functions are listed.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Those of package main and the main module.
    Own,
    /// Those of one package.
    Package(&'a str),
    /// Those that a pattern matches.
    Matching(&'a Pattern),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Own,
    Module,
    Standard,
    Runtime,
    /// By compiler or linker, or not Go.
    MadeUp,
}

impl Overview {
    /// Looks through a program.
    pub fn new(binary: &Binary, wanted: &Wanted<'_>) -> Overview {
        let build = binary.build();
        let module = build.main_module.as_deref();
        let is_wanted = |name: &str, package: &str| match wanted {
            Wanted::Own => origin(package, module) == Origin::Own,
            Wanted::Package(path) => package == *path || unescaped(package) == *path,
            Wanted::Matching(pattern) => {
                pattern.regex.is_match(name) || pattern.regex.is_match(&unescaped(name))
            }
        };
        let mut counts = Counts::default();
        let mut functions: BTreeMap<String, Vec<Function>> = BTreeMap::new();
        for (index, name) in binary.functions().names() {
            let package = Function::package_of(&name);
            counts.add(origin(package, module));
            if origin(package, module) != Origin::MadeUp
                && is_wanted(&name, package)
                && let Some(function) = binary.functions().get(index)
            {
                functions.entry(name.into_owned()).or_default().push(function);
            }
        }
        let mut inlined: BTreeMap<String, usize> = BTreeMap::new();
        for call in binary.inlined_calls_where(|name| is_wanted(name, Function::package_of(name))) {
            *inlined.entry(call.callee).or_default() += 1;
        }
        let mut packages: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
        for (name, found) in functions {
            let found = functions_without_wrappers(found);
            // What the compiler made around methods is noise, and nothing calls it by its name.
            let Some(first) = found.iter().find(|function| !function.is_wrapper) else {
                continue;
            };
            let listed = Listed {
                declaration: declared(binary, first),
                instances: found.len(),
                inlined_calls: inlined.remove(&name).unwrap_or_default(),
                refused: refused_by_policy(first),
                name,
            };
            packages
                .entry(first.package().to_owned())
                .or_default()
                .push(listed);
        }
        let identity = binary.identity();
        Overview {
            path: binary.path().to_owned(),
            go_version: binary.version().text.clone(),
            main_module: build.main_module.clone(),
            build_id: identity
                .gnu_build_id
                .clone()
                .or_else(|| identity.go_build_id.clone()),
            build: BuildFacts {
                types: build.has_dwarf,
                symbols: build.has_symbols,
                debug_file: binary.debug_path(),
                position_independent: build.pie,
                cgo: build.cgo,
                race: build.race,
            },
            counts,
            packages: packages
                .into_iter()
                .map(|(path, functions)| Package { path, functions })
                .collect(),
            inlined_everywhere: inlined
                .into_iter()
                .filter(|(name, _)| binary.functions().find(name).is_empty())
                .map(|(name, calls)| InlinedFunction { name, calls })
                .collect(),
            own_only: matches!(wanted, Wanted::Own),
        }
    }
}

/// The names of all functions that a rule may name, sorted.
pub fn rule_targets(binary: &Binary) -> Vec<String> {
    let module = binary.build().main_module.as_deref();
    let named = |(index, name): (usize, std::borrow::Cow<'_, str>)| {
        // Some assembly has names without a package, which rule files do not take.
        let is_source = name.contains('.') && origin(Function::package_of(&name), module) != Origin::MadeUp;
        let function = is_source.then(|| binary.functions().get(index)).flatten()?;
        (!function.is_wrapper && refused_by_policy(&function).is_none()).then(|| name.into_owned())
    };
    let mut names: Vec<String> = binary.functions().names().filter_map(named).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Counts {
    fn add(&mut self, origin: Origin) {
        match origin {
            Origin::Own => self.own += 1,
            Origin::Module => self.modules += 1,
            Origin::Standard => self.standard += 1,
            Origin::Runtime => self.runtime += 1,
            Origin::MadeUp => {}
        }
    }

    /// All together.
    pub fn total(&self) -> usize {
        self.own + self.modules + self.standard + self.runtime
    }
}

fn origin(package: &str, main_module: Option<&str>) -> Origin {
    let is_in = |module: &str| {
        package
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let first = package.split('/').next().unwrap_or_default();
    if package == "main" || main_module.is_some_and(is_in) {
        Origin::Own
    } else if package == "go" || package.ends_with(':') || first.starts_with('_') || !is_path(package) {
        Origin::MadeUp
    } else if is_in("runtime") || is_in("internal/runtime") {
        Origin::Runtime
    } else if first.contains('.') {
        Origin::Module
    } else {
        Origin::Standard
    }
}

/// C functions and marks of the linker have names without a package.
fn is_path(package: &str) -> bool {
    !package.is_empty()
        && package
            .chars()
            .all(|c| c.is_alphanumeric() || "-._~/%+".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_where_they_come_from() {
        let module = Some("shop");
        for (package, expected) in [
            ("main", Origin::Own),
            ("shop/store", Origin::Own),
            ("shop", Origin::Own),
            ("shopping", Origin::Standard),
            ("net/http", Origin::Standard),
            ("github.com/acme/blob", Origin::Module),
            ("runtime", Origin::Runtime),
            ("internal/runtime/maps", Origin::Runtime),
            ("type:", Origin::MadeUp),
            ("_rt0_amd64_linux", Origin::MadeUp),
        ] {
            assert!(origin(package, module) == expected, "{package}");
        }
    }
}
