//! What goinject's tests run on: Go toolchains and kernels in a cache, and virtual machines that boot those kernels.
//!
//! `cargo xtask setup` fills the cache; the tests, the demo and `cargo xtask guest` use it. The tables of what there is
//! ([`TOOLCHAINS`], [`LINES`]) are data, so a new Go version or kernel is one more row.

mod cache;
pub mod guest;
mod kernel;
mod published;
pub mod skips;
mod toolchain;

pub use cache::{Cache, NotSetUp};
pub use guest::{Booted, Guest, GuestError, Outcome};
pub use kernel::{Kernel, LINES, Line, SUITES, Wanted, release_numbers};
pub use published::{PUBLISHED, Published, Source};
pub use toolchain::{Origin, TOOLCHAINS, Toolchain};
