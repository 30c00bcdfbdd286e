//! A process under ptrace: its threads, their stops, its memory. Both engines stand on it: the ptrace
//! engine for breakpoints, the BPF engine for edits that the tracer makes and for scratch memory.
//!
//! ptrace binds a tracee to the *thread* that seized it, so a [`Family`] must stay on its thread.

pub mod arch;
mod confinement;
mod denial;
mod deputy;
mod ending;
mod family;
mod flags;
mod maps;
mod memory;
mod obstacle;
mod patience;
mod pidfd;
pub mod privileges;
mod ptrace;
mod remote;
mod spawn;
mod stop;
mod trial;
mod way_back;

pub use arch::{FloatRegisters, GeneralRegisters};
pub use confinement::{Confinement, Permission, mapping_code};
pub use denial::{Wanted, denial, yama};
pub use deputy::borrow_thread;
pub use ending::is_ending;
pub use family::{End, Family, Follow, News};
pub use flags::{KERNEL_THREAD, has_flag};
pub use maps::{Mapping, hole_near, page_size, read as mappings};
pub use memory::{Memory, Nearby};
pub use obstacle::Obstacle;
pub use ptrace::{seize_first_thread, signal_name};
pub use remote::Remote;
pub use spawn::Spawned;
pub use stop::{Stop, Why};
pub use trial::{Untraceable, share_memory, trace_child, trace_stranger};
