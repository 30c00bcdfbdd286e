//! The paragraphs of "Field: value" lines that Debian's package lists and `.sources` files are made of.

/// One paragraph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stanza<'a> {
    fields: Vec<(&'a str, Vec<&'a str>)>,
}

impl<'a> Stanza<'a> {
    /// The value of a field; of one that goes on over several lines, the first that says something.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.lines(name)?.iter().copied().find(|line| !line.is_empty())
    }

    /// All words of a field, whichever line they are on.
    pub(crate) fn words(&self, name: &str) -> Vec<&'a str> {
        self.lines(name)
            .into_iter()
            .flatten()
            .flat_map(|line| line.split_whitespace())
            .collect()
    }

    fn lines(&self, name: &str) -> Option<&Vec<&'a str>> {
        // Field names are not case-sensitive.
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, lines)| lines)
    }

    fn read(&mut self, line: &'a str) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, lines)) = self.fields.last_mut() {
                lines.push(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            self.fields.push((name.trim(), vec![value.trim()]));
        }
    }
}

/// The paragraphs of a text. Lines that begin with `#` are comments, even in the middle of a value.
pub(crate) fn stanzas(text: &str) -> impl Iterator<Item = Stanza<'_>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let mut stanza = Stanza::default();
        for line in lines.by_ref() {
            if line.starts_with('#') {
                continue;
            }
            if line.trim().is_empty() {
                if stanza.fields.is_empty() {
                    continue;
                }
                return Some(stanza);
            }
            stanza.read(line);
        }
        (!stanza.fields.is_empty()).then_some(stanza)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_split_at_empty_lines() {
        let text = "\n\nPackage: a\nVersion: 1\n\n# between\n\nPackage: b\n";
        let names: Vec<_> = stanzas(text)
            .map(|stanza| stanza.get("Package").unwrap())
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn values_go_on_over_lines_and_comments() {
        let text = "Types: deb\nURIs: http://one.example/debian\n# http://snapshot.example/\n  http://two.example/debian\n\
                    suites: stable\n";
        let stanza = stanzas(text).next().unwrap();
        assert_eq!(
            stanza.words("URIs"),
            ["http://one.example/debian", "http://two.example/debian"]
        );
        assert_eq!(stanza.words("Suites"), ["stable"]);
        assert_eq!(stanza.get("Enabled"), None);
    }
}
