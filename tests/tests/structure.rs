//! What ARCHITECTURE.md says of how the source is laid out, held against the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use regex::Regex;

/// What has code that could depend on the processor.
const PLACES: [&str; 5] = [
    "injector/src",
    "probes/src",
    "probes/bpf",
    "probes/build.rs",
    "rules/src",
];

/// Names of registers, instructions and so on of an architecture, as words of their own.
const OF_AN_ARCHITECTURE: &str = concat!(
    r"(?i)(?:^|[^a-z0-9])(",
    r"iced(?:_x86)?|x86(?:_64)?|amd64|[re](?:ax|bx|cx|dx|si|di|bp|sp|ip)|r(?:8|9|1[0-5])d?|[xyz]mm[0-9]*",
    r"|[re]flags|fs_?base|int3|0xcc",
    r")(?:$|[^a-z0-9])",
);

/// Lines that may have such words elsewhere: the file, a part of the line, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "probes/build.rs",
    r#""x86_64" => "amd64""#,
    "says which folder is that of the target that cargo builds for",
)];

#[test]
fn what_depends_on_the_processor_is_in_arch_folders() {
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for path in PLACES.iter().flat_map(|place| sources(&root().join(place))) {
        let name = path.strip_prefix(root()).expect("below the root");
        if name.components().any(|part| part.as_os_str() == "arch") || is_test(name) {
            continue;
        }
        let name = name.display().to_string();
        for (number, line) in architecture_lines(&read(&path)) {
            let exception = EXCEPTIONS
                .iter()
                .position(|(file, part, _)| *file == name && line.contains(part));
            match exception {
                Some(n) => drop(used.insert(n)),
                None => found.push(format!("{name}:{number}: {}", line.trim())),
            }
        }
    }
    assert_eq!(found, [""; 0], "not in an arch folder");
    assert_eq!(used.len(), EXCEPTIONS.len(), "an exception that nothing needs");
}

#[test]
fn modules_use_each_other_as_the_table_says() {
    let table = Table::read(&read(&root().join("ARCHITECTURE.md")));
    let source = root().join("injector/src");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in sources(&source) {
        let module = module_of(path.strip_prefix(&source).expect("below the source"));
        let Some(top) = module.first() else { continue };
        let used = used_modules(&read(&path), &module);
        for (of, refused) in &table.refused {
            if is_within(&module, of) && used.iter().any(|used| is_within(used, refused)) {
                wrong.push(format!("{}: {of} must not use {refused}", path.display()));
            }
        }
        let others = used.into_iter().filter_map(|used| used.into_iter().next());
        uses.entry(top.clone())
            .or_default()
            .extend(others.filter(|used| used != top));
    }
    let none = BTreeSet::new();
    for module in uses.keys().chain(table.uses.keys()).collect::<BTreeSet<_>>() {
        let (in_source, in_table) = (uses.get(module), table.uses.get(module));
        if in_table.is_none() {
            wrong.push(format!("{module} has no row in the table"));
        }
        let (in_source, in_table) = (in_source.unwrap_or(&none), in_table.unwrap_or(&none));
        for used in in_source.symmetric_difference(in_table) {
            let (has, has_not) = match in_source.contains(used) {
                true => ("the source", "the table"),
                false => ("the table", "the source"),
            };
            wrong.push(format!("{module} uses {used}: {has} says so, {has_not} does not"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(circle(&uses), None);
}

/// The table of modules.
#[derive(Debug, Default)]
struct Table {
    uses: BTreeMap<String, BTreeSet<String>>,
    /// Parts of modules, with what they must not use.
    refused: Vec<(String, String)>,
}

impl Table {
    fn read(document: &str) -> Table {
        let mut table = Table::default();
        let rows = document
            .lines()
            .skip_while(|line| *line != "| module | uses |")
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        for row in rows {
            let cells: Vec<&str> = row.split('|').collect();
            let [_, modules, used, _] = cells[..] else {
                panic!("not two cells: {row}")
            };
            let used: Vec<String> = in_backticks(used);
            for module in in_backticks(modules) {
                match row.contains("| not `") {
                    true => table
                        .refused
                        .extend(used.iter().map(|used| (module.clone(), used.clone()))),
                    false => {
                        let former = table.uses.insert(module, used.iter().cloned().collect());
                        assert_eq!(former, None, "a second row: {row}");
                    }
                }
            }
        }
        table
    }
}

fn in_backticks(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Modules that use each other in a circle.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut left = uses.clone();
    loop {
        let ends: BTreeSet<String> = left
            .iter()
            .filter(|(_, used)| used.iter().all(|used| !left.contains_key(used)))
            .map(|(module, _)| module.clone())
            .collect();
        if ends.is_empty() {
            return (!left.is_empty()).then(|| left.into_keys().collect());
        }
        left.retain(|module, _| !ends.contains(module));
    }
}

/// The lines before the tests in a file that name something of an architecture, with their numbers.
fn architecture_lines(text: &str) -> Vec<(usize, &str)> {
    let words = Regex::new(OF_AN_ARCHITECTURE).expect("a regular expression");
    let code = text
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .enumerate();
    code.filter(|(_, line)| words.is_match(line))
        .map(|(n, line)| (n + 1, line))
        .collect()
}

/// The path of the module that a file is, from the crate's root: none for the root itself.
fn module_of(file: &Path) -> Vec<String> {
    let mut parts: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        parts.pop();
    }
    parts
}

/// The modules that a file names by paths from the crate's root, or by climbing up to it.
fn used_modules(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let tokens = TokenStream::from_str(text).expect("Rust");
    let mut used = Vec::new();
    look_through(tokens, module, &mut used);
    used
}

fn look_through(tokens: TokenStream, module: &[String], used: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let is_inner = before.is_some_and(|token| is_punctuation(token, ':'));
        match &tokens[at] {
            TokenTree::Ident(word) if !is_inner && (word == "crate" || word == "super") => {
                let (base, next) = climb(&tokens, at, module);
                if tokens.get(next).is_some_and(|token| is_punctuation(token, ':')) {
                    names(&tokens[next..], &base, used);
                }
                at = next;
            }
            TokenTree::Group(group) => {
                // `mod name { … }` is one deeper.
                let name = at
                    .checked_sub(2)
                    .map(|first| (&tokens[first], &tokens[first + 1]));
                let inner = match name {
                    Some((TokenTree::Ident(word), TokenTree::Ident(name))) if word == "mod" => {
                        [module, &[name.to_string()]].concat()
                    }
                    _ => module.to_vec(),
                };
                look_through(group.stream(), &inner, used);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Where `crate` or a row of `super` leads, and the token behind it.
fn climb(tokens: &[TokenTree], mut at: usize, module: &[String]) -> (Vec<String>, usize) {
    if matches!(&tokens[at], TokenTree::Ident(word) if word == "crate") {
        return (Vec::new(), at + 1);
    }
    let mut left = module.len().saturating_sub(1);
    let is_super =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Ident(word)) if word == "super");
    while is_super(tokens.get(at + 3)) {
        left = left.saturating_sub(1);
        at += 3;
    }
    (module[..left].to_vec(), at + 1)
}

/// What `::a::b` or `::{a::b, c}` behind a module names.
fn names(tokens: &[TokenTree], base: &[String], used: &mut Vec<Vec<String>>) {
    let mut path = base.to_vec();
    let mut rest = tokens;
    while let [first, second, third, ..] = rest
        && is_punctuation(first, ':')
        && is_punctuation(second, ':')
    {
        match third {
            TokenTree::Ident(name) => path.push(name.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let items: Vec<TokenTree> = group.stream().into_iter().collect();
                for item in items.split(|token| is_punctuation(token, ',')) {
                    let Some(TokenTree::Ident(name)) = item.first() else {
                        continue;
                    };
                    let inner = [path.as_slice(), &[name.to_string()]].concat();
                    names(&item[1..], &inner, used);
                }
                return;
            }
            _ => break,
        }
        rest = &rest[3..];
    }
    used.push(path);
}

fn is_punctuation(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punctuation) if punctuation.as_char() == wanted)
}

/// Whether a path is that of a module, or within it.
fn is_within(path: &[String], module: &str) -> bool {
    let parts: Vec<&str> = module.split("::").collect();
    path.len() >= parts.len() && path.iter().zip(parts).all(|(part, wanted)| part == wanted)
}

/// Tests may take an architecture as their example.
fn is_test(file: &Path) -> bool {
    let name = file.file_stem().and_then(|name| name.to_str());
    name == Some("tests") || file.components().any(|part| part.as_os_str() == "tests")
}

fn sources(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        let kind = place.extension().and_then(|kind| kind.to_str());
        return match kind {
            Some("rs" | "c" | "h") => vec![place.to_owned()],
            _ => Vec::new(),
        };
    }
    let entries = fs::read_dir(place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| sources(path)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are in a folder of the workspace")
        .to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn words_of_an_architecture_are_seen_in_code_and_comments() {
    for line in [
        "use iced_x86::Register;",
        "    registers.rip += 2;",
        "let R::Rax = x;",
        "s->hit.reg[GI_RSP] = 0;",
        "// r14 holds g",
        "const INT3: u8 = 0xcc;",
        "regs.orig_rax",
        "EM_X86_64",
        "words.xmm_space[0]",
    ] {
        assert_eq!(architecture_lines(line).len(), 1, "{line}");
    }
    for line in [
        "let trip = strip(grip);",
        "0xccdd",
        "u8, i32, r1",
        "description",
        "prsi",
    ] {
        assert_eq!(architecture_lines(line), [], "{line}");
    }
    let behind = "let x = 1;\n#[cfg(test)]\nmod tests { use iced_x86::Decoder; }";
    assert_eq!(architecture_lines(behind), []);
}

#[test]
fn uses_are_seen_in_all_their_forms() {
    let engine = owned(&["engine", "select"]);
    for (text, used) in [
        ("use crate::host::Host;", "host::Host"),
        ("fn f() { let x = crate::words::path(p); }", "words::path"),
        ("fn f() { say!(\"{}\", crate::words::path(p)) }", "words::path"),
        ("use super::super::host::Host;", "host::Host"),
        ("use crate::{host::Host};", "host::Host"),
        ("mod tests { use super::super::super::plan::Plan; }", "plan::Plan"),
        ("use super::bpf::Bpf;", "engine::bpf::Bpf"),
    ] {
        let found: Vec<String> = used_modules(text, &engine)
            .into_iter()
            .map(|path| path.join("::"))
            .collect();
        assert_eq!(found, [used], "{text}");
    }
    for text in [
        "// use crate::host::Host;",
        "pub(crate) fn f() {}",
        "\"crate::host\"",
    ] {
        assert_eq!(used_modules(text, &engine), [[""; 0]; 0], "{text}");
    }
    let several = used_modules("use crate::{go, plan::{Plan, Site}};", &engine);
    assert_eq!(
        several,
        [owned(&["go"]), owned(&["plan", "Plan"]), owned(&["plan", "Site"])]
    );
}

#[test]
fn tables_and_circles_are_read() {
    let table = Table::read(
        "text\n| module | uses |\n|---|---|\n| `a`, `b` | `c` |\n| `c` | |\n| `a::x` | not `a::y` |\n\nmore",
    );
    assert_eq!(table.uses["b"], BTreeSet::from(["c".to_owned()]));
    assert_eq!(table.uses["c"], BTreeSet::new());
    assert_eq!(table.refused, [("a::x".to_owned(), "a::y".to_owned())]);
    assert_eq!(circle(&table.uses), None);
    let mut uses = table.uses;
    uses.insert("c".to_owned(), BTreeSet::from(["a".to_owned()]));
    assert_eq!(circle(&uses), Some(owned(&["a", "b", "c"])));
}
