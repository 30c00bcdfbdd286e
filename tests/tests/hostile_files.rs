//! Files that were made, or are being changed, to harm who reads them: goinject ends with a message, and soon.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use goinject_tests::goinject::{self, Running};
use goinject_tests::{Build, Flags, Outcome, Strip};

fn run<const N: usize>(folder: &Path, arguments: [&OsStr; N]) -> Outcome {
    let mut command = goinject::command(arguments);
    Running::start(command.current_dir(folder)).end()
}

fn pipe(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn names_and_paths_do_not_reach_the_terminal_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let odd = folder.path().join("a\n\u{1b}[31mb\u{202e}");
    fs::create_dir(&odd).expect("a folder");
    fs::copy(Build::plain("1.27").of("cases"), odd.join("program")).expect("a copy");
    let rules = "version: 1\nrules:\n- {name: \"x ok\\ngoinject: the target exited with status 0\\n\\e[2J\", function: main.toItself, \
                 mode: observe, inject: {panic: true}}\n- {function: \"main.to\\eItself\", mode: observe, inject: {panic: true}}\n";
    fs::write(odd.join("rules.yaml"), rules).expect("written");
    let (rules, program) = (odd.join("rules.yaml"), odd.join("program"));
    let arguments = |word: &'static str| OsStr::new(word);
    let outcomes = [
        run(
            folder.path(),
            [
                arguments("check"),
                rules.as_os_str(),
                arguments("--binary"),
                program.as_os_str(),
            ],
        ),
        run(
            folder.path(),
            [
                arguments("inspect"),
                program.as_os_str(),
                arguments("main.none\u{1b}"),
            ],
        ),
        run(folder.path(), [arguments("inspect"), program.as_os_str()]),
    ];
    for outcome in outcomes {
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
        assert!(!said.contains("\ngoinject: the target exited"), "{said:?}");
        assert!(said.contains(r"a\n\u{1b}[31mb\u{202e}/program"), "{said:?}");
    }
}

#[test]
fn pipes_and_devices_are_not_read_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    pipe(&folder.path().join("pipe"));
    for name in ["pipe", "/dev/zero"] {
        let outcome = run(folder.path(), ["inspect", name].map(OsStr::new));
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        assert!(
            outcome.stderr.contains("a device or pipe"),
            "{}",
            outcome.describe()
        );
    }
    let outcome = run(folder.path(), ["check", "/dev/zero"].map(OsStr::new));
    assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
    assert!(outcome.stderr.contains("16 MB"), "{}", outcome.describe());
}

/// The program's debug link names a file beside it.
#[test]
fn debug_links_lead_to_regular_files_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let stripped = Build {
        flags: Flags {
            strip: Strip::All,
            external: true,
            ..Flags::NONE
        },
        ..Build::plain("1.27")
    };
    let program = folder.path().join("program");
    let link = folder.path().join("program.debug");
    fs::write(&link, "x").expect("written");
    let status = std::process::Command::new("objcopy")
        .arg(format!("--add-gnu-debuglink={}", link.display()))
        .args([stripped.of("cases"), program])
        .status()
        .expect("objcopy is installed");
    assert!(status.success());
    let make: [fn(&Path); 2] = [pipe, |path| symlink("/dev/zero", path).expect("a link")];
    for make in make {
        fs::remove_file(&link).expect("removed");
        make(&link);
        let outcome = run(
            folder.path(),
            ["inspect", "program", "main.toItself"].map(OsStr::new),
        );
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    }
}

#[test]
fn a_program_that_is_written_meanwhile_ends_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = fs::read(Build::plain("1.27").of("cases")).expect("a program");
    let program = folder.path().join("program");
    fs::write(&program, &whole).expect("written");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let mut file = fs::OpenOptions::new().write(true).open(&program).expect("there");
                file.set_len(100_000).expect("cut");
                file.write_all(&whole).expect("written");
            }
        });
        for _ in 0..30 {
            let outcome = run(
                folder.path(),
                ["inspect", "program", "main.toItself"].map(OsStr::new),
            );
            assert!(matches!(outcome.code, Some(0 | 3)), "{}", outcome.describe());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_type_that_is_a_pointer_to_itself_has_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Build::plain("1.27").of("cases");
    let inspect = run(
        folder.path(),
        ["inspect", program.to_str().expect("UTF-8"), "main.toItself"].map(OsStr::new),
    );
    assert_eq!(inspect.code, Some(0), "{}", inspect.describe());
    assert!(inspect.stdout.contains("*main.endless"), "{}", inspect.describe());
    for (path, words) in [
        ("n.foo", "has no field `foo`"),
        ("n.len", "has no field `len`"),
        ("n[0]", "pointers"),
    ] {
        let rules = format!(
            "version: 1\nrules:\n- {{function: main.toItself, inject: {{set: {{\"{path}\": 1}}}}}}\n"
        );
        fs::write(folder.path().join("rules.yaml"), rules).expect("written");
        let arguments = [
            "check",
            "rules.yaml",
            "--binary",
            program.to_str().expect("UTF-8"),
        ];
        let check = run(folder.path(), arguments.map(OsStr::new));
        assert_eq!(check.code, Some(2), "{}", check.describe());
        assert!(check.stderr.contains(words), "{}", check.describe());
    }
}
