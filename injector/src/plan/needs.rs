//! What edits need from whoever makes them.

use serde::Serialize;

use super::{Binding, Consumes, Plan, Site, SiteKind, Source, Term};
use crate::go::abi::Register;

/// What the edits at a site need from whoever makes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Memory of the target is written.
    pub memory: bool,
    /// General registers are written.
    pub general: bool,
    /// Floating-point registers are written.
    pub floats: bool,
    /// The edits must be made before the instruction runs.
    pub before: bool,
    /// The thread goes on elsewhere.
    pub redirect: bool,
    /// A condition reads floating-point registers.
    pub float_conditions: bool,
}

impl Needs {
    /// Whether anything is written at all.
    pub fn any(self) -> bool {
        self.memory || self.general || self.floats || self.redirect
    }

    /// Both together.
    pub fn and(self, other: Needs) -> Needs {
        Needs {
            memory: self.memory || other.memory,
            general: self.general || other.general,
            floats: self.floats || other.floats,
            before: self.before || other.before,
            redirect: self.redirect || other.redirect,
            float_conditions: self.float_conditions || other.float_conditions,
        }
    }
}

impl Site {
    /// What this site's rules need.
    pub fn needs(&self, plan: &Plan) -> Needs {
        let mut needs = Needs {
            redirect: self.kind == SiteKind::Slot,
            ..Needs::default()
        };
        needs.memory = needs.redirect;
        for binding in &self.bindings {
            needs.float_conditions |= binding.condition.iter().any(Term::reads_floats);
            if !plan.rules[binding.rule].observe {
                needs = needs.and(binding.needs());
            }
        }
        // Both ways to delay a call write the goroutine's own memory.
        needs.memory |= self.bindings.iter().any(|binding| binding.fault.delay.is_some());
        needs.before = (needs.any() || needs.float_conditions)
            && matches!(self.instruction.consumes, Consumes::Irreversible(_));
        needs
    }
}

impl Binding {
    fn needs(&self) -> Needs {
        let fault = &self.fault;
        let mut needs = Needs {
            redirect: fault.early_return || fault.panic || fault.delay.is_some(),
            ..Needs::default()
        };
        for edit in self.assignments.iter().flat_map(|assignment| &assignment.edits) {
            if matches!(edit.source, Source::Keep | Source::Find(_)) {
                continue;
            }
            needs.memory |= edit.source.is_copy();
            match edit.place.register() {
                Some(Register::Integer(_)) => needs.general = true,
                Some(Register::Float(_)) => needs.floats = true,
                None => needs.memory = true,
            }
        }
        needs
    }
}
