//! Which engine and writer: what a plan needs against what the host has, and the choice in words.

use std::fmt;

use goinject_probes::capability::{BpfSupport, Support};
use goinject_probes::program::{Attach, Switches};
use goinject_probes::table::WriterKind;

use super::provision;
use crate::host::Host;
use crate::host::refusal::{Feature, refusal};
use crate::plan::{Consumes, Cost, Needs, Plan, Site};

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
    /// Jumps to the decision core inside the program. Only by name.
    Inline,
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

/// Chooses. In-kernel writers before the tracer, the tracer before breakpoints.
pub fn select(
    plan: &Plan,
    host: &Host,
    engine: EngineChoice,
    writer: Option<WriterChoice>,
) -> Result<Selection, NoEngine> {
    let mut reasons: Vec<String> = Vec::new();
    let allows = |choice: WriterChoice| writer.is_none_or(|wanted| wanted == choice);
    let because = |reasons: &[String]| match reasons.last() {
        Some(reason) => format!(" ({})", reason.split_once(": ").map_or("", |(_, why)| why)),
        None => " (as asked)".to_owned(),
    };
    if may_be_bpf(engine, writer) {
        if writer != Some(WriterChoice::Tracer) {
            match in_kernel(plan, host, writer) {
                Ok(selection) => return Ok(selection),
                Err(reason) => reasons.push(format!("bpf: {reason}")),
            }
        }
        if allows(WriterChoice::Tracer) {
            match tracer(plan, host, writer) {
                Ok(mut selection) => {
                    selection.explanation.push_str(&because(&reasons));
                    return Ok(selection);
                }
                // Said already where nothing of BPF works.
                Err(reason) => {
                    let line = format!("bpf with the tracer: {reason}");
                    if !reasons.iter().any(|said| said.ends_with(&format!(": {reason}"))) {
                        reasons.push(line);
                    }
                }
            }
        }
    }
    if matches!(engine, EngineChoice::Auto | EngineChoice::Ptrace) && allows(WriterChoice::Breakpoints) {
        match breakpoints(plan, host) {
            Ok(()) => {
                return Ok(Selection {
                    fit: Fit::Ptrace,
                    explanation: format!("engine ptrace, writer breakpoints{}", because(&reasons)),
                });
            }
            Err(reason) => reasons.push(format!("ptrace: {reason}")),
        }
    }
    if is_inline(engine, writer) {
        match inline(plan, host) {
            Ok(()) => {
                return Ok(Selection {
                    fit: Fit::Inline,
                    explanation: "engine inline, writer trampoline (as asked)".to_owned(),
                });
            }
            Err(reason) => reasons.push(format!("inline: {reason}")),
        }
    }
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

/// Chooses for one more program of a run that came by the inline engine without being asked for it by name: breakpoints where the
/// program can't have jumps.
pub fn select_substitute(plan: &Plan, host: &Host) -> Result<Selection, NoEngine> {
    let Some(why) = why_no_jumps(plan, host) else {
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
pub fn why_no_jumps(plan: &Plan, host: &Host) -> Option<String> {
    let why = inline(plan, host).err()?;
    Some(super::inline::without_advice(&why).to_owned())
}

/// The choice of breakpoints where jumps were chosen before, in words.
pub fn instead_of_jumps(why: &str) -> String {
    format!("engine ptrace, writer breakpoints ({why})")
}

fn in_kernel(plan: &Plan, host: &Host, wanted: Option<WriterChoice>) -> Result<Selection, String> {
    let bpf = &host.bpf;
    require_bpf(host)?;
    if provision::is_needed(plan) {
        require(Feature::WriteCode, &host.code, host)?;
    }
    let mut writers = Vec::new();
    for site in &plan.sites {
        let needs = site.needs(plan);
        if let Cost::Refused(why) = &site.instruction.cost {
            writers.push(breakpoint(plan, host, wanted, unprobeable(plan, site, why))?);
            continue;
        }
        let writer = kernel_writer(needs, host, wanted).map_err(|refused| match refused {
            Refused::Host(reason) => reason,
            Refused::Need(reason) => format!("{reason} at {}", plan.functions[site.function].name),
        })?;
        if writer == WriterKind::Frame {
            if plan.runtime.sigtramp.is_none() {
                return Err("the signal-frame writer finds no runtime.sigtramp in this binary".to_owned());
            }
            if let (true, Consumes::Irreversible(why)) = (needs.before, &site.instruction.consumes) {
                let why = irreversible(plan, site, why);
                writers.push(breakpoint(plan, host, wanted, why)?);
                continue;
            }
        }
        writers.push(writer);
    }
    has_probes(plan, &writers)?;
    let explanation = explained(&writers);
    let switches = Switches {
        memory: plan
            .sites
            .iter()
            .zip(&writers)
            .any(|(site, writer)| match writer {
                WriterKind::Memory | WriterKind::Frame => true,
                WriterKind::Direct => false,
                _ => site.needs(plan).memory,
            }),
        context: writers.contains(&WriterKind::Context),
        signal: writers.contains(&WriterKind::Frame),
        sleep: bpf.sleep.is_yes(),
        pid_namespace: None,
    };
    Ok(Selection {
        fit: Fit::Bpf {
            writers,
            attach: attach(bpf),
            switches,
        },
        explanation,
    })
}

/// Why a writer will not do for a site.
enum Refused {
    /// The host does not offer it.
    Host(String),
    /// It cannot write what the site needs written.
    Need(String),
}

/// The writer inside the kernel for a site, the cheapest that will do.
fn kernel_writer(needs: Needs, host: &Host, wanted: Option<WriterChoice>) -> Result<WriterKind, Refused> {
    let bpf = &host.bpf;
    let allows = |choice: WriterChoice| wanted.is_none_or(|wanted| wanted == choice);
    let require = |feature, support| require(feature, support, host).map_err(Refused::Host);
    if !needs.any() && !needs.float_conditions {
        return Ok(WriterKind::None);
    }
    let registers = needs.general || needs.redirect;
    let floats = needs.floats || needs.float_conditions;
    if !registers && !floats && allows(WriterChoice::UserMemory) {
        require(Feature::WriteMemory, &bpf.memory)?;
        return Ok(WriterKind::Memory);
    }
    // Registers alone can be written so even on kernels that are locked down.
    if !floats && allows(WriterChoice::Context) && (wanted.is_some() || bpf.context.is_yes()) {
        require(Feature::WriteContext, &bpf.context)?;
        if needs.memory {
            require(Feature::WriteMemory, &bpf.memory)?;
        }
        return Ok(WriterKind::Context);
    }
    if allows(WriterChoice::SignalFrame) {
        require(Feature::WriteMemory, &bpf.memory)?;
        require(Feature::SendSignal, &bpf.signal)?;
        return Ok(WriterKind::Frame);
    }
    Err(Refused::Need(match wanted {
        Some(WriterChoice::UserMemory) => "user-memory cannot write registers, which is needed".to_owned(),
        _ => "context cannot write floating-point registers, which is needed".to_owned(),
    }))
}

/// What `--engine auto` would use for sites with these needs: engine and writer.
pub fn outlook(needs: Needs, host: &Host) -> Result<(&'static str, Option<WriterChoice>), String> {
    let in_kernel = require_bpf(host).and_then(|()| {
        kernel_writer(needs, host, None).map_err(|(Refused::Host(why) | Refused::Need(why))| why)
    });
    match in_kernel {
        Ok(WriterKind::None) => Ok(("bpf", None)),
        Ok(WriterKind::Memory) => Ok(("bpf", Some(WriterChoice::UserMemory))),
        Ok(WriterKind::Context) => Ok(("bpf", Some(WriterChoice::Context))),
        Ok(_) => Ok(("bpf", Some(WriterChoice::SignalFrame))),
        Err(_) if require_tracer(host).is_ok() => Ok(("bpf", Some(WriterChoice::Tracer))),
        Err(_) => require(Feature::WriteCode, &host.code, host)
            .map(|()| ("ptrace", Some(WriterChoice::Breakpoints))),
    }
}

/// Whether a choice asks for the inline engine, which is not taken by itself.
fn is_inline(engine: EngineChoice, writer: Option<WriterChoice>) -> bool {
    match engine {
        EngineChoice::Inline => writer.is_none_or(|writer| writer == WriterChoice::Trampoline),
        EngineChoice::Auto => writer == Some(WriterChoice::Trampoline),
        EngineChoice::Bpf | EngineChoice::Ptrace => false,
    }
}

/// What jumps need of the host and the program.
fn inline(plan: &Plan, host: &Host) -> Result<(), String> {
    require(Feature::WriteCode, &host.code, host)?;
    require(Feature::ShareMemory, &host.sharing, host)?;
    if plan.binary.c_archive {
        return Err(
            "in a C program (-buildmode=c-archive) other threads may run when Go's runtime is set up; use --engine bpf"
                .to_owned(),
        );
    }
    super::inline::fits(plan)
}

/// What breakpoints need of the host and the program.
fn breakpoints(plan: &Plan, host: &Host) -> Result<(), String> {
    require(Feature::WriteCode, &host.code, host)?;
    survives_breakpoints(plan)
}

/// Breakpoints need Go's own handler for SIGTRAP to stand in front of.
fn survives_breakpoints(plan: &Plan) -> Result<(), String> {
    if plan.binary.c_archive {
        return Err(
            "in a C program (-buildmode=c-archive) Go's runtime does not handle SIGTRAP, so that a breakpoint left behind would end the program; use --engine bpf"
                .to_owned(),
        );
    }
    Ok(())
}

/// What all of BPF needs of the host: without ptrace no program is started or attached to.
fn require_bpf(host: &Host) -> Result<(), String> {
    require(Feature::Bpf, &host.bpf.load, host)?;
    require(Feature::TraceChild, &host.tracing, host)
}

/// What the tracer writer needs of the host.
fn require_tracer(host: &Host) -> Result<(), String> {
    require_bpf(host)?;
    require(Feature::SendSignal, &host.bpf.signal, host)?;
    require(Feature::WriteCode, &host.code, host)
}

fn tracer(plan: &Plan, host: &Host, wanted: Option<WriterChoice>) -> Result<Selection, String> {
    require_tracer(host)?;
    let mut writers = Vec::new();
    for site in &plan.sites {
        let needs = site.needs(plan);
        writers.push(match why_not_probed(plan, site, needs) {
            Some(why) => breakpoint(plan, host, wanted, why)?,
            None if needs.any() || needs.float_conditions => WriterKind::Tracer,
            None => WriterKind::None,
        });
    }
    has_probes(plan, &writers)?;
    let switches = Switches {
        signal: true,
        // Conditions look at pages that nobody has touched yet, or that are swapped out.
        sleep: host.bpf.sleep.is_yes(),
        ..Switches::default()
    };
    let explanation = explained(&writers);
    Ok(Selection {
        fit: Fit::Bpf {
            writers,
            attach: attach(&host.bpf),
            switches,
        },
        explanation,
    })
}

/// Why a probe at a site would not do, where it would not.
fn why_not_probed(plan: &Plan, site: &Site, needs: Needs) -> Option<String> {
    match (&site.instruction.cost, &site.instruction.consumes) {
        (Cost::Refused(why), _) => Some(unprobeable(plan, site, why)),
        (_, Consumes::Irreversible(why)) if needs.before => Some(irreversible(plan, site, why)),
        _ => None,
    }
}

fn unprobeable(plan: &Plan, site: &Site, why: &str) -> String {
    let name = &plan.functions[site.function].name;
    format!(
        "no uprobe can be put on `{}` of {name}: {why}",
        site.instruction.text
    )
}

fn irreversible(plan: &Plan, site: &Site, why: &str) -> String {
    let name = &plan.functions[site.function].name;
    format!("{name} must be changed before its first instruction runs: {why}")
}

/// The writer of a single site at which a probe would not do for the reason that is given: a breakpoint, which goinject serves
/// as it does those of the ptrace engine. Where a writer is asked for by name, it is to serve every site.
fn breakpoint(
    plan: &Plan,
    host: &Host,
    wanted: Option<WriterChoice>,
    why: String,
) -> Result<WriterKind, String> {
    match wanted.is_none() && breakpoints(plan, host).is_ok() {
        true => Ok(WriterKind::Direct),
        false => Err(why),
    }
}

/// Where every site would have a breakpoint, BPF has nothing to do.
fn has_probes(plan: &Plan, writers: &[WriterKind]) -> Result<(), String> {
    let mut sites = plan.sites.iter().zip(writers).peekable();
    if sites.peek().is_none() || sites.any(|(_, writer)| *writer != WriterKind::Direct) {
        return Ok(());
    }
    let first = plan.sites.first();
    let why = first.and_then(|site| why_not_probed(plan, site, site.needs(plan)));
    Err(why.unwrap_or_default())
}

fn explained(writers: &[WriterKind]) -> String {
    match writer_names(writers).as_slice() {
        [] => "engine bpf, nothing to write".to_owned(),
        [only] => format!("engine bpf, writer {only}"),
        several => format!("engine bpf, writers {}", several.join(" and ")),
    }
}

fn require(feature: Feature, support: &Support, host: &Host) -> Result<(), String> {
    match refusal(feature, support, &host.facts) {
        None => Ok(()),
        Some(refusal) => Err(refusal.reason),
    }
}

fn attach(bpf: &BpfSupport) -> Attach {
    if bpf.multi.is_yes() {
        Attach::Multi
    } else {
        Attach::Single
    }
}

/// The names of the writers that are in use, each once.
pub fn writer_names(writers: &[WriterKind]) -> Vec<&'static str> {
    let names = [
        (WriterKind::Memory, "user-memory"),
        (WriterKind::Context, "context"),
        (WriterKind::Frame, "signal-frame"),
        (WriterKind::Tracer, "tracer"),
        (WriterKind::Direct, "breakpoints"),
    ];
    let used = names.iter().filter(|(kind, _)| writers.contains(kind));
    used.map(|(_, name)| *name).collect()
}
