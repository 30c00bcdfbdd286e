//! What the host is, and the programs and libraries that it must have.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::run::{Error, Result, captured, command, has_program, output};

/// The facts of the host that set-up depends on.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// Debian or something made from it.
    pub(crate) has_apt: bool,
    /// As in "bookworm"; empty where there is none.
    pub(crate) codename: String,
    pub(crate) is_root: bool,
}

/// Something that must be installed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// What it is called in Debian.
    package: &'static str,
    found_by: FoundBy,
}

#[derive(Debug, Clone, Copy)]
enum FoundBy {
    /// One of these programs.
    Program(&'static [&'static str]),
    /// One of these files.
    File(&'static [&'static str]),
    /// clang of this version or a later one.
    Clang(u32),
    /// pip, as a program or a module of Python.
    Pip,
    /// Python's virtual environments with pip in them.
    Venv,
}

/// For `cargo build` and `cargo test`.
pub(crate) const BUILD: &[Need] = &[
    Need {
        package: "clang-14",
        found_by: FoundBy::Clang(14),
    },
    Need {
        package: "gcc",
        found_by: FoundBy::Program(&["gcc"]),
    },
    Need {
        package: "make",
        found_by: FoundBy::Program(&["make"]),
    },
    Need {
        package: "pkg-config",
        found_by: FoundBy::Program(&["pkg-config"]),
    },
    Need {
        package: "libc6-dev",
        found_by: FoundBy::File(&[
            "/usr/lib/x86_64-linux-gnu/libc.a",
            "/usr/lib64/libc.a",
            "/usr/lib/libc.a",
        ]),
    },
    Need {
        package: "libelf-dev",
        found_by: FoundBy::File(&["/usr/include/libelf.h"]),
    },
    Need {
        package: "zlib1g-dev",
        found_by: FoundBy::File(&["/usr/include/zlib.h"]),
    },
    Need {
        package: "linux-libc-dev",
        found_by: FoundBy::File(&["/usr/include/linux/bpf.h"]),
    },
];

/// For the Go toolchains.
pub(crate) const GO: &[Need] = &[
    Need {
        package: "python3",
        found_by: FoundBy::Program(&["python3"]),
    },
    Need {
        package: "python3-pip",
        found_by: FoundBy::Pip,
    },
];

/// For programs from npm's registry.
pub(crate) const NPM: &[Need] = &[Need {
    package: "npm",
    found_by: FoundBy::Program(&["npm"]),
}];

/// For reading goinject's reports, and for installing and running what is published.
pub(crate) const READERS: &[Need] = &[
    Need {
        package: "chromium",
        found_by: FoundBy::Program(&["chromium", "chromium-browser", "google-chrome"]),
    },
    Need {
        package: "python3-venv",
        found_by: FoundBy::Venv,
    },
    Need {
        package: "skopeo",
        found_by: FoundBy::Program(&["skopeo"]),
    },
    Need {
        package: "runc",
        found_by: FoundBy::Program(&["runc"]),
    },
];

/// For tests on containers.
pub(crate) const CONTAINERS: &[Need] = &[
    Need {
        package: "runc",
        found_by: FoundBy::Program(&["runc"]),
    },
    Need {
        package: "crun",
        found_by: FoundBy::Program(&["crun"]),
    },
    Need {
        package: "podman",
        found_by: FoundBy::Program(&["podman"]),
    },
    Need {
        package: "containerd",
        found_by: FoundBy::Program(&["containerd"]),
    },
    Need {
        package: "busybox-static",
        found_by: FoundBy::Program(&["busybox"]),
    },
];

/// For looking at programs with rules, beside delve, which is not installed.
pub(crate) const DEBUGGERS: &[Need] = &[Need {
    package: "gdb",
    found_by: FoundBy::Program(&["gdb"]),
}];

/// For guests, beside the emulator.
pub(crate) const GUEST: &[Need] = &[
    Need {
        package: "busybox-static",
        found_by: FoundBy::Program(&["busybox"]),
    },
    Need {
        package: "util-linux",
        found_by: FoundBy::Program(&["setpriv"]),
    },
];

impl Host {
    pub(crate) fn look() -> Host {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        Host {
            has_apt: has_program("apt-get") && has_program("dpkg-deb"),
            codename: field(&release, "VERSION_CODENAME").unwrap_or_default(),
            is_root: fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0),
        }
    }

    /// Installs what is missing, in one go.
    pub(crate) fn install(&self, needs: &[Need]) -> Result<()> {
        let missing: Vec<&str> = needs
            .iter()
            .filter(|need| !need.found_by.is_there())
            .map(|need| need.package)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list = missing.join(" ");
        if !self.has_apt || !self.is_root {
            let how = match self.has_apt {
                true => format!("apt-get install {list}"),
                false => "with the package manager of this system".to_owned(),
            };
            return Err(Error::new(format!("{list}: not installed. As root: {how}")));
        }
        println!("set-up: installing {list}");
        // Lists of a fresh image are empty or old. A source of the host's that does not answer is not ours to mend.
        if let Err(error) = captured(apt_get().arg("update")) {
            println!("set-up: going on after: {error}");
        }
        let install = |names: &[String]| {
            captured(
                apt_get()
                    .args(["install", "--yes", "--no-install-recommends"])
                    .args(names),
            )
        };
        let names: Vec<String> = missing.iter().map(|&name| name.to_owned()).collect();
        install(&names).or_else(|error| {
            // clang-14 is Debian 12's; later systems have later ones.
            let names: Vec<String> = names
                .iter()
                .map(|name| name.replace("clang-14", "clang"))
                .collect();
            if missing.contains(&"clang-14") {
                install(&names)
            } else {
                Err(error)
            }
        })?;
        match needs.iter().find(|need| !need.found_by.is_there()) {
            Some(need) => Err(Error::new(format!(
                "{} is installed and still cannot be found",
                need.package
            ))),
            None => Ok(()),
        }
    }
}

impl FoundBy {
    fn is_there(self) -> bool {
        match self {
            FoundBy::Program(names) => names.iter().any(|name| has_program(name)),
            FoundBy::File(paths) => paths.iter().any(|path| Path::new(path).exists()),
            FoundBy::Clang(least) => {
                (least..least + 20).any(|version| has_program(&format!("clang-{version}")))
                    || major_version("clang").is_some_and(|version| version >= least)
            }
            FoundBy::Pip => pip().is_ok(),
            FoundBy::Venv => {
                let import = ["-c", "import venv, ensurepip"];
                output(&mut command("python3", import)).is_ok_and(|output| output.status.success())
            }
        }
    }
}

/// The host's pip, whatever way it is there.
pub(crate) fn pip() -> Result<Command> {
    let candidates: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];
    let found = candidates.into_iter().find(|words| {
        output(command(words[0], &words[1..]).arg("--version")).is_ok_and(|o| o.status.success())
    });
    found
        .map(|words| command(words[0], &words[1..]))
        .ok_or_else(|| Error::new("pip is not installed. As root: apt-get install python3-pip"))
}

/// The host's own apt-get.
fn apt_get() -> Command {
    let mut apt = command(
        "apt-get",
        ["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"],
    );
    apt.env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8");
    apt
}

/// The major version that a program prints first when asked for its version.
pub(crate) fn major_version(program: &str) -> Option<u32> {
    let output = output(&mut command(program, ["--version"])).ok()?;
    first_number(&String::from_utf8_lossy(&output.stdout))
}

fn first_number(text: &str) -> Option<u32> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let digits = &text[start..];
    digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())]
        .parse()
        .ok()
}

fn field(release: &str, name: &str) -> Option<String> {
    let line = release
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(line.trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        assert_eq!(
            first_number("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"),
            Some(10)
        );
        assert_eq!(first_number("Debian clang version 14.0.6"), Some(14));
        assert_eq!(first_number("no version"), None);
    }

    #[test]
    fn os_release_values_may_be_quoted() {
        let release =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=\"debian\"\n";
        assert_eq!(field(release, "VERSION_CODENAME").as_deref(), Some("bookworm"));
        assert_eq!(field(release, "ID").as_deref(), Some("debian"));
        assert_eq!(field(release, "NAME"), None);
    }
}
