//! Why Linux keeps goinject from a process: whose it is, what it has that goinject has not, and what would help.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::confinement::{Confinement, Permission};
use super::obstacle::Obstacle;
use super::privileges::field;

const DAC_OVERRIDE: u32 = 1;
const SYS_PTRACE: u32 = 19;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Seeing what it runs.
    Program,
    /// Tracing it.
    Tracing,
    /// Reading and writing its memory, whose file is its user's own.
    Memory,
}

/// A process as it is for the kernel when that decides.
#[derive(Clone, Debug, Default)]
struct Credentials {
    user: u32,
    /// The permitted ones, and in goinject's own process those that are in effect.
    capabilities: u64,
    is_filtered: bool,
    confinement: Option<Confinement>,
}

/// All that a decision depends on.
#[derive(Clone, Debug, Default)]
struct Case {
    pid: i32,
    own: Credentials,
    theirs: Credentials,
    /// Who owns the file of its memory: not its user, where it may not be dumped.
    memory: Option<u32>,
    yama: Option<u8>,
    in_user_namespace: bool,
}

/// Why a process is refused to goinject, for a system call that ended with EPERM or EACCES.
pub fn denial(pid: i32, wanted: Wanted) -> Obstacle {
    let (reason, remedy) = Case::of(pid).explain(wanted);
    Obstacle::Denied { reason, remedy }
}

/// Why Yama refuses tracing to whoever lacks CAP_SYS_PTRACE, and what would help; none where it does not.
/// Descendants, which goinject's own commands are, may be traced at its first stage.
pub fn yama(scope: Option<u8>, is_descendant: bool) -> Option<(String, String)> {
    let remedy = match scope {
        Some(3) => {
            return Some((
                "kernel.yama.ptrace_scope is 3: nobody may trace".to_owned(),
                "it cannot be changed before the next boot".to_owned(),
            ));
        }
        Some(1) if !is_descendant => {
            "start the program through goinject instead of attaching, give goinject CAP_SYS_PTRACE, \
             or `sysctl kernel.yama.ptrace_scope=0`"
        }
        Some(2..) => "give goinject CAP_SYS_PTRACE, or `sysctl kernel.yama.ptrace_scope=1`",
        _ => return None,
    };
    let scope = scope.unwrap_or_default();
    Some((format!("kernel.yama.ptrace_scope is {scope}"), remedy.to_owned()))
}

impl Credentials {
    fn of(pid: &str, capabilities: &str) -> Credentials {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let status = status.as_str();
        let mask = field(status, capabilities).and_then(|mask| u64::from_str_radix(mask, 16).ok());
        Credentials {
            user: field(status, "Uid")
                .and_then(|user| user.parse().ok())
                .unwrap_or_default(),
            capabilities: mask.unwrap_or_default(),
            is_filtered: field(status, "Seccomp").is_some_and(|mode| mode != "0"),
            confinement: Confinement::of(pid),
        }
    }

    fn has(&self, capability: u32) -> bool {
        self.capabilities & (1 << capability) != 0
    }
}

impl Case {
    fn of(pid: i32) -> Case {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let map = text("/proc/self/uid_map");
        let map: Vec<&str> = map.split_whitespace().collect();
        Case {
            pid,
            own: Credentials::of("self", "CapEff"),
            theirs: Credentials::of(&pid.to_string(), "CapPrm"),
            memory: fs::metadata(format!("/proc/{pid}/mem"))
                .ok()
                .map(|file| file.uid()),
            yama: text("/proc/sys/kernel/yama/ptrace_scope").trim().parse().ok(),
            in_user_namespace: !map.is_empty() && map != ["0", "0", "4294967295"],
        }
    }

    fn explain(&self, wanted: Wanted) -> (String, String) {
        let pid = self.pid;
        if self.yama == Some(3) && wanted != Wanted::Program {
            return yama(self.yama, false).expect("nobody may");
        }
        if !self.own.has(SYS_PTRACE) {
            return self.without_ptrace(wanted);
        }
        if let (Wanted::Memory, Some(owner)) = (wanted, self.memory)
            && owner != self.own.user
            && !self.own.has(DAC_OVERRIDE)
        {
            let whose = user(owner);
            return (
                format!(
                    "the memory of process {pid} belongs to {whose}, and goinject has not CAP_DAC_OVERRIDE"
                ),
                "run goinject as root or as that user, or give it CAP_DAC_OVERRIDE".to_owned(),
            );
        }
        if self.in_user_namespace {
            return (
                format!(
                    "process {pid} is outside of goinject's user namespace, or has more privileges in it"
                ),
                "run goinject outside of that user namespace, or start the program through it".to_owned(),
            );
        }
        // No filter looks at whether a program may be seen.
        let is_filtered = self.own.is_filtered && wanted != Wanted::Program;
        let (what, remedy) = match (&self.own.confinement, is_filtered) {
            (Some(own), false) => return self.confined(own),
            (Some(own), true) => (
                format!("a seccomp filter or {own}"),
                format!(
                    "have the filter of goinject's container allow ptrace, or {}",
                    own.remedy(&Permission::PTRACE)
                ),
            ),
            (None, true) => (
                "a seccomp filter".to_owned(),
                "have the filter of goinject's container allow ptrace".to_owned(),
            ),
            (None, false) => (
                "the kernel".to_owned(),
                "look for a security module (SELinux, AppArmor, Smack) in the kernel's log".to_owned(),
            ),
        };
        (format!("{what} keeps goinject from process {pid}"), remedy)
    }

    /// For somebody whom a security module confines.
    fn confined(&self, own: &Confinement) -> (String, String) {
        let theirs = match &self.theirs.confinement {
            Some(theirs) if theirs != own => format!(", which is under {theirs}"),
            Some(_) => ", which is under the same".to_owned(),
            None => String::new(),
        };
        (
            format!("{own} keeps goinject from process {}{theirs}", self.pid),
            own.remedy(&Permission::PTRACE),
        )
    }

    /// For somebody who has no CAP_SYS_PTRACE.
    fn without_ptrace(&self, wanted: Wanted) -> (String, String) {
        const ONLY: &str = "run goinject as root, or give it CAP_SYS_PTRACE";
        let pid = self.pid;
        if self.theirs.user != self.own.user {
            return (
                format!("process {pid} belongs to {}", user(self.theirs.user)),
                "run goinject as root or as that user, or give it CAP_SYS_PTRACE and CAP_DAC_OVERRIDE"
                    .to_owned(),
            );
        }
        if self.theirs.capabilities & !self.own.capabilities != 0 {
            return (
                format!("process {pid} has capabilities that goinject has not"),
                ONLY.to_owned(),
            );
        }
        if let Some(refused) = yama(self.yama, false).filter(|_| wanted != Wanted::Program) {
            return refused;
        }
        (
            format!(
                "process {pid} is protected from others of its user (it has changed its user, has a user namespace of its own, or runs a program that cannot be read)"
            ),
            ONLY.to_owned(),
        )
    }
}

fn user(id: u32) -> String {
    match id {
        0 => "root".to_owned(),
        id => format!("user {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::confinement::SecurityModule;
    use super::*;

    fn case(own: (u32, u64), theirs: (u32, u64)) -> Case {
        let of = |(user, capabilities)| Credentials {
            user,
            capabilities,
            ..Credentials::default()
        };
        Case {
            pid: 7,
            own: of(own),
            theirs: of(theirs),
            memory: Some(theirs.0),
            ..Case::default()
        }
    }

    fn told(case: &Case, wanted: Wanted) -> String {
        let (reason, remedy) = case.explain(wanted);
        format!("{reason}: {remedy}")
    }

    const PTRACE: u64 = 1 << SYS_PTRACE;

    #[test]
    fn a_process_of_another_user_needs_two_capabilities() {
        let stranger = case((1000, 0), (0, 0));
        assert_eq!(
            told(&stranger, Wanted::Tracing),
            "process 7 belongs to root: run goinject as root or as that user, or give it CAP_SYS_PTRACE and CAP_DAC_OVERRIDE"
        );
        let half = case((1000, PTRACE), (1, 0));
        assert!(told(&half, Wanted::Memory).contains("give it CAP_DAC_OVERRIDE"));
        assert!(!told(&half, Wanted::Tracing).contains("CAP_DAC_OVERRIDE"));
    }

    #[test]
    fn more_capabilities_protect_a_process_of_the_same_user() {
        let stronger = case((0, 0), (0, 1 << 21));
        assert_eq!(
            told(&stronger, Wanted::Program),
            "process 7 has capabilities that goinject has not: run goinject as root, or give it CAP_SYS_PTRACE"
        );
    }

    #[test]
    fn yama_is_named_with_its_remedy() {
        let yama_of = |scope, own| Case {
            yama: Some(scope),
            ..case((1000, own), (1000, 0))
        };
        assert!(told(&yama_of(1, 0), Wanted::Tracing).starts_with("kernel.yama.ptrace_scope is 1: start"));
        assert!(told(&yama_of(2, 0), Wanted::Tracing).starts_with("kernel.yama.ptrace_scope is 2: give"));
        assert!(told(&yama_of(3, PTRACE), Wanted::Tracing).contains("nobody may trace"));
        assert!(!told(&yama_of(1, 0), Wanted::Program).contains("yama"));
        assert_eq!(yama(Some(1), true), None);
        assert_eq!(yama(None, false), None);
    }

    #[test]
    fn with_every_capability_something_else_is_in_the_way() {
        let mut strong = case((0, u64::MAX), (0, 0));
        assert!(told(&strong, Wanted::Tracing).contains("security module"));
        strong.own.confinement = Some(Confinement {
            module: SecurityModule::AppArmor,
            label: "docker-default".to_owned(),
        });
        let refused = told(&strong, Wanted::Tracing);
        assert!(
            refused.starts_with("AppArmor (profile `docker-default`) keeps goinject from process 7: run")
        );
        assert!(refused.contains("apparmor=unconfined"), "{refused}");
        strong.own.is_filtered = true;
        assert!(told(&strong, Wanted::Program).starts_with("AppArmor"));
        assert!(told(&strong, Wanted::Tracing).contains("seccomp filter"));
        strong.in_user_namespace = true;
        assert!(told(&strong, Wanted::Tracing).contains("user namespace"));
    }
}
