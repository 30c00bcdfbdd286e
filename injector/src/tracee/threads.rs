//! All threads of a process, seized and followed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::obstacle::Obstacle;
use super::ptrace;
use super::remote::Remote;
use super::stop::{Report, Stop, Why};

/// Between two looks at threads that are about to stop.
const PAUSE: Duration = Duration::from_micros(50);

/// The traced threads of one process.
#[derive(Debug)]
pub struct Tracees {
    pid: i32,
    threads: BTreeSet<i32>,
    /// Stops that were taken while waiting for another one.
    held: Vec<Report>,
}

impl Tracees {
    /// The process of a command that was just started.
    pub fn of_spawned(stop: &Stop) -> Tracees {
        Tracees::new(stop.tid())
    }

    fn new(pid: i32) -> Tracees {
        Tracees {
            pid,
            threads: BTreeSet::from([pid]),
            held: Vec::new(),
        }
    }

    /// Seizes every thread of a running process, without stopping any. Threads that it makes later are
    /// followed by the kernel; those made meanwhile are found by looking until nothing new is there.
    pub fn attach(pid: i32) -> io::Result<Tracees> {
        let mut tracees = Tracees {
            threads: BTreeSet::new(),
            ..Tracees::new(pid)
        };
        loop {
            let mut found = false;
            for tid in task_ids(pid)? {
                if tracees.threads.contains(&tid) {
                    continue;
                }
                match ptrace::seize(tid) {
                    Ok(()) => {
                        tracees.threads.insert(tid);
                        found = true;
                    }
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                    // Already ours: it was cloned by a thread that we follow.
                    Err(error) if error.raw_os_error() == Some(libc::EPERM) && is_traced_by_us(pid, tid) => {
                        tracees.threads.insert(tid);
                        found = true;
                    }
                    Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                        return Err(Obstacle::traced(pid, tid).map_or(error, io::Error::from));
                    }
                    Err(error) => return Err(error),
                }
            }
            if !found {
                return Ok(tracees);
            }
        }
    }

    /// The process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for the next report.
    pub fn next_blocking(&mut self) -> io::Result<Report> {
        self.take_next(true)?
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ECHILD))
    }

    /// Takes the next report, if there is one. Reports of clones are handled here: the parent and the
    /// new thread go on, and only other stops are returned.
    pub fn next_ready(&mut self) -> io::Result<Option<Report>> {
        self.take_next(false)
    }

    fn take_next(&mut self, block: bool) -> io::Result<Option<Report>> {
        loop {
            let report = match self.held.pop() {
                Some(report) => report,
                None => match ptrace::look(None, block).or_else(nothing_left)? {
                    None => return Ok(None),
                    Some(status) => Report::of(status, self.pid),
                },
            };
            if let Some(report) = self.absorb(report)? {
                return Ok(Some(report));
            }
        }
    }

    /// Stops every thread and returns the stops. Reports of threads that end meanwhile are kept for
    /// [`Tracees::next_ready`].
    pub fn stop_all(&mut self) -> io::Result<Vec<Stop>> {
        let mut stopped: BTreeMap<i32, Stop> = BTreeMap::new();
        let mut ended = Vec::new();
        let mut interrupted = BTreeSet::new();
        for report in std::mem::take(&mut self.held) {
            match report {
                Report::Stopped(stop) => drop(stopped.insert(stop.tid(), stop)),
                other => ended.push(other),
            }
        }
        loop {
            let running: Vec<i32> = self
                .threads
                .iter()
                .copied()
                .filter(|tid| !stopped.contains_key(tid))
                .collect();
            if running.is_empty() {
                self.held = ended;
                return Ok(stopped.into_values().collect());
            }
            for tid in running {
                if interrupted.insert(tid) && ptrace::interrupt(tid).is_err() {
                    // Gone, or ending: its report says so.
                    interrupted.insert(tid);
                }
            }
            let running = self.threads.iter().copied();
            let running: Vec<i32> = running.filter(|tid| !stopped.contains_key(tid)).collect();
            let Some(status) = self.look_at(&running)? else {
                std::thread::sleep(PAUSE);
                continue;
            };
            match Report::of(status, self.pid) {
                Report::Stopped(stop) => {
                    if let Why::Clone(new) = stop.why() {
                        self.adopt(new);
                    } else if !self.threads.contains(&stop.tid()) {
                        self.adopt(stop.tid());
                    }
                    stopped.insert(stop.tid(), stop);
                }
                Report::ThreadGone(tid) => {
                    self.threads.remove(&tid);
                    stopped.remove(&tid);
                }
                end => {
                    let (Report::Exited(tid, _) | Report::Killed(tid, _)) = end else {
                        unreachable!()
                    };
                    if tid == self.pid {
                        self.threads.clear();
                    }
                    ended.push(end);
                }
            }
        }
    }

    /// The next change of state of some of the threads, if there is one. The reports of others, which may
    /// be stopped, are left alone.
    fn look_at(&mut self, tids: &[i32]) -> io::Result<Option<ptrace::Status>> {
        for tid in tids {
            match ptrace::look(Some(*tid), false) {
                Ok(None) => {}
                Ok(some) => return Ok(some),
                // Another thread has taken its place by an exec.
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                    self.threads.remove(tid);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Has a stopped thread go on to the signal that waits for it. None if it ends instead, which
    /// [`Tracees::next_ready`] will tell.
    pub fn go_on_to_signal(&mut self, stop: Stop) -> io::Result<Option<Stop>> {
        let tid = stop.tid();
        stop.resume()?;
        let Some(status) = ptrace::look(Some(tid), true).or_else(nothing_left)? else {
            return Ok(None);
        };
        match Report::of(status, self.pid) {
            Report::Stopped(stop) => Ok(Some(stop)),
            end => {
                self.held.push(end);
                Ok(None)
            }
        }
    }

    /// Runs system calls in a stopped thread.
    pub fn remote<'a>(&self, stop: Stop, memory: &'a super::Memory) -> io::Result<Remote<'a>> {
        Remote::new(stop, self.pid, memory)
    }

    fn adopt(&mut self, tid: i32) {
        if tid != 0 {
            self.threads.insert(tid);
        }
    }

    fn absorb(&mut self, report: Report) -> io::Result<Option<Report>> {
        match report {
            Report::Stopped(stop) => match stop.why() {
                Why::Clone(new) => {
                    self.threads.insert(new);
                    stop.resume()?;
                    Ok(None)
                }
                Why::Interrupted => {
                    // Also the first stop of a clone, which may come before its parent's report.
                    self.threads.insert(stop.tid());
                    stop.resume()?;
                    Ok(None)
                }
                Why::Exec(_) => {
                    self.threads = BTreeSet::from([self.pid]);
                    Ok(Some(Report::Stopped(stop)))
                }
                _ => {
                    self.threads.insert(stop.tid());
                    Ok(Some(Report::Stopped(stop)))
                }
            },
            Report::ThreadGone(tid) => {
                self.threads.remove(&tid);
                Ok(Some(Report::ThreadGone(tid)))
            }
            end => Ok(Some(end)),
        }
    }
}

fn nothing_left(error: io::Error) -> io::Result<Option<ptrace::Status>> {
    match error.raw_os_error() {
        Some(libc::ECHILD) => Ok(None),
        _ => Err(error),
    }
}

fn task_ids(pid: i32) -> io::Result<Vec<i32>> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

fn is_traced_by_us(pid: i32, tid: i32) -> bool {
    let own = std::process::id().to_string();
    std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).is_ok_and(|status| {
        status
            .lines()
            .any(|line| line.strip_prefix("TracerPid:").map(str::trim) == Some(&own))
    })
}
