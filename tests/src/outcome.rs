//! What a run of goinject left behind.

use serde_json::Value;

use crate::Counts;

/// The end of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// goinject's exit status; none if it had to be killed.
    pub code: Option<i32>,
    /// The target's output.
    pub stdout: String,
    /// What goinject said, and the target's own standard error.
    pub stderr: String,
    /// The JSON Lines, events left out where they are not needed.
    pub json: Vec<Value>,
}

impl Outcome {
    /// Reads JSON Lines. A line that is none is kept as a text, which no test expects.
    #[must_use]
    pub fn lines(json: &str) -> Vec<Value> {
        json.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned())))
            .collect()
    }

    /// From what a script printed: a run's output, `@code` with its exit status, and its JSON Lines.
    #[must_use]
    pub fn of_a_script(text: &str) -> Outcome {
        let (output, rest) = text.split_once("@code ").unwrap_or((text, ""));
        let (code, json) = rest.split_once('\n').unwrap_or_default();
        Outcome {
            code: code.parse().ok(),
            stdout: output.to_owned(),
            stderr: String::new(),
            json: Outcome::lines(json),
        }
    }

    /// The lines of an event file but for the events, which may be very many: goinject has counted them itself.
    pub fn results(json: &str) -> Vec<Value> {
        let kept = json.lines().filter(|line| !line.contains(r#""type":"fired""#));
        Outcome::lines(&kept.flat_map(|line| [line, "\n"]).collect::<String>())
    }

    /// The lines of one type.
    pub fn of_type<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a Value> {
        self.json.iter().filter(move |line| line["type"] == wanted)
    }

    /// The words behind a rule's name in the table that goinject prints at the end: sites, calls, matched, fired, and so on.
    #[must_use]
    pub fn row(&self, rule: &str) -> Vec<&str> {
        let beginning = format!("goinject: {rule}  ");
        let mut lines = self.stderr.lines();
        let row = lines.find_map(|line| line.strip_prefix(&beginning));
        row.unwrap_or_default().split_whitespace().collect()
    }

    /// The counters of each rule, in file order.
    #[must_use]
    pub fn counts(&self) -> Vec<Counts> {
        let number = |line: &Value, key: &str| line[key].as_u64().unwrap_or(u64::MAX);
        self.of_type("rule")
            .map(|line| Counts {
                calls: number(line, "calls"),
                matched: number(line, "matched"),
                fired: number(line, "fired"),
                applied: number(line, "applied"),
                failed: number(line, "failed"),
            })
            .collect()
    }

    /// Why no engine would do, when that is what goinject ended with: the last reason it gives, without the function
    /// it is about, so that equal reasons are equal texts.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if self.code != Some(3) {
            return None;
        }
        let (_, reasons) = self.stderr.split_once("no engine can do this here")?;
        let (_, reasons) = reasons.split_once('\n')?;
        let is_reason = |line: &&str| line.starts_with("  ") && !line.starts_with("  to help: ");
        let reason = reasons.lines().take_while(is_reason).last()?;
        let reason = reason.trim().trim_start_matches("bpf with the tracer: ");
        let reason = reason.trim_start_matches("bpf: ");
        let reason = reason
            .split_once(", which is needed at ")
            .map_or(reason, |(why, _)| why);
        Some(match reason.split_once(" must be changed before its first") {
            Some((function, _)) => reason.replacen(function, "a function", 1),
            None => reason.to_owned(),
        })
    }

    /// Everything there is, for a failed test.
    #[must_use]
    pub fn describe(&self) -> String {
        let code = self
            .code
            .map_or("killed after its time".to_owned(), |code| code.to_string());
        let mut text = format!("exit {code}\n--- standard output\n{}", self.stdout);
        text.push_str(&format!("--- standard error\n{}", self.stderr));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_different_functions_are_the_same() {
        let outcome = |reason: &str| Outcome {
            code: Some(3),
            stderr: format!(
                "goinject: error: no engine can do this here (`goinject doctor` tells …):\n  bpf: {reason}\n"
            ),
            ..Outcome::default()
        };
        assert_eq!(
            outcome("user-memory cannot write registers, which is needed at main.f").refusal(),
            Some("user-memory cannot write registers".to_owned())
        );
        assert_eq!(
            outcome("main.f must be changed before its first instruction runs: `mulsd xmm0, xmm0`").refusal(),
            outcome("main.g must be changed before its first instruction runs: `mulsd xmm0, xmm0`").refusal(),
        );
        assert_eq!(
            Outcome {
                code: Some(2),
                ..outcome("")
            }
            .refusal(),
            None
        );
    }
}
