//! Compiles the generic probe program from one source: by clang for BPF, by cc for the ptrace engine, and by clang for the
//! inside of a target.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets the architecture");
    let architecture = architecture_folder(&target);
    compile_bpf(&out.join("inject.bpf.o"), &target, &architecture, &[]);
    compile_bpf(
        &out.join("inject.sleepable.bpf.o"),
        &target,
        &architecture,
        &["-DGI_SLEEPABLE"],
    );
    compile_inline(&out, &architecture);
    cc::Build::new()
        .file("bpf/native.c")
        .file("bpf/native_frame.c")
        .file("bpf/lanes_by_steps.c")
        .file("bpf/layout.c")
        .include("bpf")
        .include(&architecture)
        .flag("-std=gnu11")
        .flag("-Wno-unused-parameter")
        .warnings_into_errors(true)
        .compile("goinject_core");
}

/// Where the headers of an architecture are: each has the same ones.
fn architecture_folder(target: &str) -> String {
    let name = match target {
        "x86_64" => "amd64",
        other => other,
    };
    let folder = format!("bpf/arch/{name}");
    assert!(
        Path::new(&folder).is_dir(),
        "goinject's probes are not written for {target}: there is no folder probes/{folder}"
    );
    folder
}

/// The BPF object. `-mcpu=v3` gives the atomic operations that return a value (Linux 5.12).
fn compile_bpf(object: &Path, target: &str, architecture: &str, definitions: &[&str]) {
    let clang = clang();
    let libbpf = env::var("DEP_BPF_INCLUDE").expect("libbpf-sys tells where its headers are");
    let system_headers = format!("/usr/include/{target}-linux-gnu");
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
        .args(without_places())
        .args(["-I", "bpf", "-I", architecture])
        .args(["-I", &libbpf, "-I", &system_headers])
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

/// What is compiled is the same wherever the checkout is: the lines that the kernel's verifier quotes name their file.
fn without_places() -> Option<String> {
    let here = env::current_dir().ok()?;
    Some(format!(
        "-ffile-prefix-map={}=/goinject",
        here.parent()?.display()
    ))
}

/// The core that is put into targets: one piece of code for any address, with general registers alone, so that the
/// floating-point ones stay the thread's. It is linked by itself, since it brings its own `memcpy`.
fn compile_inline(out: &Path, architecture: &str) {
    let (start, core) = (out.join("inline-start.o"), out.join("inline-core.o"));
    let assembly = format!("{architecture}/inline.S");
    let clang = clang();
    let compile = |source: &str, object: &Path, arguments: &[&str]| {
        let mut command = Command::new(&clang);
        command.args(arguments).args(["-I", "bpf", "-I", architecture]);
        run(command.args(["-c", source, "-o"]).arg(object));
    };
    compile(&assembly, &start, &[]);
    compile(
        "bpf/inline.c",
        &core,
        &[
            "-O2",
            "-std=gnu11",
            "-Wall",
            "-Wextra",
            "-Wno-unused-parameter",
            "-Wno-unused-function",
            "-Werror",
            "-ffreestanding",
            "-fno-builtin",
            "-fPIE",
            "-fvisibility=hidden",
            "-mgeneral-regs-only",
            "-mno-red-zone",
            "-fno-stack-protector",
            "-fcf-protection=none",
            // Tables of jumps, and of values, would be constants beside the code.
            "-fno-jump-tables",
            "-fno-asynchronous-unwind-tables",
            "-fno-unwind-tables",
        ],
    );
    let script = format!("-Wl,-T,{architecture}/inline.lds");
    let mut link = cc::Build::new().get_compiler().to_command();
    link.args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", &script])
        .args(["-Wl,--oformat=binary", "-o"])
        .args([&out.join("inline.core"), &start, &core]);
    run(&mut link);
}

fn run(command: &mut Command) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{command:?}: {status}"),
        Err(error) => panic!("cannot run {command:?}: {error}"),
    }
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
