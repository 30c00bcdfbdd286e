//! Handlers of signals on amd64.

mod stub;

pub(in crate::engine) use self::stub::{SERVED, at_copy, at_trap, image};
