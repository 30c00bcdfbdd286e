//! The keys of every mapping with fixed keys.

use crate::document::Keys;

pub(crate) const FILE: Keys = Keys {
    place: "a rule file",
    names: &[
        "version", "name", "seed", "target", "limits", "expect", "mode", "rules",
    ],
};
pub(crate) const TARGET: Keys = Keys {
    place: "`target`",
    names: &["command", "pid", "container", "all", "dir", "env", "follow"],
};
pub(crate) const LIMITS: Keys = Keys {
    place: "`limits`",
    names: &["duration", "faults"],
};
pub(crate) const FILE_EXPECT: Keys = Keys {
    place: "the file's `expect`",
    names: &["exit", "panics"],
};
pub(crate) const RULE: Keys = Keys {
    place: "a rule",
    names: &[
        "name",
        "function",
        "program",
        "signature",
        "if",
        "when",
        "within",
        "callers",
        "test",
        "inject",
        "expect",
        "mode",
    ],
};
pub(crate) const PATTERN: Keys = Keys {
    place: "`function`",
    names: &["glob", "regex", "max_matches"],
};
pub(crate) const WHEN: Keys = Keys {
    place: "`when`",
    names: &[
        "nth",
        "every",
        "first",
        "after",
        "until",
        "probability",
        "times",
        "rate",
        "scope",
    ],
};
pub(crate) const INJECT: Keys = Keys {
    place: "`inject`",
    names: &["set", "return", "panic", "delay"],
};
pub(crate) const DELAY: Keys = Keys {
    place: "`delay`",
    names: &["fixed", "jitter", "until"],
};
pub(crate) const EXPECT: Keys = Keys {
    place: "a rule's `expect`",
    names: &["fired", "calls", "matched", "failed"],
};

/// All of them, outermost first.
const ALL: [&Keys; 10] = [
    &FILE,
    &RULE,
    &INJECT,
    &WHEN,
    &EXPECT,
    &TARGET,
    &LIMITS,
    &FILE_EXPECT,
    &PATTERN,
    &DELAY,
];

/// Where a key belongs that was found elsewhere.
pub(crate) fn home_of(key: &str) -> Option<&'static str> {
    ALL.iter()
        .find(|keys| keys.names.contains(&key))
        .map(|keys| keys.place)
}
