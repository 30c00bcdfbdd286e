//! `cargo xtask guest`: runs a command in a virtual machine.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use goinject_lab::guest::{Stream, script};
use goinject_lab::{Cache, Guest, GuestError, Kernel};

use crate::run::{Error, Result};

#[derive(Args)]
pub(crate) struct Options {
    /// Kernel to boot: "6.12", or "newest"; may be repeated
    #[arg(long, value_name = "VERSION", default_value = "newest")]
    kernel: Vec<String>,
    /// Boot every kernel of the cache, one after the other
    #[arg(long, conflicts_with = "kernel")]
    all: bool,
    /// Put a file, folder or program (with its libraries) into the guest; without a place: into /root
    #[arg(long, value_name = "HOST[:GUEST]")]
    file: Vec<String>,
    /// Set an environment variable in the guest
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Add to the kernel's command line, as in lockdown=integrity
    #[arg(long, value_name = "ARGUMENT")]
    append: Vec<String>,
    /// Memory in MiB; by default enough for the files
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Processors
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Time for the command in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Print the kernel's console, too
    #[arg(long)]
    console: bool,
    /// Give me a shell on the guest's console (leave with `exit`)
    #[arg(long, conflicts_with_all = ["command", "all"])]
    shell: bool,
    /// The command; a single word with spaces is a shell script
    #[arg(last = true, required_unless_present = "shell")]
    command: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let cache = Cache::from_env();
    let kernels = if options.all {
        Kernel::all(&cache)
    } else {
        Vec::new()
    };
    let names: Vec<&str> = match options.all {
        true => kernels.iter().map(|kernel| kernel.name.as_str()).collect(),
        false => options.kernel.iter().map(String::as_str).collect(),
    };
    if names.is_empty() {
        return Err(Error::new(
            "there is no kernel in the cache: run `cargo xtask setup --only guest`",
        ));
    }
    if options.shell {
        let status = equipped(&cache, names[0], options)?.shell()?;
        return Ok(if status.success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let mut worst = 0;
    for name in &names {
        let status = one(&equipped(&cache, name, options)?, options)?;
        // The first failure decides; a status beyond a byte is none that a shell gives.
        if worst == 0 {
            worst = u8::try_from(status).unwrap_or(1);
        }
    }
    Ok(ExitCode::from(worst))
}

fn equipped(cache: &Cache, kernel: &str, options: &Options) -> Result<Guest> {
    let mut guest = Guest::new(cache, kernel)?.cpus(options.cpus);
    if let Some(memory) = options.memory {
        guest = guest.memory_mib(memory);
    }
    for argument in &options.append {
        guest = guest.kernel_argument(argument);
    }
    for variable in &options.env {
        let (name, value) = variable
            .split_once('=')
            .ok_or_else(|| Error::new(format!("--env {variable}: give it as NAME=VALUE")))?;
        guest = guest.env(name, value);
    }
    for file in &options.file {
        let (host, place) = file
            .split_once(':')
            .map_or((file.as_str(), None), |(h, g)| (h, Some(g)));
        let name = Path::new(host).file_name().unwrap_or_default();
        let place = place.map_or_else(
            || Path::new("/root").join(name),
            |place| Path::new(place).to_owned(),
        );
        guest = match is_program(Path::new(host)) {
            true => guest.program(host, place)?,
            false => guest.file(host, place)?,
        };
    }
    Ok(guest)
}

fn one(guest: &Guest, options: &Options) -> Result<i32> {
    let mut booted = guest.boot()?;
    eprintln!(
        "# {} under {} in {:.1} s",
        booted.release,
        booted.accelerator,
        booted.boot_time.as_secs_f64()
    );
    let words: Vec<&str> = options.command.iter().map(String::as_str).collect();
    let script = match words[..] {
        [line] => line.to_owned(),
        _ => script(&words),
    };
    let mut lines = Lines::default();
    let mut show = |stream: Stream, bytes: &[u8]| lines.show(stream, bytes);
    let outcome = booted.run_with(&script, Duration::from_secs(options.timeout), &mut show);
    lines.finish();
    if options.console {
        eprintln!("# console\n{}", booted.console().trim_end());
    }
    match outcome {
        Ok(outcome) => {
            if !outcome.success() {
                eprintln!("# exit status {}", outcome.status);
            }
            Ok(outcome.status)
        }
        // What it wrote has been shown already.
        Err(GuestError::TimedOut { limit, .. }) => Err(Error::new(format!(
            "not done after {} s in the guest (--timeout)",
            limit.as_secs()
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Shows the two streams by whole lines, so that they don't cut into each other.
#[derive(Default)]
struct Lines {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Lines {
    fn show(&mut self, stream: Stream, bytes: &[u8]) {
        let begun = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        begun.extend_from_slice(bytes);
        if let Some(end) = begun.iter().rposition(|&byte| byte == b'\n') {
            write(stream, &begun[..=end]);
            begun.drain(..=end);
        }
    }

    fn finish(self) {
        write(Stream::Stdout, &self.stdout);
        write(Stream::Stderr, &self.stderr);
    }
}

fn write(stream: Stream, bytes: &[u8]) {
    // A closed pipe at our end is no reason to stop the guest half-way.
    let _ = match stream {
        Stream::Stdout => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
        Stream::Stderr => io::stderr().write_all(bytes),
    };
}

/// Whether it begins as an ELF file does. Scripts and data need no libraries.
fn is_program(path: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(path)
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut magic))
        .is_ok_and(|()| magic == *b"\x7fELF")
}
