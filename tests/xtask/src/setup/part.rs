//! The parts of set-up that can be asked for.

use std::str::FromStr;

use goinject_lab::{
    LINES, Line, PUBLISHED, Published, SUITES, TOOLCHAINS, Toolchain, Wanted, release_numbers,
};

/// What to set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Programs and libraries for building.
    Build,
    /// A Go toolchain.
    Go(&'static Toolchain),
    /// A program that somebody else built.
    Program(&'static Published),
    /// Readers of reports.
    Readers,
    /// Runtimes of containers.
    Containers,
    /// Debuggers that are installed.
    Debuggers,
    /// The emulator.
    Emulator,
    /// A kernel.
    Kernel(Line),
}

/// One word of `--only`, which may stand for several parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts(pub(crate) Vec<Part>);

impl Parts {
    /// All that the tests use.
    pub(crate) fn all() -> Parts {
        let words = [
            "build",
            "go",
            "programs",
            "readers",
            "containers",
            "debuggers",
            "guest",
        ]
        .map(|word| word.parse::<Parts>().expect("these exist"));
        Parts(words.into_iter().flat_map(|parts| parts.0).collect())
    }
}

impl FromStr for Parts {
    type Err = String;

    fn from_str(word: &str) -> Result<Parts, String> {
        let kernels = LINES.iter().copied().map(Part::Kernel);
        let parts = match word.split_once('-') {
            None if word == "build" => vec![Part::Build],
            None if word == "go" => TOOLCHAINS.iter().map(Part::Go).collect(),
            None if word == "programs" => PUBLISHED.iter().map(Part::Program).collect(),
            Some(("program", name)) => vec![Part::Program(Published::find(name).ok_or_else(|| {
                let known: Vec<&str> = PUBLISHED.iter().map(|program| program.name).collect();
                format!("there is no program {name}: {}", known.join(" "))
            })?)],
            None if word == "containers" => vec![Part::Containers],
            None if word == "debuggers" => {
                let delves = PUBLISHED.iter().filter(|program| program.name.starts_with("delve"));
                [Part::Debuggers].into_iter().chain(delves.map(Part::Program)).collect()
            }
            None if word == "readers" => vec![Part::Readers],
            None if word == "guest" => [Part::Emulator].into_iter().chain(kernels).collect(),
            Some(("go", version)) => vec![Part::Go(Toolchain::find(version).ok_or_else(|| {
                let known: Vec<&str> = TOOLCHAINS.iter().map(|toolchain| toolchain.version).collect();
                format!("there is no Go {version} in the matrix: {}", known.join(" "))
            })?)],
            Some(("kernel", name)) => vec![Part::Kernel(line(name)?)],
            _ => return Err(
                "known parts: build, go, go-1.27, programs, program-etcd, readers, containers, debuggers, guest, kernel-6.12, kernel-newest"
                    .into(),
            ),
        };
        Ok(Parts(parts))
    }
}

/// A line of the matrix, or any other version that some suite may have.
fn line(name: &str) -> Result<Line, String> {
    if let Some(line) = LINES.iter().find(|line| line.name() == name) {
        return Ok(*line);
    }
    let (major, minor) = release_numbers(name).ok_or_else(|| format!("{name}: give a kernel as 6.12"))?;
    Ok(Line {
        wanted: Wanted::Exactly(major, minor),
        suites: SUITES,
        why: "asked for",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(word: &str) -> Vec<Part> {
        word.parse::<Parts>().unwrap().0
    }

    #[test]
    fn words_stand_for_parts() {
        assert_eq!(parts("build"), [Part::Build]);
        assert_eq!(parts("go").len(), TOOLCHAINS.len());
        assert_eq!(parts("go-1.27"), [Part::Go(Toolchain::newest())]);
        assert_eq!(parts("programs").len(), PUBLISHED.len());
        assert_eq!(parts("program-etcd"), [Part::Program(&PUBLISHED[0])]);
        assert_eq!(parts("readers"), [Part::Readers]);
        assert_eq!(parts("containers"), [Part::Containers]);
        assert_eq!(parts("debuggers").len(), 3);
        assert_eq!(parts("guest").len(), 1 + LINES.len());
        assert_eq!(parts("kernel-5.10"), [Part::Kernel(LINES[0])]);
        assert_eq!(parts("kernel-newest"), [Part::Kernel(LINES[LINES.len() - 1])]);
        assert!(matches!(
            parts("kernel-7.0")[..],
            [Part::Kernel(Line {
                wanted: Wanted::Exactly(7, 0),
                ..
            })]
        ));
    }

    #[test]
    fn unknown_words_are_told_what_is_known() {
        assert!("go-1.2".parse::<Parts>().unwrap_err().contains("1.27"));
        assert!("all".parse::<Parts>().unwrap_err().contains("kernel-6.12"));
        assert!("kernel-new".parse::<Parts>().is_err());
    }
}
