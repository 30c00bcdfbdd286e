//! Engines: they take a plan and a target, and give events and counters.
//!
//! An engine knows neither the command line nor reports nor the other engine. What a plan needs and
//! what a host has are data; [`select`] compares them.

pub mod bpf;
pub mod code;
pub mod provision;
pub mod ptrace;
pub mod select;
pub mod stopped;

use std::io;
use std::os::fd::RawFd;

use goinject_probes::table::{Counters, Event, Tables, TermCounters};

/// How the target came to its end, as far as goinject is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// It was killed by this signal.
    Killed(i32),
    /// It is gone, and not being its parent goinject can't know how.
    Gone,
}

/// What happened since the last look.
#[derive(Debug, Default)]
pub struct Happened {
    /// Rules that fired, in order.
    pub events: Vec<Event>,
    /// The target runs another program now, so the rules act no longer.
    pub executed: bool,
    /// The target's end.
    pub end: Option<End>,
}

/// A target with its rules armed.
pub trait Session {
    /// The process.
    fn pid(&self) -> i32;

    /// File descriptors that become readable when there is something for [`Session::advance`]. A child's
    /// or tracee's change of state is told by SIGCHLD instead.
    fn wake_fds(&self) -> Vec<RawFd>;

    /// Handles everything that is due, without waiting.
    fn advance(&mut self) -> io::Result<Happened>;

    /// What each rule has done so far.
    fn counters(&self) -> Vec<Counters>;

    /// How each row of the conditions has come out so far.
    fn term_counters(&self) -> Vec<TermCounters>;

    /// The tables that were armed.
    fn tables(&self) -> &Tables;

    /// Events that were lost because nobody took them fast enough.
    fn dropped_events(&self) -> u64;

    /// Calls that could not even be looked at.
    fn lost_hits(&self) -> u64;

    /// Ends all faults at once; the target goes on.
    fn cease(&mut self);

    /// Takes every probe off and lets the target go as it was found.
    fn disarm(&mut self) -> io::Result<Happened>;
}
