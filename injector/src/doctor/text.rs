//! The diagnosis in words.

use std::fmt::{self, Display, Formatter};

use super::{Answer, Check, Diagnosis};
use crate::host::facts::{Facts, Lockdown};
use crate::host::needs::Need;
use crate::words::columns;

impl Display for Diagnosis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "goinject {} on Linux {}", self.goinject, self.facts.release)?;
        for line in host_lines(&self.facts) {
            writeln!(f, "{line}")?;
        }
        let mut rows = Vec::new();
        for engine in &self.engines {
            rows.push([
                format!("engine {}", engine.name),
                String::new(),
                words(&engine.check),
            ]);
            for part in &engine.parts {
                // One reason is enough where nothing of the engine works.
                let said = part.check.answer == Answer::Unknown
                    || part.check.refusal.is_some() && part.check.refusal == engine.check.refusal;
                rows.push([
                    format!("  {}", part.name),
                    part.purpose.to_owned(),
                    if said && engine.check.answer != Answer::Yes {
                        "-".to_owned()
                    } else {
                        words(&part.check)
                    },
                ]);
            }
        }
        write!(f, "\n{}", columns(&rows, ""))?;
        f.write_str(&needs(&self.needs))?;
        writeln!(f, "\n--engine auto uses for rules")?;
        let rows: Vec<[String; 2]> = self
            .auto
            .iter()
            .map(|outlook| {
                let why = outlook.reason.as_deref();
                let because = why.map_or_else(String::new, |why| format!(" ({why})"));
                let choice = match (&outlook.engine, &outlook.writer) {
                    (Some(engine), Some(writer)) => format!("engine {engine}, writer {writer}{because}"),
                    (Some(engine), None) => format!("engine {engine}{because}"),
                    (None, _) => format!("nothing: {}", why.unwrap_or_default()),
                };
                [outlook.rules.to_owned(), choice]
            })
            .collect();
        f.write_str(&columns(&rows, "  "))?;
        let remedies = self.remedies();
        if !remedies.is_empty() {
            writeln!(f, "\nwhat would help")?;
            for (reason, remedy) in remedies {
                writeln!(f, "  {reason}:\n    {remedy}")?;
            }
        }
        Ok(())
    }
}

/// The table of needs; whose they are is said in the first row of several.
fn needs(needs: &[Need]) -> String {
    let mut last = "";
    let mut rows = vec![["what each needs", "", "for", "here"].map(str::to_owned)];
    rows.extend(needs.iter().map(|need| {
        let of = if need.of == last { "" } else { need.of };
        last = need.of;
        let of = match of {
            "" => String::new(),
            of => format!("  {of}"),
        };
        [
            of,
            need.need.to_owned(),
            need.purpose.to_owned(),
            need.here.word().to_owned(),
        ]
    }));
    format!("\n{}", columns(&rows, ""))
}

fn host_lines(facts: &Facts) -> Vec<String> {
    let list = |names: &[&str]| {
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let who = if facts.user == 0 {
        "root".to_owned()
    } else {
        format!("user {}", facts.user)
    };
    let held = facts.capabilities.names(true);
    let missing = facts.capabilities.names(false);
    let mut lines = vec![match (held.as_slice(), missing.as_slice()) {
        (held, []) => format!("{who}, with {}", list(held)),
        ([], missing) => format!("{who}, without {}", list(missing)),
        (held, missing) => format!("{who}, with {}, without {}", list(held), list(missing)),
    }];
    lines.push(match facts.lockdown {
        Lockdown::None => "kernel lockdown: none".to_owned(),
        Lockdown::Integrity => "kernel lockdown: integrity".to_owned(),
        Lockdown::Confidentiality => "kernel lockdown: confidentiality".to_owned(),
        Lockdown::Unknown => {
            "kernel lockdown: not known (/sys/kernel/security/lockdown cannot be read)".to_owned()
        }
    });
    if let Some(scope) = facts.ptrace_scope {
        lines.push(format!("kernel.yama.ptrace_scope: {scope}"));
    }
    let mut confined = Vec::new();
    if let Some(container) = &facts.container {
        confined.push(format!("a {container} container"));
    }
    if facts.user_namespace {
        confined.push("a user namespace".to_owned());
    }
    if facts.seccomp {
        confined.push("a seccomp filter".to_owned());
    }
    if let Some(confinement) = &facts.confinement {
        confined.push(confinement.to_string());
    }
    if !confined.is_empty() {
        lines.push(format!("inside {}", confined.join(", ")));
    }
    if facts.traced {
        lines.push("goinject is being traced".to_owned());
    }
    lines
}

fn words(check: &Check) -> String {
    let reason = check.refusal.as_ref().map_or("", |refusal| &refusal.reason);
    match check.answer {
        Answer::Yes => "yes".to_owned(),
        Answer::No => format!("no: {reason}"),
        Answer::Unknown => format!("could not tell: {reason}"),
    }
}
