//! A process of a run.

use std::rc::Rc;

use super::image::{Armable, Image};
use crate::engine::{Session, State};
use crate::plan::encode::LoadBias;

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
