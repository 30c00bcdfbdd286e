//! Calls that no probe sees: each function is told of where a rule has a few, and all of them at once where a pattern
//! has many.

use goinject::go::Binary;
use goinject::resolve::resolve;
use goinject_rules::diagnostic::Diagnostic;
use goinject_rules::source::Source;
use goinject_tests::module::Module;

/// Functions of which one call is inlined, the second two, and so on, and which are called through a variable as well.
const FUNCTIONS: usize = 8;

/// Keeps its folder.
fn program() -> (Module, Binary) {
    let mut text = String::from("package main\n\nvar sum int\n\n");
    let mut main = String::from("func main() {\n");
    for n in 1..=FUNCTIONS {
        text.push_str(&format!(
            "func part{n}(by int) int {{ sum += by; return sum * {n} }}\n\n"
        ));
        text.push_str(&format!("var through{n} = part{n}\n\n"));
        for _ in 0..n {
            main.push_str(&format!("\tprintln(part{n}(len(\"{n}\")))\n"));
        }
        main.push_str(&format!("\tprintln(through{n}(3))\n"));
    }
    text.push_str(&main);
    text.push_str("}\n");
    let module = Module::new("1.27");
    module.write("main.go", &text);
    module.write("go.mod", "module example.com/parts\n\ngo 1.21\n");
    let built = module.go(&["build", "-o", "parts", "."]);
    assert_eq!(built.code, Some(0), "{}", built.describe());
    let binary = Binary::open(&module.path("parts")).expect("a Go program");
    (module, binary)
}

/// What is said of a rule, and what is kept for the end of its run.
fn said(selector: &str, binary: &Binary) -> (Vec<Diagnostic>, Vec<String>) {
    let text =
        format!("version: 1\nrules:\n- {{function: {selector}, mode: observe, inject: {{panic: true}}}}\n");
    let (rules, _) = goinject_rules::parse(&Source::new("rules.yaml", text)).expect("a rule");
    let resolution = resolve(&rules, binary);
    let diagnostics = resolution.findings.into_iter().map(|finding| *finding.diagnostic);
    (diagnostics.collect(), resolution.rules[0].unseen.clone())
}

#[test]
fn a_few_functions_are_told_of_each() {
    let (_module, binary) = program();
    let (said, kept) = said("{regex: 'main\\.part[12]'}", &binary);
    let messages: Vec<&str> = said.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "1 call of `main.part1` is inlined and will not be seen by the rule",
            "2 calls of `main.part2` are inlined and will not be seen by the rule",
        ]
    );
    assert!(
        said[1].notes[0].starts_with("inlined into `main.main` at "),
        "{:?}",
        said[1].notes
    );
    assert_eq!(kept, ["1 call of it is inlined", "2 calls of it are inlined"]);
}

#[test]
fn many_functions_are_told_of_at_once() {
    let (_module, binary) = program();
    let (said, kept) = said("{regex: 'main\\.part[0-9]'}", &binary);
    let [said] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(
        said.message,
        "36 calls of 8 of its functions are inlined and will not be seen by the rule"
    );
    let notes: Vec<String> = (4..=FUNCTIONS)
        .rev()
        .map(|n| format!("{n} calls of `main.part{n}`"))
        .chain(["and of 3 more functions".to_owned()])
        .collect();
    assert_eq!(said.notes, notes);
    assert!(said.help.as_deref().unwrap_or_default().contains("-gcflags=-l"));
    assert_eq!(kept, ["36 calls of 8 of its functions are inlined"]);
}
