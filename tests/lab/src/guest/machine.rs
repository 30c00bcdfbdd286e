//! One run of the emulator: its process, its serial ports, its end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, process, thread};

use super::error::GuestError;
use super::initramfs::Initramfs;

/// The emulator of the guests.
const QEMU: &str = "qemu-system-x86_64";

/// Console lines that an error quotes.
const CONSOLE_TAIL: usize = 40;

/// The ports that a program's output and the control dialogue go through, in the order in which init.sh takes them.
const PORTS: [Port; 3] = [Port::Stdout, Port::Stderr, Port::Control];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Stdout,
    Stderr,
    Control,
}

/// What a machine is made of, accelerator included.
pub(super) struct Hardware<'a> {
    pub(super) kernel: &'a Path,
    pub(super) files: &'a Initramfs,
    pub(super) memory_mib: u64,
    pub(super) cpus: u32,
    pub(super) kernel_arguments: &'a [String],
    pub(super) accelerator: &'static str,
}

/// A running emulator. It ends when this is dropped or when this process ends, however that happens.
pub(super) struct Machine {
    folder: PathBuf,
    pub(super) nonce: String,
    pub(super) bytes: Receiver<(Port, Vec<u8>)>,
    control: UnixStream,
    stop: Arc<AtomicBool>,
    ended: Arc<OnceLock<ExitStatus>>,
    keeper: Option<thread::JoinHandle<()>>,
}

impl Machine {
    pub(super) fn start(hardware: &Hardware<'_>) -> Result<Machine, GuestError> {
        let nonce = nonce();
        let folder = folder(&nonce)?;
        let listeners = PORTS.map(|port| UnixListener::bind(folder.join(format!("{port:?}"))));
        hardware.files.write(&folder.join("initramfs"))?;

        let mut command = command(hardware, &folder, &nonce);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(folder.join("qemu"))?);
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::new(OnceLock::new());
        let keeper = keep(command, Arc::clone(&stop), Arc::clone(&ended))?;

        let (sender, bytes) = mpsc::channel();
        let mut machine = Machine {
            folder,
            nonce,
            bytes,
            // Replaced below; any stream will do until then.
            control: UnixStream::pair()?.0,
            stop,
            ended,
            keeper: Some(keeper),
        };
        for (port, listener) in PORTS.into_iter().zip(listeners) {
            let stream = machine.accept(&listener?)?;
            if port == Port::Control {
                machine.control = stream.try_clone()?;
            }
            forward(port, stream, sender.clone());
        }
        Ok(machine)
    }

    /// Waits for the emulator to connect one of its ports, which is the first thing that it does.
    fn accept(&self, listener: &UnixListener) -> Result<UnixStream, GuestError> {
        listener.set_nonblocking(true)?;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
                Err(_) if self.has_ended() || Instant::now() > deadline => {
                    return Err(GuestError::Io(io::Error::other(format!(
                        "{QEMU} does not start: {}",
                        self.emulator_says().trim()
                    ))));
                }
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.control.write_all(bytes)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Everything that the kernel has printed.
    pub(super) fn console(&self) -> String {
        let bytes = fs::read(self.folder.join("console")).unwrap_or_default();
        // The firmware clears the screen before the kernel has its say.
        let text = String::from_utf8_lossy(&bytes).replace('\r', "");
        text.rsplit_once("\x1b[2J")
            .map_or(text.clone(), |(_, kernel)| kernel.to_owned())
    }

    pub(super) fn console_tail(&self) -> String {
        let console = self.console();
        let lines: Vec<&str> = console.lines().collect();
        lines[lines.len().saturating_sub(CONSOLE_TAIL)..].join("\n")
    }

    /// The kernel's own words for why it gave up: its last one, then what it said of the cause and the place.
    pub(super) fn panic(&self) -> Option<String> {
        let console = self.console();
        let message = |line: &str| {
            line.split_once("] ")
                .map_or(line, |(_, message)| message)
                .trim()
                .to_owned()
        };
        let find = |words: &[&str]| {
            let line = console
                .lines()
                .find(|line| words.iter().any(|word| line.contains(word)));
            line.map(message)
        };
        let panic = find(&["Kernel panic"])?;
        let causes = [
            find(&["BUG: ", "Oops: ", "general protection fault"]),
            find(&["RIP: 0010:"]),
        ];
        Some(
            causes
                .into_iter()
                .flatten()
                .fold(panic, |panic, cause| format!("{panic}; {cause}")),
        )
    }

    /// What the emulator itself printed.
    pub(super) fn emulator_says(&self) -> String {
        fs::read_to_string(self.folder.join("qemu")).unwrap_or_default()
    }

    /// Waits for a guest that powers itself off; true when it did.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        self.has_ended()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(keeper) = self.keeper.take() {
            // The keeper does not panic; and there is nobody to tell.
            let _ = keeper.join();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs the emulator with this terminal as its console, until the guest powers off.
pub(super) fn attach(hardware: &Hardware<'_>) -> Result<ExitStatus, GuestError> {
    let folder = folder(&nonce())?;
    let run = || {
        hardware.files.write(&folder.join("initramfs"))?;
        let mut command = machine(hardware, &folder, "goinject.shell");
        command
            .args(["-serial", "mon:stdio"])
            .status()
            .map_err(not_started)
    };
    let result = run();
    let _ = fs::remove_dir_all(&folder);
    result
}

/// The emulator's command line without its serial ports.
fn machine(hardware: &Hardware<'_>, folder: &Path, argument: &str) -> Command {
    // An emulator must not outlive us, even when we are killed. The signal comes at the end of the *thread* that
    // started it, hence the keeper.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", QEMU]);
    command.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-cpu",
        "max",
    ]);
    command.args(["-accel", hardware.accelerator]);
    command.args([
        "-smp",
        &hardware.cpus.to_string(),
        "-m",
        &hardware.memory_mib.to_string(),
    ]);
    command.arg("-kernel").arg(hardware.kernel);
    command.arg("-initrd").arg(folder.join("initramfs"));
    // quiet: what is left on the console is worth reading. A stalled host must not look like a fault of the guest's
    // kernel, hence no watchdogs; an oops must, hence the panic, which ends the emulator.
    let mut arguments = "console=ttyS0 quiet oops=panic panic=-1 8250.nr_uarts=8 nowatchdog \
                         rcupdate.rcu_cpu_stall_suppress=1"
        .to_owned();
    for word in [argument]
        .into_iter()
        .chain(hardware.kernel_arguments.iter().map(String::as_str))
    {
        arguments.push(' ');
        arguments.push_str(word);
    }
    command.arg("-append").arg(arguments);
    command
}

fn command(hardware: &Hardware<'_>, folder: &Path, nonce: &str) -> Command {
    let mut command = machine(hardware, folder, &format!("goinject.nonce={nonce}"));
    let file = |option: &str, name: &str| {
        let mut value = OsString::from(option);
        value.push(folder.join(name));
        value
    };
    command.arg("-serial").arg(file("file:", "console"));
    for port in PORTS {
        let name = format!("{port:?}");
        command
            .arg("-chardev")
            .arg(file(&format!("socket,id={name},path="), &name));
    }
    command.args(["-chardev", "null,id=spare"]);
    // Cloud kernels have 8250 ports on PCI built in; virtio is a module before 6.12.
    command.args([
        "-device",
        "pci-serial-4x,chardev1=Stdout,chardev2=Stderr,chardev3=Control,chardev4=spare",
    ]);
    command
}

/// Starts the emulator in a thread of its own and watches it there.
fn keep(
    mut command: Command,
    stop: Arc<AtomicBool>,
    ended: Arc<OnceLock<ExitStatus>>,
) -> Result<thread::JoinHandle<()>, GuestError> {
    let (sender, started) = mpsc::channel();
    let keeper = thread::Builder::new()
        .name("guest".into())
        .spawn(move || match command.spawn() {
            Ok(mut child) => {
                let _ = sender.send(Ok(()));
                watch(&mut child, &stop, &ended);
            }
            Err(error) => {
                let _ = sender.send(Err(not_started(error)));
            }
        })?;
    started.recv().expect("the keeper answers before it ends")?;
    Ok(keeper)
}

fn watch(child: &mut Child, stop: &AtomicBool, ended: &OnceLock<ExitStatus>) {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let _ = ended.set(status);
                return;
            }
            Ok(None) if stop.load(Ordering::Relaxed) => {
                let _ = child.kill();
                if let Ok(status) = child.wait() {
                    let _ = ended.set(status);
                }
                return;
            }
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Err(_) => return,
        }
    }
}

fn not_started(error: io::Error) -> GuestError {
    GuestError::Program {
        name: format!("setpriv or {QEMU}"),
        error,
    }
}

/// Reads a port for as long as the emulator lives. Never slower than the guest writes, so nothing is lost.
fn forward(port: Port, mut stream: UnixStream, sender: Sender<(Port, Vec<u8>)>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            if sender.send((port, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    });
}

/// A new folder for the archive, the console and the sockets of one run.
fn folder(nonce: &str) -> io::Result<PathBuf> {
    let usual = env::temp_dir();
    // The name of a socket has 107 bytes.
    let parent = if usual.as_os_str().len() > 50 {
        Path::new("/tmp")
    } else {
        &usual
    };
    let folder = parent.join(format!("goinject-guest-{nonce}"));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// A word that no program prints by chance.
fn nonce() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{count:x}-{:x}", process::id(), time.as_nanos())
}
