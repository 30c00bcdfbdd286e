//! Whose code a function is: the user's, that of tests, or somebody else's.

use std::collections::BTreeSet;

use crate::event::line::Frame;
use crate::go::Function;
use crate::resolve::unescaped;

/// Whose code something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is to be explored.
    Own,
    /// Tests, what only they use, and the test framework.
    Test,
    /// Dependencies and the standard library.
    Foreign,
}

/// Tells whose code a function is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// Import paths: these packages and those below them are the user's.
    pub roots: Vec<String>,
    /// Packages that are for tests only: those that import `testing`.
    pub test_packages: BTreeSet<String>,
}

impl Code {
    /// Whose code a function of a source file is.
    pub fn side(&self, function: &str, file: &str) -> Side {
        // Symbols have `%2e` for the dots of the last element.
        let package = &unescaped(Function::package_of(function));
        if self.is_test(package, file) {
            Side::Test
        } else if self.is_root(package) {
            Side::Own
        } else {
            Side::Foreign
        }
    }

    /// Whose code a frame is.
    pub fn side_of(&self, frame: &Frame) -> Side {
        self.side(&frame.function, &frame.file)
    }

    fn is_test(&self, package: &str, file: &str) -> bool {
        package == "testing"
            || package.starts_with("testing/")
            || file.ends_with("_test.go")
            || file == "_testmain.go"
            || self.test_packages.contains(package)
    }

    fn is_root(&self, package: &str) -> bool {
        let is_in = |root: &String| {
            package
                .strip_prefix(root.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        (package == "main" || self.roots.iter().any(is_in)) && !package.contains("/vendor/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_what_they_use_are_not_the_users_own_code() {
        let code = Code {
            roots: vec!["example.com/shop".to_owned()],
            test_packages: BTreeSet::from(["example.com/shop/storetest".to_owned()]),
        };
        for (function, file, expected) in [
            ("example.com/shop/store.Open", "/s/store/store.go", Side::Own),
            (
                "example.com/shop/store.Open.func1",
                "/s/store/store.go",
                Side::Own,
            ),
            (
                "example.com/shop/store.TestOpen",
                "/s/store/store_test.go",
                Side::Test,
            ),
            (
                "example.com/shop/storetest.New",
                "/s/storetest/new.go",
                Side::Test,
            ),
            (
                "example.com/shop/store%2ev2.Open",
                "/s/store.v2/store.go",
                Side::Own,
            ),
            ("example.com/shopping.Open", "/o/open.go", Side::Foreign),
            (
                "example.com/shop/vendor/x.Open",
                "/s/vendor/x/x.go",
                Side::Foreign,
            ),
            ("testing.tRunner", "/go/src/testing/testing.go", Side::Test),
            ("os.Open", "/go/src/os/file.go", Side::Foreign),
            ("main.main", "/s/main.go", Side::Own),
            ("main.main", "_testmain.go", Side::Test),
        ] {
            assert_eq!(code.side(function, file), expected, "{function} in {file}");
        }
    }
}
