//! Refusals in words: from what the kernel said to the reason, and what would help.

use std::fs;

use goinject_probes::capability::Support;
use serde::Serialize;

use super::facts::{Facts, Lockdown};
use crate::tracee::{Permission, yama};

/// Something that the kernel may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Loading goinject's BPF program and attaching it.
    Bpf,
    /// Writing user memory from BPF.
    WriteMemory,
    /// Writing registers from BPF.
    WriteContext,
    /// Sending a signal to the thread from BPF.
    SendSignal,
    /// One link for many probes.
    Multi,
    /// BPF programs that may wait for a page.
    Sleep,
    /// Tracing a child.
    TraceChild,
    /// Writing the code of a child.
    WriteCode,
    /// Sharing memory with a child.
    ShareMemory,
    /// Tracing a process that was running before.
    TraceOthers,
}

/// Why something is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// In a few words, for one line.
    pub reason: String,
    /// What would help; absent where nothing does.
    pub remedy: Option<String>,
    /// What the kernel itself said.
    pub detail: String,
}

/// Why a feature is refused; none if it is not.
pub fn refusal(feature: Feature, support: &Support, facts: &Facts) -> Option<Refusal> {
    let (detail, tried) = match support {
        Support::Yes => return None,
        Support::No(detail) => (detail, true),
        Support::Unknown(detail) => (detail, false),
    };
    let (reason, remedy) = if tried {
        explain(feature, detail, facts)
    } else {
        (detail.clone(), None)
    };
    Some(Refusal {
        reason,
        remedy,
        detail: detail.clone(),
    })
}

type Explained = (String, Option<String>);

fn explain(feature: Feature, detail: &str, facts: &Facts) -> Explained {
    if let Some(why) = without_proc() {
        return why;
    }
    match feature {
        Feature::Bpf => bpf(detail, facts),
        Feature::WriteMemory => write_memory(detail, facts),
        Feature::WriteContext => write_context(detail, facts),
        Feature::SendSignal if is_unknown_helper(detail) => newer(facts, (5, 6), "sending signals from BPF"),
        Feature::Multi => multi(detail, facts),
        Feature::Sleep => newer(facts, (6, 0), "BPF programs that wait for pages"),
        Feature::TraceChild | Feature::WriteCode | Feature::TraceOthers => trace(feature, detail, facts),
        Feature::ShareMemory => share(detail, facts),
        Feature::SendSignal => (first_line(detail), None),
    }
}

/// All that is tried, and most of the facts, need `/proc` as it shows goinject itself.
fn without_proc() -> Option<Explained> {
    let remedy = "mount it: `mount -t proc proc /proc`";
    match fs::read_link("/proc/self") {
        Err(_) => Some(("/proc is not mounted".to_owned(), Some(remedy.to_owned()))),
        Ok(own) if own.as_os_str() != std::process::id().to_string().as_str() => Some((
            "/proc shows another PID namespace than the one that goinject is in".to_owned(),
            Some(format!("{remedy}, or `unshare --pid --fork --mount-proc`")),
        )),
        Ok(_) => None,
    }
}

fn bpf(detail: &str, facts: &Facts) -> Explained {
    let caps = facts.capabilities;
    if is_not_permitted(detail) {
        let missing: Vec<&str> = [("CAP_BPF", caps.bpf), ("CAP_PERFMON", caps.perfmon)]
            .into_iter()
            .filter_map(|(name, has)| (!has).then_some(name))
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(" and ");
            return (
                format!("BPF needs {missing}"),
                Some(format!(
                    "run goinject as root, or give it {missing} \
                     (`setcap cap_bpf,cap_perfmon+ep goinject`, with cap_sys_admin for BPF writes)"
                )),
            );
        }
        let (what, remedy) = confinement(
            detail,
            facts,
            "allow bpf() and perf_event_open()",
            &Permission::BPF,
        );
        return (format!("{what} refuses BPF"), Some(remedy));
    }
    // Tried on Linux 6.1, where no one link serves all sites.
    if !caps.sys_admin && detail.contains("failed to attach uprobe") {
        return (
            "attaching BPF probes one by one needs CAP_SYS_ADMIN".to_owned(),
            Some("run goinject as root, or give it CAP_SYS_ADMIN".to_owned()),
        );
    }
    if detail.contains("Function not implemented") {
        return ("this kernel is built without BPF".to_owned(), None);
    }
    if is_unknown_helper(detail) || !facts.is_at_least(5, 15) {
        return newer(facts, (5, 15), "the BPF engine");
    }
    if detail.contains("vmlinux BTF") {
        return (
            "this kernel does not show its types".to_owned(),
            Some("mount sysfs at /sys; the kernel needs CONFIG_DEBUG_INFO_BTF".to_owned()),
        );
    }
    if detail.contains("/sys/bus/event_source") || detail.contains("No such file") {
        return (
            "this kernel shows no uprobes".to_owned(),
            Some("mount sysfs at /sys; the kernel needs CONFIG_UPROBE_EVENTS".to_owned()),
        );
    }
    (
        format!(
            "this kernel refuses goinject's BPF program: {}",
            first_line(detail)
        ),
        None,
    )
}

fn write_memory(detail: &str, facts: &Facts) -> Explained {
    if !is_unknown_helper(detail) && !is_not_permitted(detail) {
        return (first_line(detail), None);
    }
    if !facts.capabilities.sys_admin {
        return (
            "BPF writes need CAP_SYS_ADMIN".to_owned(),
            Some("run goinject as root, or give it CAP_SYS_ADMIN; the tracer does without".to_owned()),
        );
    }
    lockdown(facts)
}

fn write_context(detail: &str, facts: &Facts) -> Explained {
    if !facts.is_at_least(6, 18) {
        return newer(facts, (6, 18), "writing registers from BPF");
    }
    if detail.contains("invalid bpf_context access") {
        return (
            "this kernel's BPF cannot write registers".to_owned(),
            Some("the signal-frame and tracer writers do without".to_owned()),
        );
    }
    (first_line(detail), None)
}

/// The helper for writes is taken away from everybody by lockdown alone.
fn lockdown(facts: &Facts) -> Explained {
    let mode = match facts.lockdown {
        Lockdown::Integrity => " (integrity)",
        Lockdown::Confidentiality => " (confidentiality)",
        Lockdown::None | Lockdown::Unknown => "",
    };
    (
        "kernel lockdown refuses BPF writes".to_owned(),
        Some(format!(
            "lockdown{mode} is set at boot, usually by Secure Boot, and cannot be lifted on a running kernel; \
             goinject uses the inline engine instead, or the tracer, which do not write from BPF"
        )),
    )
}

fn multi(detail: &str, facts: &Facts) -> Explained {
    let why = if detail.contains("misses calls") {
        "its process filter sees one thread only before Linux 6.10, 6.6.35 and 6.9.5"
    } else {
        "one link for many probes came with Linux 6.6"
    };
    let slow = "probes are attached one by one, which is slow to take off where there are hundreds";
    (format!("{why}, this is {}", facts.release), Some(slow.to_owned()))
}

fn newer(facts: &Facts, (major, minor): (u32, u32), what: &str) -> Explained {
    (
        format!(
            "{what} came with Linux {major}.{minor}, this is {}",
            facts.release
        ),
        Some(format!("boot Linux {major}.{minor} or newer")),
    )
}

fn share(detail: &str, facts: &Facts) -> Explained {
    if detail.contains("Function not implemented") || !facts.is_at_least(5, 6) {
        return newer(facts, (5, 6), "sharing memory with a child (pidfd_getfd)");
    }
    // A limit of this process is nobody's refusal.
    if !is_not_permitted(detail) {
        return (first_line(detail), None);
    }
    let (what, remedy) = confinement(
        detail,
        facts,
        "allow memfd_create(), pidfd_open() and pidfd_getfd() (docker: `--cap-add SYS_PTRACE`)",
        &Permission::SHARE,
    );
    (
        format!("{what} refuses to share memory with a child"),
        Some(remedy),
    )
}

fn trace(feature: Feature, detail: &str, facts: &Facts) -> Explained {
    if facts.traced {
        return (
            "goinject is itself being traced".to_owned(),
            Some("run it outside of strace and debuggers: a process has one tracer".to_owned()),
        );
    }
    if !is_not_permitted(detail) {
        return (first_line(detail), None);
    }
    let is_free = facts.capabilities.sys_ptrace && facts.ptrace_scope != Some(3);
    let is_descendant = feature != Feature::TraceOthers;
    if let Some((reason, remedy)) = yama(facts.ptrace_scope, is_descendant).filter(|_| !is_free) {
        return (reason, Some(remedy));
    }
    let (what, remedy) = confinement(
        detail,
        facts,
        "allow ptrace (docker: `--cap-add SYS_PTRACE`)",
        &Permission::PTRACE,
    );
    (format!("{what} refuses ptrace"), Some(remedy))
}

/// What keeps a process with the right capabilities from using them.
fn confinement(detail: &str, facts: &Facts, allow: &str, permission: &Permission) -> (String, String) {
    if facts.user_namespace {
        let remedy = "run goinject on the host, outside of the user namespace".to_owned();
        return ("the user namespace".to_owned(), remedy);
    }
    // Filters of runtimes refuse with EPERM, security modules mostly with EACCES.
    let is_module = !facts.seccomp || detail.contains("Permission denied");
    if let Some(module) = facts.confinement.as_ref().filter(|_| is_module) {
        return (module.to_string(), module.remedy(permission));
    }
    match (&facts.container, facts.seccomp) {
        (Some(name), _) => (
            format!("the {name} container"),
            format!("{allow}, run it `--privileged`, or run goinject on the host"),
        ),
        (None, true) => ("a seccomp filter".to_owned(), format!("have the filter {allow}")),
        (None, false) => (
            "the kernel".to_owned(),
            "look for a security module (SELinux, AppArmor) in the kernel's log".to_owned(),
        ),
    }
}

fn is_not_permitted(detail: &str) -> bool {
    detail.contains("Operation not permitted")
        || detail.contains("Permission denied") && !detail.contains("invalid bpf_context access")
}

fn is_unknown_helper(detail: &str) -> bool {
    detail.contains("cannot use helper") || detail.contains("unknown func")
}

/// The text of an error without its number.
fn first_line(detail: &str) -> String {
    let line = detail.lines().next().unwrap_or_default();
    let end = line.find(" (os error").unwrap_or(line.len());
    line[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_HELPER: &str =
        "program of this type cannot use helper bpf_probe_write_user#36 (Invalid argument (os error 22))";
    const NO_STORE: &str = "invalid bpf_context access off=80 size=8 (Permission denied (os error 13))";
    const EPERM: &str = "Operation not permitted (os error 1)";

    fn root(release: (u32, u32)) -> Facts {
        let mut facts = Facts {
            release: format!("{}.{}.0", release.0, release.1),
            version: release,
            ..Facts::default()
        };
        facts.capabilities.bpf = true;
        facts.capabilities.perfmon = true;
        facts.capabilities.sys_admin = true;
        facts.capabilities.sys_ptrace = true;
        facts
    }

    fn reason(feature: Feature, said: &str, facts: &Facts) -> String {
        let refusal = refusal(feature, &Support::No(said.to_owned()), facts).expect("refused");
        assert!(!refusal.reason.contains("os error"), "{}", refusal.reason);
        refusal.reason
    }

    #[test]
    fn what_is_allowed_needs_no_words() {
        assert_eq!(refusal(Feature::Bpf, &Support::Yes, &Facts::default()), None);
    }

    #[test]
    fn writes_are_refused_by_lockdown_or_for_want_of_a_capability() {
        let feature = Feature::WriteMemory;
        assert_eq!(
            reason(feature, NO_HELPER, &root((6, 12))),
            "kernel lockdown refuses BPF writes"
        );
        assert_eq!(
            reason(feature, NO_HELPER, &Facts::default()),
            "BPF writes need CAP_SYS_ADMIN"
        );
    }

    #[test]
    fn a_limit_of_this_process_is_not_blamed_on_the_host() {
        let mut facts = root((6, 12));
        facts.container = Some("docker".to_owned());
        let said = |said: &str| reason(Feature::ShareMemory, said, &facts);
        assert_eq!(said("Too many open files (os error 24)"), "Too many open files");
        assert_eq!(
            said(EPERM),
            "the docker container refuses to share memory with a child"
        );
    }

    #[test]
    fn register_writes_need_a_new_kernel() {
        let feature = Feature::WriteContext;
        assert_eq!(
            reason(feature, NO_STORE, &root((6, 12))),
            "writing registers from BPF came with Linux 6.18, this is 6.12.0"
        );
        assert_eq!(
            reason(feature, NO_STORE, &root((6, 18))),
            "this kernel's BPF cannot write registers"
        );
    }

    #[test]
    fn loading_needs_rights_and_a_kernel() {
        assert_eq!(
            reason(Feature::Bpf, EPERM, &Facts::default()),
            "BPF needs CAP_BPF and CAP_PERFMON"
        );
        let mut half = root((6, 12));
        half.capabilities.perfmon = false;
        assert_eq!(reason(Feature::Bpf, EPERM, &half), "BPF needs CAP_PERFMON");
        let mut confined = root((6, 12));
        confined.container = Some("docker".to_owned());
        assert_eq!(
            reason(Feature::Bpf, EPERM, &confined),
            "the docker container refuses BPF"
        );
        assert_eq!(
            reason(
                Feature::Bpf,
                "unknown func bpf_get_attach_cookie#174",
                &root((5, 10))
            ),
            "the BPF engine came with Linux 5.15, this is 5.10.0"
        );
    }

    #[test]
    fn attaching_one_by_one_needs_more() {
        let mut facts = root((6, 1));
        let refused = "the kernel refused a probe at file offset 0x99d190: failed to attach uprobe";
        facts.capabilities.sys_admin = false;
        assert_eq!(
            reason(Feature::Bpf, refused, &facts),
            "attaching BPF probes one by one needs CAP_SYS_ADMIN"
        );
    }

    #[test]
    fn tracing_is_limited_by_yama_and_by_other_tracers() {
        let mut facts = Facts {
            ptrace_scope: Some(1),
            ..Facts::default()
        };
        assert_eq!(
            reason(Feature::TraceOthers, EPERM, &facts),
            "kernel.yama.ptrace_scope is 1"
        );
        facts.ptrace_scope = Some(3);
        assert_eq!(
            reason(Feature::TraceChild, EPERM, &facts),
            "kernel.yama.ptrace_scope is 3: nobody may trace"
        );
        facts.traced = true;
        assert_eq!(
            reason(Feature::TraceChild, EPERM, &facts),
            "goinject is itself being traced"
        );
    }
}
