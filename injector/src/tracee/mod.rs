//! A process under ptrace: its threads, their stops, its memory. Both engines stand on it: the ptrace
//! engine for breakpoints, the BPF engine for edits that the tracer makes and for scratch memory.
//!
//! ptrace binds a tracee to the *thread* that seized it, so a [`Tracees`] must stay on its thread.

mod deputy;
mod maps;
mod memory;
mod obstacle;
mod patience;
mod ptrace;
mod remote;
mod spawn;
mod stop;
mod threads;
mod trial;
mod way_back;

pub use deputy::borrow_thread;
pub use maps::{Mapping, hole_near, read as mappings};
pub use memory::Memory;
pub use obstacle::Obstacle;
pub use ptrace::{FloatRegisters, GeneralRegisters, signal_name};
pub use remote::Remote;
pub use spawn::Spawned;
pub use stop::{Report, Stop, Why};
pub use threads::Tracees;
pub use trial::{trace_child, trace_stranger};
