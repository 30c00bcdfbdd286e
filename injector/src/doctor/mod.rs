//! What this host allows, engine by engine: the facts, the reasons, and what would help.

mod text;

use goinject_probes::capability::Support;
use serde::Serialize;

use crate::engine::select::{WriterChoice, outlook};
use crate::host::Host;
use crate::host::facts::Facts;
use crate::host::needs::{Need, needs};
use crate::host::refusal::{Feature, Refusal, refusal};
use crate::plan::Needs;
use crate::{host, tracee};

/// All that `goinject doctor` tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// goinject's own version.
    pub goinject: &'static str,
    /// Kernel and process.
    pub facts: Facts,
    /// Engines, each with its writers and what else it can make use of.
    pub engines: Vec<Engine>,
    /// What each of them needs.
    pub needs: Vec<Need>,
    /// What `--engine auto` would use.
    pub auto: Vec<Outlook>,
}

/// An engine, or something that it can make use of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Engine {
    /// `bpf`, `ptrace` or `inline`.
    pub name: &'static str,
    /// Whether it can be used at all.
    #[serde(flatten)]
    pub check: Check,
    /// Its writers and what else it can make use of.
    pub parts: Vec<Part>,
}

/// Something that an engine can make use of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// A writer's name, or what it is.
    pub name: String,
    /// What it is for, in a few words.
    pub purpose: &'static str,
    /// Whether it is there.
    #[serde(flatten)]
    pub check: Check,
}

/// The outcome of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Whether it works here.
    pub answer: Answer,
    /// Why not, and what would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// The answer of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was tried and works.
    Yes,
    /// It was tried and is refused.
    No,
    /// It could not be tried.
    Unknown,
}

/// What `--engine auto` would use for one kind of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outlook {
    /// What the rules do.
    pub rules: &'static str,
    /// The engine; absent if there is none.
    pub engine: Option<String>,
    /// The writer; absent where nothing is written.
    pub writer: Option<String>,
    /// Why there is no engine, or why this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Diagnosis {
    /// Tries everything on this host.
    pub fn make() -> Diagnosis {
        let others = match tracee::trace_stranger() {
            Ok(()) => Support::Yes,
            Err(error) => Support::No(error.to_string()),
        };
        Diagnosis::of(&host::look_at_all(), &others)
    }

    /// Words what was found; `others` is whether running processes can be traced.
    pub fn of(host: &Host, others: &Support) -> Diagnosis {
        let general = Needs {
            general: true,
            ..Needs::default()
        };
        let memory = Needs {
            memory: true,
            ..Needs::default()
        };
        let floats = Needs {
            floats: true,
            ..Needs::default()
        };
        let auto = [
            ("that only observe", Some(Needs::default())),
            ("that set values in memory", Some(memory)),
            ("that set general registers", Some(general)),
            ("that set floating-point registers", Some(floats)),
            ("with 100 sites or more", None),
        ];
        Diagnosis {
            goinject: env!("CARGO_PKG_VERSION"),
            facts: host.facts.clone(),
            engines: vec![bpf(host), ptrace(host, others), inline(host)],
            needs: needs(host),
            auto: auto
                .into_iter()
                .map(|(rules, needs)| outlook_for(rules, needs, host))
                .collect(),
        }
    }

    /// Whether any engine works.
    pub fn has_engine(&self) -> bool {
        self.engines
            .iter()
            .any(|engine| engine.check.answer == Answer::Yes)
    }

    /// What would help, each once, in the order of the engines.
    pub fn remedies(&self) -> Vec<(&str, &str)> {
        let parts = self.engines.iter().flat_map(|engine| {
            let own = std::iter::once(&engine.check);
            own.chain(engine.parts.iter().map(|part| &part.check))
        });
        let mut remedies: Vec<(&str, &str)> = Vec::new();
        for refusal in parts.filter_map(|check| check.refusal.as_ref()) {
            if let Some(remedy) = &refusal.remedy
                && !remedies.iter().any(|(_, said)| said == remedy)
            {
                remedies.push((&refusal.reason, remedy));
            }
        }
        remedies
    }
}

fn bpf(host: &Host) -> Engine {
    let bpf = &host.bpf;
    let check = |feature, support| Check::of(feature, support, host);
    // Every writer is for programs that are started or attached to by ptrace.
    let traced = |own: Check| match bpf.load.is_yes() {
        true => check(Feature::TraceChild, &host.tracing).and(own),
        false => own,
    };
    // The frame is written as user memory, and a signal makes the kernel set it up.
    let frame = if bpf.memory.is_yes() {
        check(Feature::SendSignal, &bpf.signal)
    } else {
        check(Feature::WriteMemory, &bpf.memory)
    };
    let tracer = if bpf.signal.is_yes() {
        check(Feature::WriteCode, &host.code)
    } else {
        check(Feature::SendSignal, &bpf.signal)
    };
    let writer = |choice: WriterChoice, purpose, check| Part {
        name: format!("writer {choice}"),
        purpose,
        check: traced(check),
    };
    let means = |name: &str, purpose, check| Part {
        name: name.to_owned(),
        purpose,
        check,
    };
    Engine {
        name: "bpf",
        check: traced(check(Feature::Bpf, &bpf.load)),
        parts: vec![
            writer(
                WriterChoice::UserMemory,
                "stack and heap",
                check(Feature::WriteMemory, &bpf.memory),
            ),
            writer(
                WriterChoice::Context,
                "general registers",
                check(Feature::WriteContext, &bpf.context),
            ),
            writer(WriterChoice::SignalFrame, "all registers", frame),
            writer(WriterChoice::Tracer, "everything, through ptrace", tracer),
            means(
                "one link for all sites",
                "quick to attach",
                check(Feature::Multi, &bpf.multi),
            ),
            means(
                "programs that wait for pages",
                "no lost reads",
                check(Feature::Sleep, &bpf.sleep),
            ),
        ],
    }
}

fn ptrace(host: &Host, others: &Support) -> Engine {
    Engine {
        name: "ptrace",
        check: Check::of(Feature::WriteCode, &host.code, host),
        parts: vec![
            Part {
                name: format!("writer {}", WriterChoice::Breakpoints),
                purpose: "everything",
                check: Check::of(Feature::WriteCode, &host.code, host),
            },
            Part {
                name: "attaching with --pid".to_owned(),
                purpose: "by every engine",
                check: Check::of(Feature::TraceOthers, others, host),
            },
        ],
    }
}

/// Only by name, so it is not among what `--engine auto` would use.
fn inline(host: &Host) -> Engine {
    let sharing = Check::of(Feature::ShareMemory, &host.sharing, host);
    let check = Check::of(Feature::WriteCode, &host.code, host).and(sharing);
    Engine {
        name: "inline",
        check: check.clone(),
        parts: vec![Part {
            name: format!("writer {}", WriterChoice::Trampoline),
            purpose: "everything, by jumps",
            check,
        }],
    }
}

impl Check {
    fn of(feature: Feature, support: &Support, host: &Host) -> Check {
        Check {
            answer: match support {
                Support::Yes => Answer::Yes,
                Support::No(_) => Answer::No,
                Support::Unknown(_) => Answer::Unknown,
            },
            refusal: refusal(feature, support, &host.facts),
        }
    }

    /// What comes of this and, where it works, of another one.
    fn and(self, other: Check) -> Check {
        match self.answer {
            Answer::Yes => other,
            Answer::No | Answer::Unknown => self,
        }
    }
}

fn outlook_for(rules: &'static str, needs: Option<Needs>, host: &Host) -> Outlook {
    match outlook(needs, host) {
        Ok(outlook) => Outlook {
            rules,
            engine: Some(outlook.engine.to_string()),
            writer: outlook.writer.map(|writer| writer.to_string()),
            reason: outlook.because,
        },
        Err(reason) => Outlook {
            rules,
            engine: None,
            writer: None,
            reason: Some(reason),
        },
    }
}

#[cfg(test)]
mod tests {
    use goinject_probes::capability::BpfSupport;

    use super::*;
    use crate::host::facts::{Capabilities, Lockdown};

    const NO_HELPER: &str =
        "program of this type cannot use helper bpf_probe_write_user#36 (Invalid argument (os error 22))";
    const NO_STORE: &str = "invalid bpf_context access off=80 size=8 (Permission denied (os error 13))";
    const EPERM: &str = "Operation not permitted (os error 1)";

    fn facts(release: &str, version: (u32, u32)) -> Facts {
        Facts {
            release: release.to_owned(),
            version,
            lockdown: Lockdown::None,
            ptrace_scope: Some(1),
            capabilities: Capabilities {
                bpf: true,
                perfmon: true,
                sys_admin: true,
                sys_ptrace: true,
                dac_override: true,
            },
            ..Facts::default()
        }
    }

    fn free(release: &str, version: (u32, u32)) -> Host {
        Host::allowing_all(facts(release, version))
    }

    fn text(host: &Host, others: &Support) -> String {
        let mut diagnosis = Diagnosis::of(host, others);
        diagnosis.goinject = "1.2.3";
        diagnosis.to_string()
    }

    #[test]
    fn a_new_kernel_allows_everything() {
        insta::assert_snapshot!(text(&free("7.2.0", (7, 2)), &Support::Yes));
    }

    #[test]
    fn a_locked_down_kernel_leaves_jumps() {
        let mut host = free("6.18.44", (6, 18));
        host.facts.lockdown = Lockdown::Integrity;
        host.bpf.memory = Support::No(NO_HELPER.to_owned());
        host.bpf.context = Support::No(NO_STORE.to_owned());
        insta::assert_snapshot!(text(&host, &Support::Yes));
    }

    #[test]
    fn without_ptrace_there_is_nothing() {
        let mut host = free("7.2.0", (7, 2));
        host.facts.capabilities.sys_ptrace = false;
        host.facts.ptrace_scope = Some(2);
        host.tracing = Support::No(EPERM.to_owned());
        host.code = host.tracing.clone();
        let others = host.tracing.clone();
        assert!(!Diagnosis::of(&host, &others).has_engine());
        insta::assert_snapshot!(text(&host, &others));
    }

    #[test]
    fn code_that_nobody_may_write_leaves_what_bpf_writes() {
        let mut host = free("7.2.0", (7, 2));
        host.code = Support::No("the kernel does not let goinject write read-only pages".to_owned());
        insta::assert_snapshot!(text(&host, &Support::Yes));
    }

    #[test]
    fn an_old_kernel_leaves_jumps() {
        let mut host = free("5.10.0-35-amd64", (5, 10));
        let unknown = || Support::Unknown("the BPF program does not load".to_owned());
        host.bpf = BpfSupport {
            load: Support::No(
                "unknown func bpf_get_attach_cookie#174 (Invalid argument (os error 22))".to_owned(),
            ),
            memory: unknown(),
            context: unknown(),
            signal: unknown(),
            multi: unknown(),
            sleep: unknown(),
        };
        insta::assert_snapshot!(text(&host, &Support::Yes));
    }

    #[test]
    fn a_user_without_rights_may_trace_children() {
        let mut host = free("6.12.0", (6, 12));
        host.facts.user = 1000;
        host.facts.capabilities = Capabilities::default();
        host.facts.lockdown = Lockdown::Unknown;
        let unknown = || Support::Unknown("the BPF program does not load".to_owned());
        host.bpf = BpfSupport {
            load: Support::No(EPERM.to_owned()),
            memory: unknown(),
            context: unknown(),
            signal: unknown(),
            multi: unknown(),
            sleep: unknown(),
        };
        insta::assert_snapshot!(text(&host, &Support::No(EPERM.to_owned())));
    }
}
