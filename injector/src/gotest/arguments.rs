//! The arguments of a go command that a run starts itself: a `-ldflags` among them replaces that of
//! `GOFLAGS`, and versions whose `GOFLAGS` can't hold one take it here.

use std::ffi::{OsStr, OsString};

use super::{KEEP_TYPES, goflags};

/// What the compiler is told of the packages that `go run` names: it leaves out their types otherwise.
const COMPILE_TYPES: &str = "-dwarf=true";

/// The arguments of `go`, with which test binaries keep their types.
pub(super) fn keep_types(arguments: &[OsString], goflags: &str, quotes: bool) -> Vec<OsString> {
    let mut kept = arguments.to_vec();
    let Some(command) = command(arguments) else {
        return kept;
    };
    let is_test = match arguments[command].to_str() {
        Some("test") => true,
        Some("run") => false,
        // The others link with types, and obey what they are told about them.
        _ => return kept,
    };
    let (mut found, mut compiles) = (false, is_test);
    let mut at = command + 1;
    while at < kept.len() {
        let Some(argument) = kept[at].to_str().map(str::to_owned) else {
            at += 1;
            continue;
        };
        // What follows goes to the program.
        if matches!(argument.as_str(), "-args" | "--args") || (!is_test && !argument.starts_with('-')) {
            break;
        }
        if let Some(value) = goflags::value_of(&argument, "ldflags") {
            kept[at] = format!("-ldflags={}", goflags::with_types(value)).into();
            found = true;
        } else if matches!(argument.as_str(), "-ldflags" | "--ldflags") {
            at += 1;
            if let Some(value) = kept.get_mut(at) {
                *value = goflags::with_types(&value.to_string_lossy()).into();
                found = true;
            }
        } else if !is_test && let Some(value) = goflags::value_of(&argument, "gcflags") {
            kept[at] = format!("-gcflags={}", compiled(value)).into();
            compiles = true;
        } else if !is_test && matches!(argument.as_str(), "-gcflags" | "--gcflags") {
            at += 1;
            if let Some(value) = kept.get_mut(at) {
                *value = compiled(&value.to_string_lossy()).into();
                compiles = true;
            }
        } else if !is_test && takes_a_word(&argument) {
            at += 1;
        }
        at += 1;
    }
    let first = first_flag(&kept, command);
    if !found && !quotes {
        let value = goflags::ldflags(goflags, quotes);
        let value = value.map_or_else(|| KEEP_TYPES.to_owned(), |value| goflags::with_types(&value));
        kept.insert(first, format!("-ldflags={value}").into());
    }
    // Those of the user's environment would not count beside them.
    if !compiles && !goflags.contains("-gcflags") {
        kept.insert(first, format!("-gcflags={COMPILE_TYPES}").into());
    }
    kept
}

fn compiled(flags: &str) -> String {
    format!("{flags} {COMPILE_TYPES}").trim_start().to_owned()
}

/// Where a flag may stand: behind `-C DIR`, which wants to be the first.
fn first_flag(arguments: &[OsString], command: usize) -> usize {
    match arguments.get(command + 1).and_then(|word| word.to_str()) {
        Some("-C" | "--C") => command + 3,
        Some(word) if goflags::value_of(word, "C").is_some() => command + 2,
        _ => command + 1,
    }
    .min(arguments.len())
}

/// Where the go command's own command is: `-C DIR` may stand before it in some versions.
fn command(arguments: &[OsString]) -> Option<usize> {
    let word = |at: usize| arguments.get(at).map(OsString::as_os_str);
    let mut at = 0;
    while let Some(argument) = word(at) {
        if argument == OsStr::new("-C") || argument == OsStr::new("--C") {
            at += 2;
        } else if argument.to_string_lossy().starts_with('-') {
            at += 1;
        } else {
            return Some(at);
        }
    }
    None
}

/// Whether a build flag's value may be the next word, of those that `go run` has.
pub(super) fn takes_a_word(flag: &str) -> bool {
    let name = flag.trim_start_matches('-');
    matches!(
        name,
        "C" | "p"
            | "asmflags"
            | "buildmode"
            | "compiler"
            | "coverpkg"
            | "covermode"
            | "exec"
            | "gccgoflags"
            | "gcflags"
            | "installsuffix"
            | "mod"
            | "modfile"
            | "overlay"
            | "pgo"
            | "pkgdir"
            | "tags"
            | "toolexec"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(arguments: &str, goflags: &str, quotes: bool) -> String {
        let arguments: Vec<OsString> = arguments.split('|').map(OsString::from).collect();
        let kept: Vec<String> = keep_types(&arguments, goflags, quotes)
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        kept.join("|")
    }

    #[test]
    fn goflags_suffice_where_they_take_quotes() {
        for arguments in ["test|./...", "test|-race|-run|X|./a", "build|./...", "version"] {
            assert_eq!(kept(arguments, "", true), arguments);
        }
    }

    #[test]
    fn old_versions_get_the_flag_as_an_argument() {
        assert_eq!(
            kept("test|./...", "", false),
            "test|-ldflags=-s=false -w=false|./..."
        );
        assert_eq!(
            kept("test|./...", "-ldflags=-X=a.b=c", false),
            "test|-ldflags=-X=a.b=c -s=false -w=false|./..."
        );
        assert_eq!(kept("build|./...", "", false), "build|./...");
    }

    #[test]
    fn what_go_run_names_is_compiled_with_types() {
        for (given, expected) in [
            ("run|.|-ldflags=x", "run|-gcflags=-dwarf=true|.|-ldflags=x"),
            ("run|-C|dir|.", "run|-C|dir|-gcflags=-dwarf=true|."),
            ("run|-C=dir|.", "run|-C=dir|-gcflags=-dwarf=true|."),
            ("run|-gcflags=all=-N -l|.", "run|-gcflags=all=-N -l -dwarf=true|."),
            (
                "run|-gcflags|-N|.|-gcflags=x",
                "run|-gcflags|-N -dwarf=true|.|-gcflags=x",
            ),
            ("test|-gcflags=-N|.", "test|-gcflags=-N|."),
            ("run", "run|-gcflags=-dwarf=true"),
        ] {
            assert_eq!(kept(given, "", true), expected);
        }
        assert_eq!(
            kept("run|.", "", false),
            "run|-gcflags=-dwarf=true|-ldflags=-s=false -w=false|."
        );
    }

    #[test]
    fn linker_flags_of_the_user_are_added_to() {
        assert_eq!(
            kept("test|-ldflags=-X=a.b=c|./...|-args|-ldflags=d", "", true),
            "test|-ldflags=-X=a.b=c -s=false -w=false|./...|-args|-ldflags=d"
        );
        assert_eq!(
            kept("-C|dir|test|--ldflags|-w|./...", "", false),
            "-C|dir|test|--ldflags|-w -s=false -w=false|./..."
        );
        assert_eq!(
            kept("run|-tags|x|-ldflags|-w|.|-ldflags|mine", "-gcflags=-N", true),
            "run|-tags|x|-ldflags|-w -s=false -w=false|.|-ldflags|mine"
        );
    }
}
