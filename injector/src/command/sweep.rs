//! `goinject sweep`: one rule, its first, second, … n-th call.

use std::collections::BTreeMap;
use std::ffi::OsString;

use goinject_rules::model::{RuleSet, Target};

use super::explore::{modes, no_tests, subjects};
use super::exploring::{Planned, Session, stability};
use super::{Told, fail, read_rules};
use crate::cli::Sweep;
use crate::error::ExitCode;
use crate::explore::explorer::Trials;
use crate::explore::subject::Surroundings;
use crate::explore::sweep::{self, Template};
use crate::words::count;

/// Sweeps.
pub fn run(arguments: &Sweep) -> ExitCode {
    carry_out(arguments).unwrap_or_else(|code| code)
}

fn carry_out(arguments: &Sweep) -> Told<ExitCode> {
    let rules = read_rules(&arguments.file)?;
    let template = Template::new(&rules).map_err(|error| {
        fail(
            ExitCode::Invalid,
            format!("{}: {error}", arguments.file.display()),
        )
    })?;
    let target = target(&rules, &arguments.target)?;
    let command: Vec<String> = target
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut named = vec![arguments.file.display().to_string(), "--".to_owned()];
    named.extend(command.iter().cloned());
    let (session, settings) = Session::open(&arguments.common, &named)?;
    let trials = Trials::new(&settings);
    let planned = plan(
        arguments,
        (&rules, &template),
        (&target[0], &command),
        &session,
        &trials,
    );
    let planned = planned.inspect_err(|_| session.store.clean())?;
    if planned.experiments.is_empty() {
        session.store.clean();
        return Err(fail(
            ExitCode::NeverFired,
            format!(
                "there is nothing to sweep: no call of rule `{}` is made",
                template.rule
            ),
        ));
    }
    session.carry_out(planned, &trials)
}

/// The command: the command line's, else the rule file's.
fn target(rules: &RuleSet, words: &[OsString]) -> Told<Vec<OsString>> {
    if !words.is_empty() {
        return Ok(words.to_vec());
    }
    match &rules.target {
        Some(Target::Command(command)) => {
            let program = command.program.value.clone().into_os_string();
            let arguments = command.arguments.iter().map(OsString::from);
            Ok(std::iter::once(program).chain(arguments).collect())
        }
        Some(Target::Pid(_) | Target::Container(_)) => Err(fail(
            ExitCode::Invalid,
            "a sweep starts a command again and again: a running process (`target.pid`, `target.container`) can't be swept",
        )),
        None => Err(fail(
            ExitCode::Invalid,
            "there is no target: write `target: {command: [./program]}` in the rule file, or give `-- CMD ARG…`",
        )),
    }
}

/// What the rule file has its command run in, which holds for one of the command line, too.
fn surroundings(rules: &RuleSet) -> Surroundings {
    match &rules.target {
        Some(Target::Command(command)) => Surroundings {
            dir: command
                .dir
                .as_ref()
                .map(|dir| std::path::absolute(&dir.value).unwrap_or_else(|_| dir.value.clone())),
            env: command.env.clone(),
        },
        _ => Surroundings::default(),
    }
}

fn plan(
    arguments: &Sweep,
    (rules, template): (&RuleSet, &Template),
    (name, command): (&OsString, &[String]),
    session: &Session<'_>,
    trials: &Trials<'_>,
) -> Told<Planned> {
    let mut planned = Planned {
        subjects: subjects(name, command, &surroundings(rules), session)?,
        experiments: Vec::new(),
        points: 0,
        points_are: "call",
        unstable: Vec::new(),
        passed_over: BTreeMap::new(),
    };
    let several = planned.subjects.len() > 1;
    let mut ran = false;
    for (n, subject) in planned.subjects.iter().enumerate() {
        let plain = stability(subject, trials)?;
        if subject.is_test() && !plain.has_tests() {
            session.progress(format!("{}: no test was run", subject.name));
            continue;
        }
        ran = true;
        let counted = match sweep::count(template, subject, trials) {
            Ok(counted) => counted,
            // Of several packages, some do not have the function.
            Err(why) if several => {
                session.progress(format!("{} is passed over: {why}", subject.name));
                planned.passed_over.insert(subject.name.clone(), why);
                continue;
            }
            Err(why) => return Err(fail(ExitCode::Unarmable, why)),
        };
        let calls = usize::try_from(counted.calls).unwrap_or(usize::MAX);
        session.progress(format!("{}: {}", subject.name, count(calls, "call")));
        planned.points += calls;
        let output = plain.output.as_ref();
        let calls = sweep::plan(
            n,
            template,
            &counted,
            modes(&arguments.common),
            (plain.elapsed, output),
        );
        planned
            .experiments
            .extend(calls.into_iter().map(|call| Box::new(call) as Box<_>));
    }
    match ran {
        true => Ok(planned),
        false => Err(no_tests(&planned.subjects)),
    }
}
