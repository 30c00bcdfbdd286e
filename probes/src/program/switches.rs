//! What the program may do, as its read-only data says it.

use zerocopy::{Immutable, IntoBytes};

use crate::table::Needs;

/// What the program may do on this host. Everything else is pruned before it reaches the verifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Write user memory.
    pub memory: bool,
    /// Write the probe's register context.
    pub context: bool,
    /// Send signals to the probed thread.
    pub signal: bool,
    /// Wait for pages that are out or on the move (Linux 6.0); else they are unreadable at that moment.
    pub sleep: bool,
    /// Device and inode of goinject's PID namespace, so that thread ids agree.
    pub pid_namespace: Option<(u64, u64)>,
}

impl Switches {
    /// Whether all that others have a program do is allowed.
    pub(super) fn allow(self, others: Switches) -> bool {
        let all = [
            (self.memory, others.memory),
            (self.context, others.context),
            (self.signal, others.signal),
        ];
        all.iter().all(|(own, other)| *own || !other)
    }

    /// What either has it do.
    pub(super) fn or(self, others: Switches) -> Switches {
        Switches {
            memory: self.memory || others.memory,
            context: self.context || others.context,
            signal: self.signal || others.signal,
            sleep: self.sleep || others.sleep,
            pid_namespace: self.pid_namespace.or(others.pid_namespace),
        }
    }
}

/// The read-only data of `bpf/inject.bpf.c`, in its order.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct ReadOnlyData {
    may_write_memory: u32,
    may_write_context: u32,
    may_signal: u32,
    needs: u32,
    pid_namespace_device: u64,
    pid_namespace_inode: u64,
}

pub(super) fn write_switches(data: &mut [u8], switches: Switches, needs: Needs) {
    let (device, inode) = switches.pid_namespace.unwrap_or_default();
    let values = ReadOnlyData {
        may_write_memory: u32::from(switches.memory),
        may_write_context: u32::from(switches.context),
        may_signal: u32::from(switches.signal),
        needs: needs.0,
        pid_namespace_device: device,
        pid_namespace_inode: inode,
    };
    let values = values.as_bytes();
    assert!(
        data.len() >= values.len(),
        "read-only data is smaller than declared"
    );
    data[..values.len()].copy_from_slice(values);
}
