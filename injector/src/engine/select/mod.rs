//! Which engine and writer: what a plan needs against what the host has, and the choice in words.

mod bpf;

use std::fmt;

use goinject_probes::capability::Support;
use goinject_probes::program::{Attach, Switches};
use goinject_probes::table::WriterKind;

use self::bpf::writer_names;
use super::inline::without_advice;
use crate::host::Host;
use crate::host::refusal::{Feature, refusal};
use crate::plan::{Needs, Plan};

/// An engine asked for by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// The strongest that the host allows.
    #[default]
    Auto,
    /// BPF, with any writer.
    Bpf,
    /// Breakpoints.
    Ptrace,
    /// Jumps to the decision core inside the program.
    Inline,
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineChoice::Auto => "auto",
            EngineChoice::Bpf => "bpf",
            EngineChoice::Ptrace => "ptrace",
            EngineChoice::Inline => "inline",
        })
    }
}

/// A writer asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WriterChoice {
    /// bpf_probe_write_user at the probe: memory only (Linux 5.15, no lockdown).
    UserMemory,
    /// Stores into the probe's register context (Linux 6.18).
    Context,
    /// Stores into the signal frame of a signal sent by the probe (Linux 5.15, no lockdown).
    SignalFrame,
    /// BPF decides, and goinject writes through ptrace.
    Tracer,
    /// ptrace alone.
    Breakpoints,
    /// Jumps in the program's code.
    Trampoline,
}

impl fmt::Display for WriterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriterChoice::UserMemory => "user-memory",
            WriterChoice::Context => "context",
            WriterChoice::SignalFrame => "signal-frame",
            WriterChoice::Tracer => "tracer",
            WriterChoice::Breakpoints => "breakpoints",
            WriterChoice::Trampoline => "trampoline",
        })
    }
}

/// The engine chosen, ready to be armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Which, and with what.
    pub fit: Fit,
    /// Which and why, in one line.
    pub explanation: String,
}

/// How an engine carries out a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// By BPF.
    Bpf {
        /// One writer per site.
        writers: Vec<WriterKind>,
        /// How probes are attached.
        attach: Attach,
        /// What the program may do.
        switches: Switches,
    },
    /// By breakpoints.
    Ptrace,
    /// By jumps.
    Inline,
}

impl Fit {
    /// The engine, as the command line names it.
    pub fn engine(&self) -> EngineChoice {
        match self {
            Fit::Bpf { .. } => EngineChoice::Bpf,
            Fit::Ptrace => EngineChoice::Ptrace,
            Fit::Inline => EngineChoice::Inline,
        }
    }

    /// The writers in use, each once; none where nothing is written.
    pub fn writer_names(&self) -> Vec<&'static str> {
        match self {
            Fit::Bpf { writers, .. } => writer_names(writers),
            Fit::Ptrace => vec!["breakpoints"],
            Fit::Inline => vec!["trampoline"],
        }
    }

    /// Whether code of the program is changed while its rules act.
    pub fn patches_code(&self) -> bool {
        match self {
            Fit::Bpf { writers, .. } => writers.contains(&WriterKind::Direct),
            Fit::Ptrace | Fit::Inline => true,
        }
    }
}

/// Why no engine will do: one line for each that was considered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no engine can do this here (`goinject doctor` says what would help):{}", in_lines(.reasons, .remedies))]
pub struct NoEngine {
    /// The reasons.
    pub reasons: Vec<String>,
    /// What would help, where something of the host is missing.
    pub remedies: Vec<String>,
}

impl NoEngine {
    fn of(reasons: Vec<String>, host: &Host) -> NoEngine {
        let bpf = &host.bpf;
        let tried = [
            (Feature::Bpf, &bpf.load),
            (Feature::WriteMemory, &bpf.memory),
            (Feature::WriteContext, &bpf.context),
            (Feature::SendSignal, &bpf.signal),
            (Feature::TraceChild, &host.tracing),
            (Feature::WriteCode, &host.code),
            (Feature::ShareMemory, &host.sharing),
        ];
        let mut remedies = Vec::new();
        for (feature, support) in tried {
            let Some(refused) = refusal(feature, support, &host.facts) else {
                continue;
            };
            let is_told = reasons.iter().any(|reason| reason.ends_with(&refused.reason));
            remedies.extend(
                refused
                    .remedy
                    .filter(|remedy| is_told && !remedies.contains(remedy)),
            );
        }
        NoEngine { reasons, remedies }
    }
}

fn in_lines(reasons: &[String], remedies: &[String]) -> String {
    let reasons = reasons.iter().map(|reason| format!("\n  {reason}"));
    let remedies = remedies.iter().map(|remedy| format!("\n  to help: {remedy}"));
    reasons.chain(remedies).collect()
}

/// Whether a choice of these can come out as BPF.
pub fn may_be_bpf(engine: EngineChoice, writer: Option<WriterChoice>) -> bool {
    let other = [WriterChoice::Breakpoints, WriterChoice::Trampoline].map(Some);
    matches!(engine, EngineChoice::Auto | EngineChoice::Bpf) && !other.contains(&writer)
}

/// From so many sites on, the cost of a probe counts for more than that a program's code is left alone.
const MANY_SITES: usize = 100;

/// One way to carry out a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By writers in the kernel, at every site.
    InKernel,
    /// By jumps.
    Jumps,
    /// By writers in the kernel, and breakpoints at single sites.
    InKernelBeside,
    /// By BPF that decides, while goinject writes.
    Tracer,
    /// By breakpoints.
    Breakpoints,
}

impl Way {
    /// Those of `--engine auto`, in the order in which they are preferred.
    fn by_preference(sites: usize) -> Vec<Way> {
        let mut ways = vec![
            Way::InKernel,
            Way::Jumps,
            Way::InKernelBeside,
            Way::Tracer,
            Way::Breakpoints,
        ];
        if sites >= MANY_SITES {
            ways.swap(0, 1);
        }
        ways
    }

    fn engine(self) -> EngineChoice {
        match self {
            Way::InKernel | Way::InKernelBeside | Way::Tracer => EngineChoice::Bpf,
            Way::Jumps => EngineChoice::Inline,
            Way::Breakpoints => EngineChoice::Ptrace,
        }
    }

    /// Whether a choice by name allows it.
    fn is_allowed(self, engine: EngineChoice, writer: Option<WriterChoice>) -> bool {
        let is_writer = |asked| match self {
            Way::Jumps => asked == WriterChoice::Trampoline,
            Way::Tracer => asked == WriterChoice::Tracer,
            Way::Breakpoints => asked == WriterChoice::Breakpoints,
            Way::InKernel => matches!(
                asked,
                WriterChoice::UserMemory | WriterChoice::Context | WriterChoice::SignalFrame
            ),
            // A writer asked for by name is to serve every site.
            Way::InKernelBeside => false,
        };
        [EngineChoice::Auto, self.engine()].contains(&engine) && writer.is_none_or(is_writer)
    }

    /// How lines about it begin.
    fn name(self) -> &'static str {
        match self {
            Way::InKernel | Way::InKernelBeside => "bpf",
            Way::Jumps => "inline",
            Way::Tracer => "bpf with the tracer",
            Way::Breakpoints => "ptrace",
        }
    }
}

/// Chooses. `no_jumps` is why the program turned out not to take jumps, when it was tried.
pub fn select(
    plan: &Plan,
    host: &Host,
    engine: EngineChoice,
    writer: Option<WriterChoice>,
    no_jumps: Option<&str>,
) -> Result<Selection, NoEngine> {
    let mut refused = Refusals::default();
    let ways = Way::by_preference(plan.sites.len());
    for way in ways.into_iter().filter(|way| way.is_allowed(engine, writer)) {
        let chosen = match way {
            Way::InKernel => bpf::in_kernel(plan, host, writer, false),
            Way::InKernelBeside => bpf::in_kernel(plan, host, writer, true),
            Way::Tracer => bpf::tracer(plan, host, writer),
            Way::Breakpoints => breakpoints(plan, host).map(|()| Selection {
                fit: Fit::Ptrace,
                explanation: "engine ptrace, writer breakpoints".to_owned(),
            }),
            Way::Jumps => no_jumps
                .map_or_else(|| inline(plan, host), |why| Err(why.to_owned()))
                .map(|()| Selection {
                    fit: Fit::Inline,
                    explanation: "engine inline, writer trampoline".to_owned(),
                }),
        };
        match chosen {
            Ok(mut selection) => {
                let is_in_kernel = matches!(way, Way::InKernel | Way::InKernelBeside);
                let why = match refused.in_words() {
                    Some(why) => Some(why),
                    None if is_in_kernel => None,
                    None if engine == EngineChoice::Auto && writer.is_none() => {
                        Some(format!("{} sites", plan.sites.len()))
                    }
                    None => Some("as asked".to_owned()),
                };
                why.iter()
                    .for_each(|why| selection.explanation.push_str(&format!(" ({why})")));
                return Ok(selection);
            }
            Err(reason) => refused.add(way, reason),
        }
    }
    let mut reasons = refused.lines();
    if reasons.is_empty() {
        reasons.push(format!(
            "writer {} does not belong to engine {}",
            writer.map_or_else(String::new, |writer| writer.to_string()),
            match engine {
                EngineChoice::Bpf => "bpf",
                EngineChoice::Inline => "inline",
                EngineChoice::Ptrace | EngineChoice::Auto => "ptrace",
            },
        ));
    }
    Err(NoEngine::of(reasons, host))
}

/// Why ways that are preferred will not do, each reason once.
#[derive(Debug, Default)]
struct Refusals(Vec<(Way, String)>);

impl Refusals {
    fn add(&mut self, way: Way, reason: String) {
        if !self
            .0
            .iter()
            .any(|(of, said)| *said == reason && of.engine() == way.engine())
        {
            self.0.push((way, reason));
        }
    }

    fn lines(&self) -> Vec<String> {
        let lines = self.0.iter();
        lines
            .map(|(way, reason)| format!("{}: {reason}", way.name()))
            .collect()
    }

    /// For the way that is taken in the end.
    fn in_words(&self) -> Option<String> {
        let mut said: Vec<&str> = Vec::new();
        for (_, reason) in &self.0 {
            let reason = without_advice(reason);
            if !said.contains(&reason) {
                said.push(reason);
            }
        }
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// Chooses for one more program of a run that came by the inline engine without being asked for it by name: breakpoints where the
/// program can't have jumps.
pub fn select_substitute(plan: &Plan, host: &Host) -> Result<Selection, NoEngine> {
    let Some(why) = why_not_inline(plan, host) else {
        return Ok(Selection {
            fit: Fit::Inline,
            explanation: "engine inline, writer trampoline".to_owned(),
        });
    };
    match breakpoints(plan, host) {
        Ok(()) => Ok(Selection {
            fit: Fit::Ptrace,
            explanation: instead_of_jumps(&why),
        }),
        Err(reason) => {
            let reasons = vec![format!("inline: {why}"), format!("ptrace: {reason}")];
            Err(NoEngine::of(reasons, host))
        }
    }
}

/// Why a program can't have jumps here, as far as it shows before it is armed.
pub fn why_not_inline(plan: &Plan, host: &Host) -> Option<String> {
    let why = inline(plan, host).err()?;
    Some(without_advice(&why).to_owned())
}

/// The choice of breakpoints where jumps were chosen before, in words.
pub fn instead_of_jumps(why: &str) -> String {
    format!("engine ptrace, writer breakpoints ({why})")
}

/// What `--engine auto` would use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The engine.
    pub engine: EngineChoice,
    /// The writer, where anything is written.
    pub writer: Option<WriterChoice>,
    /// Why nothing that is preferred to it.
    pub because: Option<String>,
}

/// What `--engine auto` would use for single sites with these needs, in a program that has no peculiarities; `None` for many
/// sites. Else why nothing would do.
pub fn outlook(needs: Option<Needs>, host: &Host) -> Result<Outlook, String> {
    let sites = needs.map_or(MANY_SITES, |_| 1);
    let needs = needs.unwrap_or_default();
    let mut refused = Refusals::default();
    for way in Way::by_preference(sites) {
        let writer = match way {
            Way::InKernel | Way::InKernelBeside => bpf::outlook(needs, host),
            Way::Jumps => host_takes_jumps(host).map(|()| Some(WriterChoice::Trampoline)),
            Way::Tracer => bpf::require_tracer(host).map(|()| Some(WriterChoice::Tracer)),
            Way::Breakpoints => {
                require(Feature::WriteCode, &host.code, host).map(|()| Some(WriterChoice::Breakpoints))
            }
        };
        match writer {
            Ok(writer) => {
                return Ok(Outlook {
                    engine: way.engine(),
                    writer,
                    because: refused.in_words(),
                });
            }
            Err(reason) => refused.add(way, reason),
        }
    }
    Err(refused.0.pop().map(|(_, reason)| reason).unwrap_or_default())
}

/// What jumps need of the host and the program.
fn inline(plan: &Plan, host: &Host) -> Result<(), String> {
    host_takes_jumps(host)?;
    if plan.binary.c_archive {
        return Err(
            "in a C program (-buildmode=c-archive) other threads may run when Go's runtime is set up; use --engine bpf"
                .to_owned(),
        );
    }
    crate::engine::inline::fits(plan)
}

fn host_takes_jumps(host: &Host) -> Result<(), String> {
    require(Feature::WriteCode, &host.code, host)?;
    require(Feature::ShareMemory, &host.sharing, host)
}

/// What breakpoints need of the host and the program.
fn breakpoints(plan: &Plan, host: &Host) -> Result<(), String> {
    require(Feature::WriteCode, &host.code, host)?;
    survives_breakpoints(plan)
}

/// Breakpoints need Go's own handler for SIGSEGV to stand in front of, for as long as the program runs.
fn survives_breakpoints(plan: &Plan) -> Result<(), String> {
    if plan.binary.c_archive {
        return Err(
            "in a C program (-buildmode=c-archive) the C code decides who handles SIGSEGV, so that a breakpoint left behind could end the program; use --engine bpf"
                .to_owned(),
        );
    }
    Ok(())
}

fn require(feature: Feature, support: &Support, host: &Host) -> Result<(), String> {
    match refusal(feature, support, &host.facts) {
        None => Ok(()),
        Some(refusal) => Err(refusal.reason),
    }
}
