//! goinject attached to a running program with jumps, and let go again.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Outcome, goinject};

/// What of a process can be run, and what it shares with others.
///
/// # Panics
/// If it is gone.
#[must_use]
pub fn code_of(pid: i32) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
    let is_meant = |line: &&str| {
        let rights = line.split(' ').nth(1);
        rights.is_some_and(|rights| rights.contains(['x', 's']))
    };
    maps.lines().filter(is_meant).map(str::to_owned).collect()
}

/// Has rules act in a running program for a moment. Gives how many edits goinject says it has made.
///
/// # Panics
/// If it can't be armed, or if anything of goinject stays in it that can be run or is shared.
pub fn change_for(period: Duration, pid: i32, rules: &Path) -> u64 {
    changed_for(period, pid, rules).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// The same; an error if goinject found no moment at which no thread or goroutine stood where a jump was to be. That is a refusal that
/// does the program no harm, and a thousand goroutines which are preempted all the time can come to it.
///
/// # Panics
/// As above.
pub fn changed_for(period: Duration, pid: i32, rules: &Path) -> Result<u64, String> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let before = code_of(pid);
    let json = rules.with_extension("events");
    let mut command = goinject::command(["run", "--quiet", "--engine", "inline", "--pid"]);
    command.arg(pid.to_string()).arg(rules).arg("--json").arg(&json);
    let mut injector = goinject::Running::start(&mut command);
    let begun = Instant::now();
    while code_of(pid) == before && begun.elapsed() < PATIENCE && injector.runs() {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(period);
    injector.signal(libc::SIGINT);
    let mut outcome = injector.end();
    outcome.json = Outcome::results(&fs::read_to_string(&json).unwrap_or_default());
    let is_busy = outcome.code == Some(3) && outcome.stderr.contains("within the bytes that a jump takes");
    if is_busy && code_of(pid) == before {
        return Err(outcome.describe());
    }
    assert_eq!(outcome.code, Some(130), "{}", outcome.describe());
    assert!(
        !outcome.stderr.contains("could not take it back"),
        "{}",
        outcome.describe()
    );
    assert_eq!(code_of(pid), before, "{}", outcome.describe());
    Ok(outcome.counts().iter().map(|counts| counts.applied).sum())
}
