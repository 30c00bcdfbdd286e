//! Exploring: the run that observes against the plain one, and faults a minute.

use std::fmt::Write as _;

use goinject_tests::module::Module;

const TESTS: usize = 50;
/// Calls of each test, each of another function.
const CALLS: usize = 10;
/// How often a test makes them.
const ROUNDS: usize = 20;

/// Explores a module whose tests take 20 ms each and call 500 functions of another one, which are all observed.
pub(crate) fn measure() {
    let module = module();
    println!(
        "exploring {TESTS} tests of 20 ms that call {} functions (aims: observing 2 times the plain run; 300 faults a minute)",
        TESTS * CALLS
    );
    let arguments = [
        "explore", "--mode", "once", "--budget", "30s", "--", "go", "test", ".",
    ];
    let outcome = module.goinject(&arguments, &[]);
    assert!(matches!(outcome.code, Some(0 | 5)), "{}", outcome.describe());
    let figures = ["times the plain run", "faults a minute", "runs, "];
    for line in outcome.stderr.lines() {
        if figures.iter().any(|figure| line.contains(figure)) {
            println!("  {}", line.trim_start_matches("goinject: "));
        }
    }
}

fn module() -> Module {
    let module = Module::new("1.27");
    module.write(
        "go.mod",
        "module example.com/shop\n\ngo 1.22\n\nrequire example.com/dep v0.0.0\n\nreplace example.com/dep => ./dep\n",
    );
    module.write("dep/go.mod", "module example.com/dep\n\ngo 1.22\n");
    let mut dep = "package dep\n\nimport \"errors\"\n\nvar ErrEmpty = errors.New(\"empty\")\n".to_owned();
    let mut shop =
        "package shop\n\nimport \"example.com/dep\"\n\nfunc work(v int) int {\n\tfor range 12_000_000 {\n\
                    \t\tv = v*1664525 + 1013904223\n\t}\n\treturn v & 0xff\n}\n"
            .to_owned();
    let mut tests = "package shop\n\nimport \"testing\"\n".to_owned();
    for test in 0..TESTS {
        let _ = write!(
            shop,
            "\n//go:noinline\nfunc Load{test}(v int) (int, error) {{\n\tvar err error\n"
        );
        for step in test * CALLS..(test + 1) * CALLS {
            let _ = write!(
                dep,
                "\n//go:noinline\nfunc Step{step}(v int) (int, error) {{\n\tif v < 0 {{\n\t\treturn 0, ErrEmpty\n\t}}\n\treturn v + {step}, nil\n}}\n"
            );
            let _ = write!(
                shop,
                "\tif v, err = dep.Step{step}(v); err != nil {{\n\t\treturn 0, err\n\t}}\n"
            );
        }
        shop.push_str("\treturn v, nil\n}\n");
        let _ = write!(
            tests,
            "\nfunc TestLoad{test}(t *testing.T) {{\n\tv := work({test})\n\tfor n := range {ROUNDS} {{\n\
             \t\tif _, err := Load{test}(v + n); err != nil {{\n\t\t\tt.Fatal(err)\n\t\t}}\n\t}}\n}}\n"
        );
    }
    module.write("dep/dep.go", &dep);
    module.write("shop.go", &shop);
    module.write("shop_test.go", &tests);
    module
}
