//! The static program where there is nothing else: no libraries, no shell, no files of a system.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use goinject_tests::goinject::Running;

use crate::{RULES, no_namespaces, program, succeeds, target};

/// A root with goinject, a target, rules, and places for /proc and /sys.
fn empty_root() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    fs::copy(program(), root.path().join("goinject")).expect("copied");
    fs::copy(target(), root.path().join("target")).expect("copied");
    fs::write(root.path().join("rules.yaml"), RULES).expect("written");
    for folder in ["proc", "sys", "tmp"] {
        fs::create_dir(root.path().join(folder)).expect("a folder");
    }
    root
}

/// Within the root, in a mount namespace of its own, which takes the mounts away again.
fn inside(root: &Path, mounts: &[&str], arguments: &[&str]) -> Command {
    let mounts: String = mounts
        .iter()
        .map(|name| format!("mount -t {name} none \"$0/{}\" && ", name.trim_end_matches("fs")))
        .collect();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c"])
        .arg(format!("{mounts} exec chroot \"$0\" \"$@\""))
        .arg(root)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn injects(engine: &str, mounts: &[&str]) {
    if no_namespaces().is_some() {
        return;
    }
    let root = empty_root();
    let run = ["/goinject", "run", "/rules.yaml", "--quiet", "--engine", engine];
    let busy = ["--", "/target", "-only", "number", "-calls", "2000"];
    let outcome = Running::start(&mut inside(root.path(), mounts, &[&run[..], &busy].concat())).end();
    // The limit ended the faults, after all that were expected.
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
    let engine = format!("engine {engine}");
    assert!(outcome.stderr.contains(&engine), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("replaced 1000 kept"),
        "{}\n{}",
        outcome.stdout,
        outcome.stderr
    );
    assert!(outcome.stdout.contains("wrong 0"), "{}", outcome.stdout);
}

#[test]
fn ptrace_works_in_an_empty_root() {
    injects("ptrace", &["proc"]);
}

#[test]
fn bpf_works_in_an_empty_root() {
    injects("bpf", &["proc", "sysfs"]);
}

/// The kernel tells there how its own types are laid out.
#[test]
fn bpf_asks_for_sys_where_it_is_not_mounted() {
    if no_namespaces().is_some() {
        return;
    }
    let root = empty_root();
    let told = Running::start(&mut inside(root.path(), &["proc"], &["/goinject", "doctor"])).end();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert!(told.stdout.contains("mount sysfs at /sys"), "{}", told.stdout);
}

#[test]
fn the_program_is_static_and_small() {
    let size = fs::metadata(program()).expect("built").len();
    assert!(size <= 12_000_000, "{size} bytes");
    let elf = succeeds(
        Command::new("readelf")
            .args(["--wide", "--program-headers", "--dynamic"])
            .arg(program()),
    );
    assert!(!elf.contains("INTERP") && !elf.contains("NEEDED"), "{elf}");
}
