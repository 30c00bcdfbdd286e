//! What the code of a closure tells of how it is called.

use super::binary::Binary;
use super::pclntab::functions::Function;
use super::resolve::{ClosureFacts, is_closure};
use super::sites::{MorestackCallee, sites};

impl Binary {
    /// Whether a function is a closure whose first parameters may be variables that it captures. Only its declaration
    /// would tell.
    pub fn may_take_captures(&self, function: &Function) -> bool {
        self.closure_facts(function).is_some_and(|facts| !facts.is_value)
    }

    /// What is known of a function as a closure; none if it is not one.
    pub(super) fn closure_facts(&self, function: &Function) -> Option<ClosureFacts> {
        if !is_closure(&function.name) {
            return None;
        }
        let callee = sites(self, function)
            .ok()
            .and_then(|sites| sites.morestack)
            .map(|check| check.callee);
        let is_value = match callee {
            Some(MorestackCallee::Context) => true,
            _ => self.reads_context(function) || self.has_closure_object(function),
        };
        // Before Go 1.20 the line of `func` is that of the stack check.
        let begins = callee.is_some() || self.version().at_least(20);
        Some(ClosureFacts {
            is_value,
            lines: begins
                .then(|| self.functions().own_lines(&self.image, function))
                .flatten(),
        })
    }

    /// Whether it takes anything from the closure object that it is called with.
    fn reads_context(&self, function: &Function) -> bool {
        self.code(function)
            .is_ok_and(|code| self.architecture().reads_closure_object(code, function.entry))
    }

    /// Whether the program has a closure object for it that captures nothing. Before Go 1.17 the `go` statement makes
    /// one even for a closure that it calls where it stands.
    fn has_closure_object(&self, function: &Function) -> bool {
        self.version().at_least(17) && {
            let places = self.image.places_pointing_to(function.entry);
            places
                .into_iter()
                .any(|place| !self.functions().table().covers(place))
        }
    }
}
