//! What code means to do with an error that ends in it: asked whether a text is of some form, it looks at the error and
//! goes on; a struct keeps it for later; a test does not look at all.

use super::point::Place;
use super::program::Program;
use crate::event::line::{Fired, Frame};

/// Functions that only read a text: they fail where it has another form, and never else.
const READ_TEXT: [&str; 18] = [
    "strconv.",
    "time.Parse",
    "time.parse",
    "regexp.Compile",
    "regexp.compile",
    "regexp/syntax.Parse",
    "net/url.Parse",
    "net/url.parse",
    "mime.(*WordDecoder).Decode",
    "net.Parse",
    "net/netip.Parse",
    "net/mail.Parse",
    "mime.ParseMediaType",
    "encoding/hex.Decode",
    "encoding/base64.(*Encoding).Decode",
    "encoding/base32.(*Encoding).Decode",
    "path.Match",
    "path/filepath.Match",
];
/// The same of `fmt`, which may be inlined around those that read files.
const SCANS_TEXT: [&str; 3] = ["fmt.Sscan", "fmt.Sscanf", "fmt.Sscanln"];

/// How the names of functions begin that only look at something, or get it.
const LOOKS: [&str; 16] = [
    "stat",
    "lstat",
    "seek",
    "exist",
    "direxists",
    "isdir",
    "read",
    "open",
    "get",
    "look",
    "parse",
    "eval",
    "abs",
    "rel",
    "load",
    "find",
];

/// Whether a function only looks at something, by its name, so that nothing is lost where it fails.
pub(super) fn only_looks(function: &str) -> bool {
    let method = function
        .rsplit('.')
        .next()
        .unwrap_or(function)
        .to_ascii_lowercase();
    method != "readfrom" && LOOKS.iter().any(|word| method.starts_with(word))
}

/// How the names of functions begin that write, or end that.
const WRITES: [&str; 6] = ["write", "copy", "fprint", "encode", "flush", "close"];

/// Whether a function writes, by its name.
pub(super) fn writes(function: &str) -> bool {
    let method = function
        .rsplit('.')
        .next()
        .unwrap_or(function)
        .to_ascii_lowercase();
    WRITES.iter().any(|word| method.starts_with(word))
}

/// Functions that return what they have understood of a text in any case, which is what many ask them for.
const READ_ON: [&str; 2] = ["net/url.ParseQuery", "net/url.parseQuery"];

/// Whether a function returns what it has understood in any case.
pub(super) fn reads_on(function: &str) -> bool {
    READ_ON.contains(&function)
}

/// Whether what failed only looked at a text.
pub(super) fn reads_text(fault: &Fired) -> bool {
    let begins = |name: &str| READ_TEXT.iter().any(|prefix| name.starts_with(prefix));
    let around = fault.stack.iter().skip(1).take_while(|frame| frame.inlined);
    let scans = |name: &str| SCANS_TEXT.contains(&name);
    begins(&fault.function)
        || scans(&fault.function)
        || around.map(|frame| frame.function.as_str()).any(scans)
}

/// Whether the code at a frame of a fault's stack looks at the error of the function that it called there. None where
/// that cannot be told.
pub(super) fn looks_at_it(program: &Program, fault: &Fired, place: &Place) -> Option<bool> {
    let stack = &fault.stack;
    let at = (1..stack.len()).find(|n| Place::from(&stack[*n]) == *place)?;
    // Inlined functions are in the code of the function around them.
    let real = |frame: &&Frame| !frame.inlined;
    let caller = stack[at..].iter().find(real)?;
    let callee = stack[..at].iter().rev().find(real)?;
    program.looks_at_error(&caller.function, &callee.function, place)
}
