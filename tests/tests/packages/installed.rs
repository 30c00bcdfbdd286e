//! The tarball, the package for Debian and the wheel, installed by tar, dpkg and pip.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{folder, output, package, program, succeeds, text};

/// Whether a folder's program is the published one, and works.
fn is_the_program(path: &Path) {
    assert_eq!(
        fs::read(path).expect("installed"),
        fs::read(program()).expect("built"),
        "{}",
        path.display()
    );
    let version = succeeds(Command::new(path).arg("--version"));
    assert!(version.starts_with("goinject "), "{version}");
}

#[test]
fn sums_are_those_of_the_packages() {
    let checked = succeeds(
        Command::new("sha256sum")
            .args(["--check", "SHA256SUMS"])
            .current_dir(folder()),
    );
    let packages = fs::read_dir(folder()).expect("readable").count();
    assert_eq!(checked.matches(": OK\n").count(), packages - 1, "{checked}");
}

#[test]
fn the_tarball_has_documents_completions_and_manual_pages() {
    let place = tempfile::tempdir().expect("a folder");
    succeeds(
        Command::new("tar")
            .arg("-xzf")
            .arg(package(".tar.gz"))
            .arg("-C")
            .arg(place.path()),
    );
    let inside = fs::read_dir(place.path()).expect("readable").next();
    let inside = inside.expect("one folder").expect("an entry").path();
    is_the_program(&inside.join("goinject"));
    for file in [
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "completions/_goinject",
    ] {
        assert!(inside.join(file).is_file(), "{file}");
    }
    let licences = fs::read_to_string(inside.join("THIRD-PARTIES.txt")).expect("text");
    for word in [
        "libbpf-sys",
        "clap_builder",
        "libelf",
        "Permission is hereby granted",
    ] {
        assert!(licences.contains(word), "{word}");
    }
    let bash = Command::new("bash")
        .args(["--norc", "-c"])
        .arg("source completions/goinject && COMP_WORDS=(goinject run --eng) COMP_CWORD=2 && _goinject goinject --eng run && echo \"${COMPREPLY[@]}\"")
        .current_dir(&inside)
        .output()
        .expect("bash");
    assert_eq!(text(&bash.stdout), "--engine\n", "{}", text(&bash.stderr));
}

#[test]
fn dpkg_installs_and_removes_the_package() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(root.path().join("var/lib/dpkg/updates")).expect("a folder");
    fs::create_dir_all(root.path().join("var/lib/dpkg/info")).expect("a folder");
    fs::write(root.path().join("var/lib/dpkg/status"), "").expect("written");
    let dpkg = |arguments: &[&str]| {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("--root").arg(root.path()).arg("--force-not-root");
        dpkg.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        succeeds(dpkg.args(arguments))
    };
    let deb = package(".deb");
    let deb = deb.to_str().expect("UTF-8");
    dpkg(&["--install", deb]);
    is_the_program(&root.path().join("usr/bin/goinject"));
    // Every file is as the package's own sums say.
    assert_eq!(dpkg(&["--verify", "goinject"]), "");
    let page = root.path().join("usr/share/man/man1/goinject-run.1.gz");
    let page = succeeds(Command::new("gzip").arg("-dc").arg(page));
    assert!(page.contains(".TH goinject-run 1"), "{page}");
    for file in [
        "bash-completion/completions/goinject",
        "zsh/vendor-completions/_goinject",
        "fish/vendor_completions.d/goinject.fish",
        "doc/goinject/copyright",
        "doc/goinject/changelog.Debian.gz",
    ] {
        assert!(root.path().join("usr/share").join(file).is_file(), "{file}");
    }
    dpkg(&["--purge", "goinject"]);
    assert!(!root.path().join("usr/bin/goinject").exists());
    let information = succeeds(Command::new("dpkg-deb").args(["--field", deb]));
    assert!(information.contains("Architecture: amd64"), "{information}");
    assert!(!information.contains("Depends"), "{information}");
}

#[test]
fn pip_installs_and_removes_the_wheel() {
    let place = tempfile::tempdir().expect("a folder");
    let environment = place.path().join("venv");
    succeeds(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    let pip = environment.join("bin/pip");
    let install = ["--disable-pip-version-check", "install", "--no-index"];
    succeeds(Command::new(&pip).args(install).arg(package(".whl")));
    is_the_program(&environment.join("bin/goinject"));
    let shown =
        succeeds(Command::new(&pip).args(["--disable-pip-version-check", "show", "--files", "goinject"]));
    assert!(shown.contains("../../../bin/goinject"), "{shown}");
    let removed =
        output(Command::new(&pip).args(["--disable-pip-version-check", "uninstall", "--yes", "goinject"]));
    assert!(removed.status.success(), "{}", text(&removed.stderr));
    assert!(!environment.join("bin/goinject").exists());
}

/// Each line of the wheel's list, looked at by Python's own reader of archives.
#[test]
fn the_wheel_is_what_its_list_says() {
    let script = "\
import base64, csv, hashlib, io, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
assert wheel.testzip() is None
record = next(name for name in wheel.namelist() if name.endswith('.dist-info/RECORD'))
rows = list(csv.reader(io.StringIO(wheel.read(record).decode())))
assert {row[0] for row in rows} == set(wheel.namelist()), rows
for name, sum, size in rows:
    if name != record:
        data = wheel.read(name)
        made = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()
        assert (sum, size) == ('sha256=' + made, str(len(data))), name
print(len(rows))
";
    let rows = succeeds(Command::new("python3").args(["-c", script]).arg(package(".whl")));
    assert_eq!(rows.trim(), "7");
}
