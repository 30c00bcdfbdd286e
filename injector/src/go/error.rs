//! Why a file could not be read as a Go program.

use std::io;
use std::path::{Path, PathBuf};

use super::arch::Architecture;
use super::version::{NEWEST_MINOR, OLDEST_MINOR};

/// Why a file, or something in it, could not be read.
///
/// The variant is for programs, the text for people; every text names the file.
#[derive(Debug, thiserror::Error)]
pub enum GoError {
    /// There is no such file.
    #[error("{}: no such file", .path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The file is there and could not be read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a program at all.
    #[error("{}: not an ELF file{}", .path.display(), hint(.found))]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What it looks like, if that is known: "a script", "a Windows program".
        found: Option<&'static str>,
    },
    /// An ELF file that ends before its own headers and tables do, or contradicts itself.
    #[error("{}: truncated or damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        what: String,
    },
    /// Built for 32-bit or big-endian machines, or for another processor.
    #[error("{}: built for {machine}, and this release is for {}", .path.display(), supported())]
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// `arm64`, `32-bit arm` and so on.
        machine: String,
    },
    /// Not something that runs by itself.
    #[error("{}: {what}, not an executable; name the program that loads it", .path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// `a shared library`, `an object file`, `a core dump`, `a separate debug file`.
        what: &'static str,
    },
    /// Go code that another program loads while it runs.
    #[error(
        "{}: {what}, whose functions cannot be reached in the program that loads it; build them into a Go program",
        .path.display()
    )]
    Loaded {
        /// The file.
        path: PathBuf,
        /// `a Go plugin`, `a shared library`.
        what: &'static str,
    },
    /// A program, but not built by the Go toolchain.
    #[error("{}: not a Go program (it has no Go build information and no Go function table)", .path.display())]
    NotGo {
        /// The file.
        path: PathBuf,
    },
    /// A program with Go in it that goinject can't serve.
    #[error("{}: {what}", .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        what: &'static str,
    },
    /// A Go program whose function table was removed or is in no known form.
    #[error("{}: a Go program, but without a function table that can be read: {why}", .path.display())]
    NoFunctionTable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Built by a Go that this release does not know.
    #[error("{}: built by {version}, and goinject knows Go 1.{OLDEST_MINOR} to 1.{NEWEST_MINOR}", .path.display())]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// The version as the binary has it.
        version: String,
    },
    /// The separate debug file belongs to another build.
    #[error("{}: not the debug file of {}: {why}", .debug.display(), .path.display())]
    DebugFileMismatch {
        /// The program.
        path: PathBuf,
        /// The debug file.
        debug: PathBuf,
        /// Which identification differs.
        why: String,
    },
    /// A folder has no debug file of a program.
    #[error("{}: no debug file for it in {}: {tried}", .path.display(), .root.display())]
    NoDebugFile {
        /// The program.
        path: PathBuf,
        /// The folder.
        root: PathBuf,
        /// Where it was looked for.
        tried: String,
    },
    /// The debug information is there and can't be read.
    #[error("{}: unreadable debug information (DWARF): {why}", .path.display())]
    Dwarf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The parameters of a function can't be told with certainty; a guess could crash the program.
    #[error("{function}: {why}")]
    UncertainSignature {
        /// The function.
        function: String,
        /// What is missing or contradictory.
        why: String,
    },
    /// An address that is in no part of the file.
    #[error("{}: address 0x{address:x} is not in the file", .path.display())]
    NoSuchAddress {
        /// The file.
        path: PathBuf,
        /// The address.
        address: u64,
    },
}

impl GoError {
    pub(super) fn io(path: &Path, source: io::Error) -> GoError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => GoError::NotFound { path },
            _ => GoError::Io { path, source },
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> GoError {
        GoError::Damaged {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    pub(super) fn dwarf(path: &Path, why: impl ToString) -> GoError {
        GoError::Dwarf {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

fn hint(found: &Option<&'static str>) -> String {
    found
        .map(|what| format!(" (it looks like {what})"))
        .unwrap_or_default()
}

/// What programs may be built for.
fn supported() -> String {
    let all = Architecture::ALL.map(|architecture| format!("linux/{}", architecture.name()));
    all.join(" or ")
}
