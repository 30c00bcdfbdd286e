//! Signatures read from binaries against the same signatures in their source.

use std::path::Path;

use goinject::go::types::Variable;
use goinject::go::{Binary, Function, GoError};
use goinject_tests::{Flags, Strip, VERSIONS, fixture};

/// A function of a fixture's source: its name in the binary, and its signature with the receiver as
/// first parameter and the program's own types written out.
struct Written {
    name: String,
    text: String,
}

/// Types of the fixtures that are passed by value.
const TYPES: [(&str, &str); 13] = [
    ("empty", "struct{}"),
    ("pair", "struct{a, b int}"),
    (
        "mixed",
        "struct{small uint8; ratio float32; name string; _ int32; values []byte}",
    ),
    ("one", "[1]string"),
    ("many", "[2]int32"),
    ("none", "[0]int64"),
    ("holder", "struct{_ [0]int64; x int16; tail struct{}}"),
    ("big", "struct{a, b, c, d, e, f, g, h, i, j int}"),
    ("Inner", "struct{ID int64}"),
    ("Celsius", "float64"),
    ("Status", "uint8"),
    ("discard", "struct{}"),
    ("Shape", "interface{ Area() float64 }"),
];

fn written(program: &str) -> Vec<Written> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/go")
        .join(program);
    let source = std::fs::read_to_string(folder.join("main.go")).unwrap();
    source
        .lines()
        .filter_map(|line| function(line.strip_prefix("func ")?))
        .collect()
}

/// Reads `(s *Square) Scale(by float64) Shape {` or `scalars(a int8) error {`.
fn function(line: &str) -> Option<Written> {
    let (head, _) = line.split_once(" {")?;
    let (receiver, rest) = match head.strip_prefix('(') {
        Some(method) => method
            .split_once(") ")
            .map(|(receiver, rest)| (Some(receiver), rest))?,
        None => (None, head),
    };
    let (name, rest) = rest.split_once('(')?;
    let Some(receiver) = receiver else {
        return Some(Written {
            name: format!("main.{name}"),
            text: format!("func({}", written_out(rest)),
        });
    };
    let ty = receiver.split(' ').next_back()?;
    let name = match ty.strip_prefix('*') {
        Some(_) => format!("main.({ty}).{name}"),
        None => format!("main.{ty}.{name}"),
    };
    // A receiver without a name joins parameters with names as a blank one.
    let receiver = if receiver.contains(' ') {
        receiver.to_owned()
    } else {
        format!("_ {receiver}")
    };
    let separator = if rest.starts_with(')') { "" } else { ", " };
    Some(Written {
        name,
        text: format!("func({}{separator}{}", written_out(&receiver), written_out(rest)),
    })
}

/// Replaces the names of the program's own types where they are passed by value.
fn written_out(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let known = TYPES
            .iter()
            .find(|(name, _)| *name == word && !out.ends_with(['*', '.']));
        out.push_str(known.map_or(word, |(_, definition)| definition));
        let mut chars = after.chars();
        out.extend(chars.next());
        rest = chars.as_str();
    }
    out
}

fn only(binary: &Binary, name: &str) -> Option<Function> {
    let found = binary.functions().find(name);
    found.into_iter().find(|f| !f.is_assembly && !f.is_wrapper)
}

fn names(variables: &[Variable]) -> Vec<Option<&str>> {
    variables.iter().map(|v| v.name.as_deref()).collect()
}

/// Compares every function of the program with its source.
fn compare(program: &str, version: &str, flags: Flags) {
    let binary = Binary::open(&fixture(program, version, flags)).unwrap();
    let mut compared = 0;
    for Written { name, text } in written(program) {
        let Some(function) = only(&binary, &name) else {
            continue;
        };
        let context = format!("{version} {} {name} {text}", flags.name());
        let expected = match binary.parse_signature(&function, &text) {
            Ok(signature) => signature,
            Err(error) => panic!("{context}: {error:?}"),
        };
        let found = match binary.signature(&function) {
            Ok(Some(found)) => found,
            // What the compiler of Go 1.15 leaves in the dark may be refused, but nothing else.
            Err(GoError::UncertainSignature { .. }) if version == "1.15" && text.contains('_') => continue,
            other => panic!("{context}: {other:?}"),
        };
        let (expected_layout, layout) = (
            binary.layout(&function, &expected),
            binary.layout(&function, &found),
        );
        assert_eq!(layout.receiver, expected_layout.receiver, "{context}");
        assert_eq!(layout.results, expected_layout.results, "{context}");
        assert_eq!(names(&found.results), names(&expected.results), "{context}");
        // Go 1.15 leaves it open how many parameters without a name stand at the end.
        let same_length = found.parameters.len() == expected.parameters.len();
        assert!(same_length || version == "1.15", "{context}");
        if same_length && found.positions_uncertain.is_none() {
            assert_eq!(names(&found.parameters), names(&expected.parameters), "{context}");
        }
        for (i, parameter) in found.parameters.iter().enumerate() {
            // Before Go 1.17 what has no size is listed in no certain order.
            let empty = binary.types().get(parameter.ty).size == 0;
            if parameter.name.is_none() || (empty && version == "1.15") {
                continue;
            }
            let same = expected.parameters.iter().position(|p| p.name == parameter.name);
            let same = &expected_layout.parameters[same.expect("its name")];
            assert_eq!(&layout.parameters[i], same, "{context} {:?}", parameter.name);
        }
        compared += 1;
    }
    assert!(compared > 40, "{version}: only {compared} functions compared");
}

#[test]
fn signatures_are_those_of_the_source_in_every_version() {
    for version in VERSIONS {
        compare("shapes", version, Flags::default());
    }
}

#[test]
fn signatures_are_those_of_the_source_without_optimisation() {
    for version in VERSIONS {
        compare(
            "shapes",
            version,
            Flags {
                unoptimised: true,
                ..Flags::default()
            },
        );
    }
}

#[test]
fn written_signatures_fit_stripped_programs() {
    for version in VERSIONS {
        let flags = Flags {
            strip: Strip::All,
            ..Flags::default()
        };
        let binary = Binary::open(&fixture("shapes", version, flags)).unwrap();
        let mut fitting = 0;
        for Written { name, text } in written("shapes") {
            let Some(function) = only(&binary, &name) else {
                continue;
            };
            assert_eq!(binary.signature(&function).unwrap(), None);
            binary
                .parse_signature(&function, &text)
                .unwrap_or_else(|e| panic!("{version} {name} {text}: {e:?}"));
            fitting += 1;
        }
        assert!(fitting > 40, "{version}: {fitting}");
    }
}

#[test]
fn a_signature_that_does_not_fit_is_refused() {
    for version in VERSIONS {
        let flags = Flags {
            strip: Strip::All,
            ..Flags::default()
        };
        let binary = Binary::open(&fixture("shapes", version, flags)).unwrap();
        let function = only(&binary, "main.rollback").unwrap();
        let wrong = binary
            .parse_signature(&function, "func(a, b int) error")
            .unwrap_err();
        assert!(wrong.message.contains("does not fit"), "{version}: {wrong:?}");
        let method = only(&binary, "main.(*Square).Area").unwrap();
        let wrong = binary.parse_signature(&method, "func() float64").unwrap_err();
        assert!(wrong.message.contains("receiver"), "{version}: {wrong:?}");
    }
}

#[test]
fn generic_functions_take_their_dictionary() {
    for version in &VERSIONS[1..] {
        let binary = Binary::open(&fixture("generics", version, Flags::default())).unwrap();
        let shaped = |name: &str| -> Vec<(Vec<String>, bool, Option<String>)> {
            let all = binary.functions().find(name);
            all.iter()
                .filter(|f| !f.is_wrapper)
                .map(|f| {
                    let signature = binary.signature(f).unwrap().unwrap();
                    let name_of = |v: &Variable| v.name.clone().unwrap_or_else(|| "_".to_owned());
                    let receiver = signature.receiver.as_ref().map(name_of);
                    (
                        signature.parameters.iter().map(name_of).collect(),
                        signature.dictionary,
                        receiver,
                    )
                })
                .collect()
        };
        let strings = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            shaped("main.Map[...]"),
            vec![(strings(&["in", "f"]), true, None); 2],
            "{version}"
        );
        assert_eq!(
            shaped("main.Sum[...]"),
            vec![(strings(&["a", "b", "scale"]), true, None); 2],
            "{version}"
        );
        let receiver = Some("s".to_owned());
        assert_eq!(
            shaped("main.(*Stack[...]).Push"),
            vec![(strings(&["x"]), true, receiver); 2],
            "{version}"
        );
        assert_eq!(
            shaped("main.Blank[...]"),
            vec![(strings(&["_", "name", "_"]), true, None); 2],
            "{version}"
        );
        assert_eq!(
            shaped("main.Closure[...].func1"),
            vec![(strings(&["n"]), false, None); 2],
            "{version}"
        );
    }
}

#[test]
fn closures_have_their_parameters_and_not_what_they_capture() {
    for version in VERSIONS {
        let binary = Binary::open(&fixture("shapes", version, Flags::default())).unwrap();
        let closure = binary.functions().find("main.run.func1").remove(0);
        let signature = binary.signature(&closure).unwrap().unwrap();
        assert_eq!(
            names(&signature.parameters),
            [Some("a"), Some("text")],
            "{version}"
        );
        assert_eq!(signature.results.len(), 2, "{version}");
        assert_eq!(signature.receiver, None, "{version}");
    }
}

#[test]
fn types_are_named_as_go_prints_them() {
    for version in VERSIONS {
        let binary = Binary::open(&fixture("shapes", version, Flags::default())).unwrap();
        let function = only(&binary, "main.containers").unwrap();
        let signature = binary.signature(&function).unwrap().unwrap();
        let shown: Vec<_> = signature
            .parameters
            .iter()
            .map(|p| binary.types().get(p.ty).name.as_str())
            .collect();
        let expected = [
            "map[string]int",
            "chan int",
            "<-chan error",
            "chan<- *main.Node",
            "func(int) error",
            "*main.Node",
            "**int",
        ];
        assert_eq!(shown, expected, "{version}");
    }
}
