//! `goinject explore`: what fails, found by trying.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::exploring::{Planned, Session, indented, stability};
use super::{Told, fail, say};
use crate::cli::{self, Explore, Exploring};
use crate::engine::select::EngineChoice;
use crate::error::ExitCode;
use crate::explore::at_point::AtPoint;
use crate::explore::changes::Changes;
use crate::explore::code::Code;
use crate::explore::explorer::Trials;
use crate::explore::program::Program;
use crate::explore::rule_text::Mode;
use crate::explore::subject::{How, Subject, Surroundings, Tests, code_of};
use crate::explore::survey;
use crate::gotest::listing::{self, Arguments};
use crate::signals;
use crate::words::count;

/// Explores.
pub fn run(arguments: &Explore) -> ExitCode {
    explore(arguments).unwrap_or_else(|code| code)
}

fn explore(arguments: &Explore) -> Told<ExitCode> {
    let common = &arguments.common;
    let command: Vec<String> = arguments
        .target
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let changes = common.changed.as_deref().map(Changes::since).transpose();
    let changes = changes.map_err(|error| fail(ExitCode::Invalid, format!("--changed: {error}")))?;
    let (session, settings) = Session::open(common, &command)?;
    let trials = Trials::new(&settings);
    let surveyed = survey(arguments, &command, &session, &trials);
    let (mut planned, mut faults) = surveyed.inspect_err(|_| session.store.clean())?;
    if faults.is_empty() {
        session.store.clean();
        return Err(fail(
            ExitCode::NeverFired,
            "there is nothing to explore: no call that can fail is made by the code in question (`--scope own` fails its own functions)",
        ));
    }
    if let Some(changes) = changes {
        faults.sort_by_key(|fault| !changes.touch(&fault.point));
    }
    planned.experiments = faults
        .into_iter()
        .map(|fault| Box::new(fault) as Box<_>)
        .collect();
    session.carry_out(planned, &trials)
}

/// Which calls fail.
pub(super) fn modes(common: &Exploring) -> &'static [Mode] {
    match common.mode {
        Some(cli::Mode::Once) => &[Mode::Once],
        Some(cli::Mode::Always) => &[Mode::Always],
        None => &[Mode::Once, Mode::Always],
    }
}

/// Finds out what there is to try.
fn survey(
    arguments: &Explore,
    command: &[String],
    session: &Session<'_>,
    trials: &Trials<'_>,
) -> Told<(Planned, Vec<AtPoint>)> {
    let surroundings = Surroundings::default();
    let mut planned = Planned {
        subjects: subjects(&arguments.target[0], command, &surroundings, session)?,
        experiments: Vec::new(),
        points: 0,
        points_are: "fault point",
        unstable: Vec::new(),
        passed_over: BTreeMap::new(),
    };
    let mut faults = Vec::new();
    let mut ran = false;
    for (n, subject) in planned.subjects.iter().enumerate() {
        let plain = stability(subject, trials)?;
        if subject.is_test() && !plain.has_tests() {
            session.progress(format!("{}: no test was run", subject.name));
            continue;
        }
        ran = true;
        for test in &plain.unstable {
            say(format!(
                "warning: {test} of {} does not always pass: it is set aside",
                subject.name
            ));
            planned.unstable.push(format!("{}: {test}", subject.name));
        }
        let engine = EngineChoice::Auto.to_string();
        let recorded = survey::record(subject, arguments.scope, trials, &engine);
        let recorded = recorded.map_err(|error| {
            fail(
                ExitCode::Unarmable,
                format!("{}: {}", subject.name, indented(&error)),
            )
        })?;
        if signals::end_is_asked_for() {
            return Err(ExitCode::Interrupted);
        }
        let factor = recorded.elapsed.as_secs_f64() / plain.least.as_secs_f64().max(1e-3);
        session.progress(format!(
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
        let (experiments, passed_over) =
            survey::plan(n, subject, &recorded, &plain, modes(&arguments.common));
        for (function, why) in &passed_over {
            session.progress(format!("{function} is passed over: {why}"));
        }
        faults.extend(experiments);
        planned.passed_over.extend(passed_over);
    }
    if !ran {
        return Err(no_tests(&planned.subjects));
    }
    faults.sort_by_cached_key(|fault| (fault.mode == Mode::Always, fault.patience));
    Ok((planned, faults))
}

/// Tells that none of these has run a test.
pub(super) fn no_tests(subjects: &[Subject]) -> ExitCode {
    let why = subjects.iter().find_map(|subject| match &subject.how {
        How::Tests(tests) => tests.arguments.test_flag("run"),
        How::Command(_) => None,
    });
    let why = why.map_or_else(
        || "no test was run".to_owned(),
        |run| format!("no test matches `-run {run}`"),
    );
    fail(
        ExitCode::NeverFired,
        format!("there is nothing to explore: {why}"),
    )
}

/// What is explored.
pub(super) fn subjects(
    name: &OsString,
    command: &[String],
    surroundings: &Surroundings,
    session: &Session<'_>,
) -> Told<Vec<Subject>> {
    let program = Path::new(name);
    let is_go = program.file_name().is_some_and(|name| name == "go");
    match (is_go, command.get(1).map(String::as_str)) {
        (true, Some("test")) => tests(name, &command[2..], surroundings, session),
        (true, _) => Err(fail(
            ExitCode::Invalid,
            "`go` itself is not explored: name `go test` with its arguments, or build the program and name that",
        )),
        (false, _) => programs(command, surroundings),
    }
}

fn tests(
    go: &OsString,
    words: &[String],
    surroundings: &Surroundings,
    session: &Session<'_>,
) -> Told<Vec<Subject>> {
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
    let within = (surroundings.dir.as_deref(), &surroundings.env[..]);
    let listed = listing::list(go, within, &arguments);
    let listing =
        listed.map_err(|error| fail(ExitCode::Unarmable, format!("go list: {}", indented(&error))))?;
    if listing.packages.is_empty() {
        return Err(fail(
            ExitCode::NeverFired,
            "there is nothing to explore: the packages have no tests",
        ));
    }
    let code = code_of(&listing);
    let folder = session.store.work().join("bin");
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    std::fs::create_dir_all(&folder).map_err(|error| fail(ExitCode::Defect, error))?;
    let mut subjects = Vec::new();
    for (n, package) in listing.packages.iter().enumerate() {
        session.progress(format!("building the tests of {}", package.import_path));
        let last = package.import_path.rsplit('/').next().unwrap_or("package");
        let folder = folder.join(n.to_string());
        std::fs::create_dir_all(&folder).map_err(|error| fail(ExitCode::Defect, error))?;
        let file = folder.join(format!("{last}.test"));
        let built = listing::build(go, within, &arguments.build, &package.import_path, &file);
        built.map_err(|error| {
            let name = &package.import_path;
            fail(
                ExitCode::Unarmable,
                format!("the tests of {name} cannot be built: {}", indented(&error)),
            )
        })?;
        let program = open(&file, code.clone())?;
        let how = How::Tests(Tests::new(package, file, &arguments));
        subjects.push(Subject::new(
            package.import_path.clone(),
            program,
            how,
            surroundings.clone(),
        ));
    }
    Ok(subjects)
}

fn programs(command: &[String], surroundings: &Surroundings) -> Told<Vec<Subject>> {
    let target = crate::run::target::find_program(Path::new(&command[0]));
    let file = target.map_err(|error| fail(ExitCode::Invalid, error))?;
    let mut program = open(&file, Code::default())?;
    let module = program.binary().build().main_module.clone();
    program.code.roots = module.into_iter().collect();
    let mut words = command.to_vec();
    // It runs in other folders, too.
    if words[0].contains('/') {
        words[0] = file.display().to_string();
    }
    let how = How::Command(words);
    let subject = Subject::new(command.join(" "), program, how, surroundings.clone());
    Ok(vec![subject])
}

pub(super) fn open(file: &Path, code: Code) -> Told<Program> {
    let program = Program::open(file, code).map_err(|error| fail(ExitCode::Unarmable, error))?;
    match program.binary().build().has_dwarf {
        true => Ok(program),
        false => Err(fail(
            ExitCode::Unarmable,
            format!("{} has no types: build it without `-ldflags=-w`", file.display()),
        )),
    }
}
