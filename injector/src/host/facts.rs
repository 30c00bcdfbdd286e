//! What the kernel says of itself and of this process: to explain refusals with, never to decide.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::tracee::Confinement;

/// Facts of the kernel and of goinject's own process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// As `uname -r` prints it.
    pub release: String,
    /// Major and minor version.
    pub version: (u32, u32),
    /// Effective user id.
    pub user: u32,
    /// What this process may do.
    pub capabilities: Capabilities,
    /// Kernel lockdown.
    pub lockdown: Lockdown,
    /// `kernel.yama.ptrace_scope`; absent where the kernel has no Yama.
    pub ptrace_scope: Option<u8>,
    /// Whether system calls are filtered.
    pub seccomp: bool,
    /// What a security module enforces on this process.
    pub confinement: Option<Confinement>,
    /// What kind of container this is, if it looks like one.
    pub container: Option<String>,
    /// Whether goinject is in a user namespace, where capabilities count for nothing outside of it.
    pub user_namespace: bool,
    /// Whether goinject itself is traced, by `strace` or a debugger.
    pub traced: bool,
}

/// Capabilities of the effective set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Loading BPF programs (Linux 5.8).
    pub bpf: bool,
    /// Attaching them (Linux 5.8).
    pub perfmon: bool,
    /// Writing user memory from BPF; includes the two above.
    pub sys_admin: bool,
    /// Tracing processes of others.
    pub sys_ptrace: bool,
    /// Opening the memory of processes of other users.
    pub dac_override: bool,
}

/// How far the kernel is locked down against its own administrator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lockdown {
    /// Not at all.
    None,
    /// Nothing may modify it: no BPF writes.
    Integrity,
    /// And nothing may read its memory.
    Confidentiality,
    /// `/sys/kernel/security/lockdown` can't be read.
    #[default]
    Unknown,
}

impl Facts {
    /// Reads them. What can't be read is left at what claims least.
    pub fn read() -> Facts {
        let release = text("/proc/sys/kernel/osrelease").trim().to_owned();
        let status = text("/proc/self/status");
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
        let effective = field("CapEff").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
        Facts {
            version: version(&release),
            release,
            user: nix::unistd::geteuid().as_raw(),
            capabilities: Capabilities::of(effective.unwrap_or_default()),
            lockdown: lockdown(&text("/sys/kernel/security/lockdown")),
            ptrace_scope: text("/proc/sys/kernel/yama/ptrace_scope").trim().parse().ok(),
            seccomp: number("Seccomp").is_some_and(|mode| mode > 0),
            confinement: Confinement::own(),
            container: container(),
            user_namespace: !is_initial_namespace(&text("/proc/self/uid_map")),
            traced: number("TracerPid").is_some_and(|pid| pid > 0),
        }
    }

    /// Whether the kernel is at least of this version.
    pub fn is_at_least(&self, major: u32, minor: u32) -> bool {
        self.version >= (major, minor)
    }
}

impl Capabilities {
    fn of(mask: u64) -> Capabilities {
        let has = |bit: u32| mask & (1 << bit) != 0;
        let sys_admin = has(21);
        Capabilities {
            bpf: has(39) || sys_admin,
            perfmon: has(38) || sys_admin,
            sys_admin,
            sys_ptrace: has(19),
            dac_override: has(1),
        }
    }

    /// Names of those that are held, or of those that are missing.
    pub fn names(self, held: bool) -> Vec<&'static str> {
        let all = [
            ("CAP_BPF", self.bpf),
            ("CAP_PERFMON", self.perfmon),
            ("CAP_SYS_ADMIN", self.sys_admin),
            ("CAP_SYS_PTRACE", self.sys_ptrace),
            ("CAP_DAC_OVERRIDE", self.dac_override),
        ];
        all.into_iter()
            .filter(|(_, has)| *has == held)
            .map(|(name, _)| name)
            .collect()
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// `6.12` of `6.12.48+deb13-cloud`.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or_default());
    (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    )
}

/// The mode in brackets of `[none] integrity confidentiality`.
fn lockdown(text: &str) -> Lockdown {
    let mode = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map(|(mode, _)| mode);
    match mode {
        Some("none") => Lockdown::None,
        Some("integrity") => Lockdown::Integrity,
        Some("confidentiality") => Lockdown::Confidentiality,
        _ => Lockdown::Unknown,
    }
}

/// The initial user namespace maps all ids onto themselves.
fn is_initial_namespace(uid_map: &str) -> bool {
    let fields: Vec<&str> = uid_map.split_whitespace().collect();
    fields.is_empty() || fields == ["0", "0", "4294967295"]
}

fn container() -> Option<String> {
    if Path::new("/.dockerenv").exists() {
        return Some("docker".to_owned());
    }
    if Path::new("/run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("kubernetes".to_owned());
    }
    let named = text("/run/systemd/container");
    let named = named.trim();
    (!named.is_empty()).then(|| named.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases() {
        assert_eq!(version("6.12.48+deb13-cloud-amd64"), (6, 12));
        assert_eq!(version("7.2-rc3"), (7, 2));
        assert_eq!(version(""), (0, 0));
    }

    #[test]
    fn lockdown_modes() {
        assert_eq!(lockdown("[none] integrity confidentiality\n"), Lockdown::None);
        assert_eq!(lockdown("none [integrity] confidentiality"), Lockdown::Integrity);
        assert_eq!(lockdown(""), Lockdown::Unknown);
    }

    #[test]
    fn namespaces() {
        assert!(is_initial_namespace("         0          0 4294967295\n"));
        assert!(!is_initial_namespace("0 1000 1"));
    }

    #[test]
    fn the_administrator_may_do_what_the_finer_capabilities_allow() {
        let capabilities = Capabilities::of(1 << 21);
        assert!(capabilities.bpf && capabilities.perfmon && !capabilities.sys_ptrace);
        assert_eq!(capabilities.names(false), ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    }
}
