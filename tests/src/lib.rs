//! End-to-end tests of goinject: real Go programs, every engine.

mod fixture;

pub use fixture::{Flags, Strip, VERSIONS, fixture};
