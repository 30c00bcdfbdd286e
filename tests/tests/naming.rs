//! Functions that are named in short, by an interface, or not quite right: what is taken, and what is said.

use std::fs;
use std::path::{Path, PathBuf};

use goinject::go::Binary;
use goinject::resolve::{Finding, Resolution, resolve};
use goinject_lab::{Cache, Toolchain};
use goinject_rules::source::Source;

const STORE: &str = "package store

import \"os\"

type Store interface{ Put(k string) error }
type File struct{ n int }
type Value struct{ n int }

//go:noinline
func (f *File) Put(k string) error { f.n++; return nil }

//go:noinline
func (f *File) storeRaw(k string) error { f.n++; return nil }

func (v Value) Put(k string) error { return nil }

func Both(f *File) { f.storeRaw(\"x\"); os.Open(\"/x\") }
";

const OTHER: &str = "package store

type File struct{ n int }

//go:noinline
func Only() { println(\"only\", Tiny(3)) }

func Tiny(n int) int { println(n); return n * 3 }

//go:noinline
func (f *File) Put(k string) error { f.n++; return nil }
";

const MAIN: &str = "package main

import (
	other \"example.com/shop/other/store\"
	\"example.com/shop/store\"
)

//go:noinline
func use(s store.Store) { s.Put(\"k\") }

func main() {
	f := &store.File{}
	use(f)
	use(store.Value{})
	store.Both(f)
	other.Only()
	(&other.File{}).Put(\"x\")
}
";

/// A program with two packages of one name.
fn shop(folder: &Path, flags: &str) -> PathBuf {
    for (path, text) in [
        ("go.mod", "module example.com/shop\n\ngo 1.21\n"),
        ("main.go", MAIN),
        ("store/store.go", STORE),
        ("other/store/store.go", OTHER),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    let program = folder.join("shop");
    let mut go = Toolchain::newest()
        .command(&Cache::from_env())
        .expect("Go is set up");
    go.args(["build", "-buildvcs=false", "-ldflags", flags, "-o"])
        .arg(&program)
        .arg(".");
    let output = go.current_dir(folder).output().expect("go starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

fn resolved(function: &str, binary: &Binary) -> Resolution {
    let text = format!(
        "version: 1\nrules:\n- {{function: \"{function}\", mode: observe, inject: {{panic: true}}}}\n"
    );
    let (rules, _) = goinject_rules::parse(&Source::new("rules.yaml", text)).expect("a rule");
    resolve(&rules, binary)
}

/// The error's message, help and notes.
fn said(function: &str, binary: &Binary) -> String {
    let Some(Finding { diagnostic, .. }) = resolved(function, binary).findings.into_iter().next() else {
        return "nothing".to_owned();
    };
    let help = diagnostic.help.unwrap_or_default();
    format!("{}\n{help}\n{}", diagnostic.message, diagnostic.notes.join("\n"))
}

#[test]
fn functions_by_the_last_element_of_their_package() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = Binary::open(&shop(folder.path(), "")).expect("a Go program");
    for (short, full) in [
        ("store.Only", "example.com/shop/other/store.Only"),
        (
            "store.(*File).storeRaw",
            "example.com/shop/store.(*File).storeRaw",
        ),
        ("main.use", "main.use"),
    ] {
        let resolution = resolved(short, &binary);
        assert_eq!(resolution.findings, [], "{short}");
        assert_eq!(resolution.rules[0].functions[0].function.name, full);
    }
    let said = said("store.(*File).Put", &binary);
    assert!(
        said.contains("`example.com/shop/other/store.(*File).Put` and `example.com/shop/store.(*File).Put`"),
        "{said}"
    );
}

#[test]
fn interfaces_have_methods_elsewhere() {
    for flags in ["", "-s -w"] {
        let folder = tempfile::tempdir().expect("a folder");
        let binary = Binary::open(&shop(folder.path(), flags)).expect("a Go program");
        for name in ["example.com/shop/store.Store.Put", "store.Store.Put"] {
            let said = said(name, &binary);
            assert!(said.contains("Store` is an interface"), "{said}");
            let methods = "`example.com/shop/store.(*File).Put` and `example.com/shop/store.Value.Put`";
            assert!(said.contains(methods), "{said}");
        }
    }
}

#[test]
fn what_was_probably_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = Binary::open(&shop(folder.path(), "")).expect("a Go program");
    for (name, meant) in [
        (
            "github.com/acme/store.(*File).storeRaw",
            "example.com/shop/store.(*File).storeRaw",
        ),
        ("main.File.Put", "example.com/shop/other/store.(*File).Put"),
        ("main.usee", "main.use"),
    ] {
        let said = said(name, &binary);
        assert!(said.contains(&format!("did you mean `{meant}`?")), "{said}");
    }
    // Others that happen to have a method of this name are strangers.
    let stranger = said("cart.(*Shelf).Put", &binary);
    assert!(!stranger.contains("did you mean"), "{stranger}");
    // Inlined everywhere, also under its short name.
    let short = said("store.Tiny", &binary);
    assert!(
        short.contains("every call of `example.com/shop/other/store.Tiny` is inlined"),
        "{short}"
    );
    // It is inlined, and nobody can mark the standard library.
    let said = said("os.Open", &binary);
    assert!(said.contains("goes through `os.OpenFile`"), "{said}");
}
