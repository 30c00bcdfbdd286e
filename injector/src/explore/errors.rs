//! The error that a function is made to return: one that it can really return, with a mark in its text.

use std::collections::HashSet;

use super::program::Program;
use super::rule_text::quoted;
use crate::go::types::Kind;
use crate::go::{Function, Itab};

/// What is in the text of every injected error, so that it can be found in what the program prints.
pub const MARK: &str = "goinject-fault";

/// Sentinels that are answers, not failures.
const ANSWERS: [&str; 5] = [
    "io.EOF",
    "io/fs.SkipDir",
    "io/fs.SkipAll",
    "database/sql.ErrNoRows",
    "net/http.ErrServerClosed",
];

/// Errors for a function as values of rule files, the likeliest first. The last one fits every program.
pub fn candidates(program: &Program, function: &str) -> Vec<String> {
    let mut all = Vec::new();
    let package = Function::package_of(function);
    let typical = typical(package, function);
    // What the standard library returns is known better than code tells.
    let known = !typical.is_empty();
    all.extend(typical);
    let own = referred(program, function);
    match known {
        true => all.extend(own),
        false => drop(all.splice(0..0, own)),
    }
    all.push(format!("{{message: {MARK}}}"));
    all
}

/// What functions of a package fail with.
fn typical(package: &str, function: &str) -> Vec<String> {
    let method = function.rsplit('.').next().unwrap_or(function);
    let wrapped = |of: &str| format!("{{wrap: {of}, message: {MARK}}}");
    let system = |errno: &str| format!("{{errno: {errno}}}");
    match package {
        "os" | "io/fs" | "path/filepath" | "io/ioutil" | "syscall" | "internal/poll" => {
            let op = method.to_ascii_lowercase();
            let error = system(errno_of(method));
            ["*io/fs.PathError", "*os.PathError"]
                .map(|name| format!("{{type: {name:?}, fields: {{Op: {op}, Path: {MARK}, Err: {error}}}}}"))
                .to_vec()
        }
        "net" | "net/http" | "net/rpc" | "net/smtp" | "crypto/tls" => {
            let reset = system("ECONNRESET");
            vec![
                format!(
                    "{{type: \"*net.OpError\", fields: {{Op: {}, Net: {MARK}, Err: {reset}}}}}",
                    operation(method)
                ),
                wrapped(&reset),
            ]
        }
        "strconv" => vec![format!(
            "{{type: \"*strconv.NumError\", fields: {{Func: {method}, Num: {MARK}, Err: strconv.ErrSyntax}}}}"
        )],
        "database/sql" => vec![wrapped("database/sql/driver.ErrBadConn")],
        "context" => vec![wrapped("context.DeadlineExceeded")],
        _ if ["io", "bufio", "encoding", "compress", "archive", "mime"]
            .contains(&package.split('/').next().unwrap_or(package)) =>
        {
            vec![wrapped("io.ErrUnexpectedEOF")]
        }
        _ => Vec::new(),
    }
}

fn errno_of(method: &str) -> &'static str {
    let lower = method.to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
    if begins(&["open", "lstat", "stat", "chdir", "chmod", "chown"]) {
        "EACCES"
    } else if begins(&["read", "seek", "getwd", "eval", "walk", "glob"]) {
        "EIO"
    } else {
        "ENOSPC"
    }
}

fn operation(method: &str) -> &'static str {
    match method {
        "Dial" | "DialContext" | "DialTimeout" | "DialTCP" => "dial",
        "Listen" | "ListenTCP" | "ListenPacket" => "listen",
        "Accept" | "AcceptTCP" => "accept",
        "Write" | "WriteTo" => "write",
        "Close" => "close",
        _ => "read",
    }
}

/// Package variables and types of errors that a function's code refers to.
fn referred(program: &Program, name: &str) -> Vec<String> {
    let binary = program.binary();
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for function in binary.functions().find(name) {
        for address in binary.references(&function) {
            if !seen.insert(address) {
                continue;
            }
            let itab = binary.itabs().binary_search_by_key(&address, |itab| itab.address);
            if let Some(variable) = program.variables().get(&address) {
                let is_error = binary
                    .variable(variable)
                    .ok()
                    .flatten()
                    .and_then(|found| found.ty);
                let is_error = is_error.is_some_and(|ty| binary.types().get(ty).name == "error");
                if is_error && !ANSWERS.contains(&variable.as_str()) {
                    all.push(format!("{{wrap: {}, message: {MARK}}}", quoted(variable)));
                }
            } else if let Ok(n) = itab {
                all.extend(typed(program, binary.itabs()[n]));
            }
        }
    }
    all
}

/// An error of a type of the program's, where it has a field for the mark.
fn typed(program: &Program, itab: Itab) -> Option<String> {
    let binary = program.binary();
    let is_error = binary.runtime_type_name(itab.interface)? == "error";
    let name = binary.runtime_type_name(itab.concrete).filter(|_| is_error)?;
    let pointed = name.strip_prefix('*')?;
    // Those that errors.New and fmt.Errorf make are what is taken where nothing else is known.
    if pointed.starts_with("errors.") || pointed.starts_with("fmt.") {
        return None;
    }
    let ty = binary.type_named(pointed).ok()??;
    let Kind::Struct { fields } = &binary.types().get(ty).kind else {
        return None;
    };
    let of = |wanted: &str| {
        fields
            .iter()
            .find(|field| binary.types().get(field.ty).name == wanted)
    };
    let text = of("string").map(|field| format!("{}: {MARK}", field.name));
    // Its method may ask the error in it for its text.
    let error = of("error").map(|field| format!("{}: {{message: {MARK}}}", field.name));
    let values: Vec<String> = text.into_iter().chain(error).collect();
    (!values.is_empty()).then(|| format!("{{type: {name:?}, fields: {{{}}}}}", values.join(", ")))
}
