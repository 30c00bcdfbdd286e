//! `GOFLAGS`: the user's own, with what a run needs.

use super::KEEP_TYPES;

/// The flags of a `GOFLAGS` with goinject's added, or nothing where its own quoting is beyond repair:
/// the go command then says so itself.
///
/// The user's `-ldflags` are kept and added to: of several, only the last that matches a package counts. Without
/// `quotes` (up to Go 1.20) no value can have a space in it, so types are kept only by what
/// [`super::arguments`] does.
pub(super) fn merge(theirs: &str, quotes: bool) -> Option<String> {
    let mut flags = if quotes {
        split(theirs)?
    } else {
        theirs.split_whitespace().map(str::to_owned).collect()
    };
    if !flags.iter().any(|flag| value_of(flag, "count").is_some()) {
        flags.push("-count=1".to_owned());
    }
    if quotes {
        let mut for_all = false;
        for flag in &mut flags {
            if let Some(value) = value_of(flag, "ldflags") {
                for_all |= is_for_all(value);
                *flag = format!("-ldflags={}", with_types(value));
            }
        }
        if !for_all {
            // First, so that those for a pattern of packages go on to count for these.
            flags.insert(0, format!("-ldflags={KEEP_TYPES}"));
        }
        return flags
            .iter()
            .map(|flag| quoted(flag))
            .collect::<Option<Vec<_>>>()
            .map(|flags| flags.join(" "));
    }
    Some(flags.join(" "))
}

/// The value of the last `-ldflags` that is for all packages named on the command line.
pub(super) fn ldflags(goflags: &str, quotes: bool) -> Option<String> {
    let flags = if quotes {
        split(goflags)?
    } else {
        goflags.split_whitespace().map(str::to_owned).collect()
    };
    let mut values = flags.iter().filter_map(|flag| value_of(flag, "ldflags"));
    values.rfind(|value| is_for_all(value)).map(str::to_owned)
}

/// A value of `-ldflags`, with or without a pattern of packages, after which test binaries keep their types.
pub(super) fn with_types(value: &str) -> String {
    match value.trim_end() {
        "" => KEEP_TYPES.to_owned(),
        value if value.ends_with('=') && !value.starts_with('-') => format!("{value}{KEEP_TYPES}"),
        value => format!("{value} {KEEP_TYPES}"),
    }
}

/// Whether a value of `-ldflags` names no pattern of packages.
fn is_for_all(value: &str) -> bool {
    let value = value.trim_start();
    value.is_empty() || value.starts_with('-')
}

/// The value of `-name=value` or `--name=value`.
pub(super) fn value_of<'a>(flag: &'a str, name: &str) -> Option<&'a str> {
    let flag = flag.strip_prefix("--").or_else(|| flag.strip_prefix('-'))?;
    flag.strip_prefix(name)?.strip_prefix('=')
}

/// Splits at spaces, with quotes around a whole flag, as the go command does. Nothing if a quote is not closed.
fn split(flags: &str) -> Option<Vec<String>> {
    let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    let mut found = Vec::new();
    let mut rest = flags.trim_start_matches(space);
    while let Some(first) = rest.chars().next() {
        let after = if matches!(first, '"' | '\'') {
            let (flag, after) = rest[1..].split_once(first)?;
            found.push(flag.to_owned());
            after
        } else {
            let (flag, after) = rest.split_at(rest.find(space).unwrap_or(rest.len()));
            found.push(flag.to_owned());
            after
        };
        rest = after.trim_start_matches(space);
    }
    Some(found)
}

/// A flag as it is written in `GOFLAGS`. There is no escaping within quotes.
fn quoted(flag: &str) -> Option<String> {
    if !flag.starts_with(['"', '\'']) && !flag.contains([' ', '\t', '\n', '\r']) {
        return Some(flag.to_owned());
    }
    let quote = ['"', '\''].into_iter().find(|quote| !flag.contains(*quote))?;
    Some(format!("{quote}{flag}{quote}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(theirs: &str) -> String {
        merge(theirs, true).expect("it can be merged")
    }

    #[test]
    fn without_flags_of_the_user() {
        assert_eq!(merged(""), r#""-ldflags=-s=false -w=false" -count=1"#);
        assert_eq!(merge("", false).as_deref(), Some("-count=1"));
    }

    #[test]
    fn the_users_flags_stay() {
        assert_eq!(
            merged("-mod=mod  -tags=a,b --count=3"),
            r#""-ldflags=-s=false -w=false" -mod=mod -tags=a,b --count=3"#
        );
        assert_eq!(
            merge("-mod=mod -race", false).as_deref(),
            Some("-mod=mod -race -count=1")
        );
    }

    #[test]
    fn linker_flags_are_added_to() {
        assert_eq!(
            merged("-ldflags=-X=main.v=1"),
            r#""-ldflags=-X=main.v=1 -s=false -w=false" -count=1"#
        );
        assert_eq!(
            merged(r#"'-ldflags=-X "main.v=a b"' -v"#),
            r#"'-ldflags=-X "main.v=a b" -s=false -w=false' -v -count=1"#
        );
        assert_eq!(merged("-ldflags="), r#""-ldflags=-s=false -w=false" -count=1"#);
        assert_eq!(
            merged("-ldflags=./store=-X=main.v=1"),
            r#""-ldflags=-s=false -w=false" "-ldflags=./store=-X=main.v=1 -s=false -w=false" -count=1"#
        );
        assert_eq!(
            ldflags("-ldflags=-w -ldflags=-X=a.b=c -ldflags=all=-v", false).as_deref(),
            Some("-X=a.b=c")
        );
    }

    #[test]
    fn what_can_not_be_quoted_is_left_alone() {
        assert_eq!(merge(r#""-tags=a"#, true), None);
        assert_eq!(merge(r#"-ldflags=-X=main.v="it's""#, true), None);
    }
}
