//! The package archives that the host's apt is configured with, in both formats of its configuration.

use std::path::Path;
use std::{env, fs};

use super::stanza::stanzas;

/// One archive and suite of the host's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) uri: String,
    pub(crate) suite: String,
    pub(crate) components: Vec<String>,
    /// Keyring files that the configuration names. Keys in the configuration itself are not read.
    pub(crate) keyrings: Vec<String>,
}

impl Source {
    /// As a line of `sources.list`, for another suite or the same.
    pub(crate) fn line(&self, suite: &str, keyrings: &[String]) -> String {
        let mut options = "arch=amd64 target=Packages".to_owned();
        if !keyrings.is_empty() {
            options.push_str(&format!(" signed-by={}", keyrings.join(",")));
        }
        format!("deb [{options}] {} {suite} main\n", self.uri)
    }
}

/// What `/etc/apt` says.
pub(crate) fn of_host() -> Vec<Source> {
    let mut sources = read(Path::new("/etc/apt/sources.list"), parse_list);
    let mut files: Vec<_> = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    for file in files {
        // apt reads these two endings only.
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(read(&file, parse_list)),
            Some("sources") => sources.extend(read(&file, parse_sources)),
            _ => {}
        }
    }
    sources
}

fn read(file: &Path, parse: fn(&str) -> Vec<Source>) -> Vec<Source> {
    fs::read_to_string(file)
        .map(|text| parse(&text))
        .unwrap_or_default()
}

/// The archives that have Debian's own suites, each once; `$GOINJECT_DEBIAN_MIRROR` comes before those of the host.
///
/// A suite that the host is not configured with is taken from the archive that holds the host's own suite.
pub(crate) fn debian_archives(sources: &[Source], codename: &str) -> Vec<Source> {
    let asked = env::var("GOINJECT_DEBIAN_MIRROR")
        .ok()
        .filter(|uri| !uri.is_empty());
    let asked = asked.map(|uri| Source {
        uri,
        suite: codename.to_owned(),
        components: vec!["main".to_owned()],
        keyrings: Vec::new(),
    });
    archives(asked.into_iter().chain(sources.iter().cloned()), codename)
}

fn archives(sources: impl Iterator<Item = Source>, codename: &str) -> Vec<Source> {
    let mut found: Vec<Source> = Vec::new();
    for source in sources {
        let own =
            [codename, "stable", "oldstable", "testing", "unstable", "sid"].contains(&source.suite.as_str());
        let fits = own && source.components.iter().any(|component| component == "main");
        if fits && !source.uri.starts_with("cdrom:") && !found.iter().any(|other| other.uri == source.uri) {
            found.push(source);
        }
    }
    found
}

/// `deb [option=value …] uri suite component…`, one per line.
fn parse_list(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    // Not deb-src.
    let mut rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let mut keyrings = Vec::new();
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']')?;
        let signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="));
        keyrings = keyring_files(signed_by.into_iter().flat_map(|value| value.split(',')));
        rest = after;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        uri: words.next()?,
        suite: words.next()?,
        components: words.collect(),
        keyrings,
    })
}

/// The format with a paragraph per entry, which may name several archives and suites.
fn parse_sources(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for stanza in stanzas(text) {
        let enabled = !stanza
            .get("Enabled")
            .is_some_and(|value| value.eq_ignore_ascii_case("no"));
        if !enabled || !stanza.words("Types").contains(&"deb") {
            continue;
        }
        let components: Vec<String> = stanza
            .words("Components")
            .into_iter()
            .map(str::to_owned)
            .collect();
        for uri in stanza.words("URIs") {
            for suite in stanza.words("Suites") {
                sources.push(Source {
                    uri: uri.to_owned(),
                    suite: suite.to_owned(),
                    components: components.clone(),
                    keyrings: keyring_files(stanza.words("Signed-By").into_iter()),
                });
            }
        }
    }
    sources
}

/// Of file names, fingerprints and keys, the file names.
fn keyring_files<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    values
        .filter(|value| value.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

    #[test]
    fn one_line_entries() {
        let sources = parse_list(
            "# deb http://old.example/debian bookworm main\n\
             deb http://a.example/debian bookworm main contrib # mine\n\
             deb-src http://a.example/debian bookworm main\n\
             deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://b.example/debian/ \
             bookworm-updates main\n\
             deb\tcdrom:[Debian]/ bookworm main\n\
             broken\n",
        );
        assert_eq!(sources.len(), 3);
        assert_eq!(sources[0].uri, "http://a.example/debian");
        assert_eq!(sources[0].components, ["main", "contrib"]);
        assert_eq!(sources[1].suite, "bookworm-updates");
        assert_eq!(sources[1].keyrings, [KEYRING]);
    }

    #[test]
    fn paragraph_entries() {
        let sources = parse_sources(
            "Types: deb deb-src\n# snapshot\nURIs: http://a.example/debian mirror+file:/etc/apt/mirrors/debian.list\n\
             Suites: bookworm bookworm-updates\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
             Types: deb-src\nURIs: http://src.example/debian\nSuites: bookworm\nComponents: main\n\n\
             Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n\n\
             Types: deb\nURIs: http://key.example/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n \
             -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY/x\n -----END PGP PUBLIC KEY BLOCK-----\n",
        );
        let shown: Vec<String> = sources.iter().map(|s| format!("{} {}", s.uri, s.suite)).collect();
        assert_eq!(
            shown,
            [
                "http://a.example/debian bookworm",
                "http://a.example/debian bookworm-updates",
                "mirror+file:/etc/apt/mirrors/debian.list bookworm",
                "mirror+file:/etc/apt/mirrors/debian.list bookworm-updates",
                "http://key.example/debian bookworm",
            ]
        );
        assert_eq!(sources[0].keyrings, [KEYRING]);
        assert!(sources[4].keyrings.is_empty());
    }

    #[test]
    fn archives_are_those_with_the_hosts_own_suite() {
        let sources = parse_list(
            "deb http://a.example/debian bookworm main\ndeb http://a.example/debian bookworm-updates main\n\
             deb http://a.example/debian-security bookworm-security main\ndeb cdrom:[Debian]/ bookworm main\n\
             deb http://tool.example/ nodistro main\ndeb http://b.example/debian stable main\n",
        );
        let archives = archives(sources.into_iter(), "bookworm");
        let uris: Vec<&str> = archives.iter().map(|source| source.uri.as_str()).collect();
        assert_eq!(uris, ["http://a.example/debian", "http://b.example/debian"]);
    }

    #[test]
    fn an_entry_becomes_a_line_for_another_suite() {
        let source = &parse_list("deb http://a.example/debian bookworm main")[0];
        assert_eq!(
            source.line("sid", &[KEYRING.into(), "/k".into()]),
            format!(
                "deb [arch=amd64 target=Packages signed-by={KEYRING},/k] http://a.example/debian sid main\n"
            )
        );
        assert_eq!(
            source.line("sid", &[]),
            "deb [arch=amd64 target=Packages] http://a.example/debian sid main\n"
        );
    }
}
