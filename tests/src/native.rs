//! Batches on this host.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::goinject;
use crate::{Batch, Outcome, Tally};

/// Runs that go on at the same time. Most of their time they wait for the kernel.
const PARALLEL: usize = 6;

/// Runs batches and notes how they came out.
///
/// # Panics
/// If a file can't be written.
pub fn run(batches: &[Batch<'_>], tally: &mut Tally) {
    let folder = tempfile::tempdir().expect("a folder for rule files");
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(tally);
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(batch) = batches.get(number) else { return };
                    let outcome = run_one(batch, &folder.path().join(number.to_string()));
                    batch.judge(&outcome, &mut tally.lock().expect("no judge panics"));
                }
            });
        }
    });
}

fn run_one(batch: &Batch<'_>, base: &Path) -> Outcome {
    let (rules, json) = (base.with_extension("yaml"), base.with_extension("json"));
    fs::write(&rules, batch.rules()).expect("rules are written");
    let mut command = goinject::command(["run", "--quiet", "--writer", batch.writer.name()]);
    command.args(batch.options());
    command.arg(&rules).arg("--json").arg(&json).arg("--");
    command.arg(batch.program()).args(batch.arguments());
    let mut outcome = goinject::Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(json).unwrap_or_default());
    outcome
}
