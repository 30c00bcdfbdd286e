//! The plan in words: what `goinject plan` prints.

use std::fmt;
use std::time::Duration;

use goinject_rules::units::format_duration;

use super::{
    Assignment, Base, Binding, Consumes, Cost, Edit, Element, Global, Inlet, Instruction, MapKey,
    NamedRegister, NoJump, Place, Plan, Role, Site, SiteKind, Source, Term,
};
use crate::words;

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
            words::path(&self.binary.path),
            self.binary.go_version
        )?;
        if let Some(build_id) = &self.binary.build_id {
            writeln!(f, "build id {build_id}")?;
        }
        let inlets = self.inlets();
        for (n, function) in self.functions.iter().enumerate() {
            writeln!(f, "\n{} at {}", function.name, function.address)?;
            writeln!(f, "  {}", function.signature)?;
            let sites = self.sites.iter().zip(&inlets);
            for (site, inlet) in sites.filter(|(site, _)| site.function == n) {
                self.write_site(f, site, inlet)?;
            }
        }
        if !self.scratch.is_empty() {
            writeln!(f, "\nscratch memory: {} bytes", self.scratch.bytes.len())?;
        }
        self.write_inline(f, &inlets)
    }
}

impl Plan {
    /// What the engine that decides inside the program does at the sites, or why it can't be used.
    fn write_inline(&self, f: &mut fmt::Formatter<'_>, inlets: &[Inlet<'_>]) -> fmt::Result {
        let traps = inlets
            .iter()
            .filter(|inlet| matches!(inlet, Inlet::Trap(_)))
            .count();
        let none = inlets
            .iter()
            .filter(|inlet| matches!(inlet, Inlet::None(_)))
            .count();
        let all = words::count(inlets.len(), "site");
        if self.binary.c_archive {
            writeln!(
                f,
                "\nengine inline can't be used in a C program (-buildmode=c-archive)"
            )
        } else if none > 0 {
            writeln!(
                f,
                "\nengine inline can't be used: {none} of {all} can have neither a jump nor a trap"
            )
        } else if traps > 0 {
            writeln!(
                f,
                "\nengine inline: a trap at {traps} of {all}, jumps at the others"
            )
        } else {
            writeln!(f, "\nengine inline: a jump at each site, no traps")
        }
    }

    fn write_site(&self, f: &mut fmt::Formatter<'_>, site: &Site, inlet: &Inlet<'_>) -> fmt::Result {
        let kind = site.kind.words();
        write!(f, "  {kind} {}", site.instruction)?;
        if let Some(slot) = site.slot.filter(|_| site.kind != SiteKind::Slot) {
            match slot.yields_because {
                None => write!(f, ", delayed calls sleep")?,
                Some(why) => write!(f, ", delayed calls yield until their time: {why}")?,
            }
        }
        writeln!(f)?;
        match inlet {
            Inlet::Jump { start, bytes, .. } => writeln!(
                f,
                "    a jump over {} from {start} on (engine inline), no trap",
                words::count(bytes.len(), "byte")
            )?,
            Inlet::Trap(NoJump::NoRoom(why)) => {
                writeln!(f, "    a trap (engine inline), some microseconds: {why}")?;
            }
            Inlet::Trap(NoJump::Overlaps(other)) => writeln!(
                f,
                "    a trap (engine inline), some microseconds: a jump would take bytes of {}",
                self.place_of(&self.sites[*other])
            )?,
            Inlet::None(why) => writeln!(f, "    neither jump nor trap (engine inline): {why}")?,
        }
        site.bindings
            .iter()
            .try_for_each(|binding| self.write_binding(f, binding))
    }

    fn write_binding(&self, f: &mut fmt::Formatter<'_>, binding: &Binding) -> fmt::Result {
        let rule = &self.rules[binding.rule];
        let observe = if rule.observe { " (observe)" } else { "" };
        let role = match binding.role {
            Role::Decides { pairs: false, .. } => "decides",
            Role::Decides { pairs: true, .. } => "decides, also for the return",
            Role::Records => "records for the return",
            Role::Follows => "acts if it did at entry",
        };
        writeln!(f, "    {}{observe}: {role}", rule.name)?;
        for term in &binding.condition {
            match term {
                Term::Test(test) | Term::Record(_, test) => writeln!(f, "      if {}", test.text)?,
                _ => {}
            }
        }
        if matches!(binding.role, Role::Decides { .. }) {
            if let Some(within) = &rule.within {
                writeln!(f, "      within {within}")?;
            }
            if let Some(callers) = &rule.callers {
                writeln!(f, "      called by {callers}")?;
            }
            if let (Some(test), Some(tests)) = (rule.test, &self.tests) {
                writeln!(f, "      in the Go test {}", tests.automata.patterns[test])?;
            }
        }
        binding
            .assignments
            .iter()
            .try_for_each(|assignment| write_assignment(f, assignment))?;
        let fault = &binding.fault;
        if let Some(delay) = fault.delay {
            let duration = format_duration(Duration::from_nanos(delay.fixed));
            write!(f, "      delay {duration}")?;
            if delay.jitter > 0 {
                write!(
                    f,
                    " to {}",
                    format_duration(Duration::from_nanos(delay.fixed.saturating_add(delay.jitter)))
                )?;
            }
            if let Some(until) = &binding.until {
                write!(f, ", or until {} is done: then these are returned", until.path)?;
            }
            writeln!(f)?;
        }
        if fault.early_return {
            writeln!(f, "      return, without running the body")?;
        }
        if fault.panic_value {
            writeln!(f, "      panic with this value")?;
        } else if fault.panic {
            writeln!(f, "      panic, as if a nil func had been called")?;
        }
        Ok(())
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

impl SiteKind {
    /// What a site is, for people.
    pub fn words(self) -> &'static str {
        match self {
            SiteKind::Entry => "entry",
            SiteKind::EntryCheckJump { .. } => "entry (stack check)",
            SiteKind::Return => "return",
            SiteKind::Slot => "slot (delayed calls go to sleep here)",
        }
    }
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
            Base::Register(register) => register.to_string(),
            Base::Stack(offset) => format!("[SP+{offset}]"),
            Base::Absolute(address) => format!("[{address}]"),
            Base::Scratch(offset) => format!("[scratch+0x{offset:x}]"),
            Base::Copy(offset) => format!("[copy+0x{offset:x}]"),
            Base::Element(offset) => {
                let element = self.element.as_ref().expect("it starts in one");
                format!("[{element}{offset:+}]")
            }
            Base::Nowhere => "new copy".to_owned(),
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

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "element {} of map {}", self.key, self.map)
    }
}

impl fmt::Display for MapKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapKey::Text(text) => write!(f, "{text:?}"),
            MapKey::Number { bits, .. } => write!(f, "{bits}"),
        }
    }
}

impl fmt::Display for NamedRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.architecture.register_name(self.register))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Literal(bits) => write!(f, "0x{bits:x}"),
            Source::Address(global) => write!(f, "the address of {global}"),
            Source::Copy(global) => write!(f, "the word at {global}"),
            Source::CopyInterface { from, interface } => {
                write!(f, "the word at {from}, if it is of {}", interface.name)
            }
            Source::CopyType(global) => write!(f, "the type that the word at {global} tells"),
            Source::Scratch(offset) => write!(f, "the address of scratch+0x{offset:x}"),
            Source::Fresh { offset, length } => {
                write!(
                    f,
                    "the address of a copy of {length} bytes at scratch+0x{offset:x}"
                )
            }
            Source::Scanned { offset, length } => {
                write!(
                    f,
                    "the address of a copy of {length} bytes at scratch+0x{offset:x}, which the garbage collector scans"
                )
            }
            Source::Made(index) => write!(f, "the address of copy {index}"),
            Source::Flip(mask) => write!(f, "the address of a copy, each byte xor 0x{mask:x}"),
            Source::Add(bits) => write!(f, "itself plus 0x{bits:x}"),
            Source::Xor(bits) => write!(f, "itself xor 0x{bits:x}"),
            Source::Random { low, high } => write!(f, "random from 0x{low:x} to 0x{high:x}"),
            Source::Cut(most) => write!(f, "at most {most}"),
            Source::Shrink(length) => write!(f, "{length}, if it is more"),
            Source::Repeat => f.write_str("the same"),
            Source::Time { seconds, nanoseconds } | Source::TimeRest { seconds, nanoseconds } => {
                write!(f, "the time plus {seconds}.{nanoseconds:09}s")
            }
            Source::Keep => f.write_str("unchanged"),
            Source::Ended(n) => write!(f, "word {n} of the context's error"),
            Source::Find(element) => write!(f, "is a map: find key {}", element.key),
            Source::Clear(bytes) => write!(f, "{bytes} zero bytes"),
        }
    }
}

impl fmt::Display for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            0 => write!(f, "{} ({})", self.name, self.address),
            offset => write!(f, "{}+{offset} ({})", self.name, self.address.plus(offset)),
        }
    }
}
