//! Security modules that may refuse what capabilities allow, and under which label they know a process.

use std::fmt;
use std::fs;
use std::io;

use serde::Serialize;

use super::obstacle::Obstacle;

/// What a security module enforces on a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confinement {
    /// Which one.
    pub module: SecurityModule,
    /// AppArmor's profile, SELinux's context.
    pub label: String,
}

/// A security module that gives labels to processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityModule {
    /// AppArmor.
    AppArmor,
    /// SELinux.
    SeLinux,
}

impl Confinement {
    /// That of goinject.
    pub fn own() -> Option<Confinement> {
        Confinement::of("self")
    }

    /// That of a process; none where nothing is enforced on it, or its label can't be read.
    pub(super) fn of(pid: &str) -> Option<Confinement> {
        let text = fs::read_to_string(format!("/proc/{pid}/attr/current")).ok()?;
        parse(&text).filter(|confinement| match confinement.module {
            SecurityModule::AppArmor => true,
            SecurityModule::SeLinux => enforces(),
        })
    }

    /// What would help against it. `allow` is the permission that is missing, in the module's own words.
    pub fn remedy(&self, allow: &Permission) -> String {
        let label = &self.label;
        match self.module {
            SecurityModule::AppArmor => format!(
                "run goinject without a profile (docker: `--security-opt apparmor=unconfined`, Kubernetes: `appArmorProfile: {{type: Unconfined}}`), \
                 or have profile `{label}` allow {}; the kernel's log names what is missing after `apparmor=\"DENIED\"`",
                allow.apparmor
            ),
            SecurityModule::SeLinux => format!(
                "run goinject with a type that may (in containers `spc_t`), or allow {} to `{label}`; the kernel's log names what is missing after `avc:  denied`",
                allow.selinux
            ),
        }
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module {
            SecurityModule::AppArmor => write!(f, "AppArmor (profile `{}`)", self.label),
            SecurityModule::SeLinux => write!(f, "SELinux (context `{}`)", self.label),
        }
    }
}

/// A permission in the words of each module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    apparmor: &'static str,
    selinux: &'static str,
}

impl Permission {
    /// Tracing a process.
    pub const PTRACE: Permission = Permission {
        apparmor: "`ptrace (read, trace)`, and the target's profile `ptrace (readby, tracedby)`",
        selinux: "`process ptrace`",
    };
    /// Loading BPF programs and attaching them.
    pub const BPF: Permission = Permission {
        apparmor: "`capability bpf, capability perfmon`",
        selinux: "`bpf`, `perf_event` and `capability2 { bpf perfmon }`",
    };
    /// Taking over the file descriptor of a child, which is tracing for the kernel.
    pub const SHARE: Permission = Permission::PTRACE;
}

/// What a refusal to map memory for code in a process is about; any other error as it is.
pub fn mapping_code(pid: i32, error: io::Error) -> io::Error {
    let theirs = Confinement::of(&pid.to_string());
    match (error.raw_os_error(), theirs) {
        (Some(libc::EACCES), Some(theirs)) => Obstacle::Denied {
            reason: format!("{theirs} lets process {pid} have no code but that of its file"),
            remedy: format!(
                "allow `process execmem` to `{}`, or use --engine bpf",
                theirs.label
            ),
        }
        .into(),
        _ => error,
    }
}

/// `docker-default (enforce)`; `user:role:type:level`, with a NUL behind it.
fn parse(text: &str) -> Option<Confinement> {
    let label = text.trim_matches(['\0', '\n', ' ']);
    let of = |module, label: &str| {
        Some(Confinement {
            module,
            label: label.to_owned(),
        })
    };
    match label.rsplit_once(" (") {
        Some((profile, "enforce)" | "kill)" | "mixed)")) => of(SecurityModule::AppArmor, profile),
        // A profile that only complains refuses nothing.
        Some(_) => None,
        None if label.split(':').count() >= 3 => of(SecurityModule::SeLinux, label),
        None => None,
    }
}

fn enforces() -> bool {
    fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_their_module() {
        let told = |text: &str| parse(text).map(|confinement| confinement.to_string());
        for (text, said) in [
            (
                "docker-default (enforce)\n",
                "AppArmor (profile `docker-default`)",
            ),
            ("/usr/bin/a b (kill)\n", "AppArmor (profile `/usr/bin/a b`)"),
            (
                "system_u:system_r:container_t:s0:c1,c2\0",
                "SELinux (context `system_u:system_r:container_t:s0:c1,c2`)",
            ),
        ] {
            assert_eq!(told(text).as_deref(), Some(said));
        }
        for none in ["unconfined\n", "docker-default (complain)\n", "kernel\0", ""] {
            assert_eq!(told(none), None, "{none}");
        }
    }
}
