//! `goinject explore`: what fails, found by trying.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use super::{Told, fail, say};
use crate::cli::{self, Explore, Exploring};
use crate::engine::select::EngineChoice;
use crate::error::ExitCode;
use crate::explore::changes::Changes;
use crate::explore::class::{Class, Worth};
use crate::explore::code::Code;
use crate::explore::experiment::Experiment;
use crate::explore::explorer::{End, Settings, Trials, try_all};
use crate::explore::point::hash;
use crate::explore::program::Program;
use crate::explore::results::{Ended, Exploration, Finding, Result as Outcome, VERSION};
use crate::explore::rule_text::Mode;
use crate::explore::store::{Store, read_baseline};
use crate::explore::subject::{How, Subject, Tests, code_of};
use crate::explore::survey::{self, run_plainly};
use crate::gotest::listing::{self, Arguments};
use crate::report::exploration::outputs::Outputs;
use crate::report::exploration::terminal::{self, Exploring as Shown};
use crate::signals::{self, Signals};
use crate::words::count;

/// Explores.
pub fn run(arguments: &Explore) -> ExitCode {
    explore(arguments).unwrap_or_else(|code| code)
}

/// Everything that an exploration is about to try.
struct Planned {
    subjects: Vec<Subject>,
    experiments: Vec<Experiment>,
    points: usize,
    unstable: Vec<String>,
    passed_over: BTreeMap<String, String>,
}

fn explore(arguments: &Explore) -> Told<ExitCode> {
    let begun = Instant::now();
    let common = &arguments.common;
    let command: Vec<String> = arguments
        .target
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let baseline = common.baseline.as_deref().map(read_baseline).transpose();
    let baseline = baseline.map_err(|error| fail(ExitCode::Invalid, error))?;
    let changes = common.changed.as_deref().map(Changes::since).transpose();
    let changes = changes.map_err(|error| fail(ExitCode::Invalid, format!("--changed: {error}")))?;
    let outputs = (!common.dry_run)
        .then(|| Outputs::open(&common.reports))
        .transpose();
    let outputs = outputs.map_err(|error| fail(ExitCode::Invalid, error))?;
    let opened = Store::open(&common.out, &command, common.resume);
    let (mut store, before) = opened.map_err(|error| fail(ExitCode::Invalid, error))?;
    let mut signals = Signals::take_over().map_err(|error| fail(ExitCode::Defect, error))?;
    let settings = settings(common, &store)?;
    let trials = Trials::new(&settings);
    let planned = survey(arguments, &command, &store, &trials);
    let planned = planned.inspect_err(|_| store.clean())?;
    let experiments = select(&planned.experiments, common, changes.as_ref());
    if planned.experiments.is_empty() {
        store.clean();
        return Err(fail(
            ExitCode::NeverFired,
            "there is nothing to explore: no call that can fail is made by the code in question (`--scope own` fails its own functions)",
        ));
    }
    say(format!(
        "{}, {}{}",
        count(planned.points, "fault point"),
        count(experiments.len(), "fault"),
        of_all(experiments.len(), planned.experiments.len())
    ));
    if common.dry_run {
        list(&experiments, &planned.subjects);
        store.clean();
        return Ok(ExitCode::Met);
    }
    let deadline = common.budget.map(|budget| begun + budget);
    let mut watcher = Shown::new(common.quiet, baseline.as_ref());
    let tried = try_all(
        &planned.subjects,
        &experiments,
        &trials,
        (&mut store, &before),
        (&mut signals, deadline),
        &mut watcher,
    );
    watcher.end();
    let (outcomes, end) = tried.map_err(|error| fail(ExitCode::Defect, error))?;
    let mut exploration = Exploration {
        version: VERSION,
        goinject: env!("CARGO_PKG_VERSION").to_owned(),
        command,
        folder: std::env::current_dir().unwrap_or_default(),
        time: chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now() - begun.elapsed())
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        points: planned.points,
        runs: outcomes.iter().map(|outcome| outcome.runs).sum(),
        counts: counts(&outcomes, planned.unstable.len()),
        findings: Vec::new(),
        outcomes: outcomes
            .iter()
            .map(|outcome| Outcome {
                finding: None,
                ..outcome.clone()
            })
            .collect(),
        unstable: planned.unstable.clone(),
        ended: match end {
            End::Complete => Ended::Complete,
            End::Budget => Ended::Budget,
            End::Interrupted => Ended::Interrupted,
        },
        left: experiments.len() - outcomes.len(),
        passed_over: planned.passed_over.clone(),
    };
    exploration.findings = cluster(&outcomes);
    for finding in &mut exploration.findings {
        finding.known = baseline
            .as_ref()
            .is_some_and(|baseline| baseline.findings.iter().any(|known| known.id == finding.id));
        let of = experiments.iter().find(|experiment| is_of(experiment, finding));
        if let Some(experiment) = of {
            let text = experiment.rule_file(&planned.subjects[experiment.subject], finding);
            let written = store.write_rule(&finding.id, &text);
            finding.rule = written.map_err(|error| fail(ExitCode::Defect, error))?;
        }
    }
    let written = store.write_results(&exploration);
    let file = written.map_err(|error| fail(ExitCode::Defect, error))?;
    store.clean();
    terminal::exploration(&exploration, &file, &common.out);
    let code = exit_code(&exploration, &common.fail_on);
    Ok(write(outputs, &exploration, baseline.is_some(), code))
}

/// Writes the reports. Those that are lost are no success.
fn write(
    outputs: Option<Outputs>,
    exploration: &Exploration,
    has_baseline: bool,
    code: ExitCode,
) -> ExitCode {
    let failures = outputs.map(|outputs| outputs.write(exploration, has_baseline));
    let failures = failures.unwrap_or_default();
    for failure in &failures {
        say(format!("error: {failure}"));
    }
    let lost = (!failures.is_empty()).then_some(ExitCode::Unmet);
    ExitCode::first(lost.into_iter().chain([code]))
}

fn settings(common: &Exploring, store: &Store) -> Told<Settings> {
    let jobs = common.jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        usize::from,
    );
    let work = std::path::absolute(store.work()).map_err(|error| fail(ExitCode::Defect, error))?;
    Ok(Settings {
        jobs,
        repetitions: usize::from(common.repeat),
        budget: common.budget,
        engine: name_of(common.engine),
        seed: common.seed,
        patience: common.timeout,
        work,
    })
}

fn name_of(engine: EngineChoice) -> String {
    use clap::ValueEnum;
    let value = engine.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Finds out what there is to try.
fn survey(arguments: &Explore, command: &[String], store: &Store, trials: &Trials<'_>) -> Told<Planned> {
    let modes: &[Mode] = match arguments.common.mode {
        Some(cli::Mode::Once) => &[Mode::Once],
        Some(cli::Mode::Always) => &[Mode::Always],
        None => &[Mode::Once, Mode::Always],
    };
    let mut planned = Planned {
        subjects: subjects(arguments, command, store)?,
        experiments: Vec::new(),
        points: 0,
        unstable: Vec::new(),
        passed_over: BTreeMap::new(),
    };
    let asked = signals::end_is_asked_for;
    for (n, subject) in planned.subjects.iter().enumerate() {
        let plain = run_plainly(subject, &trials.settings.work, &asked);
        let plain = plain.map_err(|error| fail(ExitCode::Unarmable, format!("{}: {error}", subject.name)))?;
        if asked() {
            return Err(ExitCode::Interrupted);
        }
        if let Some(failure) = &plain.failure {
            return Err(fail(
                ExitCode::NeverFired,
                format!("{} fails without a fault: {}", subject.name, indented(failure)),
            ));
        }
        for test in &plain.unstable {
            say(format!(
                "warning: {test} of {} does not always pass: it is set aside",
                subject.name
            ));
            planned.unstable.push(format!("{}: {test}", subject.name));
        }
        let engine = name_of(EngineChoice::Auto);
        let recorded = survey::record(subject, arguments.scope, trials, &engine);
        let recorded = recorded.map_err(|error| {
            fail(
                ExitCode::Unarmable,
                format!("{}: {}", subject.name, indented(&error)),
            )
        })?;
        if asked() {
            return Err(ExitCode::Interrupted);
        }
        let factor = recorded.elapsed.as_secs_f64() / plain.elapsed.as_secs_f64().max(1e-3);
        say(format!(
            "{}: {} watched, {} that they are called at; {:.2} s, {factor:.1} times the plain run",
            subject.name,
            count(recorded.watched, "function"),
            count(recorded.points.len(), "point"),
            recorded.elapsed.as_secs_f64(),
        ));
        if recorded.dropped > 0 {
            say(format!(
                "warning: {} of calls came too fast and were not looked at: some points may be missing",
                count(usize::try_from(recorded.dropped).unwrap_or(usize::MAX), "event")
            ));
        }
        planned.points += recorded.points.len();
        let (experiments, passed_over) = survey::plan(n, subject, &recorded, &plain, modes);
        for (function, why) in &passed_over {
            say(format!("{function} is passed over: {why}"));
        }
        planned.experiments.extend(experiments);
        planned.passed_over.extend(passed_over);
    }
    planned
        .experiments
        .sort_by_cached_key(|experiment| (experiment.mode == Mode::Always, experiment.patience));
    Ok(planned)
}

fn indented(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("\n  ")
}

/// What is explored.
fn subjects(arguments: &Explore, command: &[String], store: &Store) -> Told<Vec<Subject>> {
    let program = Path::new(&arguments.target[0]);
    let is_go = program.file_name().is_some_and(|name| name == "go");
    match (is_go, command.get(1).map(String::as_str)) {
        (true, Some("test")) => tests(&arguments.target[0], &command[2..], store),
        (true, _) => Err(fail(
            ExitCode::Invalid,
            "`go` itself is not explored: name `go test` with its arguments, or build the program and name that",
        )),
        (false, _) => programs(command),
    }
}

fn tests(go: &OsString, words: &[String], store: &Store) -> Told<Vec<Subject>> {
    let arguments = Arguments::parse(words);
    if let Some((name, _)) = arguments
        .test
        .iter()
        .find(|(name, _)| name == "fuzz" || name == "bench")
    {
        return Err(fail(
            ExitCode::Invalid,
            format!("`-{name}` does not end by itself, or takes long: explore the tests without it"),
        ));
    }
    let go =
        crate::run::target::find_program(Path::new(go)).map_err(|error| fail(ExitCode::Invalid, error))?;
    let go = go.as_os_str();
    let listed = listing::list(go, None, &arguments);
    let listing =
        listed.map_err(|error| fail(ExitCode::Unarmable, format!("go list: {}", indented(&error))))?;
    if listing.packages.is_empty() {
        return Err(fail(
            ExitCode::NeverFired,
            "there is nothing to explore: the packages have no tests",
        ));
    }
    let code = code_of(&listing);
    let folder = store.work().join("bin");
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    std::fs::create_dir_all(&folder).map_err(|error| fail(ExitCode::Defect, error))?;
    let mut subjects = Vec::new();
    for (n, package) in listing.packages.iter().enumerate() {
        say(format!("building the tests of {}", package.import_path));
        let last = package.import_path.rsplit('/').next().unwrap_or("package");
        let folder = folder.join(n.to_string());
        std::fs::create_dir_all(&folder).map_err(|error| fail(ExitCode::Defect, error))?;
        let file = folder.join(format!("{last}.test"));
        let built = listing::build(go, None, &arguments.build, &package.import_path, &file);
        built.map_err(|error| {
            let name = &package.import_path;
            fail(
                ExitCode::Unarmable,
                format!("the tests of {name} cannot be built: {}", indented(&error)),
            )
        })?;
        subjects.push(Subject {
            name: package.import_path.clone(),
            program: open(&file, code.clone())?,
            how: How::Tests(Tests::new(package, file, &arguments)),
        });
    }
    Ok(subjects)
}

fn programs(command: &[String]) -> Told<Vec<Subject>> {
    let target = crate::run::target::find_program(Path::new(&command[0]));
    let file = target.map_err(|error| fail(ExitCode::Invalid, error))?;
    let mut program = open(&file, Code::default())?;
    let module = program.binary().build().main_module.clone();
    program.code.roots = module.into_iter().collect();
    Ok(vec![Subject {
        name: command.join(" "),
        program,
        how: How::Command(command.to_vec()),
    }])
}

fn open(file: &Path, code: Code) -> Told<Program> {
    let program = Program::open(file, code).map_err(|error| fail(ExitCode::Unarmable, error))?;
    match program.binary().build().has_dwarf {
        true => Ok(program),
        false => Err(fail(
            ExitCode::Unarmable,
            format!("{} has no types: build it without `-ldflags=-w`", file.display()),
        )),
    }
}

/// Those that this exploration tries, in its order.
fn select(all: &[Experiment], common: &Exploring, changes: Option<&Changes>) -> Vec<Experiment> {
    let mut chosen: Vec<Experiment> = all
        .iter()
        .filter(|experiment| {
            common
                .shard
                .is_none_or(|shard| hash(experiment.id().as_bytes()) % shard.of == shard.number - 1)
        })
        .cloned()
        .collect();
    if let Some(changes) = changes {
        chosen.sort_by_key(|experiment| !changes.touch(&experiment.point));
    }
    chosen
}

fn of_all(chosen: usize, all: usize) -> String {
    match chosen == all {
        true => String::new(),
        false => format!(" of {all}"),
    }
}

fn list(experiments: &[Experiment], subjects: &[Subject]) {
    let mut text = String::new();
    for experiment in experiments {
        let place = experiment.point.stack.first();
        let place = place.map_or_else(String::new, |place| {
            format!("{} ({}:{})", place.function, place.file, place.line)
        });
        let test = experiment.test.as_deref().unwrap_or("-");
        text.push_str(&format!(
            "{} {} in {place} by {test} of {}: {}\n",
            experiment.mode,
            experiment.point.function,
            subjects[experiment.subject].name,
            experiment.failing.error
        ));
    }
    super::print(&text);
}

fn counts(outcomes: &[Outcome], unstable: usize) -> BTreeMap<Class, usize> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome.class).or_default() += 1;
    }
    if unstable > 0 {
        counts.insert(Class::Unstable, unstable);
    }
    counts
}

/// One finding for all outcomes of a class at a frame.
fn cluster(outcomes: &[Outcome]) -> Vec<Finding> {
    let mut findings: BTreeMap<String, Finding> = BTreeMap::new();
    let mut all: Vec<&Finding> = outcomes
        .iter()
        .filter_map(|outcome| outcome.finding.as_ref())
        .collect();
    all.sort_by_key(|finding| (&finding.id, finding.mode == Mode::Always, &finding.stack));
    for finding in all {
        findings
            .entry(finding.id.clone())
            .and_modify(|first| first.others += 1)
            .or_insert_with(|| finding.clone());
    }
    let mut findings: Vec<Finding> = findings.into_values().collect();
    findings.sort_by(|a, b| (a.class, &a.function, &a.stack).cmp(&(b.class, &b.function, &b.stack)));
    findings
}

fn is_of(experiment: &Experiment, finding: &Finding) -> bool {
    experiment.point.function == finding.function
        && experiment.point.stack == finding.stack
        && experiment.mode == finding.mode
        && experiment.test == finding.test
}

fn exit_code(exploration: &Exploration, fail_on: &[Class]) -> ExitCode {
    let counts = |finding: &&Finding| fail_on.is_empty() || fail_on.contains(&finding.class);
    let noted = fail_on.iter().any(|class| {
        class.worth() != Worth::Finding && exploration.counts.get(class).is_some_and(|n| *n > 0)
    });
    if exploration.ended == Ended::Interrupted {
        ExitCode::Interrupted
    } else if noted || exploration.new_findings().any(|finding| counts(&finding)) {
        ExitCode::Unmet
    } else if exploration.ended == Ended::Budget {
        ExitCode::Limit
    } else {
        ExitCode::Met
    }
}
