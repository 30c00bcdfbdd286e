//! A family of processes under ptrace: the threads of each, and the processes that they start. One waiter for all.
//!
//! The kernel tells of a new thread or process twice, by a stop of whoever made it and by its own first stop, in either
//! order. [`Family::next_ready`] puts the two together.

mod stopping;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::obstacle::Obstacle;
use super::patience::next_stop;
use super::pidfd::PidFd;
use super::privileges;
use super::ptrace::{self, Status};
use super::remote::Remote;
use super::stop::{Report, Stop, Why};

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// It was killed by this signal.
    Killed(i32),
    /// It is gone, and not being its parent goinject can't know how.
    Gone,
}

/// What became of a member of the family.
#[derive(Debug)]
pub enum News {
    /// A thread of a process stopped.
    Stopped {
        /// The process.
        pid: i32,
        /// Its thread.
        stop: Stop,
    },
    /// A process started another, which is stopped before its first instruction.
    Forked {
        /// Who did.
        parent: i32,
        /// The new process.
        child: i32,
        /// Its stop; none if it had to go on already, as its parent was waiting for it.
        stop: Option<Stop>,
        /// It runs in its parent's memory until it executes a program.
        shares_memory: bool,
    },
    /// A thread of a process that goes on is gone.
    ThreadGone {
        /// The process.
        pid: i32,
        /// The thread.
        tid: i32,
    },
    /// A process is gone.
    Ended {
        /// The process.
        pid: i32,
        /// How.
        end: End,
    },
}

/// Which new threads and processes are traced from their first instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Threads only.
    #[default]
    Threads,
    /// Processes, too.
    Processes,
}

/// How a thread or process came to be, as the one that made it tells.
#[derive(Clone, Copy, Debug)]
struct Birth {
    parent: i32,
    is_process: bool,
    shares_memory: bool,
}

impl Birth {
    /// That of a thread or process that a thread of `parent` has told of, while that thread is still stopped.
    fn of(child: i32, parent: i32, shares_memory: bool) -> Birth {
        Birth {
            parent,
            is_process: !is_thread_of(child, parent),
            shares_memory,
        }
    }
}

/// Traced processes. Processes that are only watched for their end belong to it, too.
#[derive(Debug, Default)]
pub struct Family {
    /// The process of each traced thread.
    process_of: HashMap<i32, i32>,
    /// The traced threads of each process.
    threads: BTreeMap<i32, BTreeSet<i32>>,
    /// New threads and processes whose own first stop has not come yet.
    expected: HashMap<i32, Birth>,
    /// First stops of threads and processes that nobody has told of yet.
    early: HashMap<i32, Stop>,
    /// Processes that run in the memory of another one.
    guests: HashMap<i32, i32>,
    /// Processes that nobody traces, by their descriptors.
    watched: BTreeMap<i32, PidFd>,
    /// News that came while something else was waited for.
    held: VecDeque<News>,
    /// Threads that were asked to stop and could not. They are let go later than their process.
    late: BTreeSet<i32>,
    /// Processes whose first thread stops at system calls, since their program is just starting.
    starting: BTreeSet<i32>,
}

impl Family {
    /// Takes in a command that was just started.
    pub fn adopt(&mut self, stop: &Stop) {
        self.add(stop.tid(), stop.tid());
    }

    /// Has a program that is just starting run to its next system call. So it goes on, whatever it stops for, until [`Family::set_up`].
    ///
    /// # Errors
    /// Those of ptrace.
    pub fn start(&mut self, stop: Stop) -> io::Result<()> {
        self.starting.insert(stop.tid());
        stop.resume_to_system_call()
    }

    /// A program is no longer starting.
    pub fn set_up(&mut self, pid: i32) {
        self.starting.remove(&pid);
    }

    /// Lets a thread go on that has stopped for nothing that anybody is to know.
    fn go_on(&self, stop: Stop) -> io::Result<()> {
        match self.starting.contains(&stop.tid()) {
            true => stop.resume_to_system_call(),
            false => stop.resume(),
        }
    }

    /// Seizes every thread of a running process, without stopping any. Threads that it makes later are
    /// followed by the kernel; those made meanwhile are found by looking until nothing new is there.
    ///
    /// # Errors
    /// Those of ptrace; then the process is none of the family's.
    pub fn attach(&mut self, pid: i32, follow: Follow) -> io::Result<()> {
        let attached = self.seize_all(pid, follow);
        if attached.is_err() {
            // Those that were seized already have not been stopped: the kernel lets them go with goinject.
            self.forget(pid);
        }
        attached
    }

    fn seize_all(&mut self, pid: i32, follow: Follow) -> io::Result<()> {
        loop {
            let mut found = false;
            for tid in task_ids(pid)? {
                if self.process_of.contains_key(&tid) {
                    continue;
                }
                match ptrace::seize(tid, follow) {
                    Ok(()) => found = true,
                    // Gone meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => continue,
                    // Already ours: it was cloned by a thread that we follow.
                    Err(error) if error.raw_os_error() == Some(libc::EPERM) && is_traced_by_us(pid, tid) => {
                        found = true;
                    }
                    Err(error) => return Err(Obstacle::seizing(pid, tid, error)),
                }
                self.add(pid, tid);
            }
            if !found {
                return Ok(());
            }
        }
    }

    /// Watches a process for its end only.
    ///
    /// # Errors
    /// There is no such process, or the kernel is older than Linux 5.3.
    pub fn watch(&mut self, pid: i32) -> io::Result<()> {
        self.watched.insert(pid, PidFd::open(pid)?);
        Ok(())
    }

    /// Every process of the family.
    pub fn processes(&self) -> impl Iterator<Item = i32> {
        self.threads.keys().chain(self.watched.keys()).copied()
    }

    /// Whether a process is traced.
    pub fn traces(&self, pid: i32) -> bool {
        self.threads.contains_key(&pid)
    }

    /// Descriptors that become readable at the end of processes that are only watched. All else is told by SIGCHLD.
    pub fn wake_fds(&self) -> impl Iterator<Item = RawFd> {
        self.watched.values().map(|fd| fd.as_raw_fd())
    }

    /// Takes what has happened next, if anything has. Reports of new threads are handled here.
    ///
    /// # Errors
    /// Those of ptrace.
    pub fn next_ready(&mut self) -> io::Result<Option<News>> {
        loop {
            if let Some(news) = self.held.pop_front() {
                return Ok(Some(news));
            }
            if let Some(news) = self.end_of_watched()? {
                return Ok(Some(news));
            }
            let Some(status) = ptrace::look(None, false).or_else(nothing_left)? else {
                return Ok(None);
            };
            if let Some(news) = self.understand(status)? {
                return Ok(Some(news));
            }
        }
    }

    fn end_of_watched(&mut self) -> io::Result<Option<News>> {
        let mut ended = None;
        for (pid, fd) in &self.watched {
            if fd.has_ended()? {
                ended = Some(*pid);
                break;
            }
        }
        Ok(ended.map(|pid| {
            self.watched.remove(&pid);
            News::Ended { pid, end: End::Gone }
        }))
    }

    /// What a change of state means, once it is news.
    fn understand(&mut self, status: Status) -> io::Result<Option<News>> {
        let tid = status.tid;
        if self.late.remove(&tid) && !self.process_of.contains_key(&tid) {
            if let Report::Stopped(stop) = Report::of(status, tid) {
                stop.detach()?;
            }
            return Ok(None);
        }
        let Some(pid) = self.process_of.get(&tid).copied() else {
            if let Report::Stopped(stop) = Report::of(status, tid) {
                return self.first_stop(stop);
            }
            // A child of goinject that is no target; or a new thread whose process ended before anybody told of it.
            self.expected.remove(&tid);
            self.early.remove(&tid);
            return Ok(None);
        };
        match Report::of(status, pid) {
            Report::Stopped(stop) => self.stopped(pid, stop),
            Report::ThreadGone(tid) => {
                self.remove_thread(pid, tid);
                Ok(Some(News::ThreadGone { pid, tid }))
            }
            Report::Exited(status) => Ok(Some(self.ended(pid, End::Exited(status)))),
            Report::Killed(signal) => Ok(Some(self.ended(pid, End::Killed(signal)))),
        }
    }

    fn stopped(&mut self, pid: i32, stop: Stop) -> io::Result<Option<News>> {
        match stop.why() {
            Why::Born { child, shares_memory } => {
                let birth = Birth::of(child, pid, shares_memory);
                self.go_on(stop)?;
                self.born(child, birth)
            }
            Why::Interrupted => {
                self.go_on(stop)?;
                Ok(None)
            }
            Why::Exec(_) => {
                self.executed(pid);
                Ok(Some(News::Stopped { pid, stop }))
            }
            _ => Ok(Some(News::Stopped { pid, stop })),
        }
    }

    /// The first stop of a thread or process that is not known yet.
    fn first_stop(&mut self, stop: Stop) -> io::Result<Option<News>> {
        match self.expected.remove(&stop.tid()) {
            Some(birth) => self.welcome(stop, birth),
            None => {
                self.early.insert(stop.tid(), stop);
                Ok(None)
            }
        }
    }

    /// A thread or process that somebody has told of.
    fn born(&mut self, child: i32, birth: Birth) -> io::Result<Option<News>> {
        match self.early.remove(&child) {
            Some(stop) => self.welcome(stop, birth),
            None => {
                // Gone already, where nothing is known of it.
                if child != 0 {
                    self.expected.insert(child, birth);
                }
                Ok(None)
            }
        }
    }

    fn welcome(&mut self, stop: Stop, birth: Birth) -> io::Result<Option<News>> {
        let tid = stop.tid();
        if !birth.is_process {
            self.add(birth.parent, tid);
            stop.resume()?;
            return Ok(None);
        }
        self.add(tid, tid);
        if birth.shares_memory {
            self.guests.insert(tid, birth.parent);
        }
        Ok(Some(News::Forked {
            parent: birth.parent,
            child: tid,
            stop: Some(stop),
            shares_memory: birth.shares_memory,
        }))
    }

    fn executed(&mut self, pid: i32) {
        self.guests.remove(&pid);
        self.starting.remove(&pid);
        for tid in self
            .threads
            .insert(pid, BTreeSet::from([pid]))
            .into_iter()
            .flatten()
        {
            self.process_of.remove(&tid);
        }
        self.process_of.insert(pid, pid);
    }

    fn ended(&mut self, pid: i32, end: End) -> News {
        self.forget(pid);
        self.adopt_orphans();
        News::Ended { pid, end }
    }

    /// Whether new threads or processes are about to be told of.
    pub fn is_expecting(&self) -> bool {
        // One that was killed before its first stop may never be told of.
        let lives = |tid: &i32| std::path::Path::new(&format!("/proc/{tid}")).exists();
        let mut expected = self.expected.iter().filter(|(_, birth)| birth.is_process);
        !self.held.is_empty() || self.early.keys().any(lives) || expected.any(|(tid, _)| lives(tid))
    }

    /// Takes in new processes that nobody can tell of any more: whoever made them was killed before that.
    fn adopt_orphans(&mut self) {
        let is_orphan = |tid: &i32| {
            let status = format!("/proc/{tid}/status");
            let parent = status_field(&status, "PPid:").unwrap_or_default();
            thread_group(*tid) == Some(*tid) && !self.threads.contains_key(&parent)
        };
        let orphans: Vec<i32> = self.early.keys().copied().filter(is_orphan).collect();
        for tid in orphans {
            let Some(stop) = self.early.remove(&tid) else {
                continue;
            };
            self.add(tid, tid);
            self.held.push_back(News::Forked {
                parent: 0,
                child: tid,
                stop: Some(stop),
                shares_memory: false,
            });
        }
    }

    fn add(&mut self, pid: i32, tid: i32) {
        self.process_of.insert(tid, pid);
        self.threads.entry(pid).or_default().insert(tid);
    }

    fn remove_thread(&mut self, pid: i32, tid: i32) {
        self.process_of.remove(&tid);
        if let Some(threads) = self.threads.get_mut(&pid) {
            threads.remove(&tid);
        }
    }

    /// Forgets a process: it is gone, or nobody's any more.
    fn forget(&mut self, pid: i32) {
        self.starting.remove(&pid);
        self.guests.remove(&pid);
        self.watched.remove(&pid);
        for tid in self.threads.remove(&pid).into_iter().flatten() {
            self.process_of.remove(&tid);
        }
    }

    /// The process in whose memory this one runs.
    pub fn host_of(&self, pid: i32) -> Option<i32> {
        self.guests.get(&pid).copied()
    }

    /// Has a stopped thread go on to the signal that waits for it. None if it ends instead, which
    /// [`Family::next_ready`] will tell.
    ///
    /// # Errors
    /// Those of ptrace.
    pub fn go_on_to_signal(&mut self, pid: i32, stop: Stop) -> io::Result<Option<Stop>> {
        let tid = stop.tid();
        stop.resume()?;
        match next_stop(pid, tid, None) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            next => next,
        }
    }

    /// Has a thread that stopped with a signal be stopped without one: not even the kernel has it to deliver any more, should nobody be
    /// there to resume the thread. None if it ends instead, as above.
    ///
    /// # Errors
    /// Those of ptrace.
    pub fn take_back_signal(&mut self, pid: i32, stop: Stop) -> io::Result<Option<Stop>> {
        let tid = stop.tid();
        // It comes to that before it runs. One that is gone says so below.
        let _ = ptrace::interrupt(tid);
        self.go_on_to_signal(pid, stop.without_signal())
    }

    /// Lets a process go whose threads are all stopped: it is none of the family's any more. Those that could not stop are
    /// let go when they do.
    ///
    /// # Errors
    /// Those of ptrace.
    pub fn let_go(&mut self, pid: i32, stops: Vec<Stop>) -> io::Result<()> {
        for stop in stops {
            stop.detach()?;
        }
        self.forget(pid);
        Ok(())
    }

    /// Lets a process go that is stopped, and goes on watching it for its end.
    ///
    /// # Errors
    /// Those of ptrace, and of [`Family::watch`].
    pub fn let_go_and_watch(&mut self, stop: Stop, is_child: bool) -> io::Result<()> {
        let pid = stop.tid();
        stop.detach()?;
        if is_child {
            // Its end is reported to its parent, as that of a traced process.
            return Ok(());
        }
        self.forget(pid);
        self.watch(pid)
    }

    /// Lets a process go that stopped when it had executed a program with privileges that it was denied below goinject, and
    /// has it execute that once more; goes on watching it for its end if asked to. The inner error is why it has none.
    ///
    /// # Errors
    /// Those of [`Family::watch`].
    pub fn give_back_privileges(
        &mut self,
        stop: Stop,
        watched: bool,
        is_child: bool,
    ) -> io::Result<io::Result<()>> {
        let pid = stop.tid();
        let given = Remote::new(stop, pid).and_then(privileges::give_back);
        if is_child {
            return Ok(given);
        }
        self.forget(pid);
        if watched {
            self.watch(pid)?;
        }
        Ok(given)
    }

    /// Runs system calls in a stopped thread.
    ///
    /// # Errors
    /// Those of ptrace, or the process has no system call instruction.
    pub fn remote(&self, pid: i32, stop: Stop) -> io::Result<Remote> {
        Remote::new(stop, pid)
    }

    /// Runs system calls in the first thread of a program that is starting, which stays stopped where that can't be done.
    ///
    /// # Errors
    /// As for [`Family::remote`].
    pub fn remote_at_start(&self, pid: i32, stop: Stop) -> io::Result<Remote> {
        Remote::lend(stop, pid)
    }

    /// Runs system calls in the one thread that is still stopped of a process that was let go, and lets it go, too.
    ///
    /// # Errors
    /// Those of `work` and of ptrace.
    pub fn lend_last(
        &self,
        pid: i32,
        stop: Stop,
        work: impl FnOnce(&mut Remote) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut remote = self.remote(pid, stop)?;
        let done = work(&mut remote);
        remote.finish().and_then(Stop::detach).and(done)
    }
}

fn nothing_left(error: io::Error) -> io::Result<Option<Status>> {
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

fn status_field(path: &str, field: &str) -> Option<i32> {
    let status = std::fs::read_to_string(path).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.trim().parse().ok())
}

fn is_traced_by_us(pid: i32, tid: i32) -> bool {
    let tracer = status_field(&format!("/proc/{pid}/task/{tid}/status"), "TracerPid:");
    tracer.is_some_and(|tracer| tracer.unsigned_abs() == std::process::id())
}

/// Whether a thread is one of a process. Asked of each new one, so it costs one system call.
fn is_thread_of(tid: i32, pid: i32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}/task/{tid}")).exists()
}

/// The process that a thread belongs to.
fn thread_group(tid: i32) -> Option<i32> {
    status_field(&format!("/proc/{tid}/status"), "Tgid:")
}
