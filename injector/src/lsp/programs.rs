//! The program that a rule file is for: named by a comment or by its target, read once and again when it is built anew.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use goinject_rules::model::{RuleSet, Target};
use goinject_rules::source::{Source, Span};

use crate::go::Binary;
use crate::inspect::overview::rule_targets;

/// What a comment that names the program begins with.
const COMMENT: &str = "goinject:";
const KEY: &str = "binary=";

/// A program with the names that are offered of it.
pub(super) struct Program {
    pub(super) binary: Binary,
    targets: OnceCell<Vec<String>>,
}

impl Program {
    /// The functions that rules may name, those of the program's own module first.
    pub(super) fn targets(&self) -> &[String] {
        self.targets.get_or_init(|| {
            let mut names = rule_targets(&self.binary);
            let module = self.binary.build().main_module.clone();
            names.sort_by_key(|name| !is_own(name, module.as_deref()));
            names
        })
    }

    /// Whether a function is of the program's own module.
    pub(super) fn is_own(&self, name: &str) -> bool {
        is_own(name, self.binary.build().main_module.as_deref())
    }
}

fn is_own(name: &str, module: Option<&str>) -> bool {
    let below = |module: &str| {
        let rest = name.strip_prefix(module)?;
        Some(rest.starts_with(['.', '/']))
    };
    name.starts_with("main.") || module.and_then(below).unwrap_or_default()
}

/// Where a rule file says which program it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) span: Span,
    /// By a comment, so that it must be there; a target's command may be of no interest.
    pub(super) is_asked: bool,
}

/// The program that a file names: `# goinject: binary=PATH`, from its folder, before its target's command.
pub(super) fn named(source: &Source, rules: Option<&RuleSet>) -> Option<Named> {
    by_comment(source).or_else(|| by_target(rules?))
}

fn by_comment(source: &Source) -> Option<Named> {
    let text = source.text();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let comment = line.trim().strip_prefix('#').map(str::trim_start);
        let path = comment
            .and_then(|comment| comment.strip_prefix(COMMENT))
            .and_then(|rest| rest.trim().strip_prefix(KEY));
        if let Some(path) = path.map(str::trim).filter(|path| !path.is_empty()) {
            let start = at + line.find(KEY)? + KEY.len();
            return Some(Named {
                path: source.folder().join(path),
                span: Span {
                    start,
                    end: start + path.len(),
                },
                is_asked: true,
            });
        }
        at += line.len();
    }
    None
}

fn by_target(rules: &RuleSet) -> Option<Named> {
    let Some(Target::Command(command)) = &rules.target else {
        return None;
    };
    let program = &command.program.value;
    let path = match program.components().count() {
        // As a shell finds it.
        1 => std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|folder| folder.join(program))
            .find(|path| path.is_file())?,
        _ => program.clone(),
    };
    Some(Named {
        path,
        span: command.program.span,
        is_asked: false,
    })
}

/// The programs read so far.
#[derive(Default)]
pub(super) struct Programs {
    open: HashMap<PathBuf, (State, Result<Rc<Program>, String>)>,
}

/// What tells that a file has changed: its length and when it was written.
type State = Option<(u64, SystemTime)>;

impl Programs {
    /// A program, read again if its file has changed. The error is in words.
    pub(super) fn open(&mut self, path: &Path) -> Result<Rc<Program>, String> {
        let metadata = std::fs::metadata(path);
        let state = metadata
            .as_ref()
            .ok()
            .and_then(|now| Some((now.len(), now.modified().ok()?)));
        if let Some((before, known)) = self.open.get(path)
            && *before == state
            && !known.as_ref().is_ok_and(|program| program.binary.has_changed())
        {
            return known.clone();
        }
        // Those that were built anew under the same name are of no more use.
        self.open.retain(|known, _| known != path);
        let read = match metadata {
            Err(error) => Err(error.to_string()),
            Ok(_) => Binary::open(path)
                .map(|binary| {
                    Rc::new(Program {
                        binary,
                        targets: OnceCell::new(),
                    })
                })
                .map_err(|error| error.to_string()),
        };
        self.open.insert(path.to_owned(), (state, read.clone()));
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_names_the_program() {
        let source = Source::new("/x/chaos.yaml", "version: 1\n# goinject: binary=../shop\n");
        let named = named(&source, None).unwrap();
        assert_eq!(named.path, Path::new("/x/../shop"));
        assert_eq!(&source.text()[named.span.start..named.span.end], "../shop");
        assert_eq!(
            super::named(&Source::new("a", "# goinject: see below\n"), None),
            None
        );
    }

    #[test]
    fn the_own_module_is_told_apart() {
        assert!(is_own("main.run", None) && is_own("example.com/shop/store.Put", Some("example.com/shop")));
        assert!(!is_own("example.com/shopping.Put", Some("example.com/shop")) && !is_own("os.Open", None));
    }
}
