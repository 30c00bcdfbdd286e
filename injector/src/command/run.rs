//! `goinject run`: arm, watch, report, restore.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use goinject_rules::model::RuleSet;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Told, fail, make_plan, open_binary, read_rules, say};
use crate::cli::Run;
use crate::engine::bpf::{BpfSession, Setup};
use crate::engine::ptrace::PtraceSession;
use crate::engine::select::{Engine, select};
use crate::engine::{End, Happened, Session};
use crate::error::ExitCode;
use crate::plan::Plan;
use crate::plan::encode::LoadBias;
use crate::report::line::RuleFile;
use crate::report::outputs::Outputs;
use crate::report::repeat::Origin;
use crate::report::verdict::Outcome;
use crate::report::{Report, Totals};
use crate::signals::{Received, Signals};
use crate::target::{Target, shares_terminal, verify};
use crate::tracee::{Spawned, signal_name};

/// How long a second look waits at most when nothing wakes goinject up.
const IDLE: Duration = Duration::from_millis(500);

/// Runs a rule file against its target.
pub fn run(arguments: &Run) -> std::process::ExitCode {
    match carry_out(arguments) {
        Ok((ExitCode::Met, Some(status))) if arguments.exit_from_target => {
            // A process's exit status has eight bits.
            std::process::ExitCode::from(u8::try_from(status & 0xff).expect("masked"))
        }
        Ok((code, _)) | Err(code) => code.into(),
    }
}

/// The process that takes breakpoints out if goinject is killed.
pub fn guard() -> std::process::ExitCode {
    match crate::engine::ptrace::run_guard() {
        Ok(()) => ExitCode::Met.into(),
        Err(_) => ExitCode::Unarmable.into(),
    }
}

fn carry_out(arguments: &Run) -> Told<(ExitCode, Option<i32>)> {
    let rules = read_rules(&arguments.file)?;
    let target = Target::choose(&rules, arguments.pid, &arguments.target)
        .map_err(|error| fail(ExitCode::Invalid, error))?;
    let binary = open_binary(&target.binary(), &arguments.debug)?;
    let plan = make_plan(&rules, &binary)?;
    let host = crate::host::look(arguments.engine, arguments.writer);
    let selection = select(&plan, &host, arguments.engine, arguments.writer)
        .map_err(|error| fail(ExitCode::Unarmable, error))?;
    let origin = Origin {
        rule_file: RuleFile {
            path: arguments.file.clone(),
            text: rules.source.text().to_owned(),
        },
        command_line: std::env::args_os().collect(),
    };
    let outputs =
        Outputs::open(&arguments.reports, &arguments.file).map_err(|error| fail(ExitCode::Invalid, error))?;
    let mut report = Report::new(&rules, &plan, &binary, origin, outputs, arguments.quiet);
    let seed = arguments.seed.or(rules.seed).unwrap_or_else(random_seed);
    // Before the target starts, so that no signal is missed; it gets goinject's former mask back.
    let mut signals = Signals::take_over().map_err(|error| fail(ExitCode::Unarmable, error))?;
    let (mut session, bias) = arm(&plan, seed, &target, &selection.engine, &signals)?;
    report.armed(session.pid(), bias, &selection, seed);
    let started = matches!(target, Target::Command(_));
    let watched = watch(&mut *session, &rules, &mut report, &mut signals, started);
    let outcome = watched.map_err(|error| {
        let _ = session.disarm();
        fail(ExitCode::Unarmable, format!("lost the target: {error}"))
    })?;
    let totals = Totals {
        counters: session.counters(),
        terms: session.term_counters(),
        dropped_events: session.dropped_events(),
        lost_hits: session.lost_hits(),
    };
    let code = report.finish(&totals, &outcome);
    let status = match outcome.end {
        Some(End::Exited(status)) if started => Some(status),
        _ => None,
    };
    Ok((code, status))
}

/// A seed that differs from run to run; it is printed, so that the run can be repeated.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // Short enough to be typed, and for every reader of JSON.
    std::hash::RandomState::new().build_hasher().finish() & u64::from(u32::MAX)
}

/// Starts the target or finds it, makes sure that it runs the planned binary, and arms it. A command
/// that can't be armed is ended: nothing of it is to run without the faults it was started for.
fn arm(plan: &Plan, seed: u64, target: &Target, engine: &Engine, signals: &Signals) -> Told<Armed> {
    let unarmable = |error: &dyn std::fmt::Display| fail(ExitCode::Unarmable, error);
    match target {
        Target::Command(command) => {
            let spawned = command
                .start(|command| signals.restore_in(command))
                .map_err(|error| unarmable(&error))?;
            let pid = Pid::from_raw(spawned.stop.tid());
            arm_spawned(plan, seed, engine, spawned).map_err(|error| {
                // It may have ended by itself, and then there is nothing left to end.
                let _ = kill(pid, Signal::SIGKILL);
                unarmable(&error)
            })
        }
        Target::Process(pid) => arm_attached(plan, seed, engine, *pid).map_err(|error| unarmable(&error)),
    }
}

type Error = Box<dyn std::error::Error>;
/// A target with its rules armed, and how far its program lies from where it was linked to.
type Armed = (Box<dyn Session>, LoadBias);

fn arm_spawned(plan: &Plan, seed: u64, engine: &Engine, spawned: Spawned) -> Result<Armed, Error> {
    let bias = verify(plan, spawned.stop.tid())?;
    let session: Box<dyn Session> = match bpf_setup(engine, seed) {
        Some(setup) => Box::new(BpfSession::arm_spawned(plan, bias, &setup, spawned)?),
        None => Box::new(PtraceSession::arm_spawned(plan, bias, seed, spawned)?),
    };
    Ok((session, bias))
}

fn arm_attached(plan: &Plan, seed: u64, engine: &Engine, pid: i32) -> Result<Armed, Error> {
    let bias = verify(plan, pid)?;
    let session: Box<dyn Session> = match bpf_setup(engine, seed) {
        Some(setup) => Box::new(BpfSession::arm_attached(plan, bias, &setup, pid)?),
        None => Box::new(PtraceSession::arm_attached(plan, bias, seed, pid)?),
    };
    Ok((session, bias))
}

fn bpf_setup(engine: &Engine, seed: u64) -> Option<Setup<'_>> {
    match engine {
        Engine::Bpf {
            writers,
            attach,
            switches,
        } => Some(Setup {
            writers,
            attach: *attach,
            switches: *switches,
            seed,
        }),
        Engine::Ptrace => None,
    }
}

/// Watches an armed target until its end, or until it is to be let go.
fn watch(
    session: &mut dyn Session,
    rules: &RuleSet,
    report: &mut Report<'_>,
    signals: &mut Signals,
    started: bool,
) -> std::io::Result<Outcome> {
    let mut outcome = Outcome {
        started,
        ..Outcome::default()
    };
    let deadline = rules.limits.duration.map(|duration| Instant::now() + duration);
    loop {
        // Signals first: a SIGCHLD taken here belongs to a stop that the next look finds.
        for signal in signals.received()? {
            match react(signal, session.pid(), started, &mut outcome) {
                Reaction::GoOn => {}
                Reaction::LetGo => {
                    take(session.disarm()?, report, &mut outcome);
                    return Ok(outcome);
                }
            }
        }
        let happened = session.advance()?;
        report.tick();
        if take(happened, report, &mut outcome) {
            // It may have been reached since the last look, or while goinject was stopped.
            outcome.limit_reached |= limit_reached(rules, session, deadline);
            return Ok(outcome);
        }
        if !outcome.limit_reached && limit_reached(rules, session, deadline) {
            outcome.limit_reached = true;
            session.cease();
            report.limit_reached();
            if !started {
                take(session.disarm()?, report, &mut outcome);
                return Ok(outcome);
            }
        }
        wait(session, signals, deadline.filter(|_| !outcome.limit_reached))?;
    }
}

/// Reports what happened; whether that was the end.
fn take(happened: Happened, report: &mut Report<'_>, outcome: &mut Outcome) -> bool {
    for event in &happened.events {
        report.event(event);
    }
    if happened.executed {
        report.executed();
    }
    outcome.end = happened.end.or(outcome.end);
    happened.end.is_some()
}

enum Reaction {
    GoOn,
    LetGo,
}

/// A signal to goinject goes on to a command that it started; a process that it attached to is let go.
/// A second interrupt lets a command go that does not end on the first.
fn react(received: Received, pid: i32, started: bool, outcome: &mut Outcome) -> Reaction {
    if !started || outcome.interrupted {
        outcome.interrupted = true;
        return Reaction::LetGo;
    }
    outcome.interrupted = true;
    if !(received.from_terminal && shares_terminal()) {
        received.pass_on(pid);
    }
    say(format!(
        "{}: passed on to the target; goinject ends with it (once more to let it go on without faults)",
        signal_name(received.signal)
    ));
    Reaction::GoOn
}

fn limit_reached(rules: &RuleSet, session: &dyn Session, deadline: Option<Instant>) -> bool {
    let fired: u64 = session.counters().iter().map(|counters| counters.fired).sum();
    rules.limits.faults.is_some_and(|limit| fired >= limit)
        || deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

fn wait(session: &dyn Session, signals: &Signals, deadline: Option<Instant>) -> std::io::Result<()> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = left.unwrap_or(IDLE).min(IDLE).max(Duration::from_millis(1));
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    let wake_fds = session.wake_fds();
    // SAFETY: the session owns these descriptors and outlives the poll.
    let mut fds: Vec<PollFd<'_>> = wake_fds
        .iter()
        .map(|fd| PollFd::new(unsafe { BorrowedFd::borrow_raw(*fd) }, PollFlags::POLLIN))
        .collect();
    fds.push(PollFd::new(signals.fd(), PollFlags::POLLIN));
    match poll(&mut fds, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
