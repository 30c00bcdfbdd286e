//! Libraries in C that have handlers for signals, threads and processes before Go's runtime runs, as sanitizers and allocators do: a
//! program is armed when its runtime is set up all the same.

use goinject_tests::Writer;
use goinject_tests::module::Module;

/// Its constructor installs handlers for the signals that Go's runtime has handlers for, in the same order, and starts a thread and a
/// process.
const PROGRAM: &str = r#"package main

// #include <pthread.h>
// #include <signal.h>
// #include <unistd.h>
// #cgo LDFLAGS: -lpthread
// static void *wait_in_thread(void *nothing) { for (;;) usleep(1000); return nothing; }
// static void take(int number) { (void)number; }
// __attribute__((constructor)) static void early(void) {
// 	struct sigaction action = {.sa_handler = take};
// 	for (int number = 1; number < 32; number++) sigaction(number, &action, 0);
// 	pthread_t thread;
// 	pthread_create(&thread, 0, wait_in_thread, 0);
// 	if (fork() == 0) _exit(0);
// }
import "C"

import (
	"fmt"
	"runtime"
)

type node struct {
	name string
	next *node
}

//go:noinline
func grow(last *node, n int) (p *node, err error) {
	return &node{name: fmt.Sprint("n", n), next: last}, nil
}

func main() {
	var last *node
	for n := 0; n < 4; n++ {
		p, err := grow(last, n)
		if err != nil {
			panic(err)
		}
		last = p
		runtime.GC()
	}
	for ; last != nil; last = last.next {
		fmt.Println(last.name)
	}
}
"#;

/// Values that hold pointers are made once the runtime has its list of modules; breakpoints and jumps come when it has its handlers.
const RULES: &str = "\
version: 1
rules:
- function: main.grow
  when: {nth: 3}
  inject: {return: {p: {new: {name: made, next: {new: {name: behind}}}}}}
  expect: {fired: 1, failed: 0}
";

#[test]
fn what_runs_before_the_runtime_is_not_taken_for_it() {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/early\n\ngo 1.21\n");
    module.write("main.go", PROGRAM);
    module.write("rules.yaml", RULES);
    let built = module.go(&["build", "-o", "early", "."]);
    assert_eq!(built.code, Some(0), "{}", built.describe());
    for writer in Writer::ANYWHERE {
        let [option, name] = writer.options();
        let outcome = module.goinject(&["run", option, name, "rules.yaml", "--", "./early"], &[]);
        let described = format!("{}: {}", writer.name(), outcome.describe());
        assert_eq!(outcome.code, Some(0), "{described}");
        assert_eq!(outcome.stdout, "n3\nmade\nbehind\n", "{described}");
    }
}
