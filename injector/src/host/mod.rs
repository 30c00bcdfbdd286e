//! The machine that goinject runs on: what it is, what it allows, and why not more.

pub mod facts;
pub mod needs;
pub mod refusal;
mod remembered;

use goinject_probes::capability::{BpfSupport, Support};

use self::facts::Facts;
use crate::tracee::{self, Untraceable};

/// What this host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// BPF and its writers.
    pub bpf: BpfSupport,
    /// Tracing a child, which every engine does to begin and to follow.
    pub tracing: Support,
    /// Writing the code of a traced child.
    pub code: Support,
    /// Sharing memory with a child, as the inline engine does.
    pub sharing: Support,
    /// What explains refusals.
    pub facts: Facts,
}

/// Finds out what the choice of an engine needs to know. Where BPF is out of the question, no program of it is loaded;
/// and none where it was tried already in this boot.
pub fn look(tries_bpf: bool) -> Host {
    let facts = Facts::read();
    let (tracing, code) = tracing();
    Host {
        bpf: match tries_bpf {
            true => remembered::bpf(&facts, BpfSupport::probe),
            false => not_tried(),
        },
        tracing,
        code,
        sharing: sharing(),
        facts,
    }
}

/// Finds out everything, now.
pub fn look_at_all() -> Host {
    let (tracing, code) = tracing();
    Host {
        bpf: BpfSupport::probe(),
        tracing,
        code,
        sharing: sharing(),
        facts: Facts::read(),
    }
}

/// Whether processes can be traced, and their code be written: tried on a child, as `run` would.
fn tracing() -> (Support, Support) {
    let no = |error: std::io::Error| Support::No(error.to_string());
    match tracee::trace_child() {
        Ok(()) => (Support::Yes, Support::Yes),
        Err(Untraceable::Code(error)) => (Support::Yes, no(error)),
        Err(Untraceable::AtAll(error)) => {
            let refused = no(error);
            (refused.clone(), refused)
        }
    }
}

/// Whether memory can be handed to a traced child.
fn sharing() -> Support {
    match tracee::share_memory() {
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

#[cfg(test)]
impl Host {
    /// One that allows everything.
    pub(crate) fn allowing_all(facts: Facts) -> Host {
        let yes = || Support::Yes;
        Host {
            bpf: BpfSupport {
                load: yes(),
                memory: yes(),
                context: yes(),
                signal: yes(),
                multi: yes(),
                sleep: yes(),
            },
            tracing: yes(),
            code: yes(),
            sharing: yes(),
            facts,
        }
    }
}
