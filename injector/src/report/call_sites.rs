//! Where in the user's code the calls were made that rules fired on.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{Place, Workspace};
use super::record::Record;

/// A place in the user's code, and what one rule did to the calls that were made there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The place; absent where the stack is not known, or none of the user's code is on it.
    pub place: Option<Place>,
    /// The rule.
    pub rule: String,
    /// The functions that were called.
    pub functions: BTreeSet<String>,
    /// How often the rule fired.
    pub fired: u64,
    /// How often its fault could not be injected.
    pub failed: u64,
    /// Why.
    pub reasons: BTreeSet<String>,
}

/// All call sites, the worst first: where faults failed, then where there were most.
pub fn call_sites(record: &Record, workspace: &Workspace) -> Vec<CallSite> {
    let mut sites: BTreeMap<(Option<Place>, &str), CallSite> = BTreeMap::new();
    for ((rule, stack), hits) in &record.stacks {
        let place = workspace.call_site(stack);
        let site = sites.entry((place.clone(), rule)).or_insert_with(|| CallSite {
            place,
            rule: rule.clone(),
            functions: BTreeSet::new(),
            fired: 0,
            failed: 0,
            reasons: BTreeSet::new(),
        });
        site.functions
            .extend(stack.first().map(|frame| frame.function.clone()));
        site.fired += hits.count();
        site.failed += hits.failed();
        site.reasons.extend(hits.failures.keys().cloned());
    }
    let mut sites: Vec<CallSite> = sites.into_values().collect();
    // Sorting keeps what is equally bad in the order of places.
    sites.sort_by_key(|site| std::cmp::Reverse((site.failed, site.fired)));
    sites
}

impl CallSite {
    /// What happened there, in a sentence without line breaks.
    pub fn words(&self) -> String {
        let functions: Vec<&str> = self.functions.iter().map(String::as_str).collect();
        let called = match functions.as_slice() {
            [] => "in calls".to_owned(),
            [one] => format!("in calls of {one}"),
            [one, more @ ..] => format!("in calls of {one} and {} more", more.len()),
        };
        let plural = if self.fired == 1 { "" } else { "s" };
        let mut words = format!("{}: {} fault{plural} {called} from here", self.rule, self.fired);
        if let Some(reason) = self.reasons.first() {
            words.push_str(&format!("; {} could not be injected: {reason}", self.failed));
        }
        words
    }
}
