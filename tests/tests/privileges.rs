//! Programs with privileges of their own below a goinject that has none.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use goinject_tests::goinject::{self, Running};
use goinject_tests::module::Module;
use goinject_tests::{Flags, Outcome, Tally, Writer, fixture};

const PROGRAM: &str = r#"package main

import (
	"fmt"
	"os"
)

//go:noinline
func put(n int) int { return n + 1 }

func main() {
	fmt.Println(os.Args[0], "euid", os.Geteuid(), "egid", os.Getegid(), "put", put(0), os.Args[1:], os.Getenv("MARK"))
}
"#;

const RULES: &str = "version: 1\nrules:\n- {name: put, function: main.put, inject: {set: {\"results[0]\": 77}}, expect: {fired: \">=0\"}}\n";

/// Root's programs: set-user-ID, set-group-ID, set-user-ID and unreadable for others, and an ordinary one.
fn programs(folder: &Path) {
    let module = Module::new("1.27");
    module.write("go.mod", "module example.com/who\n\ngo 1.21\n");
    module.write("main.go", PROGRAM);
    let built = module.go(&["build", "-o", "who", "."]);
    assert_eq!(built.code, Some(0), "{}", built.describe());
    for (name, mode) in [
        ("plain", 0o755),
        ("user", 0o4755),
        ("group", 0o2755),
        ("hidden", 0o4711),
        ("locked", 0o2745),
    ] {
        let path = folder.join(name);
        fs::copy(module.path("who"), &path).expect("a copy");
        chown(&path, Some(0), Some(0)).expect("root's own");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
    }
    let injector = folder.join("goinject");
    fs::copy(goinject::program(), &injector).expect("a copy");
    fs::write(folder.join("rules.yaml"), RULES).expect("rules");
}

/// Runs goinject in a folder with the programs.
fn run(folder: &Path, as_root: bool, writer: Writer, command: &[&str]) -> Outcome {
    let mut injector = Command::new(folder.join("goinject"));
    injector
        .args(["run", "--quiet", "--writer", writer.name(), "rules.yaml", "--"])
        .args(command)
        .current_dir(folder)
        .env("MARK", "here")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if !as_root {
        goinject::as_nobody(&mut injector);
    }
    Running::start(&mut injector).end()
}

/// A folder for all, if the tests may make root's programs there.
fn folder() -> Option<tempfile::TempDir> {
    // SAFETY: no conditions.
    if unsafe { libc::geteuid() } != 0 {
        Tally::skip(
            "programs with privileges",
            "only root makes set-user-ID programs of root's",
        );
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder for all");
    programs(folder.path());
    Some(folder)
}

#[test]
fn programs_with_privileges_keep_them_and_are_not_followed_into() {
    let Some(folder) = folder() else { return };
    let script = "./plain; ./user a 'b c'; ./plain; ./group; ./locked 2>/dev/null; cd /; PATH=$OLDPWD user; exec \"$OLDPWD/user\"";
    let outcome = run(folder.path(), false, Writer::Breakpoints, &["sh", "-c", script]);
    let path = folder.path().display();
    assert_eq!(
        outcome.stdout,
        format!(
            "./plain euid 65534 egid 65534 put 77 [] here\n\
             ./user euid 0 egid 65534 put 1 [a b c] here\n\
             ./plain euid 65534 egid 65534 put 77 [] here\n\
             ./group euid 65534 egid 0 put 1 [] here\n\
             ./locked euid 65534 egid 65534 put 77 [] here\n\
             user euid 0 egid 65534 put 1 [] here\n\
             {path}/user euid 0 egid 65534 put 1 [] here\n"
        ),
        "{}",
        outcome.describe()
    );
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let told = outcome
        .stderr
        .matches("has privileges of its own, and keeps them")
        .count();
    assert_eq!(told, 4, "{}", outcome.describe());
}

#[test]
fn a_command_with_privileges_keeps_them() {
    let Some(folder) = folder() else { return };
    let outcome = run(folder.path(), false, Writer::Breakpoints, &["./user"]);
    assert_eq!(outcome.stdout, "./user euid 0 egid 65534 put 1 [] here\n");
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    // Root's tracing takes nothing away.
    for writer in Writer::ANYWHERE {
        let outcome = run(folder.path(), true, writer, &["./user"]);
        assert_eq!(
            outcome.stdout,
            "./user euid 0 egid 0 put 77 [] here\n",
            "{}",
            outcome.describe()
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    }
}

#[test]
fn a_program_that_may_not_be_read_is_told() {
    let Some(folder) = folder() else { return };
    let outcome = run(
        folder.path(),
        false,
        Writer::Breakpoints,
        &["sh", "-c", "./hidden; ./plain"],
    );
    assert_eq!(
        outcome.stdout,
        "./hidden euid 65534 egid 65534 put 1 [] here\n./plain euid 65534 egid 65534 put 77 [] here\n",
        "{}",
        outcome.describe()
    );
    let words =
        "(hidden) runs a program that goinject may not read: it has no rules, and no privileges of its own";
    assert!(outcome.stderr.contains(words), "{}", outcome.describe());
}

/// A PID namespace that has the `/proc` of another one, and a mount namespace that has none.
#[test]
fn a_proc_that_does_not_show_goinject_is_told() {
    let Some(folder) = folder() else { return };
    let rules = folder.path().join("rules.yaml");
    let text = "version: 1\nrules:\n- function: main.scale\n  inject: {set: {by: 1.5}}\n";
    fs::write(&rules, text).expect("rules");
    for (namespace, script, told) in [
        (
            "--pid",
            "exec \"$0\" \"$@\"",
            "inline: /proc shows another PID namespace than the one that goinject is in",
        ),
        (
            "--mount",
            "umount -l /proc && exec \"$0\" \"$@\"",
            "inline: /proc is not mounted",
        ),
    ] {
        let mut command = Command::new("unshare");
        command
            .args([namespace, "--fork", "sh", "-c", script])
            .arg(goinject::program())
            .args(["run", "--engine", "inline"])
            .arg(&rules)
            .arg("--")
            .arg(fixture("catalog", "1.27", Flags::default()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let outcome = Running::start(&mut command).end();
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        assert!(outcome.stderr.contains(told), "{told}: {}", outcome.describe());
        assert!(
            outcome.stderr.contains("mount -t proc proc /proc"),
            "{}",
            outcome.describe()
        );
    }
}
