//! A wheel: the program as Python's package index has programs. It needs no Python when it runs.

use std::io::{Cursor, Write};

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::Package;
use super::contents::{Entry, Release};
use crate::run::{Error, Result};

/// A static program runs wherever Linux does, with either C library.
const PLATFORMS: [&str; 3] = [
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "musllinux_1_1_x86_64",
];

/// `goinject-0.1.0-py3-none-….whl`, as the format's specification says, version 1.0.
pub(crate) fn wheel(release: &Release) -> Result<Package> {
    let version = &release.version;
    let information = format!("goinject-{version}.dist-info");
    let mut entries = vec![
        Entry::program(
            format!("goinject-{version}.data/scripts/goinject"),
            &release.program[..],
        ),
        Entry::file(format!("{information}/METADATA"), metadata(release)),
        Entry::file(format!("{information}/WHEEL"), tags()),
    ];
    for name in LICENCES {
        let text = release.document(name);
        entries.push(Entry::file(format!("{information}/licenses/{name}"), text));
    }
    entries.push(Entry::file(
        format!("{information}/licenses/THIRD-PARTIES.txt"),
        &release.third_parties[..],
    ));
    let record = format!("{information}/RECORD");
    entries.push(Entry::file(record.clone(), recorded(&entries, &record)));
    let name = format!("goinject-{version}-py3-none-{}.whl", PLATFORMS.join("."));
    Ok((name, zipped(&entries)?))
}

const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

fn metadata(release: &Release) -> String {
    let licences: String = LICENCES
        .iter()
        .chain(&["THIRD-PARTIES.txt"])
        .map(|name| format!("License-File: {name}\n"))
        .collect();
    format!(
        "Metadata-Version: 2.4\n\
         Name: goinject\n\
         Version: {}\n\
         Summary: Declarative, rule-file driven fault injector for Go programs\n\
         License-Expression: MIT OR Apache-2.0\n\
         {licences}\
         Keywords: go,fault-injection,chaos,testing,ebpf\n\
         Classifier: Operating System :: POSIX :: Linux\n\
         Classifier: Topic :: Software Development :: Testing\n\
         Requires-Python: >=3.7\n\
         Description-Content-Type: text/markdown\n\n{}",
        release.version,
        String::from_utf8_lossy(release.document("README.md"))
    )
}

fn tags() -> String {
    let tags: String = PLATFORMS
        .iter()
        .map(|platform| format!("Tag: py3-none-{platform}\n"))
        .collect();
    format!("Wheel-Version: 1.0\nGenerator: goinject\nRoot-Is-Purelib: false\n{tags}")
}

/// Every file's checksum and size; those of the list itself are left out.
fn recorded(entries: &[Entry], record: &str) -> String {
    let mut lines = String::new();
    for entry in entries {
        let bytes = entry.bytes.as_deref().unwrap_or_default();
        let sum = base64(&Sha256::digest(bytes));
        lines.push_str(&format!("{},sha256={sum},{}\n", entry.path, bytes.len()));
    }
    format!("{lines}{record},,\n")
}

/// In the alphabet for addresses, without padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for n in 0..=three.len() {
            let index = bits >> (18 - 6 * n) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

fn zipped(entries: &[Entry]) -> Result<Vec<u8>> {
    let wrong = |error: zip::result::ZipError| Error::new(format!("the wheel: {error}"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::default())
            .unix_permissions(entry.mode);
        archive.start_file(&entry.path, options).map_err(wrong)?;
        archive.write_all(entry.bytes.as_deref().unwrap_or_default())?;
    }
    Ok(archive.finish().map_err(wrong)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_written_as_wheels_have_them() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg");
        assert_eq!(base64(b"fo"), "Zm8");
        assert_eq!(base64(b"foo"), "Zm9v");
        assert_eq!(base64(&[0xfb, 0xff, 0xbf]), "-_-_");
    }
}
