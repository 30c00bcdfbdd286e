//! The go command below a run: test binaries keep their types, and Go's cache of test results is
//! neither read nor written.
//!
//! `go test` links its binaries without debug information unless they are kept, and it answers from
//! its cache where binary, flags, environment and files read are those of an earlier run. A fault is
//! none of these, so a result made under faults would be served to the next plain `go test`. Both are
//! settled by flags, which the go command takes from `GOFLAGS` even below make or a script.

mod arguments;
mod goflags;
pub mod listing;
mod package;
mod support;
mod toolchain;

use std::ffi::{OsStr, OsString};

pub use package::{PackageError, TestBinary};

use toolchain::Toolchain;

/// The variable that says that a process runs below goinject.
pub const MARK: &str = "GOINJECT";

/// What the linker is told so that test binaries keep their types: `go test` and `go run` give it `-s -w`, and up to
/// Go 1.21 each of them alone drops debug information.
const KEEP_TYPES: &str = "-s=false -w=false";

/// How a command is started so that the go command below it behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its arguments, without the program.
    pub arguments: Vec<OsString>,
    /// Variables on top of the environment that it was prepared for.
    pub env: Vec<(OsString, OsString)>,
}

/// Prepares a command. `variable` looks into the environment that it will run in.
///
/// `GOFLAGS` is set for every command: nothing but the go command reads it, and whether a script will
/// run that can't be told beforehand.
pub fn prepare(
    program: &OsStr,
    arguments: &[OsString],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Prepared {
    let go = Toolchain::find(program, &variable);
    let mut env = vec![(MARK.into(), "1".into())];
    let theirs = go.goflags(&variable);
    let merged = goflags::merge(&theirs, go.takes_quotes());
    if let Some(value) = merged {
        env.push(("GOFLAGS".into(), value.into()));
    }
    let arguments = if toolchain::is_go(program) {
        arguments::keep_types(arguments, &theirs, go.takes_quotes())
    } else {
        arguments.to_vec()
    };
    Prepared { arguments, env }
}
