//! Stopping all threads of a process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use super::super::obstacle::is_held_up;
use super::super::ptrace::{self, Status};
use super::super::stop::{Report, Stop, Why};
use super::{Birth, End, Family, News, nothing_left};

/// Between two looks at threads that are about to stop.
const PAUSE: Duration = Duration::from_micros(50);
/// How long threads are waited for that are held up in the kernel.
const TO_STOP: Duration = Duration::from_millis(300);

impl Family {
    /// Stops every thread of a process and returns the stops. What others report meanwhile is kept for
    /// [`Family::next_ready`]. A process that shares this one's memory, and that one of its threads waits for, goes on
    /// through `serve`. A thread that is held up in the kernel, as the parent of a vfork is, is left out after a moment:
    /// it can neither run into a breakpoint nor have run into one.
    ///
    /// # Errors
    /// Those of ptrace.
    pub fn stop_all(
        &mut self,
        pid: i32,
        serve: &mut dyn FnMut(Stop) -> io::Result<()>,
    ) -> io::Result<Vec<Stop>> {
        let mut stopped: BTreeMap<i32, Stop> = BTreeMap::new();
        let mut interrupted = BTreeSet::new();
        let begun = Instant::now();
        self.take_held(pid, &mut stopped);
        while let Some(threads) = self.threads.get(&pid) {
            let running: Vec<i32> = threads
                .iter()
                .copied()
                .filter(|tid| !stopped.contains_key(tid))
                .collect();
            if running.is_empty() {
                break;
            }
            for tid in &running {
                if interrupted.insert(*tid) {
                    // A thread that is gone, or ending, says so by its report.
                    let _ = ptrace::interrupt(*tid);
                }
            }
            let mut moved = false;
            for tid in running.iter().copied() {
                match ptrace::look(Some(tid), false) {
                    Ok(None) => {}
                    Ok(Some(status)) => {
                        moved = true;
                        self.stopping(pid, status, &mut stopped)?;
                    }
                    // Another thread has taken its place by an exec.
                    Err(error) if error.raw_os_error() == Some(libc::ECHILD) => self.remove_thread(pid, tid),
                    Err(error) => return Err(error),
                }
            }
            // A leader that was killed is reported after all others, stopped ones included.
            for tid in stopped.keys().copied().collect::<Vec<i32>>() {
                if let Some(status) = ptrace::look_for_end(tid) {
                    moved = true;
                    self.stopping(pid, status, &mut stopped)?;
                }
            }
            if !moved {
                self.serve_guests(pid, serve)?;
                if begun.elapsed() > TO_STOP && running.iter().all(|tid| is_held_up(pid, *tid)) {
                    self.late.extend(running);
                    break;
                }
                std::thread::sleep(PAUSE);
            }
        }
        Ok(stopped.into_values().collect())
    }

    /// Lets stopped threads of a process go on for a moment; those that stop meanwhile go through `serve`. A thread may stop
    /// at once for an interrupt that came after another stop, and must not be found there the next time, not having run at
    /// all. What is told meanwhile is kept for [`Family::next_ready`].
    ///
    /// # Errors
    /// Those of ptrace.
    pub fn go_on_for(
        &mut self,
        pid: i32,
        stops: Vec<Stop>,
        time: Duration,
        serve: &mut dyn FnMut(Stop) -> io::Result<()>,
    ) -> io::Result<()> {
        stops.into_iter().try_for_each(Stop::resume)?;
        let mut kept = std::mem::take(&mut self.held);
        let gone_on = self.serve_for(pid, time, &mut kept, serve);
        kept.append(&mut self.held);
        self.held = kept;
        gone_on
    }

    fn serve_for(
        &mut self,
        pid: i32,
        time: Duration,
        kept: &mut VecDeque<News>,
        serve: &mut dyn FnMut(Stop) -> io::Result<()>,
    ) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            match self.next_of(pid)? {
                Some(News::Stopped { pid: of, stop }) if of == pid && !matches!(stop.why(), Why::Exec(_)) => {
                    serve(stop)?;
                }
                Some(news) => kept.push_back(news),
                None if begun.elapsed() < time => std::thread::sleep(PAUSE),
                None => return Ok(()),
            }
        }
    }

    /// What has happened next to a process. Another's stop for a signal would be told again and again, for nobody here
    /// resumes it.
    fn next_of(&mut self, pid: i32) -> io::Result<Option<News>> {
        let known = self.threads.get(&pid).into_iter().flatten().copied();
        let newborn = self.expected.iter().filter(|(_, birth)| birth.parent == pid);
        let tids: Vec<i32> = known.chain(newborn.map(|(tid, _)| *tid)).collect();
        for tid in tids {
            match ptrace::look(Some(tid), false) {
                Ok(None) => {}
                Ok(Some(status)) => {
                    if let Some(news) = self.understand(status)? {
                        return Ok(Some(news));
                    }
                }
                // Another thread has taken its place by an exec, or it was let go.
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => self.remove_thread(pid, tid),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Stops that came while something else was waited for.
    fn take_held(&mut self, pid: i32, stopped: &mut BTreeMap<i32, Stop>) {
        for news in std::mem::take(&mut self.held) {
            match news {
                News::Stopped { pid: of, stop } if of == pid => drop(stopped.insert(stop.tid(), stop)),
                other => self.held.push_back(other),
            }
        }
    }

    /// A change of state of a thread that is to stop.
    fn stopping(&mut self, pid: i32, status: Status, stopped: &mut BTreeMap<i32, Stop>) -> io::Result<()> {
        match Report::of(status, pid) {
            Report::Stopped(stop) => {
                match stop.why() {
                    Why::Born { child, shares_memory } => {
                        let birth = Birth::of(child, pid, shares_memory);
                        let is_process = birth.is_process;
                        match self.early.remove(&child) {
                            Some(first) if !is_process => {
                                self.add(pid, child);
                                stopped.insert(child, first);
                            }
                            // It is found among the threads that are to stop.
                            None if !is_process && child != 0 => self.add(pid, child),
                            early => {
                                self.early.extend(early.map(|first| (child, first)));
                                let news = self.born(child, birth)?;
                                self.held.extend(news);
                            }
                        }
                    }
                    Why::Exec(_) => {
                        self.executed(pid);
                        stopped.clear();
                    }
                    _ => {}
                }
                stopped.insert(stop.tid(), stop);
            }
            Report::ThreadGone(tid) => {
                stopped.remove(&tid);
                self.remove_thread(pid, tid);
                self.held.push_back(News::ThreadGone { pid, tid });
            }
            Report::Exited(status) => {
                stopped.clear();
                let news = self.ended(pid, End::Exited(status));
                self.held.push_back(news);
            }
            Report::Killed(signal) => {
                stopped.clear();
                let news = self.ended(pid, End::Killed(signal));
                self.held.push_back(news);
            }
        }
        Ok(())
    }

    /// Lets processes go on that run in the memory of this one.
    fn serve_guests(&mut self, pid: i32, serve: &mut dyn FnMut(Stop) -> io::Result<()>) -> io::Result<()> {
        let guests = self.guests.iter().filter(|(_, host)| **host == pid);
        for guest in guests.map(|(guest, _)| *guest).collect::<Vec<i32>>() {
            let Some(status) = ptrace::look(Some(guest), false).or_else(nothing_left)? else {
                continue;
            };
            match self.understand(status)? {
                Some(News::Stopped { stop, .. }) if !matches!(stop.why(), Why::Exec(_)) => serve(stop)?,
                news => self.held.extend(news),
            }
        }
        // One whose birth has been told, but not been seen.
        let newborn = self
            .expected
            .iter()
            .filter(|(_, birth)| birth.parent == pid && birth.shares_memory);
        for child in newborn.map(|(child, _)| *child).collect::<Vec<i32>>() {
            let Some(status) = ptrace::look(Some(child), false).or_else(nothing_left)? else {
                continue;
            };
            let mut news = self.understand(status)?;
            if let Some(News::Forked { stop, .. }) = &mut news {
                stop.take().map_or(Ok(()), Stop::resume)?;
            }
            self.held.extend(news);
        }
        Ok(())
    }
}
