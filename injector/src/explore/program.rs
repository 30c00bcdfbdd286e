//! What trials need to know of a program: which of its functions can fail, and how.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use clap::ValueEnum;
use goinject_rules::source::Source;

use super::code::{Code, Side};
use super::errors;
use super::point::Place;
use super::rule_text::{self, Answer, Failing};
use crate::go::address::Address;
use crate::go::types::{Signature, Variable};
use crate::go::{Binary, Function, GoError};
use crate::resolve::{functions_without_wrappers, refused_by_policy, resolve};

/// Which functions are made to fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// What the main module calls outside of it
    #[default]
    Boundary,
    /// The main module's own functions
    Own,
    /// Both
    All,
}

/// Methods that clean up, which fail after their work. Those of the standard library may have it done by one that is
/// named alike.
const LATE: [&str; 6] = ["Close", "Commit", "Rollback", "Unlock", "Flush", "Sync"];

/// What else fails after its work: a process that is not killed is waited for.
const LATE_FUNCTIONS: [&str; 3] = [
    "os.(*Process).Kill",
    "os.(*Process).Signal",
    "os.(*Process).signal",
];

/// Functions whose error is none, or never comes: they make errors, write to memory, or come again at the end, as those of
/// a buffered writer do in `Flush`, and those of looking ahead where somebody reads on.
const NEVER_FAIL: [&str; 22] = [
    "bufio.(*Reader).Peek",
    "bufio.(*Writer).Write",
    "bufio.(*Writer).ReadFrom",
    "bytes.(*Buffer).",
    "compress/flate.(*decompressor).Reset",
    "encoding/base64.(*encoder).Write",
    "strings.(*Builder).",
    "errors.",
    "fmt.Errorf",
    // The body of it, since Go 1.27.
    "fmt.errorf",
    "fmt.Print",
    "github.com/pkg/errors.",
    "hash/",
    "io.(*PipeReader).Close",
    "io.(*PipeWriter).Close",
    "io.(*pipe).close",
    "log.",
    "crypto/rand.Read",
    "math/rand.",
    "math/rand/v2.",
    "runtime.",
    "runtime/debug.",
];

/// A program, and what was found out about it.
#[derive(Debug)]
pub struct Program {
    binary: Binary,
    /// Whose code its functions are.
    pub code: Code,
    answers: Mutex<HashMap<String, Option<Answer>>>,
    failings: Mutex<HashMap<String, Option<Failing>>>,
    /// Names of result types, by function.
    types: Mutex<HashMap<String, Option<Vec<String>>>>,
    variables: OnceLock<HashMap<Address, String>>,
    own: OnceLock<Vec<String>>,
}

impl Program {
    /// Opens one.
    pub fn open(path: &Path, code: Code) -> Result<Program, GoError> {
        Ok(Program {
            binary: Binary::open(path)?,
            code,
            answers: Mutex::default(),
            failings: Mutex::default(),
            types: Mutex::default(),
            variables: OnceLock::new(),
            own: OnceLock::new(),
        })
    }

    /// The program's file.
    pub fn binary(&self) -> &Binary {
        &self.binary
    }

    /// The package variables, by address.
    pub(super) fn variables(&self) -> &HashMap<Address, String> {
        self.variables.get_or_init(|| self.binary.variables_by_address())
    }

    /// The user's own functions that can fail.
    pub(super) fn own(&self) -> &[String] {
        self.own.get_or_init(|| self.candidates(Scope::Own))
    }

    /// The functions that can fail and that the user's code may call.
    pub fn candidates(&self, scope: Scope) -> Vec<String> {
        let mut names = BTreeSet::new();
        let functions: Vec<Function> = self.binary.functions().iter().collect();
        let dynamic = self.dynamic_methods();
        for function in functions.iter().filter(|function| !function.is_foreign) {
            let file = || self.binary.functions().location(function).map(|(file, _)| file);
            let side = match self.code.side(&function.name, "") {
                Side::Own => self.code.side(&function.name, &file().unwrap_or_default()),
                side => side,
            };
            match side {
                Side::Own | Side::Test => {
                    if scope != Scope::Own {
                        let called = self.binary.called_within(&(function.entry..function.end));
                        names.extend(called.into_iter().map(|callee| callee.name));
                    }
                    // What the compiler puts around `defer` and `go` calls, and is not called by its name.
                    if side == Side::Own && scope != Scope::Boundary && !function.is_wrapper {
                        names.insert(function.name.clone());
                    }
                }
                Side::Foreign
                    if scope != Scope::Own
                        && !function.is_wrapper
                        && dynamic.contains(method_type(&function.name)) =>
                {
                    names.insert(function.name.clone());
                }
                Side::Foreign => {}
            }
        }
        names.retain(|name| self.is_candidate(name, scope));
        names.into_iter().collect()
    }

    fn is_candidate(&self, name: &str, scope: Scope) -> bool {
        let side = self.code.side(name, "");
        let fits = match scope {
            Scope::Boundary => side == Side::Foreign,
            Scope::Own => side == Side::Own,
            Scope::All => side != Side::Test,
        };
        fits && can_fail(name) && !self.is_checksum(name) && self.error_result(name).is_some()
    }

    /// Whether a method writes to a checksum, as `hash.Hash` has it: that never returns an error.
    fn is_checksum(&self, name: &str) -> bool {
        let (of, method) = name.rsplit_once('.').unwrap_or_default();
        let has = |method: &str| !self.binary.functions().find(&format!("{of}.{method}")).is_empty();
        method == "Write" && has("Sum") && has("BlockSize") && has("Reset")
    }

    /// Types that are put into interfaces, as the beginning of their methods' names: calls of those cannot be seen in code.
    fn dynamic_methods(&self) -> HashSet<String> {
        let concrete = self.binary.itabs().iter().map(|itab| itab.concrete);
        let concrete: HashSet<Address> = concrete.collect();
        concrete
            .into_iter()
            .filter_map(|address| {
                let name = self.binary.runtime_type_name(address)?;
                match name.strip_prefix('*') {
                    Some(name) => {
                        let package = Function::package_of(name);
                        Some(format!("{package}.(*{})", name.get(package.len() + 1..)?))
                    }
                    None => Some(name),
                }
            })
            .collect()
    }

    /// The error result of a function, as rule files name it; none if it has none, or cannot be probed.
    pub fn error_result(&self, name: &str) -> Option<String> {
        match self.answer(name)? {
            Answer::Error(result) => Some(result),
            Answer::Truth(_) => None,
        }
    }

    /// The result by which a function says whether it has worked; none if it has none, or cannot be probed.
    pub fn answer(&self, name: &str) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get(name) {
            return known.clone();
        }
        let found = self.find_answer(name);
        answers.insert(name.to_owned(), found.clone());
        found
    }

    fn find_answer(&self, name: &str) -> Option<Answer> {
        let functions = functions_without_wrappers(self.binary.functions().find(name));
        let [function] = &functions[..] else { return None };
        if refused_by_policy(function).is_some() {
            return None;
        }
        let results = self.results(name)?;
        let (last, of) = results.iter().enumerate().next_back()?;
        let result = format!("results[{last}]");
        match of.as_str() {
            "error" => Some(Answer::Error(result)),
            "bool" => Some(Answer::Truth(result)),
            _ => None,
        }
    }

    fn signature(&self, name: &str) -> Option<Signature> {
        let functions = functions_without_wrappers(self.binary.functions().find(name));
        self.binary.signature(functions.first()?).ok()?
    }

    /// The types of a function's results by name; none where they are not known: of functions all of whose calls are
    /// inlined, debug information lists only results that have names.
    fn results(&self, name: &str) -> Option<Vec<String>> {
        let mut known = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.entry(name.to_owned()).or_insert_with(|| {
            let signature = self.signature(name)?;
            let named = |result: &Variable| self.binary.types().get(result.ty).name.clone();
            Some(signature.results.iter().map(named).collect())
        });
        found.clone()
    }

    /// Whether a function that is inlined around a call of another one may return its error: it returns errors, or nothing
    /// but its name tells. `ToInt` around `ToIntE` does not.
    pub fn may_pass_on(&self, name: &str, callee: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        can_fail(name)
            && match self.results(name) {
                Some(results) => results.iter().any(|result| result == "error"),
                None => {
                    let quiet = last.starts_with("New") || last.starts_with("Must");
                    !quiet && callee.strip_suffix('E') != Some(name)
                }
            }
    }

    /// Whether a function is known to return no error.
    pub fn has_no_error(&self, name: &str) -> bool {
        let results = self.results(name);
        results.is_some_and(|results| !results.iter().any(|result| result == "error"))
    }

    /// Whether a function takes something that it can answer by, beside its results, or is a method of what a handler of
    /// `net/http` answers by, most of which have no errors to return.
    pub fn answers_otherwise(&self, name: &str) -> bool {
        let of = method_type(name);
        let has = |method: &str| !self.binary.functions().find(&format!("{of}.{method}")).is_empty();
        if has("WriteHeader") && has("Header") {
            return true;
        }
        self.signature(name).is_some_and(|signature| {
            signature.parameters.iter().any(|parameter| {
                let name = &self.binary.types().get(parameter.ty).name;
                name == "net/http.ResponseWriter" || name.starts_with("chan<- ") || name.starts_with("chan ")
            })
        })
    }

    /// Whether a function looks at the error of another one where it calls that at a place, which may be inlined in it; none
    /// where that cannot be told.
    pub fn looks_at_error(&self, caller: &str, callee: &str, place: &Place) -> Option<bool> {
        let one = |name: &str| match &functions_without_wrappers(self.binary.functions().find(name))[..] {
            [function] => Some(function.clone()),
            _ => None,
        };
        let at = (place.function.as_str(), place.line);
        self.binary.looks_at_last_result(&one(caller)?, &one(callee)?, at)
    }

    /// Whether a function keeps errors in a field of what it was called on, was given or returns a pointer to: they may come
    /// out of there in ways that nobody watches.
    pub fn keeps_errors(&self, name: &str) -> bool {
        let functions = functions_without_wrappers(self.binary.functions().find(name));
        matches!(&functions[..], [function] if self.binary.stores_error_in_field(function))
    }

    /// Whether a function's last result is a truth value, as of those that say whether it has worked.
    pub fn says_whether(&self, name: &str) -> bool {
        let results = self.results(name).unwrap_or_default();
        results.last().is_some_and(|result| result == "bool")
    }

    /// How calls of a function are made to fail; none if there is no way.
    pub fn failing(&self, name: &str) -> Option<Failing> {
        let mut failings = self.failings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = failings.get(name) {
            return known.clone();
        }
        let found = self.find_failing(name);
        failings.insert(name.to_owned(), found.clone());
        found
    }

    fn find_failing(&self, name: &str) -> Option<Failing> {
        let result = self.error_result(name)?;
        let own = self.code.side(name, "") == Side::Own;
        let method = name.rsplit('.').next().unwrap_or(name);
        let late = own
            || LATE_FUNCTIONS.contains(&name)
            || LATE.iter().any(|late| late.eq_ignore_ascii_case(method));
        errors::candidates(self, name).into_iter().find_map(|error| {
            let failing = Failing {
                function: name.to_owned(),
                result: result.clone(),
                error,
                late,
            };
            self.takes(&failing).then_some(failing)
        })
    }

    fn takes(&self, failing: &Failing) -> bool {
        let of = rule_text::Fault {
            failing,
            callers: &[],
            test: None,
            nth: 1,
            mode: rule_text::Mode::Once,
        };
        let rule = rule_text::fault(&of, "{fired: \">=0\"}");
        self.fitting(&[rule]).len() == 1
    }

    /// Those of these rules, each a text, that fit the program.
    pub fn fitting(&self, rules: &[String]) -> Vec<String> {
        if rules.is_empty() {
            return Vec::new();
        }
        let source = Source::new("trial.yaml", rule_text::head() + &rules.concat());
        let Ok((parsed, _)) = goinject_rules::parse(&source) else {
            // Found one by one, whichever it is.
            return match rules {
                [_] => Vec::new(),
                rules => rules
                    .iter()
                    .flat_map(|rule| self.fitting(std::slice::from_ref(rule)))
                    .collect(),
            };
        };
        let resolution = resolve(&parsed, &self.binary);
        let wrong: HashSet<usize> = resolution
            .findings
            .iter()
            .filter(|finding| finding.is_error())
            .filter_map(|finding| finding.rule)
            .collect();
        rules
            .iter()
            .enumerate()
            .filter(|(n, _)| !wrong.contains(n))
            .map(|(_, rule)| rule.clone())
            .collect()
    }
}

/// The type that a method belongs to, with its package, as its name begins.
fn method_type(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(of, _)| of)
}

/// Whether a function's error is one, as far as its name tells.
fn can_fail(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let makes = ["Unwrap", "Error", "Errorf", "Wrap", "Wrapf", "Cause"].contains(&last)
        || (last.starts_with("New") && last.ends_with("Error"));
    !makes
        && !NEVER_FAIL.iter().any(|prefix| name.starts_with(prefix))
        && !name.starts_with("context.")
        && !name.ends_with(".init")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_errors_does_not_fail() {
        for name in [
            "os.Open",
            "os.(*File).Close",
            "fmt.Fprintf",
            "bufio.(*Scanner).Err",
            "bufio.(*Writer).Flush",
            "bufio.(*Reader).ReadByte",
            "encoding/base64.(*encoder).Close",
            "net/http.NewRequest",
        ] {
            assert!(can_fail(name), "{name}");
        }
        for name in [
            "fmt.Errorf",
            "errors.New",
            "os.NewSyscallError",
            "bytes.(*Buffer).Write",
            "bufio.(*Writer).WriteString",
            "bufio.(*Reader).Peek",
            "encoding/base64.(*encoder).Write",
            "main.(*E).Unwrap",
            "fmt.Println",
        ] {
            assert!(!can_fail(name), "{name}");
        }
        assert_eq!(method_type("a/b.(*T).M"), "a/b.(*T)");
    }
}
