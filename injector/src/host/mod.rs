//! The machine that goinject runs on: what it is, what it allows, and why not more.

pub mod facts;
pub mod refusal;

use goinject_probes::capability::{BpfSupport, Support};

use self::facts::Facts;
use crate::engine::select::{EngineChoice, Host, WriterChoice};
use crate::tracee;

/// Finds out what the choice of an engine needs to know, and no more than that: for the ptrace engine
/// no BPF program is loaded.
pub fn look(engine: EngineChoice, writer: Option<WriterChoice>) -> Host {
    let wants_bpf = engine != EngineChoice::Ptrace && writer != Some(WriterChoice::Breakpoints);
    Host {
        bpf: if wants_bpf {
            BpfSupport::probe()
        } else {
            not_tried()
        },
        ptrace: ptrace(),
        facts: Facts::read(),
    }
}

/// Finds out everything.
pub fn look_at_all() -> Host {
    look(EngineChoice::Auto, None)
}

/// Whether processes can be traced: tried on a child, as `run` would.
fn ptrace() -> Support {
    match tracee::trace_child() {
        Ok(()) => Support::Yes,
        Err(error) => Support::No(error.to_string()),
    }
}

fn not_tried() -> BpfSupport {
    let unknown = || Support::Unknown("it was not tried".to_owned());
    BpfSupport {
        load: unknown(),
        memory: unknown(),
        context: unknown(),
        signal: unknown(),
        multi: unknown(),
        sleep: unknown(),
    }
}
