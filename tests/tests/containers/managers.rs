//! Containers of Podman, containerd and Docker, each with stores of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use goinject_lab::{Cache, Published};
use goinject_tests::Writer;
use goinject_tests::patience::holds_soon;

use super::{NEWEST, have_containers, inject};

/// What a program printed, when it succeeded.
fn said(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The root of an image, with one program, as an archive.
fn image(folder: &Path) -> PathBuf {
    let image = folder.join("image.tar");
    let root = folder.join("image");
    fs::create_dir(&root).expect("a folder");
    fs::copy(NEWEST.of("busy"), root.join("app")).expect("a copy");
    let mut tar = Command::new("tar");
    said(tar.arg("-cf").arg(&image).arg("-C").arg(&root).arg("app"));
    image
}

/// Podman with stores of its own, which are found by what runs.
struct Podman(tempfile::TempDir);

impl Podman {
    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        let at = |name: &str| self.0.path().join(name);
        command
            .arg("--root")
            .arg(at("root"))
            .arg("--runroot")
            .arg(at("run"));
        command.args([
            "--storage-driver",
            "vfs",
            "--cgroup-manager",
            "cgroupfs",
            "--events-backend",
            "file",
        ]);
        command.args(["--runtime", "runc"]);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self
            .command()
            .args(["rm", "--force", "--all", "--time", "0"])
            .output();
    }
}

#[test]
fn containers_of_podman() {
    if !have_containers() {
        return;
    }
    let podman = Podman(tempfile::tempdir().expect("a folder"));
    let image = image(podman.0.path());
    said(podman.command().arg("import").arg(&image).arg("gi:latest"));
    let name = format!("gi-podman-{}", std::process::id());
    // Limits that this machine may set, and its network: what else a container has are Podman's defaults, its seccomp filter too.
    let run = [
        "run",
        "--detach",
        "--network",
        "host",
        "--ulimit",
        "nofile=512:512",
        "--ulimit",
        "nproc=512:512",
    ];
    let id = said(podman.command().args(run).args([
        "--name",
        &name,
        "localhost/gi:latest",
        "/app",
        "-for",
        "60s",
        "-only",
        "leaf",
    ]));
    for (asked, writer) in [(name.as_str(), Writer::Tracer), (&id[..12], Writer::Breakpoints)] {
        let outcome = inject(
            &["--writer", writer.name(), "--container", asked],
            "limits: {faults: 20}\n",
            "",
        );
        assert_eq!(outcome.code, Some(5), "{}", outcome.describe());
        let process = outcome.of_type("process").next().expect("it is told of");
        assert_eq!(process["container"]["name"], name.as_str(), "{process}");
        assert_eq!(process["container"]["id"], id.as_str(), "{process}");
        assert_eq!(process["container"]["runtime"], "Podman", "{process}");
        assert_eq!(process["namespace_pid"], 1, "{process}");
    }
}

/// containerd with folders of its own.
struct Containerd {
    folder: tempfile::TempDir,
    daemon: std::process::Child,
}

impl Containerd {
    fn start() -> Containerd {
        let folder = tempfile::tempdir().expect("a folder");
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let at = |name: &str| folder.path().join(name);
        let mut command = Command::new("containerd");
        command
            .arg("--root")
            .arg(at("root"))
            .arg("--state")
            .arg(at("state"));
        command
            .arg("--address")
            .arg(at("socket"))
            .stdout(log.try_clone().expect("a file"))
            .stderr(log);
        let daemon = command.spawn().expect("containerd starts");
        let containerd = Containerd { folder, daemon };
        for _ in 0..150 {
            let version = containerd.ctr().arg("version").output();
            if version.is_ok_and(|output| output.status.success()) {
                return containerd;
            }
            thread::sleep(Duration::from_millis(200));
        }
        panic!("containerd does not answer")
    }

    fn ctr(&self) -> Command {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.folder.path().join("socket"));
        command
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.ctr().args(["task", "rm", "--force", "tool"]).output();
        let _ = self.ctr().args(["container", "rm", "tool"]).output();
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[test]
fn containers_of_containerd() {
    if !have_containers() {
        return;
    }
    let containerd = Containerd::start();
    let rootfs = containerd.folder.path().join("rootfs");
    fs::create_dir(&rootfs).expect("a folder");
    fs::copy(NEWEST.of("busy"), rootfs.join("app")).expect("a copy");
    let mut run = containerd.ctr();
    run.args(["run", "--detach", "--rootfs", "--runc-root"])
        .arg(containerd.folder.path().join("runc"));
    said(
        run.arg(&rootfs)
            .args(["tool", "/app", "-for", "60s", "-only", "leaf"]),
    );
    for writer in Writer::ANYWHERE {
        let outcome = inject(
            &["--writer", writer.name(), "--container", "tool"],
            "limits: {faults: 20}\n",
            "",
        );
        assert_eq!(outcome.code, Some(5), "{}", outcome.describe());
        let process = outcome.of_type("process").next().expect("it is told of");
        assert_eq!(process["container"]["runtime"], "containerd", "{process}");
        assert_eq!(process["namespace_pid"], 1, "{process}");
    }
}

/// Docker with folders of its own, as set-up has unpacked it.
struct Docker {
    folder: tempfile::TempDir,
    daemon: std::process::Child,
    package: PathBuf,
}

impl Docker {
    fn start() -> Docker {
        let cache = Cache::from_env();
        let published = Published::find("dockerd").expect("it is in the table");
        let program = published
            .program(&cache)
            .unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::tempdir().expect("a folder");
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let at = |name: &str| folder.path().join(name);
        let mut command = Command::new(program);
        // No bridge and no rules of the firewall: containers take the network of the machine.
        command.args([
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            "--storage-driver=vfs",
        ]);
        command
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"));
        command
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(format!("unix://{}", at("socket").display()));
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        let docker = Docker {
            daemon: command.spawn().expect("dockerd starts"),
            package: published.folder(&cache),
            folder,
        };
        let answers = || {
            docker
                .command()
                .arg("version")
                .output()
                .is_ok_and(|output| output.status.success())
        };
        let log = || fs::read_to_string(docker.folder.path().join("log")).unwrap_or_default();
        assert!(holds_soon(answers), "{}", log());
        docker
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.package.join("usr/bin/docker"));
        let socket = self.folder.path().join("socket");
        command.arg("--host").arg(format!("unix://{}", socket.display()));
        command
    }

    fn run(&self, name: &str) -> String {
        let run = [
            "run",
            "--detach",
            "--network",
            "host",
            "--name",
            name,
            "gi:latest",
        ];
        said(
            self.command()
                .args(run)
                .args(["/app", "-for", "60s", "-only", "leaf"]),
        )
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let ids = said(self.command().args(["ps", "--all", "--quiet"]));
        let _ = self.command().args(["rm", "--force"]).args(ids.lines()).output();
        // It ends containerd, too.
        // SAFETY: it is our own child, which nobody has waited for.
        unsafe { libc::kill(self.daemon.id().cast_signed(), libc::SIGTERM) };
        let _ = self.daemon.wait();
        let namespace = self.folder.path().join("exec/netns/default");
        let _ = Command::new("umount").arg(namespace).output();
    }
}

#[test]
fn containers_of_docker() {
    if !have_containers() {
        return;
    }
    let docker = Docker::start();
    let image = image(docker.folder.path());
    said(docker.command().arg("import").arg(&image).arg("gi:latest"));
    // Where it keeps its files is told by what it mounts into this one.
    let other = format!("gi-other-{}", std::process::id());
    docker.run(&other);
    let name = format!("gi-docker-{}", std::process::id());
    let id = docker.run(&name);
    for (asked, writer) in [
        (name.as_str(), Writer::Tracer),
        (&id[..12], Writer::Breakpoints),
        (&format!("docker://{id}"), Writer::Tracer),
    ] {
        let limits = "limits: {faults: 20}\n";
        let outcome = inject(&["--writer", writer.name(), "--container", asked], limits, "");
        assert_eq!(outcome.code, Some(5), "{}", outcome.describe());
        let process = outcome.of_type("process").next().expect("it is told of");
        assert_eq!(process["container"]["name"], name.as_str(), "{process}");
        assert_eq!(process["container"]["id"], id.as_str(), "{process}");
        assert_eq!(process["container"]["runtime"], "Docker", "{process}");
        assert_eq!(process["namespace_pid"], 1, "{process}");
        assert_eq!(outcome.counts()[0].applied, 20, "{}", outcome.describe());
    }
    let says = |words: &str| {
        let outcome = inject(&["--container", &name], "", "");
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
    };
    // Where cgroups are of version 1, runc tries for some milliseconds only, too few for busy threads on a busy machine.
    let paused = || {
        let pause = docker.command().args(["pause", &name]).output();
        pause.expect("docker runs").status.success()
    };
    assert!(holds_soon(paused), "docker can't pause {name}");
    says("is paused");
    said(docker.command().args(["unpause", &name]));
    said(docker.command().args(["kill", &name]));
    says("does not run: start it first");
}
