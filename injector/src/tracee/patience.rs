//! Waiting for one thread to stop, without waiting for ever: it may be dead without anybody being told. The end of a
//! process is reported through its first thread, and only after its other threads are gone and were waited for.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::obstacle::state;
use super::ptrace;
use super::stop::{Report, Stop};

const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(2);

/// The next stop of a thread; none if it has not stopped within the limit.
///
/// # Errors
/// ESRCH if it has ended. That is left to be told to whoever waits for the process.
pub(super) fn next_stop(pid: i32, tid: i32, limit: Option<Duration>) -> io::Result<Option<Stop>> {
    let start = Instant::now();
    let mut pause = SHORTEST;
    loop {
        match ptrace::look_for_stop(tid, false) {
            Ok(Some(status)) => match Report::of(status, pid) {
                Report::Stopped(stop) => return Ok(Some(stop)),
                _ => return Err(io::Error::from_raw_os_error(libc::ESRCH)),
            },
            Ok(None) => {}
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Err(error) => return Err(error),
        }
        if pause == LONGEST && matches!(state(pid, tid), None | Some('Z' | 'X')) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        if limit.is_some_and(|limit| start.elapsed() > limit) {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST);
    }
}
