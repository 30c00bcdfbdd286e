//! A package for Debian and what is made from it. It depends on nothing.

use std::collections::BTreeSet;

use md5::{Digest, Md5};

use super::contents::{Entry, Release};
use super::tarball::{file_of_shell, gzip, tar};
use super::{Package, hexadecimal};
use crate::run::Result;

/// Debian's name of the architecture, which is Go's as well.
const ARCHITECTURE: &str = "amd64";

/// `goinject_0.1.0-1_amd64.deb`.
pub(crate) fn deb(release: &Release) -> Result<Package> {
    let version = format!("{}-1", release.version);
    let files = files(release, &version)?;
    let control = vec![
        Entry::file("./control", control(&version, &files)),
        Entry::file("./md5sums", md5sums(&files)),
    ];
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", gzip(&tar(&control, release.time)?)?),
        ("data.tar.gz", gzip(&tar(&with_folders(files), release.time)?)?),
    ];
    let mut archive = ar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(release.time);
        archive.append(&header, &bytes[..])?;
    }
    Ok((
        format!("goinject_{version}_{ARCHITECTURE}.deb"),
        archive.into_inner()?,
    ))
}

fn files(release: &Release, version: &str) -> Result<Vec<Entry>> {
    let documents = "./usr/share/doc/goinject";
    let mut files = vec![
        Entry::program("./usr/bin/goinject", &release.program[..]),
        Entry::file(format!("{documents}/README.md"), release.document("README.md")),
        Entry::file(
            format!("{documents}/changelog.gz"),
            gzip(release.document("CHANGELOG.md"))?,
        ),
        Entry::file(
            format!("{documents}/changelog.Debian.gz"),
            gzip(changelog(version, &release.date()?.to_rfc2822()).as_bytes())?,
        ),
        Entry::file(format!("{documents}/copyright"), copyright(release)),
        Entry::file(
            format!("{documents}/THIRD-PARTIES.txt.gz"),
            gzip(&release.third_parties)?,
        ),
    ];
    for (shell, script) in &release.completions {
        let folder = match *shell {
            "zsh" => "./usr/share/zsh/vendor-completions",
            "fish" => "./usr/share/fish/vendor_completions.d",
            _ => "./usr/share/bash-completion/completions",
        };
        files.push(Entry::file(
            format!("{folder}/{}", file_of_shell(shell)),
            &script[..],
        ));
    }
    for (name, page) in &release.manual {
        files.push(Entry::file(
            format!("./usr/share/man/man1/{name}.gz"),
            gzip(page)?,
        ));
    }
    Ok(files)
}

/// The folders that files are in, each before what is in it.
fn with_folders(files: Vec<Entry>) -> Vec<Entry> {
    let mut folders = BTreeSet::new();
    for file in &files {
        let mut path = file.path.as_str();
        while let Some((folder, _)) = path.rsplit_once('/') {
            folders.insert(folder.to_owned());
            path = folder;
        }
    }
    let folders = folders.into_iter().map(|folder| Entry::folder(folder, 0o755));
    folders.chain(files).collect()
}

fn control(version: &str, files: &[Entry]) -> String {
    let kilobytes: usize = files
        .iter()
        .filter_map(|file| file.bytes.as_ref())
        .map(|bytes| bytes.len().div_ceil(1024))
        .sum();
    format!(
        "Package: goinject\n\
         Version: {version}\n\
         Architecture: {ARCHITECTURE}\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {kilobytes}\n\
         Section: devel\n\
         Priority: optional\n\
         Description: declarative fault injector for Go programs\n \
         goinject changes parameters and results of functions in running Go programs,\n \
         makes calls return early with an error, panic or take longer, without test\n \
         code in the program and without rebuilding it. A rule file says which calls to\n \
         change, how and how often, and what must have happened by the end.\n"
    )
}

const MAINTAINER: &str = "goinject developers <goinject@goinject.invalid>";

fn md5sums(files: &[Entry]) -> String {
    let mut sums = String::new();
    for file in files {
        let Some(bytes) = &file.bytes else { continue };
        let path = file.path.trim_start_matches("./");
        sums.push_str(&format!("{}  {path}\n", hexadecimal(&Md5::digest(bytes))));
    }
    sums
}

fn changelog(version: &str, date: &str) -> String {
    format!(
        "goinject ({version}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {MAINTAINER}  {date}\n"
    )
}

/// In the format that Debian's tools read.
fn copyright(release: &Release) -> String {
    let indented = |text: &[u8]| -> String {
        let text = String::from_utf8_lossy(text);
        text.trim_end()
            .lines()
            .map(|line| match line.trim_end() {
                "" => " .\n".to_owned(),
                line => format!(" {line}\n"),
            })
            .collect()
    };
    format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: goinject\n\n\
         Files: *\n\
         Copyright: The goinject authors\n\
         License: Apache-2.0 or Expat\n\
         Comment: The program has code of others in it: THIRD-PARTIES.txt.gz.\n\n\
         License: Expat\n{}\n\
         License: Apache-2.0\n On Debian, its text is in /usr/share/common-licenses/Apache-2.0.\n",
        indented(release.document("LICENSE-MIT")),
    )
}
