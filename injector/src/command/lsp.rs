//! `goinject lsp`: the language server.

use super::fail;
use crate::error::ExitCode;
use crate::lsp;

/// Serves an editor over standard input and output.
pub fn run() -> ExitCode {
    match lsp::serve() {
        Ok(()) => ExitCode::Met,
        Err(error) => fail(ExitCode::Invalid, error),
    }
}
