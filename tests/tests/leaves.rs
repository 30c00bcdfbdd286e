//! Small functions without a stack check, whose first instruction is a probed one.

use std::fs;
use std::os::unix::process::CommandExt;
use std::thread;
use std::time::Duration;

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

/// Functions without a frame that fault behind their first instruction, and one of which a stack check comes first: jumps take these
/// instructions with them, and Go panics as without.
const BESIDE: &str = r#"package main

import (
	"fmt"
	"os"
	"time"
)

type T struct{ a, b int }

type text struct{ s string }

type shape interface{ area(n int) int }

type outer struct{ shape }

//go:noinline
func (t *T) area(n int) int { return n + t.b }

//go:noinline
func (t *text) String() string { return t.s }

//go:noinline
func late(n int, t *T) int { n++; return n * t.b }

//go:noinline
func (t *T) put(a, b int) int { a++; t.a = a; t.b = b; return a }

var grown [8]T

//go:noinline
func checked(t *T, n int) int {
	t.b += n
	if n > 0 {
		return checked(t, n-1) + t.b
	}
	return t.b
}

func try(f func() string) (text string) {
	defer func() {
		if e := recover(); e != nil {
			text = fmt.Sprint("recovered: ", e)
		}
	}()
	return f()
}

func round(t *T, s *text, o *outer) (all string) {
	for _, f := range []func() string{
		func() string { return fmt.Sprint(t.area(2)) },
		func() string { return s.String() },
		func() string { return fmt.Sprint(late(2, t)) },
		func() string { return fmt.Sprint(t.put(2, 3)) },
		func() string { return fmt.Sprint(shape(o).area(5)) },
		func() string { return fmt.Sprint(checked(t, 400)) },
	} {
		all += try(f) + "\n"
	}
	return all
}

func main() {
	whole := func() string { return round(&T{1, 2}, &text{"text"}, &outer{&T{3, 4}}) }
	kept, faulted := whole(), round(nil, nil, nil)
	fmt.Print(kept, faulted)
	wait, _ := time.ParseDuration(os.Args[1])
	for start := time.Now(); time.Since(start) < wait; {
		if whole() != kept || round(nil, nil, nil) != faulted {
			fmt.Println("another result")
			os.Exit(9)
		}
	}
	fmt.Println("done")
}
"#;

const BESIDE_RULES: &str = "version: 1\nrules:\n- {name: all, function: {regex: '^main[.](\\(.*\\)[.])?(area|String|late|put|checked)$'}, \
     mode: observe, inject: {return: {}}}\n\
     - {name: results, function: {regex: '^main[.](\\(.*\\)[.])?(area|late|put)$'}, if: 'results[0] == 12345', inject: {set: {\"results[0]\": 5}}, expect: {fired: 0}}\n";

#[test]
fn what_faults_beside_a_jump_panics_as_without_also_when_goinject_is_gone() {
    let nil = "recovered: runtime error: invalid memory address or nil pointer dereference\n";
    let ends = nil.repeat(6) + "done\n";
    let expected = "4\ntext\n6\n3\n9\n".to_owned();
    for version in ["1.15", "1.19", "1.27"] {
        let module = Module::new(version);
        module.write("go.mod", "module leaves\n\ngo 1.15\n");
        module.write("main.go", BESIDE);
        module.write("rules.yaml", BESIDE_RULES);
        let built = module.go(&["build"]);
        assert_eq!(built.code, Some(0), "{}", built.describe());
        let mut plan = goinject::command(["plan", "--binary", "./leaves", "rules.yaml"]);
        let plan = goinject::Running::start(plan.current_dir(module.path(""))).end();
        assert!(
            plan.stdout.contains("a jump over "),
            "{version}: {}",
            plan.describe()
        );
        assert!(!plan.stdout.contains("a trap"), "{version}: {}", plan.describe());
        for writer in [Writer::Trampoline, Writer::Breakpoints] {
            let mut command = goinject::command(["run", "--quiet", "--writer", writer.name()]);
            command.args(["rules.yaml", "--", "./leaves", "200ms"]);
            let outcome = module.run(command, &[]);
            assert_eq!(outcome.code, Some(0), "{version}: {}", outcome.describe());
            let said = || format!("{version}, {}: {}", writer.name(), outcome.describe());
            assert!(outcome.stdout.starts_with(&expected), "{}", said());
            assert!(outcome.stdout.ends_with(&ends), "{}", said());
        }
        // Nobody is left to take the jumps out.
        let mut command = goinject::command(["run", "--quiet", "--writer", "trampoline"]);
        command.args(["rules.yaml", "--", "./leaves", "2s"]);
        let injector = goinject::Running::start(command.current_dir(module.path("")).process_group(0));
        thread::sleep(Duration::from_secs(1));
        let program = goinject::children_of(injector.pid());
        assert!(program.len() > 1, "{version}: {program:?}");
        let stdout = injector.kill_with_guard().stdout;
        assert!(stdout.starts_with(&expected), "{version}: {stdout}");
        assert!(stdout.ends_with(&ends), "{version}: {stdout}");
    }
}
