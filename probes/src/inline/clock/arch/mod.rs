//! The counter of the host's processor: each architecture has the same items.

#[cfg(target_arch = "x86_64")]
mod amd64;
#[cfg(not(target_arch = "x86_64"))]
compile_error!(
    "goinject is not written for this architecture: it needs a module like the one for amd64 here"
);

#[cfg(target_arch = "x86_64")]
pub(super) use self::amd64::*;
