//! A run of goinject that is looked at, and told other things, while it goes on.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::goinject::{self, Running};
use crate::patience::wait_for;
use crate::{Build, Outcome, Writer};

/// goinject with rules in a folder of its own. Its output goes to files there.
#[derive(Debug)]
pub struct LongRun {
    /// goinject; what it started may end with its standard input.
    pub running: Running,
    folder: tempfile::TempDir,
}

impl LongRun {
    /// Starts it in a folder that has a program by its name. `target` is what stands behind the rule file.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(writer: Writer, program: &str, rules: &str, options: &[&str], target: &[&str]) -> LongRun {
        let folder = tempfile::tempdir().expect("a folder");
        let file = Build::plain("1.27").of(program);
        symlink(file, folder.path().join(program)).expect("a link");
        fs::write(folder.path().join("rules.yaml"), rules).expect("written");
        let create = |name: &str| fs::File::create(folder.path().join(name)).expect("a file");
        let mut command = goinject::command(["run", "--quiet", "--writer", writer.name()]);
        command.args(options).arg("rules.yaml").args(target);
        command.current_dir(folder.path()).stdin(Stdio::piped());
        command.stdout(create("out")).stderr(create("err"));
        let running = Running::start(&mut command);
        LongRun { running, folder }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a file in its folder has by now.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Waits until its words, or a file, are as wanted.
    ///
    /// # Panics
    /// If that does not come.
    pub fn waits_for<T>(&self, what: &str, found: impl FnMut() -> Option<T>) -> T {
        wait_for(found).unwrap_or_else(|| panic!("{what}: {}", self.text("err")))
    }

    /// The process of `busy`, once it runs.
    #[must_use]
    pub fn target(&self) -> i32 {
        self.waits_for("the program does not start", || {
            let first = self.text("out");
            first.split_once('\n')?.0.strip_prefix("started ")?.parse().ok()
        })
    }

    /// Lines of `events` from an offset on that have all of these texts.
    #[must_use]
    pub fn lines(&self, from: usize, texts: &[&str]) -> Vec<String> {
        let text = self.text("events");
        let new = text.get(from..).unwrap_or_default();
        let whole = new.rfind('\n').map_or("", |end| &new[..end]);
        let has_all = |line: &&str| texts.iter().all(|text| line.contains(text));
        whole.lines().filter(has_all).map(str::to_owned).collect()
    }

    /// Where the lines begin that come from now on.
    fn end_of_lines(&self) -> usize {
        self.text("events").rfind('\n').map_or(0, |end| end + 1)
    }

    /// Waits until a rule of a generation fires from now on.
    pub fn has_fired(&self, rule: &str, generation: u64) {
        let from = self.end_of_lines();
        let named = format!("\"rule\":\"{rule}\"");
        let generation = match generation {
            1 => "\"type\":\"fired\"".to_owned(),
            number => format!("\"generation\":{number},"),
        };
        self.waits_for(&format!("{rule} does not fire"), || {
            (self.lines(from, &[&named, &generation]).len() > 5).then_some(())
        });
    }

    /// Has it read other rules, and waits until it tells what came of that.
    ///
    /// # Panics
    /// If it tells nothing.
    pub fn reload(&self, rules: &str) -> Value {
        let from = self.end_of_lines();
        fs::write(self.path("rules.yaml"), rules).expect("written");
        self.running.signal(libc::SIGHUP);
        let told = self.waits_for("it tells nothing of other rules", || {
            self.lines(from, &["\"type\":\"reloaded\""]).pop()
        });
        serde_json::from_str(&told).expect("a line")
    }

    /// Ends its standard input, and waits for its end. The folder is still there.
    #[must_use]
    pub fn end(mut self) -> (Outcome, tempfile::TempDir) {
        drop(self.running.stdin());
        let text = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let outcome = Outcome {
            code: self.running.end().code,
            stdout: text("out"),
            stderr: text("err"),
            json: Outcome::lines(&text("events")),
        };
        (outcome, self.folder)
    }
}
