//! Names that may have been meant by one that the program does not have.

use std::collections::{BTreeMap, BTreeSet};

use goinject_rules::diagnostic::{did_you_mean, near_misses};

use crate::go::{Binary, Function};

/// How many names a message shows.
const SHOWN: usize = 5;
/// Of so many.
const LOOKED_AT: usize = 64;

/// Functions, the nearest first.
pub(super) fn functions(name: &str, binary: &Binary) -> Vec<String> {
    let names: Vec<_> = binary.functions().names().map(|(_, name)| name).collect();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    Written::new(name, main_module(binary)).near(&names)
}

/// Package variables, the nearest first.
pub(super) fn variables(name: &str, binary: &Binary) -> Vec<String> {
    let names = binary.variable_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Written::new(name, main_module(binary)).near(&names)
}

/// Types that the program describes, the nearest first: pointers where a pointer is written, or where only that is described.
pub(super) fn types(name: &str, binary: &Binary) -> Vec<String> {
    let described = binary.described_types().iter();
    let all: BTreeSet<&str> = described.map(|(_, full)| full.as_str()).collect();
    // Every named type has unnamed ones around it.
    let bare = all.iter().map(|full| full.trim_start_matches('*'));
    let bare: BTreeSet<&str> = bare
        .filter(|full| full.starts_with(char::is_alphanumeric))
        .collect();
    let bare: Vec<&str> = bare.into_iter().collect();
    let as_described = |near: String| {
        let starred = format!("*{near}");
        let takes_star =
            all.contains(starred.as_str()) && (name.starts_with('*') || !all.contains(near.as_str()));
        if takes_star { starred } else { near }
    };
    let near = Written::new(name.trim_start_matches('*'), main_module(binary)).near(&bare);
    near.into_iter().map(as_described).collect()
}

fn main_module(binary: &Binary) -> Option<&str> {
    binary.build().main_module.as_deref()
}

/// A name as it stands in a rule, and what it is looked for by.
struct Written<'n> {
    name: &'n str,
    /// The last element of its package's path. Empty where it is written without a package.
    package: &'n str,
    own: &'n str,
    plain: String,
    module: Option<&'n str>,
}

impl<'n> Written<'n> {
    fn new(name: &'n str, module: Option<&'n str>) -> Written<'n> {
        let (path, own) = parts(name);
        Written {
            name,
            package: last_element(path),
            own,
            plain: plain(own),
            module,
        }
    }

    /// The same method of the same type, or the same generic function, perhaps in another package or by another receiver; and
    /// then what is written like it. The names of its package come first, then those of the program's own packages.
    fn near(&self, names: &[&str]) -> Vec<String> {
        let mut same: Vec<&str> = names
            .iter()
            .copied()
            .filter(|other| self.is_same(other))
            .collect();
        same.sort_by_key(|other| (parts(other).1 != self.own, self.distance(other)));
        let mut alike = self.alike(names);
        alike.sort_by_key(|other| self.distance(other));
        let mut seen = BTreeSet::new();
        let near = same.into_iter().chain(alike).filter(|name| seen.insert(*name));
        near.take(SHOWN).map(str::to_owned).collect()
    }

    fn is_same(&self, other: &str) -> bool {
        let (path, own) = parts(other);
        // A function's own name is often that of others; a method's together with its type is not.
        let is_method = self.plain.contains('.');
        let is_of_package = last_element(path) == self.package;
        (is_method && plain(own) == self.plain)
            || (is_method || is_of_package) && own.contains('[') && own.replace("[...]", "") == self.own
    }

    /// A stranger whose last word is the same helps nobody: its package or its type must be like what was written.
    fn alike<'c>(&self, names: &[&'c str]) -> Vec<&'c str> {
        // Where no path is written, none is compared.
        let mut by_shown: BTreeMap<&str, Vec<&'c str>> = BTreeMap::new();
        for name in names {
            let shown = match self.name.contains('/') {
                true => name,
                false => &name[path_of(name)..],
            };
            by_shown.entry(shown).or_default().push(name);
        }
        let is_like = |other: &&str| {
            let (path, own) = parts(other);
            let last = last_element(path);
            let other = plain(own);
            last == self.package
                || did_you_mean(self.package, [last]).is_some()
                || other == self.plain
                || (did_you_mean(&self.plain, [other.as_str()]).is_some()
                    && (!self.plain.contains('.') || near_in_type(&self.plain, &other)))
        };
        let near = near_misses(self.name, by_shown.keys().copied(), LOOKED_AT);
        let near = near.into_iter().flat_map(|shown| &by_shown[shown]);
        near.copied().filter(is_like).collect()
    }

    /// How far a package is from what one who writes this name has in mind.
    fn distance(&self, other: &str) -> u8 {
        let path = parts(other).0;
        let is_own = path == "main"
            || self.module.is_some_and(|module| {
                path.strip_prefix(module)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
        if last_element(path) == self.package {
            0
        } else if is_own {
            1
        } else {
            2
        }
    }
}

/// The path of a name's package, and the rest of the name.
fn parts(name: &str) -> (&str, &str) {
    let path = match name.starts_with('(') {
        true => "",
        false => Function::package_of(name),
    };
    match name.get(path.len() + 1..) {
        Some(own) if !path.is_empty() => (path, own),
        _ => ("", name),
    }
}

fn last_element(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Where the last element of a name's path begins.
fn path_of(name: &str) -> usize {
    let path = parts(name).0;
    path.len() - last_element(path).len()
}

/// Without what shows the receiver's kind.
fn plain(own: &str) -> String {
    own.replace(['(', ')', '*'], "").to_lowercase()
}

/// Whether the types of two methods are written alike.
fn near_in_type(method: &str, other: &str) -> bool {
    match (method.split_once('.'), other.split_once('.')) {
        (Some((ty, _)), Some((other, _))) => ty == other || did_you_mean(ty, [other]).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 12] = [
        "example.com/shop/store.(*Store).Get",
        "example.com/shop/store.Save",
        "example.com/shop/store.ErrNotFound",
        "example.com/shop/client.StatusError",
        "main.(*Table).Lookup",
        "main.Max[...]",
        "main.(*Stack[...]).Push",
        "runtime.save",
        "sync.(*Pool).Get",
        "time.lookup",
        "io.EOF",
        "net/http.(*Client).Do",
    ];

    fn nearest(name: &str) -> Option<String> {
        let near = Written::new(name, Some("example.com/shop")).near(&NAMES);
        near.into_iter().next()
    }

    #[test]
    fn the_programs_own_names_come_before_those_of_others() {
        for (name, meant) in [
            ("(*Store).Get", "example.com/shop/store.(*Store).Get"),
            ("store.Store.Get", "example.com/shop/store.(*Store).Get"),
            ("Save", "example.com/shop/store.Save"),
            ("store.Sav", "example.com/shop/store.Save"),
            ("store.ErrNotFoun", "example.com/shop/store.ErrNotFound"),
            ("ErrNotFound", "example.com/shop/store.ErrNotFound"),
            ("StatusError", "example.com/shop/client.StatusError"),
            ("main.Lookup", "main.(*Table).Lookup"),
            ("main.Max", "main.Max[...]"),
            ("main.(*Stack).Push", "main.(*Stack[...]).Push"),
            ("http.(*Client).do", "net/http.(*Client).Do"),
            ("main.EOF", "io.EOF"),
            ("io.EOG", "io.EOF"),
        ] {
            assert_eq!(nearest(name).as_deref(), Some(meant), "{name}");
        }
    }

    #[test]
    fn strangers_are_not_near() {
        for name in ["main.Greeting", "x", "", "orders.(*Cart).Get", "."] {
            assert_eq!(nearest(name), None, "{name}");
        }
    }
}
