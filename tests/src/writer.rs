//! The ways a value gets into the target, as the command line names them.

/// A writer, which implies its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// bpf, `bpf_probe_write_user`.
    UserMemory,
    /// bpf, the probe's register context.
    Context,
    /// bpf, the frame of a signal.
    SignalFrame,
    /// bpf decides and ptrace writes.
    Tracer,
    /// ptrace alone.
    Breakpoints,
    /// Jumps to the core inside the program.
    Trampoline,
    /// bpf, and for each site the writer that it needs.
    Mixed,
}

impl Writer {
    /// All that have a name on the command line, the ones inside the kernel first.
    pub const ALL: [Writer; 6] = [
        Writer::UserMemory,
        Writer::Context,
        Writer::SignalFrame,
        Writer::Tracer,
        Writer::Breakpoints,
        Writer::Trampoline,
    ];

    /// Those that a locked-down host refuses.
    pub const IN_KERNEL: [Writer; 3] = [Writer::UserMemory, Writer::Context, Writer::SignalFrame];

    /// Those that work on a locked-down host.
    pub const ANYWHERE: [Writer; 3] = [Writer::Tracer, Writer::Breakpoints, Writer::Trampoline];

    /// Its name, on the command line if it has one there.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Writer::UserMemory => "user-memory",
            Writer::Context => "context",
            Writer::SignalFrame => "signal-frame",
            Writer::Tracer => "tracer",
            Writer::Breakpoints => "breakpoints",
            Writer::Trampoline => "trampoline",
            Writer::Mixed => "mixed",
        }
    }

    /// How the command line asks for it.
    #[must_use]
    pub fn options(self) -> [&'static str; 2] {
        match self {
            Writer::Mixed => ["--engine", "bpf"],
            named => ["--writer", named.name()],
        }
    }

    /// Whether goinject may refuse a case with this reason, which it can carry out with another writer: the part of it that
    /// tells. Any other refusal is a failure of the test.
    #[must_use]
    pub fn known_refusal(self, reason: &str) -> Option<&'static str> {
        let reasons: &[&str] = match self {
            Writer::UserMemory => &["user-memory cannot write registers", LOCKDOWN],
            Writer::Context => &[
                "context cannot write floating-point registers",
                "writing registers from BPF came with Linux 6.18",
                "this kernel's BPF cannot write registers",
                LOCKDOWN,
            ],
            Writer::SignalFrame => &[BEFORE, LOCKDOWN],
            Writer::Tracer => &[BEFORE],
            Writer::Breakpoints | Writer::Mixed => &[],
            Writer::Trampoline => {
                &["it is assembly that uses registers which Go's calling convention leaves to callees"]
            }
        };
        reasons.iter().find(|known| reason.contains(**known)).copied()
    }
}

const LOCKDOWN: &str = "kernel lockdown refuses BPF writes";
const BEFORE: &str = "must be changed before its first instruction runs";
