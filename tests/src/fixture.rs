//! Go programs for tests, built when they are first asked for and kept.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Go versions of the test matrix, oldest first.
pub const VERSIONS: [&str; 9] = [
    "1.15", "1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27",
];

/// How a program is built. The default is what `go build` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// `-gcflags=all=-N -l`: no optimisation, no inlining.
    pub unoptimised: bool,
    /// `-trimpath`.
    pub trimpath: bool,
    /// `-buildmode=pie`.
    pub pie: bool,
    /// `-ldflags=-linkmode=external`: linked by the system's linker.
    pub external: bool,
    /// `-race`.
    pub race: bool,
    /// What is left out.
    pub strip: Strip,
    /// `-ldflags=-compressdwarf=false`.
    pub plain_dwarf: bool,
    /// `-ldflags=-B 0x…`: a GNU build id, by which debug files are found. Newer releases always give one.
    pub gnu_build_id: bool,
}

/// A Go version, and how it builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Build {
    /// One of [`VERSIONS`].
    pub version: &'static str,
    /// How.
    pub flags: Flags,
}

impl Build {
    /// What `go build` does without flags.
    #[must_use]
    pub const fn plain(version: &'static str) -> Build {
        Build {
            version,
            flags: Flags::NONE,
        }
    }

    /// A program built like this.
    #[must_use]
    pub fn of(&self, program: &str) -> PathBuf {
        fixture(program, self.version, self.flags)
    }

    /// A name for tables.
    #[must_use]
    pub fn name(&self) -> String {
        match self.flags == Flags::NONE {
            true => format!("go{}", self.version),
            false => format!("go{} {}", self.version, self.flags.name()),
        }
    }
}

/// What is left out of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strip {
    /// Nothing.
    #[default]
    Nothing,
    /// `-ldflags=-w`: debug information (and in newer releases nothing else).
    Dwarf,
    /// `-ldflags=-s -w`: debug information and symbols.
    All,
}

impl Flags {
    /// None set: what `go build` does.
    pub const NONE: Flags = Flags {
        unoptimised: false,
        trimpath: false,
        pie: false,
        external: false,
        race: false,
        strip: Strip::Nothing,
        plain_dwarf: false,
        gnu_build_id: false,
    };

    /// The arguments of `go build`.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut linker = Vec::new();
        let mut add = |set: bool, argument: &str| {
            if set {
                arguments.push(argument.to_owned());
            }
        };
        add(self.unoptimised, "-gcflags=all=-N -l");
        add(self.trimpath, "-trimpath");
        add(self.pie, "-buildmode=pie");
        add(self.race, "-race");
        match self.strip {
            Strip::Nothing => {}
            Strip::Dwarf => linker.push("-w"),
            Strip::All => linker.push("-s -w"),
        }
        if self.external {
            linker.push("-linkmode=external");
        }
        if self.plain_dwarf {
            linker.push("-compressdwarf=false");
        }
        if self.gnu_build_id {
            linker.push("-B 0x676f696e6a656374");
        }
        if !linker.is_empty() {
            arguments.push(format!("-ldflags={}", linker.join(" ")));
        }
        arguments
    }

    /// A short name for tables and files.
    pub fn name(&self) -> String {
        let strip = match self.strip {
            Strip::Nothing => "",
            Strip::Dwarf => "w",
            Strip::All => "sw",
        };
        let parts = [
            (self.unoptimised, "N-l"),
            (self.trimpath, "trimpath"),
            (self.pie, "pie"),
            (self.external, "external"),
            (self.race, "race"),
            (self.strip != Strip::Nothing, strip),
            (self.plain_dwarf, "plain"),
            (self.gnu_build_id, "id"),
        ];
        let set: Vec<&str> = parts
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| *name)
            .collect();
        if set.is_empty() {
            "default".to_owned()
        } else {
            set.join("+")
        }
    }
}

/// The binary of a program: a folder of `tests/fixtures/go`, an example such as `examples/retry`, or a command of the Go
/// distribution such as `cmd/go`.
///
/// # Panics
/// If the toolchain is missing, with the advice to run `cargo xtask setup`, or the build fails.
pub fn fixture(program: &str, version: &str, flags: Flags) -> PathBuf {
    let cache = cache();
    let go = toolchain(&cache, version).unwrap_or_else(|| {
        panic!(
            "Go {version} is not in {}: run `cargo xtask setup`",
            cache.join("go").display()
        )
    });
    let is_command = program.starts_with("cmd/");
    let source = match program.starts_with("examples/") {
        true => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(program),
        false => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/go")
            .join(program),
    };
    let mut hasher = DefaultHasher::new();
    (go.as_os_str(), flags.arguments()).hash(&mut hasher);
    if !is_command {
        hash_folder(&source, &mut hasher);
    }
    let name = format!(
        "{}-{version}-{}-{:016x}",
        program.replace('/', "_"),
        flags.name(),
        hasher.finish()
    );
    let folder = cache.join("fixtures");
    let binary = folder.join(name);
    if binary.exists() {
        return binary;
    }
    fs::create_dir_all(&folder).expect("a folder for fixtures");
    // Tests run in several processes, and want the same programs at the same time: one builds, the others wait. All
    // programs share the lock, as a build takes every processor anyway. The lock goes with the file.
    let lock = File::create(folder.join(".lock")).expect("a lock for fixtures");
    lock.lock().expect("the lock is granted in the end");
    if binary.exists() {
        return binary;
    }
    let building = binary.with_extension(format!("{}.building", std::process::id()));
    let mut command = Command::new(&go);
    command
        .args(["build", "-o"])
        .arg(&building)
        .args(flags.arguments())
        .arg(if is_command { program } else { "." })
        .current_dir(if is_command {
            folder.as_path()
        } else {
            source.as_path()
        })
        .env("GOCACHE", cache.join("gocache"))
        .env("GOPATH", cache.join("gopath"))
        .env("GOTOOLCHAIN", "local")
        .env(
            "GOFLAGS",
            if is_command || version == "1.15" {
                ""
            } else {
                "-buildvcs=false"
            },
        )
        .env("GO111MODULE", "on")
        .env("GOPROXY", "off")
        .env("GOTELEMETRY", "off")
        .env("GOENV", "off")
        .env("CGO_ENABLED", if needs_cgo(program, flags) { "1" } else { "0" })
        .env_remove("GOROOT");
    let output = command.output().expect("the go command starts");
    assert!(
        output.status.success(),
        "{command:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&building, &binary).expect("the fixture moves to its place");
    binary
}

fn needs_cgo(program: &str, flags: Flags) -> bool {
    matches!(program, "cgo" | "callbacks") || program.starts_with("cmd/") || flags.race || flags.external
}

fn cache() -> PathBuf {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("GOINJECT_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("goinject")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/goinject")))
        .unwrap_or_else(|| std::env::temp_dir().join("goinject-cache"))
}

/// The go command of a version: in the folder that is called like it, or like a patch release of it.
fn toolchain(cache: &Path, version: &str) -> Option<PathBuf> {
    let folders = fs::read_dir(cache.join("go")).ok()?;
    let mut folders: Vec<PathBuf> = folders.filter_map(|e| Some(e.ok()?.path())).collect();
    folders.sort();
    let is_version = |folder: &PathBuf| {
        let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name == version
            || name
                .strip_prefix(version)
                .is_some_and(|rest| rest.starts_with('.'))
    };
    folders.into_iter().filter(is_version).find_map(|folder| {
        let distribution = folder.join(format!("usr/lib/go-{version}/bin/go"));
        [folder.join("go/bin/go"), distribution]
            .into_iter()
            .find(|go| go.exists())
    })
}

fn hash_folder(folder: &Path, hasher: &mut DefaultHasher) {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .filter_map(|e| Some(e.ok()?.path()))
        .collect();
    files.sort();
    for file in files {
        if file.is_dir() {
            hash_folder(&file, hasher);
        } else if file.extension().is_some() {
            // What `go build` leaves in an example has none.
            (file.file_name(), fs::read(&file).expect("a readable fixture")).hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_arguments() {
        assert!(Flags::default().arguments().is_empty());
        let flags = Flags {
            external: true,
            strip: Strip::All,
            pie: true,
            ..Flags::default()
        };
        assert_eq!(
            flags.arguments(),
            ["-buildmode=pie", "-ldflags=-s -w -linkmode=external"]
        );
        assert_eq!(flags.name(), "pie+external+sw");
        assert_eq!(Flags::default().name(), "default");
    }

    #[test]
    fn a_missing_toolchain_is_no_toolchain() {
        assert_eq!(toolchain(Path::new("/nonexistent"), "1.27"), None);
    }
}
