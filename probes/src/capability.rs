//! What this host lets BPF do, found by trying it and never by version.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;

use libbpf_sys as sys;

use crate::program::{Attach, Capacity, Probe, Program, ProgramError, Switches};
use crate::table::{BINDING_COUNTS, Binding, CONTEXT_REGISTER, Control, RULE_OBSERVE, Rule, Site, Tables};
use crate::verifier;

/// Whether something can be done here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// It was tried and works.
    Yes,
    /// It was tried and is refused; why, in the kernel's words where it has any.
    No(String),
    /// It could not be tried.
    Unknown(String),
}

impl Support {
    /// Whether it works.
    pub fn is_yes(&self) -> bool {
        *self == Support::Yes
    }

    fn from_result(result: Result<(), String>) -> Support {
        match result {
            Ok(()) => Support::Yes,
            Err(reason) => Support::No(reason),
        }
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Support::Yes => f.write_str("yes"),
            Support::No(reason) => write!(f, "no: {reason}"),
            Support::Unknown(reason) => write!(f, "could not tell: {reason}"),
        }
    }
}

/// What BPF may do on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpfSupport {
    /// Load goinject's program with every write switched off, and attach it.
    pub load: Support,
    /// `bpf_probe_write_user` (Linux 4.8, CAP_SYS_ADMIN, no lockdown).
    pub memory: Support,
    /// Stores into the probe's register context (Linux 6.18).
    pub context: Support,
    /// `bpf_send_signal_thread` (Linux 5.6).
    pub signal: Support,
    /// One link for many sites with a process filter that sees all threads (Linux 6.10, or 6.6.35 and 6.9.5).
    pub multi: Support,
    /// Programs that may wait for a page (Linux 6.0).
    pub sleep: Support,
}

impl BpfSupport {
    /// Tries everything. Takes about a tenth of a second where BPF works: the kernel takes its time to take a probe off.
    pub fn probe() -> BpfSupport {
        // What newer kernels have implies the rest, and it is what will be used then.
        let (load, multi, sleep) = match counts_own_calls(Attach::Multi, true) {
            Ok(()) => (Support::Yes, Support::Yes, Support::Yes),
            Err(_) => match Support::from_result(counts_own_calls(Attach::Single, false)) {
                Support::Yes => (
                    Support::Yes,
                    Support::from_result(counts_own_calls(Attach::Multi, false)),
                    Support::from_result(counts_own_calls(Attach::Single, true)),
                ),
                refused => {
                    let reason = || Support::Unknown("the BPF program does not load".to_owned());
                    return BpfSupport {
                        load: refused,
                        memory: reason(),
                        context: reason(),
                        signal: reason(),
                        multi: reason(),
                        sleep: reason(),
                    };
                }
            },
        };
        BpfSupport {
            load,
            memory: Support::from_result(accepts(&WRITE_MEMORY)),
            context: Support::from_result(accepts(&WRITE_CONTEXT)),
            signal: Support::from_result(accepts(&SEND_SIGNAL)),
            multi,
            sleep,
        }
    }
}

/// One BPF instruction, as the kernel's ABI has it.
#[derive(Clone, Copy)]
struct Instruction {
    code: u8,
    destination: u8,
    source: u8,
    offset: i16,
    immediate: i32,
}

const fn op(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction {
        code,
        destination,
        source,
        offset,
        immediate,
    }
}

const MOVE_IMMEDIATE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const ADD_IMMEDIATE: u8 = 0x07;
const STORE_IMMEDIATE_64: u8 = 0x7a;
const STORE_64: u8 = 0x7b;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

const PROBE_WRITE_USER: i32 = 36;
const SEND_SIGNAL_THREAD: i32 = 117;
const SIGURG: i32 = 23;

/// bpf_probe_write_user(0, &zero, 8)
const WRITE_MEMORY: [Instruction; 8] = [
    op(STORE_IMMEDIATE_64, 10, 0, -8, 0),
    op(MOVE_IMMEDIATE, 1, 0, 0, 0),
    op(MOVE_REGISTER, 2, 10, 0, 0),
    op(ADD_IMMEDIATE, 2, 0, 0, -8),
    op(MOVE_IMMEDIATE, 3, 0, 0, 8),
    op(CALL, 0, 0, 0, PROBE_WRITE_USER),
    op(MOVE_IMMEDIATE, 0, 0, 0, 0),
    op(EXIT, 0, 0, 0, 0),
];

/// A store to a register of the context.
const WRITE_CONTEXT: [Instruction; 3] = [
    op(MOVE_IMMEDIATE, 0, 0, 0, 0),
    op(STORE_64, 1, 0, CONTEXT_REGISTER, 0),
    op(EXIT, 0, 0, 0, 0),
];

/// bpf_send_signal_thread(SIGURG)
const SEND_SIGNAL: [Instruction; 4] = [
    op(MOVE_IMMEDIATE, 1, 0, 0, SIGURG),
    op(CALL, 0, 0, 0, SEND_SIGNAL_THREAD),
    op(MOVE_IMMEDIATE, 0, 0, 0, 0),
    op(EXIT, 0, 0, 0, 0),
];

/// Whether the verifier accepts a program of the kind that uprobes run. It is never attached.
fn accepts(program: &[Instruction]) -> Result<(), String> {
    let instructions: Vec<sys::bpf_insn> = program
        .iter()
        .map(|op| {
            let mut instruction = sys::bpf_insn {
                code: op.code,
                off: op.offset,
                imm: op.immediate,
                ..Default::default()
            };
            instruction.set_dst_reg(op.destination);
            instruction.set_src_reg(op.source);
            instruction
        })
        .collect();
    let mut log = vec![0u8; 4096];
    let mut options = sys::bpf_prog_load_opts {
        sz: size_of::<sys::bpf_prog_load_opts>() as _,
        log_level: 1,
        log_size: log.len() as u32,
        log_buf: log.as_mut_ptr().cast::<c_char>(),
        ..Default::default()
    };
    // SAFETY: the strings are terminated, the instructions and the log live for the call.
    let fd = unsafe {
        sys::bpf_prog_load(
            sys::BPF_PROG_TYPE_KPROBE,
            c"goinject_probe".as_ptr(),
            c"Dual MIT/GPL".as_ptr(),
            instructions.as_ptr(),
            instructions.len() as sys::size_t,
            &raw mut options,
        )
    };
    if fd >= 0 {
        // SAFETY: a new descriptor that nobody else owns.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        return Ok(());
    }
    let error = io::Error::from_raw_os_error(-fd);
    let log = CStr::from_bytes_until_nul(&log)
        .unwrap_or_default()
        .to_string_lossy();
    match verifier::telling_line(&log) {
        Some(line) => Err(format!("{line} ({error})")),
        None => Err(error.to_string()),
    }
}

/// What the self-test probes: an instruction of goinject's own.
#[inline(never)]
pub(crate) extern "C" fn probed(argument: u64) -> u64 {
    std::hint::black_box(argument).wrapping_mul(3)
}

/// Loads the real program, attaches it to this process, and calls the probed function from another
/// thread: a process filter that sees one thread only would miss it.
fn counts_own_calls(attach: Attach, sleep: bool) -> Result<(), String> {
    let address = probed as extern "C" fn(u64) -> u64 as usize as u64;
    let offset =
        own_file_offset(address).map_err(|error| format!("cannot find goinject's own code: {error}"))?;
    let tables = Tables {
        sites: vec![Site {
            address,
            bindings: 1,
            ..Site::default()
        }],
        bindings: vec![Binding {
            flags: BINDING_COUNTS,
            ..Binding::default()
        }],
        rules: vec![Rule {
            flags: RULE_OBSERVE,
            ..Rule::default()
        }],
        control: Control {
            fault_limit: u64::MAX,
            event_limit: u64::MAX,
            ..Control::default()
        },
        ..Tables::default()
    };
    let switches = Switches {
        sleep,
        ..Switches::default()
    };
    let refused = |error: ProgramError| error.to_string();
    let program = Program::load(&tables, switches, attach, Capacity::of(&tables)).map_err(refused)?;
    let own = i32::try_from(std::process::id()).expect("process ids fit");
    let mut rows = program.add(&tables, switches, own).map_err(refused)?;
    program
        .attach(
            &mut rows,
            Path::new("/proc/self/exe"),
            &[Probe { offset, site: 0 }],
        )
        .map_err(refused)?;
    program.start();
    if !program.arm(&rows) {
        return Err("the kernel says that goinject ran another program".to_owned());
    }
    let call: extern "C" fn(u64) -> u64 = std::hint::black_box(probed);
    std::thread::spawn(move || call(1))
        .join()
        .map_err(|_| "the self-test's thread failed".to_owned())?;
    let _ = program.remove(rows);
    match program.counters()[0].calls {
        1 => Ok(()),
        0 => Err("a probe with a process filter misses calls of other threads".to_owned()),
        n => Err(format!("the self-test counted {n} calls instead of 1")),
    }
}

/// Where an address of this process is in goinject's own file.
pub(crate) fn own_file_offset(address: u64) -> io::Result<u64> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    maps.lines()
        .find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let start = u64::from_str_radix(start, 16).ok()?;
            let end = u64::from_str_radix(end, 16).ok()?;
            let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
            (start..end).contains(&address).then(|| address - start + offset)
        })
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not mapped from a file"))
}
