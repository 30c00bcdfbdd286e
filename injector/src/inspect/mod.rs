//! What there is in a binary to write rules about: functions, one function, types.
//!
//! Facts first, as data; [`text`] has them in words, and serde in JSON.

pub mod overview;
mod text;
pub mod types;

use goinject_rules::diagnostic::near_misses;
use goinject_rules::model::Pattern;
use goinject_rules::pattern::PatternError;
use serde::Serialize;

use self::overview::{Overview, Wanted};
use self::types::TypeFacts;
use crate::go::{Binary, GoError};
use crate::resolve::facts::{self, NamedFunction};

/// How many near misses are named.
const NEAR: usize = 5;

/// What was found for what was asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The program and lists of its functions.
    Overview(Overview),
    /// The functions of one name.
    Function(NamedFunction),
    /// A type.
    Type(TypeFacts),
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// Neither a function nor a type nor a package is called so.
    #[error(
        "there is no function, type or package `{name}` in {path}{}",
        suggestion(near)
    )]
    Name {
        /// What was asked for.
        name: String,
        /// The binary.
        path: String,
        /// What may have been meant, the nearest first.
        near: Vec<String>,
    },
    /// A pattern without a match.
    #[error("no function of {path} matches `{pattern}`")]
    Pattern {
        /// What was asked for.
        pattern: String,
        /// The binary.
        path: String,
    },
    /// A malformed pattern.
    #[error("{0}: {help}", help = .0.help)]
    Malformed(#[from] PatternError),
    /// The binary can't be read.
    #[error(transparent)]
    Binary(#[from] GoError),
}

fn suggestion(near: &[String]) -> String {
    match near.split_first() {
        None => " (a function that nothing calls is not linked in)".to_owned(),
        Some((nearest, [])) => format!("; did you mean `{nearest}`?"),
        Some((nearest, others)) => {
            let others: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "; did you mean `{nearest}`? Others like it: {}",
                others.join(", ")
            )
        }
    }
}

/// Looks up what a name or pattern stands for; without one, the program as a whole.
pub fn find(binary: &Binary, asked: Option<&str>) -> Result<Found, NotFound> {
    let Some(asked) = asked else {
        return Ok(Found::Overview(Overview::new(binary, &Wanted::Own)));
    };
    if is_pattern(asked) {
        let pattern = Pattern::glob(asked, u32::MAX)?;
        let overview = Overview::new(binary, &Wanted::Matching(&pattern));
        return if overview.packages.is_empty() && overview.inlined_everywhere.is_empty() {
            Err(NotFound::Pattern {
                pattern: asked.to_owned(),
                path: binary.path().display().to_string(),
            })
        } else {
            Ok(Found::Overview(overview))
        };
    }
    if let Some(function) = facts::named(binary, asked) {
        return Ok(Found::Function(function));
    }
    let overview = Overview::new(binary, &Wanted::Package(asked));
    if !overview.packages.is_empty() {
        return Ok(Found::Overview(overview));
    }
    if let Some(ty) = TypeFacts::named(binary, asked)? {
        return Ok(Found::Type(ty));
    }
    Err(missing(binary, asked)?)
}

/// `main.Map[...]` is the name of a generic function, not a pattern.
fn is_pattern(text: &str) -> bool {
    text.replace("[...]", "").contains(['*', '?', '[', '{']) && !is_method(text)
}

/// `main.(*Store).Get` has a `*` of its own.
fn is_method(text: &str) -> bool {
    let rest = text.replace("(*", "").replace("[...]", "");
    text.contains("(*") && !rest.contains(['*', '?', '[', '{'])
}

fn missing(binary: &Binary, name: &str) -> Result<NotFound, GoError> {
    let functions: Vec<_> = binary.functions().names().map(|(_, name)| name).collect();
    let inlined: Vec<String> = binary
        .inlined_calls_where(|_| true)
        .into_iter()
        .map(|call| call.callee)
        .collect();
    let mut types = binary.type_names()?;
    // Every named type has unnamed ones around it.
    types.retain(|ty| ty.starts_with(char::is_alphanumeric));
    let candidates = functions
        .iter()
        .map(AsRef::as_ref)
        .chain(inlined.iter().map(String::as_str))
        .chain(types.iter().map(String::as_str));
    Ok(NotFound::Name {
        name: name.to_owned(),
        path: binary.path().display().to_string(),
        near: near_misses(name, candidates, NEAR)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_patterns() {
        for name in [
            "main.run",
            "main.(*Store).Get",
            "main.(*Stack[...]).Push",
            "main.Map[...]",
            "net/http",
        ] {
            assert!(!is_pattern(name), "{name}");
        }
        for pattern in [
            "main.*",
            "main.{a,b}",
            "main.(*Store).*",
            "*",
            "main.ru?",
            "m[ab].x",
        ] {
            assert!(is_pattern(pattern), "{pattern}");
        }
    }
}
