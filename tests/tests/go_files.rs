//! Files that are not a Go program for linux/amd64, and programs that were tampered with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goinject::go::{Binary, GoError};
use goinject_tests::{Flags, Strip, VERSIONS, fixture};

fn program() -> Vec<u8> {
    fs::read(fixture("shapes", "1.27", Flags::default())).unwrap()
}

fn open(bytes: Vec<u8>) -> Result<Binary, GoError> {
    Binary::from_bytes(Path::new("some/program"), bytes)
}

fn refused(bytes: Vec<u8>) -> GoError {
    open(bytes).unwrap_err()
}

fn half_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, w)| *w == from)
        .map(|(i, _)| i)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

#[test]
fn what_is_not_there_or_no_elf_file() {
    let error = Binary::open(Path::new("no/such/file")).unwrap_err();
    assert!(matches!(error, GoError::NotFound { .. }));
    assert_eq!(error.to_string(), "no/such/file: no such file");
    let folder = Binary::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
    assert!(
        folder
            .to_string()
            .ends_with("not an ELF file (it looks like a folder)"),
        "{folder}"
    );
    for (bytes, what) in [
        (&b"#!/bin/sh\n"[..], "a script"),
        (b"MZ\x90\0", "a Windows program"),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "a macOS program"),
        (b"!<arch>\n", "an archive"),
        (b"", "an empty file"),
    ] {
        let error = refused(bytes.to_vec());
        assert!(
            error
                .to_string()
                .ends_with(&format!("not an ELF file (it looks like {what})")),
            "{error}"
        );
    }
    assert_eq!(
        refused(b"hello".to_vec()).to_string(),
        "some/program: not an ELF file"
    );
}

#[test]
fn other_machines_are_named() {
    let patched = |at: usize, value: &[u8]| {
        let mut bytes = program();
        bytes[at..at + value.len()].copy_from_slice(value);
        refused(bytes).to_string()
    };
    for (at, value, machine) in [
        (18, &[183, 0][..], "arm64"),
        (18, &[243, 0], "riscv64"),
        (18, &[0x39, 0x30], "machine type 12345"),
        (4, &[1], "32-bit amd64"),
        (5, &[2], "a big-endian machine"),
    ] {
        let expected = format!("some/program: built for {machine}, and this release is for linux/amd64");
        assert_eq!(patched(at, value), expected);
    }
}

#[test]
fn what_does_not_run_by_itself() {
    let with_type = |kind: u8| {
        let mut bytes = program();
        bytes[16] = kind;
        refused(bytes).to_string()
    };
    assert_eq!(
        with_type(1),
        "some/program: an object file, not an executable; name the program that loads it"
    );
    assert!(with_type(4).contains("a core dump"));
    // Shared, and without asking for a dynamic linker: a library.
    assert!(with_type(3).contains("a shared library"));
}

#[test]
fn programs_that_are_not_go() {
    let error = Binary::open(&std::env::current_exe().unwrap()).unwrap_err();
    assert!(matches!(error, GoError::NotGo { .. }), "{error}");
}

#[test]
fn a_go_program_without_its_function_table() {
    let mut bytes = program();
    replace(&mut bytes, &[0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8], &[0; 8]);
    let error = refused(bytes);
    assert!(matches!(error, GoError::NoFunctionTable { .. }), "{error}");
}

#[test]
fn versions_that_are_not_known() {
    let with_version = |version: &[u8]| {
        let mut bytes = program();
        replace(&mut bytes, b"go1.27.3", version);
        open(bytes)
    };
    let error = with_version(b"go1.14.3").unwrap_err();
    assert_eq!(
        error.to_string(),
        "some/program: built by go1.14.3, and goinject knows Go 1.15 to 1.27"
    );
    let newer = with_version(b"go1.99.3").unwrap();
    assert!(newer.version().is_untested());
    assert!(!newer.functions().find("main.scalars").is_empty());
    assert!(with_version(b"devel xx").is_err());
}

#[test]
fn without_section_headers_functions_are_still_found() {
    for version in ["1.15", "1.19", "1.27"] {
        for pie in [false, true] {
            let path = fixture(
                "shapes",
                version,
                Flags {
                    pie,
                    strip: Strip::All,
                    ..Flags::default()
                },
            );
            let mut bytes = fs::read(&path).unwrap();
            bytes[40..48].fill(0);
            bytes[60..64].fill(0);
            let binary = open(bytes).unwrap_or_else(|e| panic!("{version} pie {pie}: {e}"));
            assert!(binary.version().text.starts_with(&format!("go{version}")));
            let whole = Binary::open(&path).unwrap();
            let function = binary.functions().find("main.scalars").remove(0);
            assert_eq!(
                function.entry,
                whole.functions().find("main.scalars").remove(0).entry
            );
            assert_eq!(binary.module(), whole.module());
            assert_eq!(binary.code(&function).unwrap(), whole.code(&function).unwrap());
        }
    }
}

#[test]
fn without_build_information_the_table_tells_enough() {
    let mut bytes = fs::read(fixture("shapes", "1.19", Flags::default())).unwrap();
    replace(&mut bytes, b"\xff Go buildinf:", b"\0 no buildinf:");
    let binary = open(bytes).unwrap();
    assert_eq!(binary.version().minor, 19);
}

#[test]
fn addresses_and_file_offsets_are_told_apart() {
    for version in ["1.15", "1.27"] {
        for pie in [false, true] {
            let path = fixture(
                "shapes",
                version,
                Flags {
                    pie,
                    external: pie,
                    ..Flags::default()
                },
            );
            let (binary, bytes) = (Binary::open(&path).unwrap(), fs::read(&path).unwrap());
            let function = binary.functions().find("main.scalars").remove(0);
            let offset = usize::try_from(binary.file_offset(function.entry).unwrap().0).unwrap();
            let code = binary.code(&function).unwrap();
            assert_eq!(&bytes[offset..offset + code.len()], code);
            assert_eq!(half_at(&bytes, 16), if pie { 3 } else { 2 });
            assert_eq!(binary.is_pie(), pie);
            let zeroed = binary.symbol("runtime.writeBarrier").unwrap();
            assert_eq!(
                binary.read(zeroed.address, 4),
                None,
                "memory that the file does not have"
            );
        }
    }
}

fn run(program: &str, arguments: &[&Path]) {
    let status = Command::new(program).args(arguments).status();
    assert!(
        status.as_ref().is_ok_and(|s| s.success()),
        "{program} {arguments:?}: {status:?} (binutils are needed: run `cargo xtask setup`)"
    );
}

/// A program without its debug information, and the file that has it.
fn separated(version: &str, folder: &Path) -> (PathBuf, PathBuf) {
    let whole = fixture("shapes", version, Flags::default());
    let (program, debug) = (folder.join("shapes"), folder.join("shapes.debug"));
    run("objcopy", &[Path::new("--only-keep-debug"), &whole, &debug]);
    run("objcopy", &[Path::new("--strip-all"), &whole, &program]);
    (program, debug)
}

#[test]
fn separate_debug_files() {
    let folder = std::env::temp_dir().join(format!("goinject-debug-{}", std::process::id()));
    for version in ["1.19", "1.27"] {
        fs::create_dir_all(&folder).unwrap();
        let (program, debug) = separated(version, &folder);
        let signature = |binary: &Binary| {
            let function = binary.functions().find("main.scalars").remove(0);
            binary.signature(&function).unwrap()
        };
        let stripped = Binary::open(&program).unwrap();
        assert_eq!(signature(&stripped), None);
        assert!(!stripped.build().has_dwarf && !stripped.build().has_symbols);

        let named = Binary::open_with_debug(&program, Some(&debug)).unwrap();
        assert_eq!(named.debug_path().as_deref(), Some(debug.as_path()));
        assert_eq!(signature(&named).unwrap().parameters.len(), 7);
        assert!(named.symbol("runtime.writeBarrier").is_some());
        assert!(
            named
                .variable("main.ErrQuota")
                .unwrap()
                .is_some_and(|v| v.ty.is_some())
        );

        let link = format!("--add-gnu-debuglink={}", debug.display());
        run("objcopy", &[Path::new(&link), &program]);
        let linked = Binary::open(&program).unwrap();
        assert_eq!(
            signature(&linked).unwrap().parameters.len(),
            7,
            "found by its debug link"
        );

        let other = fixture("generics", version, Flags::default());
        let error = Binary::open_with_debug(&program, Some(&other)).unwrap_err();
        assert!(matches!(error, GoError::DebugFileMismatch { .. }), "{error}");
        let alone = Binary::open(&debug).unwrap_err();
        assert!(
            matches!(
                alone,
                GoError::NotExecutable { .. } | GoError::NoFunctionTable { .. }
            ),
            "{alone}"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn builds_have_identities() {
    let one = Binary::open(&fixture("shapes", "1.27", Flags::default())).unwrap();
    let other = Binary::open(&fixture(
        "shapes",
        "1.27",
        Flags {
            pie: true,
            ..Flags::default()
        },
    ))
    .unwrap();
    let again = Binary::open(one.path()).unwrap();
    assert_eq!(one.identity(), again.identity());
    assert_ne!(one.identity(), other.identity());
    assert!(one.identity().go_build_id.is_some() && one.identity().gnu_build_id.is_some());
    assert!(one.identity().inode > 0 && one.identity().size > 1 << 20);
}

#[test]
fn how_a_program_was_built() {
    let build = |program: &str, version: &str, flags: Flags| {
        Binary::open(&fixture(program, version, flags))
            .unwrap()
            .build()
            .clone()
    };
    let plain = build("shapes", "1.27", Flags::default());
    assert_eq!(plain.main_package.as_deref(), Some("example.com/shapes"));
    assert_eq!(plain.main_module.as_deref(), Some("example.com/shapes"));
    assert_eq!(plain.setting("-buildmode"), Some("exe"));
    assert!(!plain.race && !plain.cgo && !plain.pie && !plain.external_linking && plain.has_symbols);
    for version in ["1.15", "1.27"] {
        let race = build(
            "shapes",
            version,
            Flags {
                race: true,
                ..Flags::default()
            },
        );
        assert!(race.race, "{version}");
        let cgo = build("cgo", version, Flags::default());
        assert!(cgo.cgo && cgo.external_linking, "{version}: {cgo:?}");
    }
}

#[test]
fn a_version_is_found_without_build_information() {
    for version in VERSIONS {
        let flags = Flags {
            strip: Strip::All,
            ..Flags::default()
        };
        let path = fixture("shapes", version, flags);
        let mut bytes = fs::read(&path).unwrap();
        let magic = b"\xff Go buildinf:";
        while let Some(at) = bytes.windows(magic.len()).position(|window| window == magic) {
            bytes[at..at + magic.len()].fill(0);
        }
        let whole = Binary::open(&path).unwrap();
        let binary = Binary::from_bytes(&path, bytes).unwrap();
        assert_eq!(binary.version(), whole.version());
        assert!(binary.build().main_package.is_none(), "{version}");
    }
}
