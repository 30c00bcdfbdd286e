//! `goinject run`: arm, watch, report, restore.

use std::rc::Rc;
use std::time::Duration;

use goinject_rules::model::RuleSet;

use super::{Told, fail, parse_printing, say, style};
use crate::cli::Run;
use crate::error::ExitCode;
use crate::event::Sink;
use crate::event::line::{Error, Line};
use crate::report::metrics::Metrics;
use crate::report::outputs::Outputs;
use crate::report::repeat::Origin;
use crate::report::{Live, Several, Terminal};
use crate::run::target::{Given, Target};
use crate::run::{self, Failure, Finished, Forced, Numbering, Options};
use crate::signals::Signals;

/// Runs a rule file against its target.
pub fn run(arguments: &Run) -> std::process::ExitCode {
    let finished = rules_or_report(arguments).and_then(|rules| {
        let origin = Origin {
            command_line: std::env::args_os().collect(),
        };
        carry_out(arguments, &rules, &origin, None, &mut Several::default())
    });
    exit_code(arguments, finished)
}

/// The rules of a run. What is wrong with them is in its reports, too: a mistake is what many runs in CI end with.
fn rules_or_report(arguments: &Run) -> Told<RuleSet> {
    let source = goinject_rules::read(&arguments.file).map_err(|error| fail(ExitCode::Invalid, error))?;
    parse_printing(&source).map_err(|mistakes| {
        match Outputs::open(&arguments.reports, &arguments.file) {
            Ok(mut outputs) => {
                for error in mistakes.iter().filter_map(|mistake| Error::of(mistake, &source)) {
                    outputs.line(&Line::Error(error));
                }
                say_failures(&outputs.close());
            }
            Err(error) => {
                fail(ExitCode::Invalid, error);
            }
        }
        ExitCode::Invalid
    })
}

/// Says which reports could not be written.
fn say_failures(failures: &[String]) {
    for failure in failures {
        say(format!("error: {failure}"));
    }
}

/// The exit code of a run, or of what kept it from beginning.
pub fn exit_code(arguments: &Run, finished: Told<Finished>) -> std::process::ExitCode {
    match finished {
        Ok(Finished {
            code: ExitCode::Met,
            status: Some(status),
        }) if arguments.exit_from_target => {
            // A process's exit status has eight bits.
            std::process::ExitCode::from(u8::try_from(status & 0xff).expect("masked"))
        }
        Ok(Finished {
            code: ExitCode::Limit,
            ..
        }) if arguments.until_limit => {
            say("exit code 0 in its place: a limit was what the run was to end with (--until-limit)");
            ExitCode::Met.into()
        }
        Ok(Finished { code, .. }) | Err(code) => code.into(),
    }
}

/// The process that takes breakpoints out if goinject is killed.
pub fn guard() -> std::process::ExitCode {
    match crate::engine::guard::run() {
        Ok(()) => ExitCode::Met.into(),
        Err(_) => ExitCode::Unarmable.into(),
    }
}

/// The process that ends goinject if it does not go on.
pub fn watchdog(lease: u64) -> std::process::ExitCode {
    match run::watchdog::run(Duration::from_millis(lease)) {
        Ok(()) => ExitCode::Met.into(),
        Err(_) => ExitCode::Unarmable.into(),
    }
}

/// Runs rules against their target. Where there are `forced` faults, those fire; else calls are numbered if events are
/// written, so that they can be. `witness` is told what happens, beside the reports.
pub fn carry_out(
    arguments: &Run,
    rules: &RuleSet,
    origin: &Origin,
    forced: Option<Forced>,
    witness: &mut dyn Sink,
) -> Told<Finished> {
    let given = Given {
        pid: arguments.pid,
        container: arguments.container.as_ref(),
        all: arguments.all,
        command: &arguments.target,
    };
    let target = Target::choose(rules, &given).map_err(|error| fail(ExitCode::Invalid, error))?;
    let outputs = Outputs::open(&arguments.reports, &arguments.file);
    let mut outputs = outputs.map_err(|error| fail(ExitCode::Invalid, error))?;
    let seed = arguments.seed.or(rules.seed).unwrap_or_else(random_seed);
    // Before the target starts, so that no signal is missed; it gets goinject's former mask back.
    let mut signals = Signals::take_over().map_err(|error| fail(ExitCode::Unarmable, error))?;
    let metrics = Metrics::open(&arguments.metrics);
    let mut metrics = metrics.map_err(|error| fail(ExitCode::Invalid, error))?;
    if let Some(address) = metrics.address() {
        say(format!("metrics at {address}"));
    }
    let mut terminal = Terminal::new(&rules.source, style(), arguments.quiet);
    let mut live = Live::new(arguments.quiet);
    let mut sinks = Several(vec![
        &mut live,
        &mut terminal,
        &mut outputs,
        &mut metrics,
        witness,
    ]);
    let is_forced = forced.is_some();
    let options = Options {
        engine: arguments.engine,
        writer: arguments.writer,
        debug: arguments.debug.path.as_deref(),
        seed,
        numbering: match forced {
            Some(forced) => Numbering::Forced(Rc::new(forced)),
            None if arguments.reports.json.is_some() => Numbering::Numbered,
            None => Numbering::Off,
        },
        lease: arguments.lease.0,
        reloads: !is_forced,
        rule_file: &arguments.file,
        command: &origin.command(seed),
    };
    let finished = run::run(rules, &target, &options, &mut signals, &mut sinks);
    live.end();
    if let Err(Failure::Because(_, error)) = &finished {
        outputs.line(&Line::Error(Error::of_run(error.to_string())));
    }
    let mut failures = outputs.close();
    failures.extend(metrics.close());
    say_failures(&failures);
    let finished = finished.map_err(|failure| match &failure {
        Failure::Findings(code) => *code,
        Failure::Because(code, error) => fail(*code, error),
    })?;
    let lost = (!failures.is_empty()).then_some(ExitCode::Unmet);
    let code = ExitCode::first(lost.into_iter().chain([finished.code]));
    if code != finished.code {
        say("exit code 1: a report is not complete");
    }
    Ok(Finished { code, ..finished })
}

/// A seed that differs from run to run; it is printed, so that the run can be repeated.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // Short enough to be typed, and for every reader of JSON.
    std::hash::RandomState::new().build_hasher().finish() & u64::from(u32::MAX)
}
