//! Virtual machines for tests: a kernel, a few files, a script, its output and exit status.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use goinject_lab::{Cache, Guest};
//! let mut guest = Guest::new(&Cache::from_env(), "6.12")?
//!     .program("target/release/goinject", "/bin/goinject")?
//!     .kernel_argument("lockdown=integrity")
//!     .boot()?;
//! let outcome = guest.run("goinject doctor", Duration::from_secs(60))?;
//! assert!(outcome.success(), "{}", outcome.stderr());
//! # Ok::<(), goinject_lab::GuestError>(())
//! ```

mod accelerator;
mod error;
mod initramfs;
mod machine;
mod session;

use std::path::Path;
use std::process::ExitStatus;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

pub use accelerator::Accelerator;
pub use error::GuestError;
pub use session::{Booted, Outcome, SCRIPT_LIMIT, Stream};

use crate::cache::Cache;
use crate::kernel::Kernel;
use accelerator::{KVM, TCG, TCG_IN_TURN, Verdict};
use initramfs::Initramfs;
use machine::{Hardware, Machine, Port};

/// Where Debian's `busybox-static` has its program.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// A guest to be booted. Made with [`Guest::new`], equipped by its methods, started by [`Guest::boot`].
#[derive(Debug, Clone)]
pub struct Guest {
    cache: Cache,
    kernel: Kernel,
    files: Initramfs,
    environment: String,
    memory_mib: Option<u64>,
    cpus: u32,
    kernel_arguments: Vec<String>,
    accelerator: Accelerator,
    in_turn: bool,
    boot_limit: Duration,
}

impl Guest {
    /// A guest with a kernel of the cache: "6.12", or "newest".
    ///
    /// # Errors
    /// When that kernel or busybox is missing.
    pub fn new(cache: &Cache, kernel: &str) -> Result<Guest, GuestError> {
        Guest::with_kernel(cache, Kernel::find(cache, kernel)?)
    }

    /// A guest with this kernel.
    ///
    /// # Errors
    /// When busybox is missing.
    pub fn with_kernel(cache: &Cache, kernel: Kernel) -> Result<Guest, GuestError> {
        let busybox = BUSYBOX.into_iter().map(Path::new).find(|path| path.exists());
        let busybox = busybox.ok_or_else(|| GuestError::Program {
            name: "busybox".into(),
            error: std::io::ErrorKind::NotFound.into(),
        })?;
        let mut files = Initramfs::default();
        files.host(Path::new("/bin/busybox"), busybox)?;
        files.bytes(Path::new("/init"), 0o755, include_bytes!("init.sh").to_vec());
        let kill_session = include_bytes!("kill-session.sh").to_vec();
        files.bytes(Path::new("/bin/kill-session"), 0o755, kill_session);
        files.bytes(Path::new("/etc/passwd"), 0o644, PASSWD.into());
        files.bytes(
            Path::new("/etc/group"),
            0o644,
            b"root:x:0:\nnogroup:x:65534:\n".to_vec(),
        );
        files.bytes(
            Path::new("/etc/hosts"),
            0o644,
            b"127.0.0.1 localhost guest\n::1 localhost\n".to_vec(),
        );
        files.character_device("/dev/console", 5, 1);
        files.directory("/proc");
        files.symlink("/usr/local/bin", "/bin");
        Ok(Guest {
            cache: cache.clone(),
            kernel,
            files,
            environment: String::new(),
            memory_mib: None,
            cpus: 2,
            kernel_arguments: Vec::new(),
            accelerator: Accelerator::Auto,
            in_turn: false,
            boot_limit: Duration::from_secs(90),
        })
    }

    /// Puts a file of the host, or a folder with all that is in it, at an absolute path of the guest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(mut self, host: impl AsRef<Path>, guest: impl AsRef<Path>) -> Result<Guest, GuestError> {
        self.files.host(guest.as_ref(), host.as_ref())?;
        Ok(self)
    }

    /// Puts a program into the guest together with the shared libraries that it needs.
    ///
    /// # Errors
    /// When it cannot be read, or a library is not found.
    pub fn program(mut self, host: impl AsRef<Path>, guest: impl AsRef<Path>) -> Result<Guest, GuestError> {
        self.files.host(guest.as_ref(), host.as_ref())?;
        for library in initramfs::libraries(host.as_ref())? {
            self.files.host(&library, &library)?;
        }
        Ok(self)
    }

    /// Puts text into the guest, readable and executable for all.
    #[must_use]
    pub fn text(mut self, guest: impl AsRef<Path>, text: impl Into<String>) -> Guest {
        self.files.bytes(guest.as_ref(), 0o755, text.into().into_bytes());
        self
    }

    /// Sets an environment variable of every script.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Guest {
        self.environment
            .push_str(&format!("export {name}={}\n", quote(value)));
        self
    }

    /// Memory in MiB. Without this: enough for the files and 768 MiB more.
    #[must_use]
    pub fn memory_mib(mut self, memory: u64) -> Guest {
        self.memory_mib = Some(memory);
        self
    }

    /// Processors; 2 without this.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Guest {
        self.cpus = cpus;
        self
    }

    /// Adds to the kernel's command line, as in `lockdown=integrity`.
    #[must_use]
    pub fn kernel_argument(mut self, argument: impl Into<String>) -> Guest {
        self.kernel_arguments.push(argument.into());
        self
    }

    /// Emulation or KVM; [`Accelerator::Auto`] without this.
    #[must_use]
    pub fn accelerator(mut self, accelerator: Accelerator) -> Guest {
        self.accelerator = accelerator;
        self
    }

    /// Where processors are emulated, lets them take turns in one thread, which is slower. Emulated side by side they now
    /// and then run what stood in a page before another of them wrote there. Kernels single-step probed instructions in
    /// one page of the process, so very many hits in several threads meet that.
    #[must_use]
    pub fn in_turn(mut self) -> Guest {
        self.in_turn = true;
        self
    }

    /// How long one attempt to boot may take; 90 s without this.
    #[must_use]
    pub fn boot_limit(mut self, limit: Duration) -> Guest {
        self.boot_limit = limit;
        self
    }

    /// Boots it. An attempt that never reaches the first process is repeated once, and standard error says so.
    ///
    /// # Errors
    /// [`GuestError::NeverReady`] when both attempts failed.
    pub fn boot(&self) -> Result<Booted, GuestError> {
        let accelerator = self.choose_accelerator()?;
        let first = match self.attempt(accelerator)? {
            Ok(booted) => return Ok(booted),
            Err(failure) => failure,
        };
        eprintln!(
            "guest {} did not come up ({}); trying once more",
            self.kernel.release, first.reason
        );
        match self.attempt(accelerator)? {
            Ok(mut booted) => {
                booted.retried = Some(first.reason);
                Ok(booted)
            }
            Err(second) => Err(GuestError::NeverReady {
                kernel: self.kernel.release.clone(),
                reasons: vec![first.reason, second.reason],
                console: second.console,
            }),
        }
    }

    /// Boots it, runs one program with its arguments, and ends it.
    ///
    /// # Errors
    /// As [`Guest::boot`] and [`Booted::run`].
    pub fn run(&self, command: &[&str], limit: Duration) -> Result<Outcome, GuestError> {
        self.boot()?.run(&script(command), limit)
    }

    /// Boots it with this process's terminal as its console and a shell on that, until the guest powers off.
    ///
    /// # Errors
    /// When the emulator cannot be started.
    pub fn shell(&self) -> Result<ExitStatus, GuestError> {
        let accelerator = self.choose_accelerator()?;
        let files = self.all_files();
        machine::attach(&self.hardware(&files, accelerator)?)
    }

    fn choose_accelerator(&self) -> Result<&'static str, GuestError> {
        let emulation = if self.in_turn { TCG_IN_TURN } else { TCG };
        match self.accelerator.asked() {
            Accelerator::Kvm => return Ok(KVM),
            Accelerator::Tcg => return Ok(emulation),
            Accelerator::Auto => {}
        }
        let verdict = Verdict::of(&self.cache);
        let works = match verdict.known() {
            Some(works) => works,
            None => {
                // With nothing in it but busybox, a guest is up in a second or two under KVM.
                let bare = Guest::with_kernel(&self.cache, self.kernel.clone())?;
                let trial = bare.boot_limit(Duration::from_secs(20)).attempt(KVM)?;
                let failure = trial.err().map(|failure| failure.reason);
                verdict.remember(failure.as_deref());
                failure.is_none()
            }
        };
        Ok(if works { KVM } else { emulation })
    }

    fn all_files(&self) -> Initramfs {
        let mut files = self.files.clone();
        files.bytes(
            Path::new("/run/environment"),
            0o644,
            self.environment.clone().into_bytes(),
        );
        files
    }

    fn hardware<'a>(
        &'a self,
        files: &'a Initramfs,
        accelerator: &'static str,
    ) -> Result<Hardware<'a>, GuestError> {
        // While it is unpacked the archive is there twice, and the root file system takes up to half of the memory.
        let needed = 768 + (files.size()? >> 20) * 5 / 2;
        Ok(Hardware {
            kernel: &self.kernel.image,
            files,
            memory_mib: self.memory_mib.unwrap_or(needed),
            cpus: self.cpus,
            kernel_arguments: &self.kernel_arguments,
            accelerator,
        })
    }

    /// One attempt to boot. The outer error is one that another attempt would meet again.
    fn attempt(&self, accelerator: &'static str) -> Result<Result<Booted, Failure>, GuestError> {
        let files = self.all_files();
        let hardware = self.hardware(&files, accelerator)?;
        let start = Instant::now();
        let mut booted = Booted {
            machine: Machine::start(&hardware)?,
            release: String::new(),
            boot_time: Duration::ZERO,
            retried: None,
            accelerator: if accelerator == KVM { "kvm" } else { "tcg" },
            kernel: self.kernel.release.clone(),
            runs: 0,
            control: String::new(),
        };
        let ready = format!("ready {} ", booted.machine.nonce);
        let fail = |booted: Booted, reason: String| {
            Ok(Err(Failure {
                reason,
                console: booted.machine.console_tail(),
            }))
        };
        loop {
            match booted.machine.bytes.recv_timeout(Duration::from_millis(100)) {
                Ok((Port::Control, bytes)) => {
                    for line in booted.control_lines(&bytes) {
                        if let Some(release) = line.strip_prefix(&ready) {
                            booted.release = release.to_owned();
                            booted.boot_time = start.elapsed();
                            return Ok(Ok(booted));
                        }
                    }
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    let said = booted.machine.emulator_says();
                    if said.contains("KVM internal error") || said.contains("kvm run failed") {
                        return fail(booted, "KVM gave up".into());
                    }
                    if start.elapsed() > self.boot_limit {
                        let limit = self.boot_limit.as_secs();
                        return fail(booted, format!("no first process after {limit} s"));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    booted.machine.wait(Duration::from_secs(5));
                    let says = booted.machine.emulator_says();
                    let reason = booted.machine.panic().unwrap_or_else(|| match says.trim() {
                        "" => "the emulator ended".into(),
                        says => format!("the emulator ended: {says}"),
                    });
                    return fail(booted, reason);
                }
            }
        }
    }
}

struct Failure {
    reason: String,
    console: String,
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n";

/// Why tests should boot no guest, where the user does not want any: `GOINJECT_NO_GUEST` is set.
#[must_use]
pub fn refused() -> Option<&'static str> {
    let set = std::env::var_os("GOINJECT_NO_GUEST").is_some_and(|value| !value.is_empty() && value != "0");
    set.then_some("GOINJECT_NO_GUEST is set")
}

/// A script that runs one program with its arguments, for [`Booted::run`].
#[must_use]
pub fn script(command: &[&str]) -> String {
    command
        .iter()
        .map(|word| quote(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// One word of a shell.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=./:,@%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(
            script(&["echo", "a b", "it's", "", "$x"]),
            r"echo 'a b' 'it'\''s' '' '$x'"
        );
    }
}
