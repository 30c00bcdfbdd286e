//! The ways of using goinject, each with the capabilities that it needs, as rules/README.md has them.

use goinject_tests::{Outcome, Writer, busy};

/// Whose the target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A command that goinject starts.
    Started,
    /// A running process of the same user.
    Own,
    /// A running process of another user.
    Foreign,
}

/// One way of using goinject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) writer: Writer,
    pub(crate) whose: Whose,
    /// All capabilities that it needs, as setpriv names them.
    pub(crate) needs: &'static [&'static str],
}

const fn way(writer: Writer, whose: Whose, needs: &'static [&'static str]) -> Way {
    Way { writer, whose, needs }
}

/// What works on a locked-down host, too. Running processes are those of a host without Yama, or with it at 0.
pub(crate) const ANYWHERE: [Way; 9] = [
    way(Writer::Breakpoints, Whose::Started, &[]),
    way(Writer::Breakpoints, Whose::Own, &[]),
    way(
        Writer::Breakpoints,
        Whose::Foreign,
        &["sys_ptrace", "dac_override"],
    ),
    way(Writer::Trampoline, Whose::Started, &[]),
    way(Writer::Tracer, Whose::Started, &["bpf", "perfmon"]),
    way(Writer::Tracer, Whose::Own, &["bpf", "perfmon"]),
    way(
        Writer::Tracer,
        Whose::Foreign,
        &["bpf", "perfmon", "sys_ptrace", "dac_override"],
    ),
    way(Writer::Trampoline, Whose::Own, &[]),
    way(
        Writer::Trampoline,
        Whose::Foreign,
        &["sys_ptrace", "dac_override"],
    ),
];

/// What BPF writes by itself. CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON.
pub(crate) const IN_KERNEL: [Way; 4] = [
    way(Writer::UserMemory, Whose::Started, &["sys_admin"]),
    way(Writer::UserMemory, Whose::Own, &["sys_admin"]),
    way(Writer::SignalFrame, Whose::Started, &["sys_admin"]),
    way(
        Writer::SignalFrame,
        Whose::Foreign,
        &["sys_admin", "sys_ptrace", "dac_override"],
    ),
];

/// From Linux 6.18 on.
pub(crate) const CONTEXT: [Way; 2] = [
    way(Writer::Context, Whose::Started, &["bpf", "perfmon"]),
    way(
        Writer::Context,
        Whose::Foreign,
        &["bpf", "perfmon", "sys_ptrace", "dac_override"],
    ),
];

impl Way {
    /// What is left when one is taken away, and the name of that one.
    pub(crate) fn without_each(&self) -> Vec<(Vec<&'static str>, String)> {
        let without = |lost: &&'static str| {
            let mut left: Vec<&str> = self.needs.iter().copied().filter(|name| name != lost).collect();
            if *lost == "sys_admin" {
                left.extend(["bpf", "perfmon"]);
            }
            (left, format!("CAP_{}", lost.to_uppercase()))
        };
        self.needs.iter().map(without).collect()
    }

    /// The rules: on a function that the writer can change.
    pub(crate) fn rules(&self) -> &'static str {
        match self.writer {
            Writer::UserMemory => "behind.yaml",
            _ => "number.yaml",
        }
    }

    fn function(&self) -> &'static str {
        self.rules().trim_end_matches(".yaml")
    }

    /// A script in a folder with goinject, busy and rules, with these capabilities and no others. It ends as goinject does.
    pub(crate) fn script(&self, options: &str, capabilities: &[&str]) -> String {
        let (function, rules) = (self.function(), self.rules());
        let nobody = |user: u32| format!("setpriv --reuid {user} --regid {user} --clear-groups");
        let held: Vec<String> = capabilities.iter().map(|name| format!("+{name}")).collect();
        let held = match held.join(",") {
            held if held.is_empty() => held,
            held => format!("--inh-caps {held} --ambient-caps {held}"),
        };
        let goinject = format!(
            "{} {held} ./goinject run --quiet {options} {rules}",
            nobody(65534)
        );
        let user = match self.whose {
            Whose::Started => {
                return format!("{goinject} -- ./busy -only {function} -calls 3000 >/dev/null");
            }
            Whose::Own => 65534,
            Whose::Foreign => 1,
        };
        format!(
            "{} ./busy -only {function} -for 100s >/dev/null 2>&1 &\n\
             p=$!\n\
             until grep -q busy /proc/$p/comm || ! kill -0 $p; do sleep 0.05; done\n\
             {goinject} --pid $p\n\
             code=$?\n\
             kill -KILL $p\n\
             wait $p 2>/dev/null\n\
             (exit $code)",
            nobody(user)
        )
    }

    /// The script that asks for this way's writer.
    pub(crate) fn by_name(&self, capabilities: &[&str]) -> String {
        self.script(&format!("--writer {}", self.writer.name()), capabilities)
    }
}

/// The rule files.
pub(crate) fn rule_files() -> [(String, String); 2] {
    ["behind", "number"].map(|function| {
        let text = format!("{}limits: {{faults: 20}}\n", busy::rules(&[function], ""));
        (format!("{function}.yaml"), text)
    })
}

/// What is wrong with an outcome that should be a success: all faults came up.
pub(crate) fn unsuccessful(outcome: &Outcome) -> Option<String> {
    (outcome.code != Some(5)).then(|| format!("it should work: {}", outcome.describe()))
}

/// What is wrong with an outcome that should be a refusal which has these words, of what is missing and what would help.
pub(crate) fn unrefused(outcome: &Outcome, words: &[&str]) -> Option<String> {
    let is_told = words.iter().all(|words| outcome.stderr.contains(words));
    (outcome.code != Some(3) || !is_told)
        .then(|| format!("it should be refused with {words:?}: {}", outcome.describe()))
}
