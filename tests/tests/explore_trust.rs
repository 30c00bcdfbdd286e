//! What people rely on when they explore: that what changed comes first, that it can be killed, that nothing is written
//! elsewhere, that trials do not disturb each other, and that rule files of findings say when the program is mended.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goinject_tests::exploration::{explore, fixture, list, results, text};
use goinject_tests::module::Module;
use goinject_tests::{Outcome, goinject};
use serde_json::Value;

fn git(module: &Module, words: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=gopher", "-c", "user.email=gopher@example.com"]);
    command.args(words);
    let outcome = module.run(command, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
}

fn edit(module: &Module, file: &str, from: &str, to: &str) {
    let path = module.path(file);
    let source = fs::read_to_string(&path).expect("read");
    assert!(source.contains(from), "{file}: {source}");
    fs::write(&path, source.replace(from, to)).expect("written");
}

/// A module of three packages, each of which reads a file.
fn readers(module: &Module) {
    module.write("go.mod", "module example.com/shop\n\ngo 1.21\n");
    for name in ["apples", "pears", "plums"] {
        module.write(
            &format!("{name}/{name}.go"),
            &format!(
                "package {name}\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\n//go:noinline\nfunc Open(path string) (*os.File, error) {{\n\
                 \treturn os.Open(path)\n}}\n\n//go:noinline\nfunc Size(path string) (int64, error) {{\n\tinfo, err := os.Stat(path)\n\
                 \tif err != nil {{\n\t\treturn 0, fmt.Errorf(\"size: %w\", err)\n\t}}\n\treturn info.Size(), nil\n}}\n"
            ),
        );
        module.write(
            &format!("{name}/{name}_test.go"),
            &format!(
                "package {name}\n\nimport \"testing\"\n\nfunc TestSize(t *testing.T) {{\n\tif _, err := Size(\".\"); err != nil {{\n\
                 \t\tt.Fatal(err)\n\t}}\n}}\n\nfunc TestOpen(t *testing.T) {{\n\tf, err := Open(\".\")\n\tif err != nil {{\n\
                 \t\tt.Fatal(err)\n\t}}\n\tif err := f.Close(); err != nil {{\n\t\tt.Fatal(err)\n\t}}\n}}\n"
            ),
        );
    }
}

/// The faults of a dry run, in their order, by the function that calls what fails.
fn order(module: &Module, options: &[&str], packages: &str) -> Vec<String> {
    let mut all = vec!["--dry-run", "--mode", "once"];
    all.extend(options);
    let outcome = explore(module, &all, &["go", "test", packages], &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let callers = outcome.stdout.lines().filter_map(|line| {
        let (_, rest) = line.split_once(" in ")?;
        rest.split(" (").next()
    });
    callers.map(str::to_owned).collect()
}

#[test]
fn what_a_branch_has_changed_comes_first() {
    let module = Module::new("1.27");
    readers(&module);
    git(&module, &["init", "--quiet", "--initial-branch=main", "."]);
    // Whatever people set: goinject reads the diff all the same.
    for setting in [
        "diff.noprefix",
        "diff.mnemonicPrefix",
        "diff.relative",
        "color.diff",
    ] {
        let value = if setting == "color.diff" { "always" } else { "true" };
        git(&module, &["config", setting, value]);
    }
    git(&module, &["add", "."]);
    git(&module, &["commit", "--quiet", "--message", "begin"]);
    let before = order(&module, &["--changed", "main"], "./...");
    assert_eq!(before.len(), 6, "{before:?}");
    git(&module, &["checkout", "--quiet", "-b", "mine"]);
    edit(&module, "pears/pears.go", "size: %w", "size of a pear: %w");
    git(&module, &["commit", "--quiet", "--all", "--message", "mine"]);
    // What others did on the main branch meanwhile is not mine.
    git(&module, &["checkout", "--quiet", "main"]);
    edit(&module, "apples/apples.go", "size: %w", "size of an apple: %w");
    git(&module, &["commit", "--quiet", "--all", "--message", "theirs"]);
    git(&module, &["checkout", "--quiet", "mine"]);
    let after = order(&module, &["--changed", "main"], "./...");
    assert_eq!(after[0], "example.com/shop/pears.Size", "{after:?}");
    let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<String>>();
    assert_eq!(sorted(&after), sorted(&before), "the others are tried as well");
    let rest: Vec<&String> = before.iter().filter(|name| **name != after[0]).collect();
    assert_eq!(after[1..].iter().collect::<Vec<_>>(), rest);
    // What is not committed counts, also in a file that git does not know, and outside of the current folder.
    module.write(
        "plums/more.go",
        "package plums\n\nimport \"os\"\n\n//go:noinline\nfunc Names(path string) ([]string, error) {\n\tf, err := os.Open(path)\n\
         \tif err != nil {\n\t\treturn nil, err\n\t}\n\tdefer f.Close()\n\treturn f.Readdirnames(-1)\n}\n",
    );
    module.write(
        "plums/more_test.go",
        "package plums\n\nimport \"testing\"\n\nfunc TestNames(t *testing.T) {\n\tif _, err := Names(\".\"); err != nil {\n\t\tt.Fatal(err)\n\t}\n}\n",
    );
    let new = order(&module, &["--changed", "main"], "./...");
    let first: BTreeSet<&str> = new[..new.len() - 5].iter().map(String::as_str).collect();
    let expected = ["example.com/shop/pears.Size", "example.com/shop/plums.Names"];
    assert_eq!(first, BTreeSet::from(expected), "{new:?}");
    let wrong = explore(&module, &["--changed", "nowhere"], &["go", "test", "./..."], &[]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.describe());
    assert!(
        wrong.stderr.contains("--changed: ") && wrong.stderr.contains("fetch"),
        "{}",
        wrong.describe()
    );
}

/// Processes of a module: it is their folder for temporary files that tells.
fn processes(module: &Module) -> Vec<String> {
    let wanted = format!("TMPDIR={}", module.path("tmp").display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("a folder").flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment)
            .split('\0')
            .any(|variable| variable.starts_with(&wanted))
        {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() && !path.is_symlink() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.display().to_string())),
        }
    }
    found
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Tests of `planted` with a handful of faults in them.
const FEW: [&str; 4] = ["go", "test", "-run=TestSnapshot|TestFolder|TestTable", "."];

#[test]
fn an_exploration_that_is_killed_leaves_nothing_that_the_next_one_does_not_remove() {
    let module = fixture("planted");
    let state = module.path(".goinject/state.jsonl");
    let tried = || -> Vec<String> {
        let state = fs::read_to_string(&state).unwrap_or_default();
        state
            .lines()
            .skip(1)
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|line| text(&line, "fault").to_owned())
            .collect()
    };
    let mut words = vec!["explore", "--quiet", "--mode", "once", "--"];
    words.extend(FEW);
    let mut command = goinject::command(words);
    let go = module.program().parent().expect("a folder of programs");
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .current_dir(module.path(""))
        .env("PATH", format!("{}:{path}", go.display()))
        .env("TMPDIR", module.path("tmp"))
        .env("GOCACHE", goinject_lab::Cache::from_env().gocache())
        .envs([("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "")])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut killed = command.spawn().expect("started");
    wait_until("two faults were tried", || tried().len() >= 2);
    killed.kill().expect("killed");
    killed.wait().expect("it has ended");
    wait_until("its processes have ended", || processes(&module).is_empty());
    let before = tried();
    let outcome = explore(&module, &["--mode", "once", "--resume"], &FEW, &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let ended = results(&module, ".goinject");
    assert_eq!(ended["ended"], "complete");
    let faults: Vec<&str> = list(&ended, "outcomes")
        .iter()
        .map(|outcome| text(outcome, "fault"))
        .collect();
    let distinct: BTreeSet<&str> = faults.iter().copied().collect();
    assert_eq!(faults.len(), distinct.len(), "each is tried once: {faults:?}");
    for fault in &before {
        assert!(distinct.contains(fault.as_str()), "{fault} was tried before");
    }
    assert!(faults.len() > before.len());
    assert_eq!(files(&module.path("tmp")), BTreeSet::new());
    assert!(!module.path(".goinject/work").exists());
}

#[test]
fn nothing_is_written_but_results() {
    let module = fixture("planted");
    let home = module.path("tmp").join("home");
    fs::create_dir(&home).expect("a folder");
    let before = files(&module.path(""));
    let settings = [
        ("HOME", home.to_str().expect("a path")),
        ("XDG_CACHE_HOME", ""),
        ("XDG_CONFIG_HOME", ""),
    ];
    let outcome = explore(&module, &["--mode", "once"], &FEW, &settings);
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    let results = module.path(".goinject").display().to_string();
    let written: Vec<String> = files(&module.path(""))
        .into_iter()
        .filter(|file| !before.contains(file) && !file.starts_with(&results))
        .collect();
    assert_eq!(written, Vec::<String>::new());
    // The go command counts its own uses there (`go telemetry`).
    let elsewhere: Vec<String> = files(&module.path("tmp"))
        .into_iter()
        .filter(|file| !file.contains("/go/telemetry/"))
        .collect();
    assert_eq!(elsewhere, Vec::<String>::new());
    assert_eq!(processes(&module), Vec::<String>::new());
}

/// A module whose test listens on a port that is always the same, for a while.
fn server(port: u16) -> Module {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/server\n\ngo 1.21\n");
    module.write(
        "server.go",
        &format!(
            "package server\n\nimport (\n\t\"fmt\"\n\t\"net\"\n\t\"os\"\n\t\"time\"\n)\n\n//go:noinline\nfunc Serve(paths []string) error {{\n\
             \tl, err := net.Listen(\"tcp\", \"127.0.0.1:{port}\")\n\tif err != nil {{\n\t\treturn fmt.Errorf(\"serve failed\")\n\t}}\n\
             \tdefer l.Close()\n\ttime.Sleep(150 * time.Millisecond)\n\tfor _, path := range paths {{\n\t\tif err := look(path); err != nil {{\n\
             \t\t\treturn err\n\t\t}}\n\t}}\n\treturn nil\n}}\n\n//go:noinline\nfunc look(path string) error {{\n\t_, err := os.Lstat(path)\n\treturn err\n}}\n"
        ),
    );
    module.write(
        "server_test.go",
        "package server\n\nimport \"testing\"\n\nfunc TestServe(t *testing.T) {\n\tif err := Serve([]string{\".\", \"..\"}); err != nil {\n\t\tt.Fatal(err)\n\t}\n}\n",
    );
    module
}

/// A port that is free now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn tests_that_need_the_same_port_run_one_at_a_time() {
    let module = server(free_port());
    let options = ["--mode", "once", "--jobs", "4", "--scope", "all"];
    let outcome = explore(&module, &options, &["go", "test", "."], &[]);
    let results = results(&module, ".goinject");
    // That Listen's error is replaced by another text is told as it is, whatever runs beside it.
    let alone = results["alone"]["example.com/server"].as_str();
    assert!(alone.is_some_and(|why| why.contains("serve failed")), "{results}");
    assert!(
        outcome
            .stderr
            .contains("example.com/server fails where it runs twice at a time"),
        "{}",
        outcome.describe()
    );
    for one in list(&results, "outcomes") {
        let expected = match text(one, "function").starts_with("net.") {
            true => continue,
            false => "reported",
        };
        assert_eq!(text(one, "class"), expected, "{one}");
    }
    assert!(results["counts"]["reported"].as_u64() >= Some(2), "{results}");
    assert!(results["counts"]["flaky"].is_null(), "{results}");
}

#[test]
fn the_rule_file_of_a_sweeps_finding_is_met_once_the_program_is_mended() {
    let module = fixture("planted");
    module.write(
        "chaos/sync.yaml",
        "version: 1\nrules:\n  # The disk.\n  - function: os.(*File).Sync\n    callers: [\"example.com/planted.SaveSnapshot\"]\n    inject:\n      return: {\"results[0]\": {errno: EIO}}\n",
    );
    let words = [
        "sweep",
        "--quiet",
        "chaos/sync.yaml",
        "--mode",
        "once",
        "--",
        "go",
        "test",
        "-run=TestSnapshot",
        ".",
    ];
    let found = module.goinject(&words, &[]);
    assert_eq!(found.code, Some(1), "{}", found.describe());
    let results = results(&module, ".goinject");
    let findings = list(&results, "findings");
    assert_eq!(findings.len(), 1, "{}", found.describe());
    let rule = text(&findings[0], "rule");
    let before = module.goinject(&["run", "--quiet", rule], &[]);
    assert!(matches!(before.code, Some(1 | 4)), "{}", before.describe());
    edit(
        &module,
        "01_sync.go",
        "\tf.Sync()\n",
        "\tif err := f.Sync(); err != nil {\n\t\treturn errors.Join(err, f.Close())\n\t}\n",
    );
    edit(&module, "01_sync.go", "import (\n", "import (\n\t\"errors\"\n");
    let after = module.goinject(&["run", "--quiet", rule], &[]);
    assert_eq!(after.code, Some(0), "{}", after.describe());
}

#[test]
fn tests_that_start_their_own_binary_are_swept() {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/notes\n\ngo 1.21\n");
    module.write(
        "notes.go",
        "package notes\n\nimport \"os\"\n\n//go:noinline\nfunc Save(path string) error {\n\tf, err := os.Create(path)\n\
         \tif err != nil {\n\t\treturn err\n\t}\n\tif _, err := f.Write([]byte(\"pears\")); err != nil {\n\t\treturn err\n\t}\n\
         \tf.Sync()\n\treturn f.Close()\n}\n",
    );
    module.write(
        "notes_test.go",
        "package notes\n\nimport (\n\t\"os\"\n\t\"os/exec\"\n\t\"path/filepath\"\n\t\"testing\"\n)\n\n\
         func TestSave(t *testing.T) {\n\tif path := os.Getenv(\"NOTE\"); path != \"\" {\n\t\tif err := Save(path); err != nil {\n\
         \t\t\tt.Fatal(err)\n\t\t}\n\t\treturn\n\t}\n\tpath := filepath.Join(t.TempDir(), \"note\")\n\
         \tif err := Save(path); err != nil {\n\t\tt.Fatal(err)\n\t}\n\tchild := exec.Command(os.Args[0], \"-test.run=TestSave\")\n\
         \tchild.Env = append(os.Environ(), \"NOTE=\"+path)\n\tif out, err := child.CombinedOutput(); err != nil {\n\
         \t\tt.Fatalf(\"%v: %s\", err, out)\n\t}\n}\n",
    );
    module.write(
        "sync.yaml",
        "version: 1\nrules:\n  - function: os.(*File).Sync\n    inject:\n      return: {\"results[0]\": {errno: EIO}}\n",
    );
    let words = "sweep --quiet sync.yaml --mode once -- go test .";
    let found = module.goinject(&words.split(' ').collect::<Vec<_>>(), &[]);
    assert_eq!(found.code, Some(1), "{}", found.describe());
    // A child that were kept from exiting would take longer than a trial may, and that is made again with nothing watched.
    let classes: Vec<&str> = list(&results(&module, ".goinject"), "outcomes")
        .iter()
        .map(|outcome| {
            if outcome["class"] == "swallowed" {
                "swallowed"
            } else {
                "other"
            }
        })
        .collect();
    assert_eq!(classes, ["swallowed", "swallowed"], "{}", found.describe());
}

#[test]
fn a_sweep_runs_in_what_its_file_says() {
    let module = fixture("planted");
    module.write(
        "shop/shop.go",
        "// Package shop saves.\npackage shop\n\nimport \"os\"\n\n// Save saves.\n//\n//go:noinline\nfunc Save(f *os.File) error {\n\tf.Sync()\n\treturn nil\n}\n",
    );
    module.write(
        "shop/shop_test.go",
        "package shop\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestSave(t *testing.T) {\n\tf, err := os.Create(t.TempDir() + \"/x\")\n\tif err != nil || os.Getenv(\"GREETING\") != \"good day\" {\n\t\tt.Fatal(err, \"and nobody says good day\")\n\t}\n\tdefer f.Close()\n\tif err := Save(f); err != nil {\n\t\tt.Fatal(err)\n\t}\n}\n",
    );
    module.write(
        "chaos/sync.yaml",
        "version: 1\ntarget:\n  command: [go, test, .]\n  dir: ../shop\n  env: {GREETING: good day}\nrules:\n  - function: os.(*File).Sync\n    inject:\n      return: {\"results[0]\": {errno: EIO}}\n    expect: {fired: \">=2\"}\n",
    );
    let found = module.goinject(&["sweep", "--quiet", "chaos/sync.yaml", "--mode", "once"], &[]);
    assert_eq!(found.code, Some(1), "{}", found.describe());
    let results = results(&module, ".goinject");
    let findings = list(&results, "findings");
    assert_eq!(findings.len(), 1, "{}", found.describe());
    assert_eq!(text(&findings[0], "subject"), "example.com/planted/shop");
    // Its rule file needs neither this folder nor this environment, and one call is enough for it.
    let rule = text(&findings[0], "rule");
    let before = module.goinject(&["run", "--quiet", rule], &[]);
    assert!(matches!(before.code, Some(1 | 4)), "{}", before.describe());
    edit(
        &module,
        "shop/shop.go",
        "\tf.Sync()\n\treturn nil\n",
        "\treturn f.Sync()\n",
    );
    let after = module.goinject(&["run", "--quiet", rule], &[]);
    assert_eq!(after.code, Some(0), "{}", after.describe());
}

/// How much of the code for errors ran, as `explore.json` has it.
fn error_paths(results: &Value) -> [u64; 3] {
    ["blocks", "before", "after"].map(|key| results["error_paths"][key].as_u64().expect("a number"))
}

#[test]
fn code_for_errors_is_covered_by_faults() {
    let module = Module::new("1.27");
    readers(&module);
    edit(
        &module,
        "pears/pears.go",
        "\treturn os.Open(path)\n",
        "\tf, err := os.Open(path)\n\tif err != nil {\n\t\tif path == \"\" {\n\t\t\treturn nil, nil\n\t\t}\n\t\treturn nil, err\n\t}\n\treturn f, nil\n",
    );
    let options = ["--mode", "once", "--html", "page.html", "--markdown", "page.md"];
    let outcome = explore(&module, &options, &["go", "test", "-cover", "./..."], &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let results = results(&module, ".goinject");
    // `Size` in each package, and `Open` of pears with three blocks, one of which nothing comes to.
    assert_eq!(error_paths(&results), [6, 0, 5], "{}", results["error_paths"]);
    let never = list(&results["error_paths"], "never");
    assert_eq!(never.len(), 1);
    assert!(text(&never[0], "file").ends_with("/pears/pears.go"), "{never:?}");
    let words = "of 6 blocks for errors, 0 ran without faults (0 %), 5 with them (83 %)";
    assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    for page in ["page.html", "page.md"] {
        let page = fs::read_to_string(module.path(page)).expect("written");
        assert!(page.contains(words), "{page}");
    }
    let without: Outcome = explore(&module, &["--mode", "once"], &["go", "test", "./plums"], &[]);
    assert_eq!(without.code, Some(0), "{}", without.describe());
}
