//! A rule that fired, read back from its row.

use goinject_probes::table::{EVENT_ENDED, EVENT_OBSERVED, Event, Reason};

use super::clock::Clock;
use super::dynamic::DynamicTypes;
use super::line::{Fired, Occurrence, OutcomeName, SiteName};
use super::shown::shown;
use super::stack::Stacks;
use crate::go::Binary;
use crate::plan::encode::LoadBias;
use crate::plan::{Binding, Fault, Plan, Site, SiteKind};

/// The process that an event comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// What it was armed with.
    pub plan: &'a Plan,
    /// Tells the types of its interface values.
    pub types: DynamicTypes<'a>,
    /// The program that it runs.
    pub binary: &'a Binary,
    /// How far it lies from where that was linked to.
    pub bias: LoadBias,
    /// Tells its call stacks.
    pub stacks: &'a Stacks,
    /// Its id.
    pub pid: i32,
    /// The file name of its program.
    pub program: &'a str,
    /// Tells times.
    pub clock: &'a Clock,
    /// The generation of its rules.
    pub generation: u32,
}

/// A rule that fired. None where the event can be none of the plan's: a target may write into the memory that its events come
/// through.
pub fn fired(origin: &Origin<'_>, event: &Event) -> Option<Fired> {
    let plan = origin.plan;
    let site = plan.sites.get(event.site as usize)?;
    let rule = plan.rules.get(event.rule as usize)?;
    let reason = Reason::of(event.reason)?;
    let binding = binding(site, event).filter(|_| reason == Reason::Ok);
    // A delay that took its whole time has changed nothing.
    let until = binding.is_some_and(|binding| binding.until.is_some());
    let ended = until && event.flags & EVENT_ENDED != 0;
    let values = binding
        .filter(|_| !until || ended)
        .map(|binding| shown(plan, &origin.types, binding, event));
    let does = |what: fn(&Fault) -> bool| binding.is_some_and(|binding| what(&binding.fault));
    Some(Fired {
        time: origin.clock.time(event.time),
        time_ns: event.time,
        elapsed_ns: origin.clock.elapsed(event.time),
        generation: origin.generation,
        rule: rule.name.clone(),
        function: plan.functions[site.function].name.clone(),
        site: match site.kind {
            SiteKind::Return => SiteName::Return,
            _ => SiteName::Entry,
        },
        call: Some(event.call).filter(|call| *call > 0),
        pid: origin.pid,
        program: origin.program.to_owned(),
        thread: event.tid,
        goroutine: Some(event.goid).filter(|goid| *goid > 0),
        test: event.test.name(),
        stack: origin.stacks.of(origin.binary, origin.bias, site, event),
        occurrence: (event.number > 0).then(|| Occurrence {
            place: format!("{:016x}", event.place),
            number: event.number,
        }),
        outcome: match reason {
            Reason::Ok if event.flags & EVENT_OBSERVED != 0 => OutcomeName::Observed,
            Reason::Ok => OutcomeName::Applied,
            _ => OutcomeName::Failed,
        },
        reason: (reason != Reason::Ok).then(|| reason.words().to_owned()),
        delay_ns: Some(event.delay).filter(|delay| *delay > 0),
        delayed: does(|fault| fault.delay.is_some()) && (!ended || event.delay > 0),
        returned_early: ended || does(|fault| fault.early_return),
        panicked: does(|fault| fault.panic),
        values: values.unwrap_or_default(),
    })
}

/// The binding of an event: the one of its rule at its site.
fn binding<'a>(site: &'a Site, event: &Event) -> Option<&'a Binding> {
    site.bindings
        .iter()
        .find(|binding| binding.rule == event.rule as usize)
}
