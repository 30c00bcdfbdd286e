//! What depends on the architecture of the host, in handlers of signals: each has the same items.

#[cfg(target_arch = "x86_64")]
mod amd64;
#[cfg(not(target_arch = "x86_64"))]
compile_error!(
    "goinject is not written for this architecture: it needs a module like the one for amd64 here"
);

#[cfg(target_arch = "x86_64")]
pub(in crate::engine) use self::amd64::*;
