//! Rule files as text: those of trials, and those that repeat a finding.

use std::fmt::Write;

/// What rule files of trials are called.
pub const FILE: &str = "trial.yaml";
/// The rule that injects the fault.
pub const FAULT: &str = "fault";
/// The rule that stops a test binary where it exits.
pub const FINALE: &str = "finale";
/// The rule that watches which file descriptors are opened.
pub const OPENS: &str = "opens";
/// The rule that has files stay for a moment before they are removed.
pub const REMOVES: &str = "removes";
/// The rules that watch what functions return begin with this; their number follows.
pub const TRAIL: &str = "trail-";

/// Which calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One call.
    Once,
    /// This call and all that follow.
    Always,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mode::Once => "once",
            Mode::Always => "always",
        })
    }
}

/// How calls of a function are made to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Its name.
    pub function: String,
    /// Its error result, as a path of rule files.
    pub result: String,
    /// The error, as a value of rule files.
    pub error: String,
    /// Whether it fails after its work, rather than instead of it.
    pub late: bool,
}

/// The result by which a function says whether it has worked, as a path of rule files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An error.
    Error(String),
    /// A truth value.
    Truth(String),
}

/// The fault of a rule file.
#[derive(Clone, Debug)]
pub struct Fault<'a> {
    /// How it fails.
    pub failing: &'a Failing,
    /// On whose behalf, innermost first.
    pub callers: &'a [String],
    /// During which Go test.
    pub test: Option<&'a str>,
    /// The first call that fails, from 1.
    pub nth: u64,
    /// Whether those after it do, too.
    pub mode: Mode,
}

/// A text as YAML.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.chars().all(plain)
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !reserved.contains(&text.to_ascii_lowercase().as_str());
    match is_plain {
        true => text.to_owned(),
        false => serde_json::to_string(text).expect("a text"),
    }
}

/// A list of texts as YAML.
pub fn list<S: AsRef<str>>(texts: &[S]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// The head of a trial's rule file: the program's end is judged elsewhere. Nothing fails in what it starts, and nothing of
/// that is kept from exiting.
pub fn head() -> String {
    "version: 1\ntarget: {follow: false}\nexpect: {exit: any}\nrules:\n".to_owned()
}

/// The rule of a fault.
pub fn fault(fault: &Fault<'_>, expect: &str) -> String {
    let failing = fault.failing;
    let mut rule = format!("  - name: {FAULT}\n    function: {}\n", quoted(&failing.function));
    if let Some(test) = fault.test {
        let _ = writeln!(rule, "    test: {}", quoted(test));
    }
    if !fault.callers.is_empty() {
        let _ = writeln!(rule, "    callers: {}", list(fault.callers));
    }
    match (fault.mode, fault.nth) {
        (Mode::Once, nth) => drop(writeln!(rule, "    when: {{nth: {nth}}}")),
        (Mode::Always, 0 | 1) => {}
        (Mode::Always, nth) => drop(writeln!(rule, "    when: {{after: {}}}", nth - 1)),
    }
    let how = if failing.late { "set" } else { "return" };
    let _ = writeln!(
        rule,
        "    inject:\n      {how}: {{{}: {}}}",
        quoted(&failing.result),
        failing.error
    );
    let _ = writeln!(rule, "    expect: {expect}");
    rule
}

/// The rule that watches what a function returns.
pub fn trail(number: usize, function: &str, answer: &Answer) -> String {
    let (result, none) = match answer {
        Answer::Error(result) => (result, "null"),
        Answer::Truth(result) => (result, "false"),
    };
    format!(
        "  - {{name: {TRAIL}{number}, function: {}, mode: observe, inject: {{set: {{{}: {none}}}}}, expect: {{fired: \">=0\"}}}}\n",
        quoted(function),
        quoted(result)
    )
}

/// The rules that stop a test binary of this name for so long where it exits, once it has chosen its exit status.
pub fn finale(program: &str, seconds: u64) -> [String; 2] {
    let program = quoted(program);
    [
        format!(
            "  - {{name: {FINALE}, function: os.Exit, program: {program}, mode: observe, inject: {{set: {{code: 0}}}}, expect: {{fired: \">=0\"}}}}\n"
        ),
        format!(
            "  - {{name: {FINALE}-wait, function: os.runtime_beforeExit, program: {program}, inject: {{delay: {seconds}s}}, expect: {{fired: \">=0\"}}}}\n"
        ),
    ]
}

/// The rule that watches which file descriptors are opened.
pub fn opens() -> String {
    format!(
        "  - {{name: {OPENS}, function: os.OpenFile, mode: observe, inject: {{set: {{\"results[0].file.pfd.Sysfd\": 0}}}}, expect: {{fired: \">=0\"}}}}\n"
    )
}

/// The rule that has files stay for a moment before they are removed, so that they can be read.
pub fn removes() -> String {
    format!(
        "  - {{name: {REMOVES}, function: os.removeAll, when: {{times: 10}}, inject: {{delay: 200ms}}, expect: {{fired: \">=0\"}}}}\n"
    )
}

/// Functions that fail as what they write to does, and where they have that.
const WRITE_TO: [(&str, &str); 6] = [
    ("fmt.Fprint", "w"),
    ("fmt.Fprintf", "w"),
    ("fmt.Fprintln", "w"),
    ("io.WriteString", "w"),
    ("encoding/base64.(*encoder).Close", "e.w"),
    ("compress/zlib.(*Writer).Close", "z.w"),
];

/// The rule that watches calls of a function, and what it writes to where that decides whether it can fail.
pub fn watch(name: &str, function: &str, times: u64, scope: Option<&str>) -> String {
    let inject = match WRITE_TO.iter().find(|(of, _)| *of == function) {
        Some((_, to)) => format!("set: {{{to}: null}}"),
        None => "panic: true".to_owned(),
    };
    let scope = scope.map(|scope| format!(", scope: {scope}")).unwrap_or_default();
    format!(
        "  - {{name: {name}, function: {}, mode: observe, when: {{times: {times}{scope}}}, inject: {{{inject}}}, expect: {{fired: \">=0\"}}}}\n",
        quoted(function)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_yaml_would_take_for_something_else_are_quoted() {
        for (text, expected) in [
            ("os.Open", "os.Open"),
            ("os.(*File).Write", "\"os.(*File).Write\""),
            ("true", "\"true\""),
            ("main.Map[...]", "\"main.Map[...]\""),
            ("1.5", "\"1.5\""),
            ("-run", "\"-run\""),
            ("a: b", "\"a: b\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn rules_of_trials_are_rules() {
        let failing = Failing {
            function: "os.(*File).Write".to_owned(),
            result: "err".to_owned(),
            error: "{message: x}".to_owned(),
            late: false,
        };
        let callers = ["main.save".to_owned()];
        for (mode, nth) in [(Mode::Once, 3), (Mode::Always, 1), (Mode::Always, 4)] {
            let of = Fault {
                failing: &failing,
                callers: &callers,
                test: Some("TestSave"),
                nth,
                mode,
            };
            let text = head()
                + &fault(&of, "{fired: \">=0\"}")
                + &trail(0, "main.save", &Answer::Error("results[0]".to_owned()))
                + &trail(1, "main.find", &Answer::Truth("results[1]".to_owned()))
                + &finale("shop.test", 3).concat()
                + &watch("w", "os.Open", 10, Some("test"));
            let source = goinject_rules::source::Source::new("trial.yaml", text);
            let (rules, _) = goinject_rules::parse(&source).expect("rules");
            let when = &rules.rules[0].when;
            let after = (nth > 1).then_some(goinject_rules::model::Point::Calls(nth - 1));
            match mode {
                Mode::Once => assert_eq!(when.nth, Some(nth)),
                Mode::Always => assert_eq!(when.after, after),
            }
        }
    }
}
