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
}

impl Writer {
    /// All of them, the ones inside the kernel first.
    pub const ALL: [Writer; 5] = [
        Writer::UserMemory,
        Writer::Context,
        Writer::SignalFrame,
        Writer::Tracer,
        Writer::Breakpoints,
    ];

    /// Those that a locked-down host refuses.
    pub const IN_KERNEL: [Writer; 3] = [Writer::UserMemory, Writer::Context, Writer::SignalFrame];

    /// Those that work on a locked-down host.
    pub const ANYWHERE: [Writer; 2] = [Writer::Tracer, Writer::Breakpoints];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Writer::UserMemory => "user-memory",
            Writer::Context => "context",
            Writer::SignalFrame => "signal-frame",
            Writer::Tracer => "tracer",
            Writer::Breakpoints => "breakpoints",
        }
    }

    /// Reasons with which goinject may refuse a case that it can carry out with another writer. Any other refusal is a
    /// failure of the test.
    #[must_use]
    pub fn may_refuse(self, reason: &str) -> bool {
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
            Writer::Breakpoints => &[],
        };
        reasons.iter().any(|known| reason.contains(known))
    }
}

const LOCKDOWN: &str = "kernel lockdown refuses BPF writes";
const BEFORE: &str = "must be changed before its first instruction runs";
