//! Whether a process is about to end, which shows in different places on its way there.

use std::fs;
use std::thread;
use std::time::Duration;

use super::flags::{EXITING, has_flag};

/// SIGKILL in a mask of signals.
const KILLED: u64 = 1 << (libc::SIGKILL - 1);
/// How often to look: between taking its signal and leaving, a killed process shows nothing of it for a moment.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// Whether a process has ended or been killed, so that what failed with it failed for that.
pub fn is_ending(pid: i32) -> bool {
    (0..LOOKS).any(|look| {
        if look > 0 {
            thread::sleep(PAUSE);
        }
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
        let (Ok(status), Ok(stat)) = (read("status"), read("stat")) else {
            return true;
        };
        shows_ending(&status, &stat)
    })
}

fn shows_ending(status: &str, stat: &str) -> bool {
    let field = |name: &str| {
        let mut lines = status.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(str::trim).unwrap_or_default()
    };
    let is_killed = |name| u64::from_str_radix(field(name), 16).is_ok_and(|signals| signals & KILLED != 0);
    field("State").starts_with(['Z', 'X'])
        || is_killed("SigPnd")
        || is_killed("ShdPnd")
        || has_flag(stat, EXITING)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_sign_of_an_end_is_seen() {
        let status =
            "Name:\ta)b\nState:\tR (running)\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n";
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 99";
        assert!(!shows_ending(status, stat));
        assert!(shows_ending(&status.replace("R (running)", "Z (zombie)"), stat));
        assert!(shows_ending(
            &status.replace("ShdPnd:\t00000000000000", "ShdPnd:\t00000000000001"),
            stat
        ));
        assert!(shows_ending(status, &stat.replace("4194304", "4194308")));
    }

    #[test]
    fn a_process_that_runs_is_told_from_one_that_was_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("started");
        let pid = i32::try_from(child.id()).expect("a process id");
        assert!(!is_ending(pid));
        child.kill().expect("ours");
        assert!(is_ending(pid));
        child.wait().expect("ended");
        assert!(is_ending(pid));
    }
}
