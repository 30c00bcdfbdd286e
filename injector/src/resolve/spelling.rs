//! Names as Go code has them, and as the linker writes them: it escapes the dots in the last part of a package's path.

use std::borrow::Cow;

/// How the linker may have written a name, as it stands first: `gopkg.in/yaml.v3.Marshal` may be
/// `gopkg.in/yaml%2ev3.Marshal`. Which of its dots ends the package's path is not to be seen.
pub(super) fn spellings(name: &str) -> impl Iterator<Item = String> {
    let start = last_part(name);
    // What follows belongs to a receiver or type arguments.
    let end = name.find(['(', '[']).unwrap_or(name.len()).max(start);
    let dots: Vec<usize> = name[start..end]
        .match_indices('.')
        .map(|(at, _)| start + at)
        .collect();
    (0..dots.len().max(1)).map(move |escaped| {
        let mut spelling = name.to_owned();
        for &dot in dots[..escaped].iter().rev() {
            spelling.replace_range(dot..=dot, ESCAPED);
        }
        spelling
    })
}

/// A name of the linker's as Go code has it.
pub(crate) fn unescaped(name: &str) -> Cow<'_, str> {
    match name.contains(ESCAPED) {
        true => name.replace(ESCAPED, ".").into(),
        false => name.into(),
    }
}

const ESCAPED: &str = "%2e";

/// Where the part after the path's last slash begins.
fn last_part(name: &str) -> usize {
    let path = &name[..name.find(['(', '[']).unwrap_or(name.len())];
    path.rfind('/').map_or(0, |slash| slash + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_in_the_last_part_of_a_path_may_be_escaped() {
        let all = |name| spellings(name).collect::<Vec<_>>();
        assert_eq!(all("io.EOF"), ["io.EOF"]);
        assert_eq!(all("nothing"), ["nothing"]);
        assert_eq!(
            all("gopkg.in/yaml.v3.Marshal"),
            ["gopkg.in/yaml.v3.Marshal", "gopkg.in/yaml%2ev3.Marshal"]
        );
        assert_eq!(
            all("a.b/geo.v3.(*Line).Shift"),
            ["a.b/geo.v3.(*Line).Shift", "a.b/geo%2ev3.(*Line).Shift"]
        );
        assert_eq!(
            all("a.b/c.d.E.f"),
            ["a.b/c.d.E.f", "a.b/c%2ed.E.f", "a.b/c%2ed%2eE.f"]
        );
        assert_eq!(all("a/b.c.F[...]"), ["a/b.c.F[...]", "a/b%2ec.F[...]"]);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(
            unescaped("gopkg.in/yaml%2ev3.Marshal"),
            "gopkg.in/yaml.v3.Marshal"
        );
        assert_eq!(unescaped("io.EOF"), "io.EOF");
    }
}
