//! Go modules whose tests run below goinject.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use goinject_lab::{Cache, Toolchain};

use crate::Outcome;
use crate::goinject::{self, Running};

/// A module, and a Go toolchain with settings of its own.
#[derive(Debug)]
pub struct Module {
    folder: tempfile::TempDir,
    go: PathBuf,
}

impl Module {
    /// An empty one, and a toolchain of this version.
    ///
    /// # Panics
    /// If it is not set up.
    #[must_use]
    pub fn new(version: &str) -> Module {
        let toolchain = Toolchain::find(version).expect("a known version");
        let go = toolchain.go(&Cache::from_env()).expect("set up");
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("tmp")).expect("a folder");
        Module { folder, go }
    }

    /// A copy of a folder.
    ///
    /// # Panics
    /// If it can't be copied.
    #[must_use]
    pub fn copy(version: &str, from: &Path) -> Module {
        let module = Module::new(version);
        copy(from, &module.path(""));
        module
    }

    /// Files of the module lie in a folder of their own: Go looks at those that a test opens in there before it caches
    /// a result, and the test binary would be one of them.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        match name {
            "tmp" | "goenv" => self.folder.path().join(name),
            _ => self.folder.path().join("module").join(name),
        }
    }

    /// Writes a file of the module.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().expect("in the module")).expect("a folder");
        fs::write(file, text).expect("written");
    }

    /// Runs a command in the module, with the toolchain first on the path.
    #[must_use]
    pub fn run(&self, mut command: Command, settings: &[(&str, &str)]) -> Outcome {
        let bin = self.go.parent().expect("a folder of programs");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.path(""))
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("GOCACHE", Cache::from_env().gocache())
            .env("GOENV", self.path("goenv"))
            .env("TMPDIR", self.path("tmp"))
            .env("GOPROXY", "off")
            .env("GOTOOLCHAIN", "local")
            .env_remove("GOFLAGS")
            .env_remove("GOINJECT")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::start(&mut command).end()
    }

    /// The go command.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.go
    }

    /// Runs the go command.
    #[must_use]
    pub fn go(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(&self.go);
        command.args(arguments);
        self.run(command, &[])
    }

    /// Runs goinject.
    #[must_use]
    pub fn goinject(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Outcome {
        self.run(goinject::command(arguments), settings)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(&from, &to).expect("copied")),
        }
    }
}
