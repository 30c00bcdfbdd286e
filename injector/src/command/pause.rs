//! `goinject pause`: waits for a signal. An image with nothing but goinject has no other program that a container could keep
//! running.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::fail;
use crate::error::ExitCode;
use crate::signals::{Signals, stop_with_job};

/// Waits until a signal asks for the end.
pub fn run() -> ExitCode {
    let mut signals = match Signals::take_over() {
        Ok(signals) => signals,
        Err(error) => return fail(ExitCode::Unarmable, error),
    };
    loop {
        match signals.received() {
            Ok(received) if received.iter().any(|signal| signal.asks_for_end()) => return ExitCode::Met,
            Ok(received) if received.iter().any(|signal| signal.asks_for_stop()) => stop_with_job(),
            Ok(_) => {}
            Err(error) => return fail(ExitCode::Unarmable, error),
        }
        // It is only a way to wait: what has come is found out above.
        let _ = poll(
            &mut [PollFd::new(signals.fd(), PollFlags::POLLIN)],
            PollTimeout::NONE,
        );
    }
}
