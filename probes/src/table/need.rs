//! What of the program the rules of a run need.

use super::{
    BINDING_DELAYS, BINDING_FOLLOWS, BINDING_PAIRS, BINDING_RECALLS, BINDING_RECORDS, BINDING_UNTIL, Base,
    Binding, Edit, Op, Place, RULE_OBSERVE, RULE_PER_GOROUTINE, RULE_PER_PROCESS, RULE_PER_TEST, Rule,
    SITE_DELAYS, Site, SiteKind, Source, Tables, Term, TestKind, ValueKind, WriterKind,
};

/// `enum gi_need`: what is not in it is dead code before the kernel verifies the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs(pub u32);

impl Needs {
    /// Nothing but counting.
    pub const NONE: Needs = Needs(0);
    /// Conditions.
    pub const CONDITIONS: Needs = Needs(1);
    /// Conditions on strings.
    pub const TEXTS: Needs = Needs(2);
    /// Callers are looked at.
    pub const CALLERS: Needs = Needs(4);
    /// Something is kept from the entry of a call to its return.
    pub const CALLS: Needs = Needs(8);
    /// Delays.
    pub const DELAYS: Needs = Needs(16);
    /// Calls are counted for each goroutine.
    pub const GOROUTINES: Needs = Needs(32);
    /// Not every call that matches fires.
    pub const TRIGGERS: Needs = Needs(64);
    /// The program itself makes edits, or shows what they would be.
    pub const EDITS: Needs = Needs(128);
    /// It computes with floats for them.
    pub const ARITHMETIC: Needs = Needs(256);
    /// It makes copies.
    pub const COPIES: Needs = Needs(512);
    /// It writes signal frames.
    pub const FRAMES: Needs = Needs(1024);
    /// And floating-point registers in them.
    pub const FLOATS: Needs = Needs(2048);
    /// Go tests are told apart.
    pub const TESTS: Needs = Needs(4096);
    /// Calls are numbered so that another run recognizes them.
    pub const NUMBERS: Needs = Needs(8192);
    /// Elements of maps are looked for.
    pub const ELEMENTS: Needs = Needs(16384);
    /// Delays that a context ends.
    pub const UNTIL: Needs = Needs(32768);

    /// What the rules of a run need in one process.
    pub fn of(tables: &Tables) -> Needs {
        let sites = tables.sites.iter().map(|site| of_site(site, tables));
        let rules = tables.rules.iter().map(of_rule);
        let terms = tables.terms.iter().map(of_term);
        let tests = Needs::TESTS.when(tables.process.tests != 0);
        let printing = Needs::CALLERS.when(tables.process.printing != 0);
        let numbers = Needs::NUMBERS
            .and(Needs::GOROUTINES)
            .when(tables.control.numbers != 0);
        sites
            .chain(rules)
            .chain(terms)
            .fold(tests.and(printing).and(numbers), Needs::and)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether all of the other is in it.
    pub fn has(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    fn when(self, condition: bool) -> Needs {
        if condition { self } else { Needs::NONE }
    }
}

fn of_rule(rule: &Rule) -> Needs {
    let scopes = RULE_PER_GOROUTINE | RULE_PER_TEST | RULE_PER_PROCESS;
    let triggers = rule.flags & !(RULE_OBSERVE | scopes) != 0;
    Needs::TRIGGERS
        .when(triggers)
        .and(Needs::GOROUTINES.when(rule.flags & scopes != 0))
}

fn of_term(term: &Term) -> Needs {
    let text = ValueKind::Text as u8;
    Needs::CONDITIONS
        // Errors are looked into with what reads strings, two words each.
        .and(
            Needs::TEXTS
                .when(term.left_kind == text || term.right_kind == text || term.test == TestKind::Is as u8),
        )
        .and(Needs::FLOATS.when(is_float(&term.left) || is_float(&term.right)))
        .and(Needs::ELEMENTS.when(term.op == Op::Find as u8))
}

fn of_site(site: &Site, tables: &Tables) -> Needs {
    let frames = site.writer == WriterKind::Frame as u8 || site.kind == SiteKind::Signal as u8;
    let delays = site.flags & SITE_DELAYS != 0 || site.kind == SiteKind::Slot as u8;
    let bindings = rows(&tables.bindings, site.first_binding, site.bindings);
    bindings
        .iter()
        .map(|binding| of_binding(binding, site, tables))
        .fold(Needs::FRAMES.when(frames), Needs::and)
        .and(Needs::DELAYS.when(delays))
}

fn of_binding(binding: &Binding, site: &Site, tables: &Tables) -> Needs {
    let calls = BINDING_RECORDS | BINDING_RECALLS | BINDING_FOLLOWS | BINDING_PAIRS;
    let rule = tables.rules.get(binding.rule as usize);
    let observes = rule.is_none_or(|rule| rule.flags & RULE_OBSERVE != 0);
    // What the tracer writes it decides on with the native core.
    let edits = if observes || site.writer != WriterKind::Tracer as u8 {
        rows(&tables.edits, binding.first_edit, binding.edits)
    } else {
        &[]
    };
    edits
        .iter()
        .map(of_edit)
        .fold(Needs::CALLS.when(binding.flags & calls != 0), Needs::and)
        .and(Needs::DELAYS.when(binding.flags & BINDING_DELAYS != 0))
        // Contexts are looked into with what reads strings, two words each.
        .and(
            Needs::UNTIL
                .and(Needs::TEXTS)
                .when(binding.flags & BINDING_UNTIL != 0),
        )
        .and(Needs::CALLERS.when(binding.ranges != 0 || binding.levels != 0))
}

fn of_edit(edit: &Edit) -> Needs {
    let copies = [Source::Fresh, Source::Flip].map(|source| source as u8);
    let plain = [Source::Put, Source::Copy, Source::Keep, Source::Clear].map(|source| source as u8);
    let computes = edit.kind == ValueKind::Float as u8 && !plain.contains(&edit.source);
    Needs::EDITS
        .and(Needs::COPIES.when(copies.contains(&edit.source)))
        .and(Needs::ARITHMETIC.when(computes))
        .and(Needs::FLOATS.when(is_float(&edit.place)))
        .and(Needs::ELEMENTS.when(edit.source == Source::Find as u8))
}

fn is_float(place: &Place) -> bool {
    place.base == Base::Float as u8
}

fn rows<T>(table: &[T], first: u32, count: u32) -> &[T] {
    let first = first as usize;
    table.get(first..first + count as usize).unwrap_or_default()
}
