//! Waiting for what happens soon, however busy the machine is.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is something, or for as long as anything may take.
pub fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return Some(found);
        }
        if start.elapsed() > PATIENCE {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until something holds, and tells whether it does.
pub fn holds_soon(holds: impl Fn() -> bool) -> bool {
    wait_for(|| holds().then_some(())).is_some()
}

/// Whether anybody traces a thread of the process.
///
/// # Panics
/// If it is gone.
#[must_use]
pub fn is_traced(pid: i32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let mut status = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    status.any(|status| !status.contains("TracerPid:\t0\n"))
}

/// Whether a process was stopped by a signal.
#[must_use]
pub fn is_stopped(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))
}
