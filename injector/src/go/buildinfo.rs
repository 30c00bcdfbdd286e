//! What the Go linker recorded of a build: `.go.buildinfo`.
//!
//! Source: `debug/buildinfo` of the Go project. Two encodings: since Go 1.18 the texts follow the
//! header, before that the header points at Go strings.

use super::address::Address;
use super::bytes::{counted_string, slice_at, u8_at, u64_at};
use super::image::Image;

const MAGIC: &[u8] = b"\xff Go buildinf:";
const HEADER_SIZE: usize = 32;
const ALIGN: usize = 16;
const FLAG_BIG_ENDIAN: u8 = 1;
const FLAG_INLINE: u8 = 2;
/// Sentinels of 16 bytes stand before and after the module text.
const FRAME: usize = 16;
/// Its magic text is in few places; a bound for damaged files.
const MAX_PLACES: usize = 16;
/// Longer texts than any real one; a bound for damaged files.
const MAX_TEXT: u64 = 16 << 20;

/// The build information as the binary has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BuildInfo {
    /// `go1.27.3`.
    pub(super) version: String,
    /// Lines of `path`, `mod`, `dep`, `build`; empty outside modules.
    pub(super) module_text: String,
}

impl BuildInfo {
    /// Finds and reads it.
    pub(super) fn read(image: &Image) -> Option<BuildInfo> {
        candidates(image).into_iter().find_map(|at| decode(image, at))
    }

    /// The path of the main package.
    pub(super) fn main_package(&self) -> Option<&str> {
        self.lines("path").next()
    }

    /// The path of the main module.
    pub(super) fn main_module(&self) -> Option<&str> {
        self.lines("mod").next()?.split('\t').next()
    }

    /// Build settings such as `-race` = `true`, since Go 1.18.
    pub(super) fn settings(&self) -> impl Iterator<Item = (String, String)> {
        self.lines("build").filter_map(|line| {
            let (key, value) = split_setting(line)?;
            Some((key, value))
        })
    }

    fn lines<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.module_text
            .lines()
            .filter_map(move |line| line.strip_prefix(kind)?.strip_prefix('\t'))
    }
}

/// Splits `key=value`, either of them perhaps a quoted Go string.
fn split_setting(line: &str) -> Option<(String, String)> {
    let (key, rest) = if line.starts_with('"') {
        let end = closing_quote(line)?;
        (unquote(&line[..=end]), line[end + 1..].strip_prefix('=')?)
    } else {
        let (key, rest) = line.split_once('=')?;
        (key.to_owned(), rest)
    };
    Some((key, unquote(rest)))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(i, b)| match b {
        _ if std::mem::take(&mut escaped) => None,
        b'\\' => {
            escaped = true;
            None
        }
        b'"' => Some(i),
        _ => None,
    })
}

fn unquote(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    if let Some(raw) = text.strip_prefix('`').and_then(|t| t.strip_suffix('`')) {
        return raw.to_owned();
    }
    let Some(inner) = inner else {
        return text.to_owned();
    };
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    out
}

/// Where the header may be: its section, else aligned in the writable segments.
fn candidates(image: &Image) -> Vec<Address> {
    if let Some(section) = image.elf().section(".go.buildinfo").filter(|s| !s.no_bits) {
        return vec![Address(section.address)];
    }
    let mut found = Vec::new();
    for segment in image.elf().segments.iter().filter(|s| s.writable) {
        let bytes = image.elf().segment_contents(image.data(), segment);
        let places = (0..bytes.len())
            .step_by(ALIGN)
            .filter(|&i| bytes[i..].starts_with(MAGIC));
        found.extend(
            places
                .take(MAX_PLACES)
                .map(|i| Address(segment.address).plus(i as u64)),
        );
    }
    found
}

fn decode(image: &Image, at: Address) -> Option<BuildInfo> {
    let header = image.read(at, HEADER_SIZE)?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let flags = u8_at(header, 15)?;
    let (version, module) = if flags & FLAG_INLINE != 0 {
        let (version, rest) = counted_string(image.read_rest(at.plus(HEADER_SIZE as u64))?)?;
        // The module text is absent where a linker other than Go's cut the section short.
        (version, counted_string(rest).map_or(&[][..], |(text, _)| text))
    } else {
        if flags & FLAG_BIG_ENDIAN != 0 || u8_at(header, 14)? != 8 {
            return None;
        }
        let header = image.relocated(at, HEADER_SIZE)?;
        let text = |offset| go_string(image, Address(u64_at(&header, offset)?));
        (text(16)?, text(24).unwrap_or_default())
    };
    let version = std::str::from_utf8(version)
        .ok()
        .filter(|v| !v.is_empty())?
        .to_owned();
    Some(BuildInfo {
        version,
        module_text: unframed(module).unwrap_or_default(),
    })
}

/// Strips the sentinels around the module text.
fn unframed(text: &[u8]) -> Option<String> {
    if text.len() <= 2 * FRAME || text[text.len() - FRAME - 1] != b'\n' {
        return None;
    }
    Some(String::from_utf8_lossy(&text[FRAME..text.len() - FRAME]).into_owned())
}

/// The text of a Go string header at an address.
fn go_string(image: &Image, at: Address) -> Option<&[u8]> {
    if at.0 == 0 {
        return None;
    }
    let header = image.relocated(at, 16)?;
    let length = u64_at(&header, 8).filter(|&n| n <= MAX_TEXT)?;
    let start = Address(u64_at(&header, 0)?);
    slice_at(image.read_rest(start)?, 0, usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_paths() {
        let info = BuildInfo {
            version: "go1.27.3".into(),
            module_text: "path\texample.com/shop/cmd\nmod\texample.com/shop\t(devel)\t\n\
                          dep\tgolang.org/x/sys\tv0.1.0\th1:abc=\n\
                          build\t-race=true\nbuild\t-ldflags=\"-s -w\"\nbuild\tCGO_ENABLED=1\n\
                          build\t\"odd key\"=\"a\\\"b\"\n"
                .into(),
        };
        assert_eq!(info.main_package(), Some("example.com/shop/cmd"));
        assert_eq!(info.main_module(), Some("example.com/shop"));
        let settings: Vec<_> = info.settings().collect();
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(
            settings,
            [
                pair("-race", "true"),
                pair("-ldflags", "-s -w"),
                pair("CGO_ENABLED", "1"),
                pair("odd key", "a\"b")
            ]
        );
    }

    #[test]
    fn frames_are_stripped_or_there_is_no_text() {
        let framed = [&[1_u8; 16][..], b"path\tx\n", &[2; 16]].concat();
        assert_eq!(unframed(&framed).as_deref(), Some("path\tx\n"));
        assert_eq!(unframed(b"short"), None);
    }
}
