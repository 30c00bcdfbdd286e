//! `goinject replay`: a recorded run once more, and what of it did not occur again.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Parser;
use goinject_probes::native::forced_key;
use goinject_rules::model::{Rule, RuleSet};
use goinject_rules::source::Source;

use super::run::{carry_out, exit_code};
use super::{Told, fail, parse_rules, say};
use crate::cli::{Cli, Command, Replay, Run};
use crate::error::ExitCode;
use crate::event::line::Armed;
use crate::report::Generations;
use crate::report::comparison::Faults;
use crate::report::outputs::Reports;
use crate::report::repeat::{Origin, Setting, with_options};
use crate::run::{Finished, Forced};

/// Repeats a run.
pub fn run(arguments: Replay) -> std::process::ExitCode {
    match prepare(arguments) {
        Ok(again) => {
            let finished = again.carry_out();
            exit_code(&again.arguments, finished)
        }
        Err(code) => code.into(),
    }
}

/// A recorded run that is about to be repeated.
struct Again {
    recorded: Faults,
    armed: Armed,
    arguments: Run,
}

impl Again {
    fn carry_out(&self) -> Told<Finished> {
        let path = self.armed.folder.join(&self.armed.rule_file.path);
        // The rules are the recorded ones, whatever has become of their file.
        let source = Source::new(path, self.armed.rule_file.text.clone());
        let mut rules = parse_rules(&source)?;
        if self.recorded.generations.are_several() {
            repeat_swapped(&mut rules, &self.recorded.generations);
        }
        let origin = Origin {
            command_line: self.armed.command.iter().map(OsString::from).collect(),
        };
        let mut again = Faults::default();
        let forced = forced(&self.recorded, &rules);
        if forced.is_none() {
            say(
                "the faults are those that the rules decide on: the recorded events do not tell which calls they were",
            );
        }
        let finished = carry_out(&self.arguments, &rules, &origin, forced, &mut again)?;
        let (missing, words) = self.recorded.compare(&again);
        for words in words {
            say(words);
        }
        let missing = (missing > 0).then_some(ExitCode::Unmet);
        let code = ExitCode::first(missing.into_iter().chain([finished.code]));
        if code != finished.code {
            say("exit code 1: not every recorded fault occurred again");
        }
        Ok(Finished { code, ..finished })
    }
}

/// Has rules that were swapped in the recorded run repeat it: a rule that was taken out had less time than its expectations ask for, and
/// limits were those of several files. Recorded faults are within all of them.
fn repeat_swapped(rules: &mut RuleSet, generations: &Generations) {
    rules.limits.duration = None;
    rules.limits.faults = None;
    let gone = |rule: &&mut Rule| !generations.has_stayed(&rule.name);
    for rule in rules.rules.iter_mut().filter(gone) {
        rule.expect.fired.value.min = 0;
        for range in [&mut rule.expect.calls, &mut rule.expect.matched]
            .into_iter()
            .flatten()
        {
            range.value.min = 0;
        }
    }
    say(
        "the rule file was read again in the recorded run: the rules that it began with are repeated, and no other fired",
    );
}

/// Why a run whose rules were swapped can't be repeated; none if it can.
fn unrepeatable(recorded: &Faults, shown: impl std::fmt::Display) -> Option<String> {
    let generations = &recorded.generations;
    if !generations.are_several() {
        return None;
    }
    if let Some((rule, generation, count)) = generations.later() {
        let times = crate::words::count(usize::try_from(count).unwrap_or(usize::MAX), "time");
        let chosen = format!("select(.type == \"reloaded\" and .generation == {generation}).rule_file.text");
        let command = ["jq", "-r", &chosen, &shown.to_string()].map(str::to_owned);
        return Some(format!(
            "{shown}: this run cannot be repeated: its rule file was read again (SIGHUP) while it went on, and rule `{rule}`, which came with \
             generation {generation}, fired {times}; which calls came before that is not recorded. To run that generation's rules from the start, \
             write them to a file: {}",
            crate::words::in_shell(&command)
        ));
    }
    recorded.occurrences().is_none().then(|| {
        format!(
            "{shown}: this run cannot be repeated: its rule file was read again (SIGHUP) while it went on, and its events do not tell which calls fired"
        )
    })
}

/// The calls that are to fire so that recorded faults come up again; none where they can't be told.
fn forced(recorded: &Faults, rules: &RuleSet) -> Option<Forced> {
    let row = |name: &str| {
        let row = rules.rules.iter().position(|rule| rule.name == name)?;
        u32::try_from(row).ok()
    };
    let calls = recorded.occurrences()?.iter();
    Some(Forced {
        calls: calls
            .filter_map(|(rule, place, number)| Some(forced_key(*place, *number, row(rule)?)))
            .collect(),
        builds: recorded.builds().map(str::to_owned).collect(),
    })
}

fn prepare(arguments: Replay) -> Told<Again> {
    let invalid = |why: String| fail(ExitCode::Invalid, why);
    let recorded = read(&arguments.events).map_err(invalid)?;
    let shown = arguments.events.display();
    let Some(mut armed) = recorded.armed.clone() else {
        return Err(invalid(format!(
            "{shown}: no run was recorded in it: it has no `armed` line"
        )));
    };
    if let Some(why) = unrepeatable(&recorded, &shown) {
        return Err(invalid(why));
    }
    let mut run = command(&armed).ok_or_else(|| {
        invalid(format!(
            "{shown}: the recorded command is not one of `goinject run` or `goinject test`"
        ))
    })?;
    armed.command = with_options(&armed.command, &options(&arguments));
    run.reports = reports(arguments.reports);
    run.quiet = arguments.quiet;
    run.engine = arguments.engine.unwrap_or(run.engine);
    run.writer = arguments.writer.or(run.writer);
    run.seed = Some(armed.seed);
    if !arguments.target.is_empty() {
        armed.command = with_target(&armed.command, &arguments.target);
        run.target = arguments.target;
        (run.pid, run.container, run.all) = (None, None, false);
    }
    if let Some(container) = &run.container {
        return Err(invalid(format!(
            "{shown}: the recorded run was attached to container {container}, which cannot be started again: name a command after `--`"
        )));
    }
    if let Some(pid) = run.pid {
        return Err(invalid(format!(
            "{shown}: the recorded run was attached to process {pid}, which cannot be started again: name a command after `--`"
        )));
    }
    enter(&armed.folder);
    // The file itself may be gone: nothing is read from it.
    run.file = armed.rule_file.path.clone();
    Ok(Again {
        recorded,
        armed,
        arguments: run,
    })
}

/// The folder of the recorded run, where it is here, too.
fn enter(folder: &Path) {
    if std::env::current_dir().is_ok_and(|here| here == folder) {
        return;
    }
    match std::env::set_current_dir(folder) {
        Ok(()) => say(format!("in {}", folder.display())),
        Err(_) => say(format!(
            "in the current folder: {} of the recorded run is not here",
            folder.display()
        )),
    }
}

/// The arguments of the recorded run.
fn command(armed: &Armed) -> Option<Run> {
    match Cli::try_parse_from(&armed.command).ok()?.command {
        Command::Run(run) => Some(run),
        Command::Test(mut run) => {
            run.target.splice(..0, ["go".into(), "test".into()]);
            Some(run)
        }
        _ => None,
    }
}

/// A recorded command line with another target.
fn with_target(command: &[String], target: &[OsString]) -> Vec<String> {
    let own = command.iter().take_while(|word| *word != "--");
    let mut command: Vec<String> = own.cloned().collect();
    // What `goinject test` was given are arguments of `go test`.
    command[1] = "run".to_owned();
    command.push("--".to_owned());
    command.extend(target.iter().map(|word| word.to_string_lossy().into_owned()));
    command
}

/// The options of a replay that stand for recorded ones.
fn options(arguments: &Replay) -> Vec<(&'static str, Setting)> {
    let path = |path: &Option<PathBuf>| {
        Setting::Value(path.as_ref().map(|path| path.to_string_lossy().into_owned()))
    };
    let reports = &arguments.reports;
    let mut options = vec![
        ("--json", path(&reports.json)),
        ("--junit", path(&reports.junit)),
        ("--markdown", path(&reports.markdown)),
        ("--html", path(&reports.html)),
        ("--no-github", Setting::Flag(reports.no_github)),
        ("--quiet", Setting::Flag(arguments.quiet)),
        ("-q", Setting::Flag(false)),
    ];
    let named = |name: String| Setting::Value(Some(name));
    let engine = arguments.engine;
    options.extend(engine.map(|engine| ("--engine", named(engine.to_string()))));
    options.extend(
        arguments
            .writer
            .map(|writer| ("--writer", named(writer.to_string()))),
    );
    options
}

/// The same reports, whatever the current folder is.
fn reports(reports: Reports) -> Reports {
    let fixed = |path: Option<PathBuf>| path.map(|path| std::path::absolute(&path).unwrap_or(path));
    Reports {
        json: fixed(reports.json),
        junit: fixed(reports.junit),
        markdown: fixed(reports.markdown),
        html: fixed(reports.html),
        ..reports
    }
}

/// Reads recorded events. What goinject was writing when it was killed may break off.
fn read(path: &Path) -> Result<Faults, String> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut faults = Faults::default();
    let mut broken = None;
    for (n, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| format!("{shown}: {error}"))?;
        if let Some(error) = broken.take() {
            return Err(error);
        }
        match serde_json::from_str(&line) {
            Ok(line) => faults.add(&line),
            Err(error) => broken = Some(format!("{shown}:{}: not an event of goinject: {error}", n + 1)),
        }
    }
    match broken {
        Some(error) if faults.armed.is_none() => Err(error),
        Some(_) => {
            say(format!("warning: {shown}: the last line breaks off"));
            Ok(faults)
        }
        None => Ok(faults),
    }
}
