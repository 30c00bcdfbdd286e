//! Small functions without a stack check, whose first instruction is a probed one.

use std::fs;

use goinject_tests::module::Module;
use goinject_tests::{Outcome, Writer, goinject};

/// A getter reads through its receiver at once: without an edit that comes in time it faults by itself. The fourth
/// call in each round is nobody's business but the program's.
const PROGRAM: &str = r#"package main

import "fmt"

type T struct{ a, b int }

var spare = T{3, 4}

//go:noinline
func (t *T) get() int { return t.b }

//go:noinline
func (t *T) other() int { return t.b }

func try(f func(*T) int, t *T) (text string) {
	defer func() {
		if e := recover(); e != nil {
			text = fmt.Sprint("recovered: ", e)
		}
	}()
	return fmt.Sprint(f(t))
}

func main() {
	for i := 0; i < 100; i++ {
		fmt.Println(try((*T).get, &T{1, 2}))
		fmt.Println(try((*T).get, nil))
		fmt.Println(try((*T).other, nil))
	}
	spare.a++
}
"#;

fn run(module: &Module, writer: Writer, inject: &str) -> Outcome {
    let rules = format!(
        "version: 1\nrules:\n- {{function: main.(*T).get, if: t == null, inject: {inject}}}\n- {{function: main.(*T).other, if: t != null, inject: {inject}, expect: {{fired: 0}}}}\n"
    );
    module.write("rules.yaml", &rules);
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name(), "--json"]);
    let events = module.path("events.jsonl");
    command.arg(&events).args(["rules.yaml", "--", "./leaves"]);
    let mut outcome = module.run(command, &[]);
    outcome.json = Outcome::lines(&fs::read_to_string(events).unwrap_or_default());
    outcome
}

#[test]
fn a_first_instruction_that_faults_by_itself_runs_with_the_edit() {
    let module = Module::new("1.27");
    module.write("go.mod", "module leaves\n\ngo 1.15\n");
    module.write("main.go", PROGRAM);
    let built = module.go(&["build"]);
    assert_eq!(built.code, Some(0), "{}", built.describe());
    let nil = "recovered: runtime error: invalid memory address or nil pointer dereference";
    for writer in Writer::ANYWHERE {
        for (inject, text) in [
            ("{set: {t: main.spare}}", "4"),
            ("{return: {\"results[0]\": 7}}", "7"),
        ] {
            let outcome = run(&module, writer, inject);
            assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
            assert_eq!(
                outcome.stdout,
                format!("2\n{text}\n{nil}\n").repeat(100),
                "{}",
                outcome.describe()
            );
            let count = &outcome.counts()[0];
            assert_eq!(
                (count.calls, count.applied, count.failed),
                (200, 100, 0),
                "{}",
                outcome.describe()
            );
        }
    }
}
