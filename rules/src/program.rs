//! Patterns over programs.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// Which programs a rule is for: a glob over file names, or over whole paths where it has a slash.
#[derive(Clone, Debug)]
pub struct ProgramPattern {
    text: String,
    matcher: GlobMatcher,
}

impl ProgramPattern {
    /// `*` any run of characters but `/`, `**` folders of any depth, `?` one character, `[a-z]` a class, `{a,b}`
    /// alternatives.
    ///
    /// # Errors
    ///
    /// When it is malformed.
    pub fn new(text: &str) -> Result<ProgramPattern, globset::Error> {
        let glob = GlobBuilder::new(text).literal_separator(true).build()?;
        Ok(ProgramPattern {
            text: text.to_owned(),
            matcher: glob.compile_matcher(),
        })
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it means the program at a path.
    pub fn matches(&self, program: &Path) -> bool {
        if self.text.contains('/') {
            return self.matcher.is_match(program);
        }
        program
            .file_name()
            .is_some_and(|name| self.matcher.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_every_folder_and_paths_as_a_whole() {
        let matches = |glob: &str, path: &str| ProgramPattern::new(glob).unwrap().matches(Path::new(path));
        assert!(matches("store.test", "/tmp/go-build1/b001/store.test"));
        assert!(matches("*.test", "/tmp/go-build1/b001/store.test"));
        assert!(!matches("*.test", "/usr/bin/store"));
        assert!(matches("/opt/*/shop", "/opt/a/shop"));
        assert!(!matches("/opt/*/shop", "/opt/a/b/shop"));
        assert!(matches("/opt/**/shop", "/opt/a/b/shop"));
        assert!(!matches("opt/shop", "/opt/shop"));
        assert!(ProgramPattern::new("a[").is_err());
    }
}
