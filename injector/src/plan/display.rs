//! The plan in words: what `goinject plan` prints.

use std::fmt;

use super::{
    Assignment, Base, Binding, Consumes, Cost, Edit, Instruction, Place, Plan, Site, SiteKind, Source,
};
use crate::go::abi::Register;

/// Integer registers of Go's convention on amd64, in its sequence.
const INTEGER: [&str; 9] = ["RAX", "RBX", "RCX", "RDI", "RSI", "R8", "R9", "R10", "R11"];

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.binary.position_independent {
            ", position-independent"
        } else {
            ""
        };
        writeln!(
            f,
            "{}: {}{kind}",
            self.binary.path.display(),
            self.binary.go_version
        )?;
        if let Some(build_id) = &self.binary.build_id {
            writeln!(f, "build id {build_id}")?;
        }
        for (n, function) in self.functions.iter().enumerate() {
            writeln!(f, "\n{} at {}", function.name, function.address)?;
            writeln!(f, "  {}", function.signature)?;
            for site in self.sites.iter().filter(|site| site.function == n) {
                self.write_site(f, site)?;
            }
        }
        Ok(())
    }
}

impl Plan {
    fn write_site(&self, f: &mut fmt::Formatter<'_>, site: &Site) -> fmt::Result {
        let kind = match site.kind {
            SiteKind::Entry => "entry",
            SiteKind::EntryCheckJump { .. } => "entry (stack check)",
            SiteKind::Return => "return",
        };
        writeln!(f, "  {kind} {}", site.instruction)?;
        site.bindings
            .iter()
            .try_for_each(|binding| self.write_binding(f, binding))
    }

    fn write_binding(&self, f: &mut fmt::Formatter<'_>, binding: &Binding) -> fmt::Result {
        let rule = &self.rules[binding.rule];
        let observe = if rule.observe { " (observe)" } else { "" };
        let counts = if binding.counts { ", counts calls" } else { "" };
        writeln!(f, "    {}{observe}{counts}", rule.name)?;
        binding
            .assignments
            .iter()
            .try_for_each(|assignment| write_assignment(f, assignment))
    }
}

fn write_assignment(f: &mut fmt::Formatter<'_>, assignment: &Assignment) -> fmt::Result {
    writeln!(
        f,
        "      {} {} = {}",
        assignment.path, assignment.type_name, assignment.value
    )?;
    assignment.edits.iter().try_for_each(|edit| {
        let Edit {
            place, size, source, ..
        } = edit;
        writeln!(
            f,
            "        {place}, {size} byte{} ← {source}",
            if *size == 1 { "" } else { "s" }
        )
    })
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (file {}) `{}`", self.address, self.file_offset, self.text)?;
        match &self.cost {
            Cost::Emulated => write!(f, ", emulated")?,
            Cost::Stepped => write!(f, ", stepped")?,
            Cost::Refused(why) => write!(f, ", no uprobe: {why}")?,
        }
        match &self.consumes {
            Consumes::Nothing => Ok(()),
            Consumes::Restartable => write!(f, ", run again after edits"),
            Consumes::Irreversible(why) => write!(f, ", edits must come before it: {why}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = match self.base {
            Base::Register(register) => register_name(register).to_owned(),
            Base::Stack(offset) => format!("[SP+{offset}]"),
            Base::Absolute(address) => format!("[{address}]"),
        };
        for step in &self.steps {
            let bound = step
                .index
                .map(|index| format!(" if {index} < len"))
                .unwrap_or_default();
            text = format!("[{text}{:+}{bound}]", step.offset);
        }
        f.write_str(&text)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Literal(bits) => write!(f, "0x{bits:x}"),
            Source::Copy(address) => write!(f, "the word at {address}"),
            Source::Keep => f.write_str("unchanged"),
        }
    }
}

/// A register of Go's calling convention, by its name on amd64.
pub fn register_name(register: Register) -> String {
    match register {
        Register::Integer(n) => INTEGER
            .get(usize::from(n))
            .map_or_else(|| format!("integer register {n}"), |name| (*name).to_owned()),
        Register::Float(n) => format!("X{n}"),
    }
}
