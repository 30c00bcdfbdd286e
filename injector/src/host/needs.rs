//! What each engine and writer needs of the host, one thing a row, and whether it is there.
//!
//! The rows are what `rules/README.md` documents and what tests take away one by one.

use goinject_probes::capability::Support;
use serde::Serialize;

use super::Host;
use super::facts::{Facts, Lockdown};

/// One thing that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// By what: an engine, a writer, or a kind of target.
    pub of: &'static str,
    /// What.
    pub need: &'static str,
    /// What for, in a few words.
    pub purpose: &'static str,
    /// Whether it is there.
    pub here: Here,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Here {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It can't be told.
    Unknown,
}

impl Here {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Here::Yes => "yes",
            Here::No => "no",
            Here::Unknown => "not known",
        }
    }

    fn of(support: &Support) -> Here {
        match support {
            Support::Yes => Here::Yes,
            Support::No(_) => Here::No,
            Support::Unknown(_) => Here::Unknown,
        }
    }
}

impl From<bool> for Here {
    fn from(is_there: bool) -> Here {
        if is_there { Here::Yes } else { Here::No }
    }
}

/// All needs, in the order in which they are shown.
pub fn needs(host: &Host) -> Vec<Need> {
    let facts = &host.facts;
    let capabilities = facts.capabilities;
    let no_lockdown = match facts.lockdown {
        Lockdown::None => Here::Yes,
        Lockdown::Integrity | Lockdown::Confidentiality => Here::No,
        // Without the file, what BPF may write tells.
        Lockdown::Unknown if host.bpf.memory.is_yes() => Here::Yes,
        Lockdown::Unknown if capabilities.sys_admin => Here::of(&host.bpf.memory),
        Lockdown::Unknown => Here::Unknown,
    };
    let row = |of, need, purpose, here: Here| Need {
        of,
        need,
        purpose,
        here,
    };
    let mut rows = vec![
        row(
            "bpf",
            "Linux 5.15, /sys",
            "attach cookies; types of the kernel",
            facts.is_at_least(5, 15).into(),
        ),
        row(
            "bpf",
            "CAP_BPF or CAP_SYS_ADMIN",
            "to load the program",
            capabilities.bpf.into(),
        ),
        row(
            "bpf",
            "CAP_PERFMON or CAP_SYS_ADMIN",
            "to attach it, and read memory",
            capabilities.perfmon.into(),
        ),
        row(
            "bpf",
            "Linux 6.10 or CAP_SYS_ADMIN",
            "one link, or probes one by one",
            attaching(host),
        ),
        row(
            "bpf",
            "ptrace of the target",
            "to start and to follow it",
            Here::of(&host.tracing),
        ),
    ];
    for writer in ["bpf, user-memory", "bpf, signal-frame"] {
        rows.push(row(
            writer,
            "CAP_SYS_ADMIN",
            "to write memory from BPF",
            capabilities.sys_admin.into(),
        ));
        rows.push(row(
            writer,
            "no kernel lockdown",
            "to write memory from BPF",
            no_lockdown,
        ));
    }
    rows.extend([
        row(
            "bpf, context",
            "Linux 6.18, no lockdown",
            "to write registers from BPF",
            Here::of(&host.bpf.context),
        ),
        row(
            "bpf, tracer",
            "ptrace of the target",
            "to write what BPF decided",
            Here::of(&host.code),
        ),
        row("ptrace", "ptrace of the target", "for all", Here::of(&host.code)),
        row(
            "inline",
            "ptrace of the target",
            "while rules are armed, let go",
            Here::of(&host.code),
        ),
        row(
            "inline",
            "memfd_create, pidfd_getfd",
            "to share memory (Linux 5.6)",
            Here::of(&host.sharing),
        ),
    ]);
    rows.extend(targets(facts));
    rows
}

/// One link for all sites, or what attaching them one by one takes.
fn attaching(host: &Host) -> Here {
    match Here::of(&host.bpf.multi) {
        Here::Yes => Here::Yes,
        _ if host.facts.capabilities.sys_admin => Here::Yes,
        other => other,
    }
}

/// What ptrace needs, by whose the target is. All engines use it for running processes.
fn targets(facts: &Facts) -> Vec<Need> {
    let capabilities = facts.capabilities;
    let scope = facts.ptrace_scope.unwrap_or(0);
    let may = |least: u8| Here::from(scope < least || scope < 3 && capabilities.sys_ptrace);
    let row = |of, need, purpose, here: Here| Need {
        of,
        need,
        purpose,
        here,
    };
    let unfiltered = capabilities.sys_admin && !facts.seccomp;
    vec![
        row(
            "command of goinject",
            "Yama at 0 or 1, or CAP_SYS_PTRACE",
            "to trace it",
            may(2),
        ),
        row(
            "process of one's own",
            "Yama at 0, or CAP_SYS_PTRACE",
            "to trace it",
            may(1),
        ),
        row(
            "process of another user",
            "CAP_SYS_PTRACE",
            "to see and trace it",
            Here::from(capabilities.sys_ptrace && scope < 3),
        ),
        row(
            "process of another user",
            "CAP_DAC_OVERRIDE",
            "to open its memory",
            capabilities.dac_override.into(),
        ),
        row(
            "set-user-ID program",
            "CAP_SYS_PTRACE",
            "for rules to act in it",
            capabilities.sys_ptrace.into(),
        ),
        row(
            "target with a filter",
            "CAP_SYS_ADMIN, no own filter",
            "to suspend its seccomp filter",
            unfiltered.into(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(facts: Facts, of: &str, need: &str) -> Here {
        let rows = needs(&Host::allowing_all(facts));
        let row = rows.iter().find(|row| row.of == of && row.need.starts_with(need));
        row.expect("such a row").here
    }

    #[test]
    fn yama_counts_by_whose_the_target_is() {
        let at = |scope, sys_ptrace| {
            let mut facts = Facts {
                ptrace_scope: Some(scope),
                ..Facts::default()
            };
            facts.capabilities.sys_ptrace = sys_ptrace;
            ["command of goinject", "process of one's own"].map(|of| here(facts.clone(), of, "Yama"))
        };
        assert_eq!(at(0, false), [Here::Yes, Here::Yes]);
        assert_eq!(at(1, false), [Here::Yes, Here::No]);
        assert_eq!(at(2, false), [Here::No, Here::No]);
        assert_eq!(at(2, true), [Here::Yes, Here::Yes]);
        assert_eq!(at(3, true), [Here::No, Here::No]);
    }

    #[test]
    fn a_filter_of_goinjects_own_is_in_the_way() {
        let mut facts = Facts::default();
        facts.capabilities.sys_admin = true;
        assert_eq!(here(facts.clone(), "target with a filter", "CAP"), Here::Yes);
        facts.seccomp = true;
        assert_eq!(here(facts, "target with a filter", "CAP"), Here::No);
    }
}
