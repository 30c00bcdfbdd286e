//! Which engine and writer: what a plan needs against what the host has, and the choice in words.

use std::fmt;

use goinject_probes::capability::{BpfSupport, Support};
use goinject_probes::program::{Attach, Switches};
use goinject_probes::table::WriterKind;

use crate::plan::{Consumes, Cost, Needs, Plan};

/// What this host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// BPF and its writers.
    pub bpf: BpfSupport,
    /// Tracing a child, or the process to attach to.
    pub ptrace: Support,
}

/// An engine asked for by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// The strongest that the host allows.
    #[default]
    Auto,
    /// BPF, whichever writer.
    Bpf,
    /// Breakpoints.
    Ptrace,
}

/// A writer asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WriterChoice {
    /// bpf_probe_write_user at the probe: memory only (Linux 4.8, no lockdown).
    UserMemory,
    /// Stores into the probe's register context (Linux 6.18, no lockdown).
    Context,
    /// Stores into the signal frame of a signal sent by the probe (Linux 5.6, no lockdown).
    SignalFrame,
    /// BPF decides, and goinject writes through ptrace.
    Tracer,
    /// ptrace alone.
    Breakpoints,
}

impl fmt::Display for WriterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriterChoice::UserMemory => "user-memory",
            WriterChoice::Context => "context",
            WriterChoice::SignalFrame => "signal-frame",
            WriterChoice::Tracer => "tracer",
            WriterChoice::Breakpoints => "breakpoints",
        })
    }
}

/// The engine chosen, ready to be armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Which.
    pub engine: Engine,
    /// Which and why, in one line.
    pub explanation: String,
}

/// An engine with what it needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// BPF.
    Bpf {
        /// One writer per site.
        writers: Vec<WriterKind>,
        /// How probes are attached.
        attach: Attach,
        /// What the program may do.
        switches: Switches,
    },
    /// Breakpoints.
    Ptrace,
}

/// Why no engine will do: one line for each that was considered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no engine can carry this out here:\n{}", .reasons.iter().map(|reason| format!("  {reason}")).collect::<Vec<_>>().join("\n"))]
pub struct NoEngine {
    /// The reasons.
    pub reasons: Vec<String>,
}

/// Chooses. In-kernel writers before the tracer, the tracer before breakpoints.
pub fn select(
    plan: &Plan,
    host: &Host,
    engine: EngineChoice,
    writer: Option<WriterChoice>,
) -> Result<Selection, NoEngine> {
    let mut reasons = Vec::new();
    let allows = |choice: WriterChoice| writer.is_none_or(|wanted| wanted == choice);
    if engine != EngineChoice::Ptrace && writer != Some(WriterChoice::Breakpoints) {
        if writer != Some(WriterChoice::Tracer) {
            match in_kernel(plan, host, writer) {
                Ok(selection) => return Ok(selection),
                Err(reason) => reasons.push(format!("bpf: {reason}")),
            }
        }
        if allows(WriterChoice::Tracer) {
            match tracer(plan, host) {
                Ok(mut selection) => {
                    if let Some(reason) = reasons.first() {
                        selection
                            .explanation
                            .push_str(&format!(" ({})", reason.trim_start_matches("bpf: ")));
                    }
                    return Ok(selection);
                }
                Err(reason) => reasons.push(format!("bpf with the tracer: {reason}")),
            }
        }
    }
    if engine != EngineChoice::Bpf && allows(WriterChoice::Breakpoints) {
        match &host.ptrace {
            Support::Yes => {
                let why = match (engine, reasons.last()) {
                    (EngineChoice::Ptrace, _) | (_, None) => "as asked".to_owned(),
                    (_, Some(reason)) => reason.clone(),
                };
                let explanation = format!("ptrace, writer breakpoints: {why}");
                return Ok(Selection {
                    engine: Engine::Ptrace,
                    explanation,
                });
            }
            other => reasons.push(format!("ptrace: {other}")),
        }
    }
    if reasons.is_empty() {
        reasons.push(format!(
            "writer {} does not belong to engine {}",
            writer.map_or_else(String::new, |writer| writer.to_string()),
            if engine == EngineChoice::Bpf {
                "bpf"
            } else {
                "ptrace"
            },
        ));
    }
    Err(NoEngine { reasons })
}

fn in_kernel(plan: &Plan, host: &Host, wanted: Option<WriterChoice>) -> Result<Selection, String> {
    let bpf = &host.bpf;
    require(&bpf.load, "BPF")?;
    probeable(plan)?;
    let mut writers = Vec::new();
    for site in &plan.sites {
        let needs = site.needs(plan);
        let writer = kernel_writer(needs, bpf, wanted).map_err(|reason| {
            format!(
                "{} at {}: {reason}",
                plan.functions[site.function].name, site.instruction.address
            )
        })?;
        if writer == WriterKind::Frame {
            if plan.runtime.sigtramp.is_none() {
                return Err("the signal-frame writer finds no runtime.sigtramp in this binary".to_owned());
            }
            if let (true, Consumes::Irreversible(why)) = (needs.before, &site.instruction.consumes) {
                return Err(irreversible(plan, site.function, why));
            }
        }
        writers.push(writer);
    }
    let names = writer_names(&writers);
    let explanation = match names.as_str() {
        "" => "bpf, nothing is written".to_owned(),
        names => format!("bpf, writer {names}: this kernel allows it"),
    };
    let switches = Switches {
        memory: writers.iter().any(|writer| *writer != WriterKind::None),
        context: writers.contains(&WriterKind::Context),
        signal: writers.contains(&WriterKind::Frame),
        sleep: bpf.sleep.is_yes(),
        pid_namespace: None,
    };
    Ok(Selection {
        engine: Engine::Bpf {
            writers,
            attach: attach(bpf),
            switches,
        },
        explanation,
    })
}

/// The writer inside the kernel for a site, the cheapest that will do.
fn kernel_writer(needs: Needs, bpf: &BpfSupport, wanted: Option<WriterChoice>) -> Result<WriterKind, String> {
    let allows = |choice: WriterChoice| wanted.is_none_or(|wanted| wanted == choice);
    if !needs.any() && !needs.float_conditions {
        return Ok(WriterKind::None);
    }
    require(&bpf.memory, "writing user memory from BPF")?;
    let registers = needs.general || needs.redirect;
    let floats = needs.floats || needs.float_conditions;
    if !registers && !floats && allows(WriterChoice::UserMemory) {
        return Ok(WriterKind::Memory);
    }
    if !floats && allows(WriterChoice::Context) && (wanted.is_some() || bpf.context.is_yes()) {
        require(&bpf.context, "writing registers from BPF")?;
        return Ok(WriterKind::Context);
    }
    if allows(WriterChoice::SignalFrame) {
        require(&bpf.signal, "sending signals from BPF")?;
        return Ok(WriterKind::Frame);
    }
    match wanted {
        Some(WriterChoice::UserMemory) => {
            Err("registers must be written, which user-memory cannot".to_owned())
        }
        _ => Err("floating-point registers must be written, which context cannot".to_owned()),
    }
}

fn tracer(plan: &Plan, host: &Host) -> Result<Selection, String> {
    require(&host.bpf.load, "BPF")?;
    require(&host.bpf.signal, "sending signals from BPF")?;
    require(&host.ptrace, "ptrace")?;
    probeable(plan)?;
    let mut writers = Vec::new();
    for site in &plan.sites {
        let needs = site.needs(plan);
        if let (true, Consumes::Irreversible(why)) = (needs.before, &site.instruction.consumes) {
            return Err(irreversible(plan, site.function, why));
        }
        writers.push(if needs.any() || needs.float_conditions {
            WriterKind::Tracer
        } else {
            WriterKind::None
        });
    }
    let switches = Switches {
        signal: true,
        ..Switches::default()
    };
    let explanation = "bpf, writer tracer: BPF decides and ptrace writes".to_owned();
    Ok(Selection {
        engine: Engine::Bpf {
            writers,
            attach: attach(&host.bpf),
            switches,
        },
        explanation,
    })
}

/// Whether uprobes can be put on every site.
fn probeable(plan: &Plan) -> Result<(), String> {
    for site in &plan.sites {
        if let Cost::Refused(why) = &site.instruction.cost {
            let name = &plan.functions[site.function].name;
            return Err(format!(
                "no uprobe can be put on `{}` of {name}: {why}",
                site.instruction.text
            ));
        }
    }
    Ok(())
}

fn irreversible(plan: &Plan, function: usize, why: &str) -> String {
    let name = &plan.functions[function].name;
    format!("{name} must be changed before its first instruction runs: {why}")
}

fn require(support: &Support, what: &str) -> Result<(), String> {
    match support {
        Support::Yes => Ok(()),
        Support::No(reason) => Err(format!("{what} is refused here: {reason}")),
        Support::Unknown(reason) => Err(format!("{what} could not be tried: {reason}")),
    }
}

fn attach(bpf: &BpfSupport) -> Attach {
    if bpf.multi.is_yes() {
        Attach::Multi
    } else {
        Attach::Single
    }
}

fn writer_names(writers: &[WriterKind]) -> String {
    let names = [
        (WriterKind::Memory, "user-memory"),
        (WriterKind::Context, "context"),
        (WriterKind::Frame, "signal-frame"),
    ];
    let used: Vec<&str> = names
        .iter()
        .filter(|(kind, _)| writers.contains(kind))
        .map(|(_, name)| *name)
        .collect();
    used.join(" and ")
}
