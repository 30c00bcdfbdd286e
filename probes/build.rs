//! Compiles the generic probe program twice from one source: by clang for BPF, by cc for the ptrace engine.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    compile_bpf(&out.join("inject.bpf.o"), &[]);
    compile_bpf(&out.join("inject.sleepable.bpf.o"), &["-DGI_SLEEPABLE"]);
    cc::Build::new()
        .file("bpf/native.c")
        .flag("-std=gnu11")
        .flag("-Wno-unused-parameter")
        .warnings_into_errors(true)
        .compile("goinject_core");
}

/// The BPF object. `-mcpu=v3` gives the atomic operations that return a value (Linux 5.12).
fn compile_bpf(object: &Path, definitions: &[&str]) {
    let clang = clang();
    let libbpf = env::var("DEP_BPF_INCLUDE").expect("libbpf-sys tells where its headers are");
    let arch_headers = format!("/usr/include/{}-linux-gnu", env::consts::ARCH);
    let status = Command::new(&clang)
        .args([
            "-O2",
            "-g",
            "-Wall",
            "-Wextra",
            "-Wno-unused-parameter",
            "-Werror",
        ])
        // See bpf/hit.h: with spilled registers and rounding, below 64 bytes.
        .arg("-Wframe-larger-than=48")
        .args(["-target", "bpf", "-mcpu=v3", "-c", "bpf/inject.bpf.c", "-o"])
        .arg(object)
        .args(definitions)
        .args(["-I", &libbpf, "-I", &arch_headers])
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{clang} could not compile bpf/inject.bpf.c: {status}"),
        Err(error) => panic!("cannot run {clang}: {error}"),
    }
    // Debugging sections would triple the object; the BTF that the kernel needs is kept.
    let strip = clang.replace("clang", "llvm-strip");
    let _ = Command::new(strip).arg("-g").arg(object).status();
}

/// The clang to use: `$CLANG`, else the first on the path that runs.
fn clang() -> String {
    if let Ok(clang) = env::var("CLANG") {
        return clang;
    }
    let names = std::iter::once("clang".to_owned()).chain((14..=22).rev().map(|n| format!("clang-{n}")));
    for name in names {
        if Command::new(&name)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
        {
            return name;
        }
    }
    panic!(
        "no clang found, which compiles goinject's BPF program: run `cargo xtask setup`, \
         or install clang, libelf-dev and zlib1g-dev, or set CLANG"
    );
}
