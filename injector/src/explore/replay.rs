//! The rule file of a finding: it repeats the fault, and expects of the program what is wanted of it.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::class::Class;
use super::results::{Finding, Lost};
use super::rule_text::{self, Fault};
use super::subject::{How, Subject};
use crate::words::in_shell;

/// How long a test or command has at least.
const AT_LEAST: Duration = Duration::from_secs(5);

/// What is expected of a mended program.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    /// Of the program.
    expect: &'static str,
    /// How often the fault may fire.
    fired: &'static str,
    /// A rule on what a function must return.
    rule: String,
    /// What the file says of it.
    words: &'static str,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            expect: "{exit: any}",
            fired: ">=1",
            rule: String::new(),
            words: "",
        }
    }
}

/// The fault of a rule file.
pub(super) enum Injected<'a> {
    /// At a point: the rule is written for it.
    AtPoint(&'a Fault<'a>),
    /// A rule that somebody else has written, as an item of a list, which expects something itself or not.
    Written {
        /// The rule.
        rule: String,
        /// Whether it says how often it is to fire.
        expects: bool,
    },
}

impl Injected<'_> {
    fn error(&self) -> &str {
        match self {
            Injected::AtPoint(fault) => &fault.failing.error,
            Injected::Written { rule, .. } => rule,
        }
    }

    /// The rule, which is to fire so often.
    pub(super) fn rule(&self, fired: &str) -> String {
        let expect = format!("{{fired: \"{fired}\"}}");
        match self {
            Injected::AtPoint(fault) => rule_text::fault(fault, &expect),
            Injected::Written { rule, expects: true } => rule.clone(),
            Injected::Written { rule, .. } => match rule.strip_suffix("}\n") {
                Some(flow) if rule.trim_start().starts_with("- {") => format!("{flow}, expect: {expect}}}\n"),
                _ => format!("{rule}    expect: {expect}\n"),
            },
        }
    }
}

/// The rule file of a finding, in this test where there is one.
pub(super) fn rule_file(
    subject: &Subject,
    finding: &Finding,
    (injected, test): (&Injected<'_>, Option<&str>),
    (patience, folder): (Duration, &Path),
) -> String {
    let wanted = wanted(subject, finding, injected.error());
    let dir = named_from(folder, &subject.surroundings.folder());
    let command = command(subject, (finding.class, test), (patience.max(AT_LEAST), folder));
    let title = format!(
        "{}: {} fails in {}",
        finding.class,
        finding.function,
        finding.stack.first().map_or("", |place| &place.function)
    );
    format!(
        "# {title}\n# {}\n# {}\nversion: 1\nname: {}\ntarget:\n  command: {}\n  # From the folder of this file: change it where the file moves.\n  dir: {}\n{}expect: {}\nrules:\n{}{}",
        finding.words,
        wanted.words,
        rule_text::quoted(&title),
        rule_text::list(&command),
        rule_text::quoted(&dir.to_string_lossy()),
        environment(&subject.surroundings.env),
        wanted.expect,
        injected.rule(wanted.fired),
        wanted.rule,
    )
}

/// The line of a target's environment; nothing where that is as it is.
fn environment(variables: &[(String, String)]) -> String {
    let all: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("{}: {}", rule_text::quoted(name), rule_text::quoted(value)))
        .collect();
    match all.is_empty() {
        true => String::new(),
        false => format!("  env: {{{}}}\n", all.join(", ")),
    }
}

/// A folder or file, as a rule file in a folder names it: from there, so that both can move together, or in full where they are
/// not in one module or repository.
fn named_from(folder: &Path, what: &Path) -> PathBuf {
    let is_root = |folder: &&Path| folder.join("go.mod").exists() || folder.join(".git").exists();
    let root = what.ancestors().find(is_root).unwrap_or(what);
    let folder = std::path::absolute(folder).unwrap_or_default();
    match folder.starts_with(root) {
        true => between(&folder, what),
        false => what.to_owned(),
    }
}

/// The way from a folder to another.
fn between(from: &Path, to: &Path) -> PathBuf {
    let shared = from.components().zip(to.components());
    let shared = shared.take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(shared)).collect();
    match way.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => way,
    }
}

fn wanted(subject: &Subject, finding: &Finding, error: &str) -> Wanted {
    let place = finding.frame.as_ref();
    let result = place.and_then(|place| subject.program.error_result(&place.function));
    match finding.class {
        Class::Panic => Wanted {
            expect: "{exit: any, panics: 0}",
            words: "It is met once nothing panics.",
            ..Wanted::default()
        },
        Class::Hang | Class::Deadlock => Wanted {
            // Tests that take too long panic; commands are ended, and that is another exit status.
            expect: if subject.is_test() {
                "{exit: any, panics: 0}"
            } else {
                "{exit: 0}"
            },
            words: "It is met once it ends in time.",
            ..Wanted::default()
        },
        Class::Crash => Wanted {
            expect: "{exit: 0}",
            words: "It is met once it passes, or fails as tests do, with exit status 1.",
            ..Wanted::default()
        },
        Class::UnboundedRetry | Class::HotRetry => Wanted {
            fired: "1..100",
            words: "It is met once it gives up after at most 100 calls.",
            ..Wanted::default()
        },
        Class::Swallowed | Class::Corrupt => match (place, result) {
            (Some(place), Some(result)) if finding.lost == Some(Lost::BecameNil) => Wanted {
                rule: reports(&place.function, &format!("{result} != null"), &result),
                words: "It is met once that function returns the error.",
                ..Wanted::default()
            },
            (Some(place), Some(result))
                if finding.lost == Some(Lost::WrapsNothing) && cause(error).is_some() =>
            {
                let cause = cause(error).unwrap_or_default();
                Wanted {
                    rule: reports(&place.function, &format!("errors.Is({result}, {cause})"), &result),
                    words: "It is met once that function returns the error, or one that wraps it.",
                    ..Wanted::default()
                }
            }
            _ if finding.class == Class::Swallowed => Wanted {
                expect: "{exit: 1}",
                words: "It is met once the error makes it fail: change `exit` where it is to be told otherwise.",
                ..Wanted::default()
            },
            _ => Wanted {
                expect: "{exit: 0}",
                words: "It is met once it passes in spite of the error: change `exit` where it is to fail with it.",
                ..Wanted::default()
            },
        },
        _ => Wanted {
            words: "It repeats the fault; whether something is left is judged by `goinject explore` alone.",
            ..Wanted::default()
        },
    }
}

/// What an error wraps, as conditions name it.
fn cause(error: &str) -> Option<String> {
    let word = |key: &str| {
        let (_, rest) = error.split_once(key)?;
        let end = rest.find([',', '}', '\n']).unwrap_or(rest.len());
        Some(rest[..end].trim().to_owned())
    };
    if let Some(errno) = word("errno: ") {
        return Some(format!("syscall.{errno}"));
    }
    word("wrap: ")
        .or_else(|| word("Err: "))
        .filter(|name| !name.starts_with('{'))
}

/// The rule that a function is to return such an error.
fn reports(function: &str, condition: &str, result: &str) -> String {
    format!(
        "  - name: reported\n    function: {}\n    if: {}\n    mode: observe\n    inject: {{set: {{{}: null}}}}\n    expect: {{fired: \">=1\"}}\n",
        rule_text::quoted(function),
        rule_text::quoted(condition),
        rule_text::quoted(result)
    )
}

/// The command, as people would type it.
fn command(
    subject: &Subject,
    (class, test): (Class, Option<&str>),
    (timeout, folder): (Duration, &Path),
) -> Vec<String> {
    let shell = |script: String| vec!["sh".to_owned(), "-c".to_owned(), script];
    match (&subject.how, class) {
        // `go test` tells a fatal error from a failure by its output only.
        (How::Tests(tests), Class::Crash) => {
            shell(tests.script(test, timeout, &subject.surroundings.folder()))
        }
        (How::Tests(tests), _) => tests.go_test(test, timeout),
        (How::Command(command), Class::Hang | Class::Deadlock | Class::Crash) => shell(format!(
            "timeout {} {}; test $? -le 1",
            timeout.as_secs(),
            in_shell(command)
        )),
        (How::Command(command), _) => {
            let mut command = command.clone();
            if command[0].contains('/') {
                let program = named_from(folder, Path::new(&command[0])).display().to_string();
                command[0] = match program.contains('/') {
                    true => program,
                    false => format!("./{program}"),
                };
            }
            command
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_from_where_the_rule_file_is() {
        let of = |from: &str, to: &str| between(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(of("/shop/.goinject/rules", "/shop"), "../..");
        assert_eq!(of("/shop/.goinject/rules", "/shop/store"), "../../store");
        assert_eq!(of("/shop", "/shop"), ".");
    }

    #[test]
    fn what_an_error_wraps() {
        let of = |error: &str| cause(error);
        assert_eq!(
            of("{type: \"*io/fs.PathError\", fields: {Op: open, Path: x, Err: {errno: EACCES}}}").as_deref(),
            Some("syscall.EACCES")
        );
        assert_eq!(
            of("{wrap: io.ErrUnexpectedEOF, message: x}").as_deref(),
            Some("io.ErrUnexpectedEOF")
        );
        let number = "{type: \"*strconv.NumError\", fields: {Func: Atoi, Num: x, Err: strconv.ErrSyntax}}";
        assert_eq!(of(number).as_deref(), Some("strconv.ErrSyntax"));
        assert_eq!(of("{message: x}"), None);
    }
}
