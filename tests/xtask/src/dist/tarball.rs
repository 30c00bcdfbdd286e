//! Archives whose bytes depend on what is in them alone, and the one that is unpacked by hand.

use std::io::Write;

use flate2::{Compression, GzBuilder};

use super::Package;
use super::contents::{Entry, Release};
use crate::run::Result;

/// `goinject-0.1.0-linux-amd64.tar.gz`: the program, documents, completions and manual pages in a folder.
pub(crate) fn tarball(release: &Release) -> Result<Package> {
    let folder = format!("goinject-{}-linux-amd64", release.version);
    let mut entries = vec![Entry::folder(folder.clone(), 0o755)];
    let mut add = |entry: Entry| {
        entries.push(Entry {
            path: format!("{folder}/{}", entry.path),
            ..entry
        });
    };
    add(Entry::program("goinject", &release.program[..]));
    for (name, bytes) in &release.documents {
        add(Entry::file(*name, &bytes[..]));
    }
    add(Entry::file("THIRD-PARTIES.txt", &release.third_parties[..]));
    add(Entry::folder("completions", 0o755));
    for (shell, script) in &release.completions {
        add(Entry::file(
            format!("completions/{}", file_of_shell(shell)),
            &script[..],
        ));
    }
    add(Entry::folder("man", 0o755));
    for (name, page) in &release.manual {
        add(Entry::file(format!("man/{name}"), &page[..]));
    }
    let archive = gzip(&tar(&entries, release.time)?)?;
    Ok((format!("{folder}.tar.gz"), archive))
}

/// The name by which a shell looks for it.
pub(crate) fn file_of_shell(shell: &str) -> &'static str {
    match shell {
        "zsh" => "_goinject",
        "fish" => "goinject.fish",
        _ => "goinject",
    }
}

/// Owned by root, with one date.
pub(crate) fn tar(entries: &[Entry], time: u64) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        match &entry.bytes {
            Some(bytes) => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, &entry.path, &bytes[..])?;
            }
            None => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                archive.append_data(&mut header, format!("{}/", entry.path), &[][..])?;
            }
        }
    }
    Ok(archive.into_inner()?)
}

/// Without a name and a date.
pub(crate) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
