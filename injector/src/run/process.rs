//! A process of a run.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::image::{Armable, Image};
use crate::engine::{Session, State};
use crate::plan::encode::LoadBias;

/// The processes in which rules act or acted, each once, whatever they have executed.
#[derive(Debug, Default)]
pub(super) struct EverArmed {
    /// Those that have not ended.
    live: BTreeSet<i32>,
    ended: u64,
}

impl EverArmed {
    pub(super) fn add(&mut self, pid: i32) {
        self.live.insert(pid);
    }

    /// Its number may be another's from now on.
    pub(super) fn end(&mut self, pid: i32) {
        self.ended += u64::from(self.live.remove(&pid));
    }

    pub(super) fn count(&self) -> u64 {
        self.live.len() as u64 + self.ended
    }
}

/// A process of a run.
pub(super) struct Process {
    /// What it runs; none before it executes a program of its own.
    pub(super) image: Option<Rc<Image>>,
    /// The file name of that.
    pub(super) program: String,
    /// How far that lies from where it was linked to.
    pub(super) bias: LoadBias,
    /// What its program was to the rules before, by their generations.
    pub(super) former: Vec<(u32, Rc<Image>)>,
    /// Its rules, if it has any.
    pub(super) session: Option<Box<dyn Session>>,
    /// Whether it was told that they are armed.
    pub(super) is_told: bool,
    /// Whether it was told of any rules that they are armed in what it runs.
    pub(super) was_told: bool,
    /// For how long its calls had no rules while others took their place.
    pub(super) without_rules: Option<Duration>,
    /// It was forked, and has not executed a program since.
    is_copy: bool,
}

impl Process {
    /// One that runs what it was forked from, or is about to execute a program.
    pub(super) fn new(is_copy: bool) -> Process {
        Process {
            image: None,
            program: String::new(),
            bias: LoadBias::default(),
            former: Vec::new(),
            session: None,
            is_told: false,
            was_told: false,
            without_rules: None,
            is_copy,
        }
    }

    /// What is armed in its program.
    pub(super) fn armable(&self) -> Option<&Armable> {
        self.image.as_ref()?.armable.as_ref()
    }

    /// What was armed in its program by the rules of a generation.
    pub(super) fn armable_of(&self, generation: u32) -> Option<&Armable> {
        let former = self.former.iter().find(|(number, _)| *number == generation);
        match former {
            Some((_, image)) => image.armable.as_ref(),
            None => self.armable(),
        }
    }

    /// Whether it is a copy of the process that forked it.
    pub(super) fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// Whether its rules act.
    pub(super) fn is_armed(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.state() == State::Armed)
    }

    /// Whether the run goes on because of it: rules act in it, or in what it is about to execute.
    pub(super) fn matters(&self) -> bool {
        self.session.is_some() || self.is_copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_counts_once_and_its_number_again_once_it_has_ended() {
        let mut armed = EverArmed::default();
        armed.add(7);
        armed.add(7);
        armed.add(8);
        assert_eq!(armed.count(), 2);
        armed.end(7);
        armed.end(9);
        assert_eq!(armed.count(), 2);
        armed.add(7);
        assert_eq!(armed.count(), 3);
    }
}
