//! Containers for tests: an OCI bundle around one static program, run by runc or crun.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::patience::holds_soon;

/// A runtime of containers, and how it works on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// runc, with a cgroup for each container.
    Runc,
    /// crun, without cgroups.
    Crun,
}

impl Runtime {
    /// Both.
    pub const ALL: [Runtime; 2] = [Runtime::Runc, Runtime::Crun];

    /// Its program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
        }
    }

    /// Its command line, to which a subcommand is added.
    #[must_use]
    pub fn command(self) -> Command {
        match self {
            Runtime::Runc => Command::new("runc"),
            Runtime::Crun => {
                // crun knows no mixture of both versions of cgroups: it gets to see the second one only.
                let mut command = Command::new("unshare");
                command.args([
                    "--mount",
                    "sh",
                    "-c",
                    CGROUPS_2,
                    "sh",
                    "crun",
                    "--cgroup-manager=disabled",
                ]);
                command
            }
        }
    }
}

const CGROUPS_2: &str =
    "test ! -d /sys/fs/cgroup/unified || mount --rbind /sys/fs/cgroup/unified /sys/fs/cgroup; exec \"$@\"";

/// Why there can be no containers here; none if there can.
#[must_use]
pub fn refused() -> Option<String> {
    // SAFETY: getuid has no preconditions.
    if unsafe { libc::getuid() } != 0 {
        return Some("only root can start containers".to_owned());
    }
    let missing = |program: &&str| Command::new(program).arg("--version").output().is_err();
    let missing: Vec<&str> = ["runc", "crun"].into_iter().filter(missing).collect();
    (!missing.is_empty()).then(|| format!("{}: not installed (`cargo xtask setup`)", missing.join(", ")))
}

/// A container that runs. It is deleted in the end.
#[derive(Debug)]
pub struct Container {
    runtime: Runtime,
    /// Its id.
    pub id: String,
    folder: tempfile::TempDir,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Container {
    /// Starts a program as the first process of a container. `change` has a look at its `config.json` before.
    ///
    /// # Panics
    /// If the runtime refuses it.
    pub fn start(
        runtime: Runtime,
        program: &Path,
        arguments: &[&str],
        change: impl FnOnce(&mut Value, &Path),
    ) -> Container {
        let container = Container::create(runtime, program, arguments, change);
        container.tell("start", &[]);
        let started = || container.output().contains("started");
        assert!(holds_soon(started), "{}: {}", container.id, container.output());
        container
    }

    /// The same, up to the moment before its program runs.
    ///
    /// # Panics
    /// If the runtime refuses it.
    pub fn create(
        runtime: Runtime,
        program: &Path,
        arguments: &[&str],
        change: impl FnOnce(&mut Value, &Path),
    ) -> Container {
        let folder = tempfile::tempdir().expect("a folder");
        let rootfs = folder.path().join("rootfs");
        for place in ["bin", "proc", "dev", "tmp"] {
            fs::create_dir_all(rootfs.join(place)).expect("a root");
        }
        fs::copy(program, rootfs.join("bin/app")).expect("the program");
        open_to_all(folder.path());
        let args: Vec<&str> = ["/bin/app"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let mut config = config(&args);
        change(&mut config, &rootfs);
        let config = serde_json::to_vec_pretty(&config).expect("JSON");
        fs::write(folder.path().join("config.json"), config).expect("a configuration");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let container = Container {
            runtime,
            id: format!("gi-{}-{}-{number}", runtime.name(), std::process::id()),
            folder,
        };
        let mut command = runtime.command();
        command.args(["create", "--bundle"]).arg(container.folder.path());
        command.arg(&container.id);
        container.carry_out(&mut command, "out");
        container
    }

    /// Starts its program in it once more, and does not wait for its end.
    ///
    /// # Panics
    /// If it does not start.
    pub fn exec(&self, arguments: &[&str]) {
        self.exec_program("/bin/app", arguments);
    }

    /// Starts another program in it, and does not wait for its end.
    ///
    /// # Panics
    /// If it does not start.
    pub fn exec_program(&self, program: &str, arguments: &[&str]) {
        let mut command = self.runtime.command();
        let pid_file = self.folder.path().join("pid-of-exec");
        command
            .args(["exec", "--detach", "--pid-file"])
            .arg(&pid_file)
            .args([&self.id, program])
            .args(arguments);
        self.carry_out(&mut command, "out-of-exec");
        let pid = fs::read_to_string(pid_file).expect("the runtime tells its number");
        // The runtime may be back before its process has become the program.
        let exe = format!("/proc/{}/exe", pid.trim());
        let runs = || fs::read_link(&exe).is_ok_and(|path| path == Path::new(program));
        assert!(holds_soon(runs), "{exe} is not {program}");
    }

    /// Another command of the runtime about it, such as `pause`.
    pub fn tell(&self, word: &str, more: &[&str]) {
        let mut command = self.runtime.command();
        self.carry_out(command.args([word, &self.id]).args(more), "said");
    }

    fn carry_out(&self, command: &mut Command, output: &str) {
        let output = self.folder.path().join(output);
        let out = File::create(&output).expect("a file");
        let err = out.try_clone().expect("the same file");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let status = command.status().expect("the runtime starts");
        let said = fs::read_to_string(&output).unwrap_or_default();
        assert!(status.success(), "{command:?}: {status}\n{said}");
    }

    /// The number of its first process on the host.
    ///
    /// # Panics
    /// If the runtime does not tell.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.tell("state", &[]);
        let said = fs::read_to_string(self.folder.path().join("said")).expect("said");
        let state: Value = serde_json::from_str(&said).expect("JSON");
        let pid = state["pid"].as_u64().expect("a number");
        u32::try_from(pid).expect("process ids are small")
    }

    /// What its first process has printed.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("out")).unwrap_or_default()
    }

    /// Waits until its first process has printed all, and gives that.
    #[must_use]
    pub fn end(&self) -> String {
        holds_soon(|| self.output().contains(" wrong "));
        self.output()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let mut command = self.runtime.command();
        command.args(["delete", "--force", &self.id]);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Root of another user namespace is nobody here, and must get in.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("our own folder");
}

/// What `config.json` says of a container with a program as its first process, before it is changed.
#[must_use]
pub fn config(args: &[&str]) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "cwd": "/",
            "env": ["PATH=/bin"],
            "noNewPrivileges": true,
            "capabilities": {},
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "test",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ],
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}],
        },
    })
}

/// A user namespace of its own, for the configuration of a container.
pub fn with_user_namespace(config: &mut Value) {
    let namespaces = config["linux"]["namespaces"].as_array_mut().expect("a list");
    namespaces.push(json!({"type": "user"}));
    let ids = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    config["linux"]["uidMappings"] = ids.clone();
    config["linux"]["gidMappings"] = ids;
}

/// The filter that Podman and others give to containers by default, for one with these capabilities.
///
/// # Panics
/// If the file of Debian's package does not have it.
#[must_use]
pub fn default_seccomp(capabilities: &[&str]) -> Value {
    let text = fs::read_to_string("/usr/share/containers/seccomp.json")
        .expect("of golang-github-containers-common, which Podman brings");
    let profile: Value = serde_json::from_str(&text).expect("JSON");
    let names = |value: &Value| -> Vec<String> {
        let list = value.as_array().map_or(&[][..], Vec::as_slice);
        list.iter()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    };
    let has = |name: &String| capabilities.contains(&name.as_str());
    let is_meant = |row: &&Value| {
        let arches = names(&row["includes"]["arches"]);
        (arches.is_empty() || arches.iter().any(|arch| arch == "amd64"))
            && names(&row["includes"]["caps"]).iter().all(has)
            && !names(&row["excludes"]["caps"]).iter().any(has)
    };
    let rows = profile["syscalls"].as_array().expect("rows").iter();
    let rows = rows.filter(is_meant).map(|row| {
        let mut row = row.clone();
        let keys = ["names", "action", "args", "errnoRet"];
        let row = row.as_object_mut().expect("an object");
        row.retain(|key, value| keys.contains(&key.as_str()) && !value.is_null());
        Value::Object(row.clone())
    });
    json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rows.collect::<Vec<_>>(),
    })
}

/// A filter that refuses what those of runtimes refuse by default, and what tracers use.
pub fn with_seccomp(config: &mut Value) {
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{
            "names": [
                "bpf", "perf_event_open", "ptrace", "process_vm_readv", "process_vm_writev", "mount", "kexec_load",
                "init_module", "userfaultfd", "keyctl", "add_key", "unshare", "setns",
            ],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 1,
        }],
    });
}
