//! Small functions without a stack check, whose first instruction is a probed one.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use goinject_tests::goinject::Running;
use goinject_tests::module::Module;
use goinject_tests::patience::holds_soon;
use goinject_tests::{Outcome, Writer, attaching, goinject};

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

/// Functions that fault beside their entry, or beside a return: without a frame, in a frame, and behind a stack check. Jumps take these
/// instructions with them, and Go panics as without: where that happens is a part of each result.
const BESIDE: &str = r#"package main

import (
	"fmt"
	"io/ioutil"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"
)

type T struct {
	a, b int
	list []int
}

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

//go:noinline
func (t *T) nth(i int) int { return t.list[i] }

var table [4]int

//go:noinline
func (t *T) look() int { return table[t.b] }

//go:noinline
func deep(list []*int, i int) int { return *list[i] }

//go:noinline
func checked(t *T, n int) int {
	t.b += n
	if n > 0 {
		return checked(t, n-1) + t.b
	}
	return t.b
}

// The function whose instruction has faulted, and its line.
func origin() string {
	pcs := make([]uintptr, 100)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for panics := false; ; {
		frame, more := frames.Next()
		if panics && !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprint(frame.Function, ":", frame.Line)
		}
		panics = panics || frame.Function == "runtime.gopanic"
		if !more {
			return "nowhere"
		}
	}
}

func try(f func() string) (text string) {
	defer func() {
		if e := recover(); e != nil {
			text = fmt.Sprint("recovered: ", e, " in ", origin())
		}
	}()
	return f()
}

func round(t *T, s *text, o *outer, list []*int) (all string) {
	for _, f := range []func() string{
		func() string { return fmt.Sprint(t.area(2)) },
		func() string { return s.String() },
		func() string { return fmt.Sprint(late(2, t)) },
		func() string { return fmt.Sprint(t.put(2, 3)) },
		func() string { return fmt.Sprint(shape(o).area(5)) },
		func() string { return fmt.Sprint(t.nth(1)) },
		func() string { return fmt.Sprint(t.look()) },
		func() string { return fmt.Sprint(deep(list, 1)) },
		func() string { return fmt.Sprint(checked(t, 400)) },
	} {
		all += try(f) + "\n"
	}
	return all
}

func main() {
	five := 5
	whole := func() string {
		return round(&T{1, 2, []int{3, 4}}, &text{"text"}, &outer{&T{3, 4, nil}}, []*int{nil, &five})
	}
	without := func() string { return round(nil, nil, nil, []*int{nil, nil}) }
	kept, faulted := whole(), without()
	fmt.Print(kept, faulted)
	pause, _ := time.ParseDuration(os.Args[2])
	var isOver int32
	go func() {
		// For so long, or until its input ends.
		if wait, err := time.ParseDuration(os.Args[1]); err == nil {
			time.Sleep(wait)
		} else {
			ioutil.ReadAll(os.Stdin)
		}
		atomic.StoreInt32(&isOver, 1)
	}()
	runtime.SetCPUProfileRate(1000)
	if err := pprof.StartCPUProfile(ioutil.Discard); err != nil {
		fmt.Println(err)
	}
	ended := make(chan bool)
	for n := 0; n < 3; n++ {
		go func() {
			for ; atomic.LoadInt32(&isOver) == 0; time.Sleep(pause) {
				if whole() != kept || without() != faulted {
					fmt.Println("another result")
					os.Exit(9)
				}
			}
			ended <- true
		}()
	}
	go func() {
		for ; ; time.Sleep(time.Millisecond) {
			runtime.GC()
		}
	}()
	for n := 0; n < 3; n++ {
		<-ended
	}
	pprof.StopCPUProfile()
	fmt.Println("done")
}
"#;

const BESIDE_RULES: &str = "version: 1\nrules:\n- {name: all, function: {regex: '^main[.](\\(.*\\)[.])?(area|String|late|put|nth|look|deep|checked)$'}, \
     mode: observe, inject: {return: {}}}\n\
     - {name: results, function: {regex: '^main[.](\\(.*\\)[.])?(area|late|put|nth|look|deep)$'}, if: 'results[0] == 12345', inject: {set: {\"results[0]\": 5}}, expect: {fired: 0}}\n";

/// The module of a program with its rules, built.
fn built(version: &str, source: &str, rules: &str, settings: &[(&str, &str)]) -> Module {
    let module = Module::new(version);
    module.write("go.mod", "module leaves\n\ngo 1.15\n");
    module.write("main.go", source);
    module.write("rules.yaml", rules);
    let mut command = Command::new(module.program());
    command.arg("build");
    let built = module.run(command, settings);
    assert_eq!(built.code, Some(0), "{}", built.describe());
    module
}

/// The program by itself.
fn program(module: &Module, arguments: &[&str]) -> Command {
    let mut command = Command::new(module.path("leaves"));
    command
        .args(arguments)
        .current_dir(module.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn what_faults_beside_a_jump_panics_as_without_also_when_goinject_is_gone() {
    for version in ["1.15", "1.19", "1.27"] {
        let module = built(version, BESIDE, BESIDE_RULES, &[]);
        let mut plan = goinject::command(["plan", "--binary", "./leaves", "rules.yaml"]);
        let plan = Running::start(plan.current_dir(module.path(""))).end();
        let said = || format!("{version}: {}", plan.describe());
        assert!(plan.stdout.contains("a jump over "), "{}", said());
        assert!(!plan.stdout.contains("a trap"), "{}", said());
        let plain = Running::start(&mut program(&module, &["0s", "0s"])).end();
        let expected = plain.stdout;
        let faults = "recovered: runtime error: invalid memory address or nil pointer dereference in main.";
        assert_eq!(expected.matches(faults).count(), 9, "{version}: {expected}");
        for writer in [Writer::Trampoline, Writer::Breakpoints] {
            let mut command = goinject::command(["run", "--quiet", "--writer", writer.name()]);
            command.args(["rules.yaml", "--", "./leaves", "500ms", "0s"]);
            let outcome = module.run(command, &[]);
            assert_eq!(outcome.code, Some(0), "{version}: {}", outcome.describe());
            // The ptrace engine has what is not beside a site, but at it, in a copy that Go does not know.
            if writer == Writer::Trampoline {
                assert_eq!(outcome.stdout, expected, "{version}: {}", outcome.describe());
            }
        }
        // The guard takes the jumps out, or nobody is left to do so.
        for with_guard in [false, true] {
            let mut command = goinject::command(["run", "--quiet", "--writer", "trampoline"]);
            command.args(["rules.yaml", "--", "./leaves", "3s", "0s"]);
            let injector = Running::start(command.current_dir(module.path("")).process_group(0));
            thread::sleep(Duration::from_secs(1));
            let program = goinject::children_of(injector.pid());
            assert!(program.len() > 1, "{version}: {program:?}");
            let outcome = match with_guard {
                true => injector.kill_with_guard(),
                false => {
                    injector.signal(libc::SIGKILL);
                    injector.end()
                }
            };
            assert_eq!(outcome.stdout, expected, "{version}: {}", outcome.describe());
        }
    }
}

#[test]
fn what_faults_beside_a_jump_panics_as_without_while_rules_come_and_go() {
    for version in ["1.15", "1.19", "1.27"] {
        let module = built(version, BESIDE, BESIDE_RULES, &[]);
        let expected = Running::start(&mut program(&module, &["0s", "0s"])).end().stdout;
        // A thread that does nothing but fault is where a jump is to be at most looks.
        let mut running = Running::start(program(&module, &["input", "1ms"]).stdin(Stdio::piped()));
        thread::sleep(Duration::from_millis(300));
        for _ in 0..3 {
            attaching::change_for(
                Duration::from_millis(300),
                running.pid(),
                &module.path("rules.yaml"),
            );
        }
        drop(running.stdin());
        let outcome = running.end();
        assert_eq!(outcome.code, Some(0), "{version}: {}", outcome.describe());
        assert_eq!(outcome.stdout, expected, "{version}: {}", outcome.describe());

        let mut command = goinject::command(["run", "--quiet", "--writer", "trampoline", "--json", "events"]);
        command.args(["rules.yaml", "--", "./leaves", "input", "1ms"]);
        let mut injector = Running::start(command.current_dir(module.path("")).stdin(Stdio::piped()));
        let is_reloaded = |generation: u64| {
            let text = fs::read_to_string(module.path("events")).unwrap_or_default();
            let words = ["\"type\":\"reloaded\"", &format!("\"generation\":{generation},")];
            let is_meant = |line: &str| words.iter().all(|word| line.contains(word));
            text.lines().any(is_meant)
        };
        thread::sleep(Duration::from_secs(1));
        for generation in 2..5 {
            module.write(
                "rules.yaml",
                &BESIDE_RULES.replace("name: all", &format!("name: all{generation}")),
            );
            injector.signal(libc::SIGHUP);
            assert!(
                holds_soon(|| is_reloaded(generation)),
                "{version}: {generation}: {}",
                injector.end().describe()
            );
        }
        drop(injector.stdin());
        let outcome = injector.end();
        assert_eq!(outcome.code, Some(0), "{version}: {}", outcome.describe());
        assert_eq!(outcome.stdout, expected, "{version}: {}", outcome.describe());
    }
}

/// A handler in C that mends what has faulted, and has the thread run the same instruction again, in front of Go's own.
const MENDED: &str = r#"package main

/*
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static char *page;
static struct sigaction former;
static volatile long mended;

static void on_fault(int number, siginfo_t *info, void *context)
{
	char *at = info->si_addr;

	if (at >= page && at < page + 4096) {
		mended++;
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
		return;
	}
	former.sa_sigaction(number, info, context);
}

static void *begin(void)
{
	struct sigaction action;

	page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, 0, &action);
	former = action;
	action.sa_sigaction = on_fault;
	sigaction(SIGSEGV, &action, 0);
	return page;
}

static void forbid(void) { mprotect(page, 4096, PROT_NONE); }

static long mendings(void) { return mended; }
*/
import "C"

import (
	"fmt"
	"io/ioutil"
	"os"
	"time"
)

type T struct {
	size int
	list [8]int
}

//go:noinline
func (t *T) nth(i int) int { return t.list[uint(i)%uint(t.size)] }

//go:noinline
func (t *T) length() int { return t.size }

func without() (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	return fmt.Sprint((*T)(nil).nth(1))
}

func main() {
	t := (*T)(C.begin())
	t.size, t.list[3] = 8, 7
	fmt.Println("ready")
	ioutil.WriteFile("ready", nil, 0644)
	wait, _ := time.ParseDuration(os.Args[1])
	wrong, rounds := 0, 0
	for start := time.Now(); time.Since(start) < wait; rounds++ {
		C.forbid()
		if t.nth(3) != 7 {
			wrong++
		}
		C.forbid()
		if t.length() != 8 {
			wrong++
		}
		if without() != "runtime error: invalid memory address or nil pointer dereference" {
			wrong++
		}
	}
	fmt.Println(wrong, "wrong,", int(C.mendings()) == 2*rounds, rounds > 100)
}
"#;

#[test]
fn what_a_handler_of_the_programs_own_mends_runs_again() {
    const RULES: &str = "version: 1\nrules:\n- {name: all, function: {regex: '^main[.].*(nth|length)$'}, mode: observe, inject: {return: {}}}\n\
         - {name: results, function: {regex: '^main[.].*(nth|length)$'}, if: 'results[0] == 12345', inject: {set: {\"results[0]\": 5}}, expect: {fired: 0}}\n";
    for version in ["1.15", "1.19", "1.27"] {
        let module = built(version, MENDED, RULES, &[("CGO_ENABLED", "1")]);
        // Jumps first, then the handler; and the other way round.
        let mut command = goinject::command(["run", "--quiet", "--writer", "trampoline", "rules.yaml", "--"]);
        command.args(["./leaves", "2s"]);
        let started = module.run(command, &[]);
        assert_eq!(started.code, Some(0), "{version}: {}", started.describe());
        fs::remove_file(module.path("ready")).expect("it was written");
        let running = Running::start(&mut program(&module, &["9s"]));
        assert!(holds_soon(|| module.path("ready").exists()), "{version}");
        for _ in 0..3 {
            let mut command = goinject::command(["run", "--quiet", "--writer", "trampoline", "--pid"]);
            command.arg(running.pid().to_string()).arg("rules.yaml");
            let injector = Running::start(command.current_dir(module.path("")));
            thread::sleep(Duration::from_millis(700));
            injector.signal(libc::SIGINT);
            let outcome = injector.end();
            assert_eq!(outcome.code, Some(130), "{version}: {}", outcome.describe());
        }
        for outcome in [started, running.end()] {
            assert_eq!(outcome.code, Some(0), "{version}: {}", outcome.describe());
            assert_eq!(
                outcome.stdout,
                "ready\n0 wrong, true true\n",
                "{version}: {}",
                outcome.describe()
            );
        }
    }
}
