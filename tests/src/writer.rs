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
            Writer::UserMemory => &[
                "registers must be written, which user-memory cannot",
                REFUSED_MEMORY,
            ],
            Writer::Context => &[
                "floating-point registers must be written, which context cannot",
                "writing registers from BPF is refused here",
                REFUSED_MEMORY,
            ],
            Writer::SignalFrame => &[BEFORE, REFUSED_MEMORY],
            Writer::Tracer => &[BEFORE],
            Writer::Breakpoints => &[],
        };
        reasons.iter().any(|known| reason.contains(known))
    }
}

const REFUSED_MEMORY: &str = "writing user memory from BPF is refused here";
const BEFORE: &str = "must be changed before its first instruction runs";
