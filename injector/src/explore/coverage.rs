//! How much of what handles errors was run, without faults and with them: by the coverage profiles that test binaries
//! write which were built with `-cover`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::error_paths::{self, Position};
use super::results::{ErrorPaths, SourceLine};

/// Places that are told of all that never ran.
const TOLD: usize = 200;

/// A basic block, as Go's coverage tells them apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    start: Position,
    end: Position,
}

/// When a block was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ran {
    before: bool,
    after: bool,
}

/// Blocks by source file, as profiles name it: import path and file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    files: BTreeMap<String, BTreeMap<Block, Ran>>,
}

impl Coverage {
    /// Adds a profile: `mode: set`, and lines such as `example.com/shop/store.go:10.2,12.3 1 0`.
    pub fn add(&mut self, profile: &str) {
        for (file, block, ran) in profile.lines().filter_map(block) {
            if !self.files.contains_key(file) {
                self.files.insert(file.to_owned(), BTreeMap::new());
            }
            if let Some(blocks) = self.files.get_mut(file) {
                blocks.entry(block).or_default().after |= ran;
            }
        }
    }

    /// What was run until now was run without faults.
    pub fn begin_faults(&mut self) {
        for ran in self.files.values_mut().flat_map(BTreeMap::values_mut) {
            ran.before = ran.after;
        }
    }

    /// The blocks below a condition that an error is there; none where nothing is known.
    pub fn error_paths(&self, source: &dyn Fn(&str) -> Option<(String, String)>) -> Option<ErrorPaths> {
        let mut found = ErrorPaths::default();
        let mut is_known = false;
        for (name, blocks) in &self.files {
            let Some((file, text)) = source(name) else {
                continue;
            };
            is_known = true;
            let bodies = error_paths::bodies(&text);
            let mut told = BTreeSet::new();
            for (block, ran) in blocks.iter().filter(|(block, _)| is_within(block, &bodies)) {
                found.blocks += 1;
                found.before += usize::from(ran.before);
                found.after += usize::from(ran.after);
                if !ran.after && told.insert(block.start.0) && found.never.len() < TOLD {
                    found.never.push(SourceLine {
                        file: file.clone(),
                        line: block.start.0,
                    });
                }
            }
        }
        is_known.then_some(found)
    }
}

fn is_within(block: &Block, bodies: &[Range<Position>]) -> bool {
    bodies.iter().any(|body| body.contains(&block.start))
}

fn block(line: &str) -> Option<(&str, Block, bool)> {
    let (file, rest) = line.rsplit_once(':')?;
    let mut words = rest.split(' ');
    let (start, end) = words.next()?.split_once(',')?;
    let count: u64 = words.nth(1)?.parse().ok()?;
    let position = |text: &str| -> Option<Position> {
        let (line, column) = text.split_once('.')?;
        Some((line.parse().ok()?, column.parse().ok()?))
    };
    let block = Block {
        start: position(start)?,
        end: position(end)?,
    };
    Some((file, block, count > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "package shop\n\nfunc Load(name string) error {\n\tif err := open(name); err != nil {\n\t\tif tries > 1 {\n\t\t\treturn nil\n\t\t}\n\t\treturn err\n\t}\n\tif name == \"\" {\n\t\treturn nil\n\t}\n\treturn nil\n}\n";

    fn profile(counts: [u32; 5]) -> String {
        let places = [
            "3.31,4.36 1",
            "4.36,5.16 1",
            "5.16,7.4 1",
            "8.3,8.13 1",
            "10.16,12.3 1",
        ];
        let lines = places.iter().zip(counts);
        let lines = lines.map(|(place, count)| format!("example.com/shop/load.go:{place} {count}\n"));
        "mode: set\n".to_owned() + &lines.collect::<String>()
    }

    #[test]
    fn blocks_below_an_error_are_counted_before_and_after() {
        let mut coverage = Coverage::default();
        coverage.add(&profile([1, 0, 0, 0, 1]));
        coverage.begin_faults();
        coverage.add(&profile([1, 1, 0, 1, 0]));
        let source = |name: &str| {
            let is_it = name == "example.com/shop/load.go";
            is_it.then(|| ("/shop/load.go".to_owned(), SOURCE.to_owned()))
        };
        let found = coverage.error_paths(&source).expect("known");
        assert_eq!((found.blocks, found.before, found.after), (3, 0, 2));
        let never: Vec<(&str, u32)> = found
            .never
            .iter()
            .map(|place| (place.file.as_str(), place.line))
            .collect();
        assert_eq!(never, [("/shop/load.go", 5)]);
        assert_eq!(coverage.error_paths(&|_| None), None);
        assert_eq!(Coverage::default().error_paths(&source), None);
    }

    #[test]
    fn what_is_no_profile_is_nothing() {
        let mut coverage = Coverage::default();
        for text in [
            "",
            "mode: set\n",
            "a.go:1.2 3\n",
            "a.go:x.1,2.3 1 1\n",
            ":::\n",
            "a.go:1.1,2.2 1 -1",
        ] {
            coverage.add(text);
        }
        assert_eq!(coverage, Coverage::default());
    }
}
