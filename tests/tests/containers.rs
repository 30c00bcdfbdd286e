//! Real containers, by name: of runc and crun as the tests make them, of Podman and containerd as those do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use goinject_lab::{Cache, Published};
use goinject_tests::bundle::{self, Container, Runtime};
use goinject_tests::goinject::Running;
use goinject_tests::patience::holds_soon;
use goinject_tests::{Build, Outcome, Tally, Writer, busy, goinject};

/// The jumps of the inline engine are refused where system calls are filtered.
const WRITERS: [Writer; 2] = [Writer::Tracer, Writer::Breakpoints];

const NEWEST: Build = Build::plain("1.27");

/// Runs rules on the leaf of `busy` against a container. `head` are keys of the file, `more` those of its rule.
struct Injection {
    running: Running,
    folder: tempfile::TempDir,
}

impl Injection {
    fn start(arguments: &[&str], head: &str, more: &str) -> Injection {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("{}{head}", busy::rules(&["leaf"], more));
        fs::write(folder.path().join("rules.yaml"), text).expect("rules are written");
        let mut command = goinject::command(["run", "--quiet", "--json", "events", "rules.yaml"]);
        command.args(arguments).current_dir(folder.path());
        Injection {
            running: Running::start(&mut command),
            folder,
        }
    }

    fn end(self) -> Outcome {
        let mut outcome = self.running.end();
        let json = fs::read_to_string(self.folder.path().join("events"));
        outcome.json = Outcome::lines(&json.unwrap_or_default());
        outcome
    }
}

fn inject(arguments: &[&str], head: &str, more: &str) -> Outcome {
    Injection::start(arguments, head, more).end()
}

/// Whether containers can be had; a skip says why not.
fn have_containers() -> bool {
    let refused = bundle::refused();
    if let Some(reason) = &refused {
        Tally::skip("containers", reason);
    }
    refused.is_none()
}

/// Runs against a container to its end, and compares what goinject counted with what the program counted.
fn compare(container: &Container, writer: Writer, more: &[&str]) {
    let mut arguments = vec!["--writer", writer.name(), "--container", &container.id];
    arguments.extend(more);
    let outcome = inject(&arguments, "", "");
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let leaf = busy::counted(&container.end())["leaf"];
    assert_eq!((leaf.halfway, leaf.wrong), (0, 0), "{leaf:?}");
    let counts = &outcome.counts()[0];
    assert!(counts.applied > 0, "{}", outcome.describe());
    assert_eq!(counts.applied, leaf.replaced, "{}", outcome.describe());
    let process = outcome.of_type("process").next().expect("it is told of");
    assert_eq!(process["namespace_pid"], 1, "{}", outcome.describe());
    assert_ne!(process["pid"], 1, "{}", outcome.describe());
    assert_eq!(process["container"]["name"], container.id.as_str());
    let words = format!("(1 in {}, /bin/app", container.id);
    assert!(outcome.stderr.contains(&words), "{}", outcome.describe());
}

#[test]
fn programs_with_namespaces_of_their_own_are_changed() {
    if !have_containers() {
        return;
    }
    for (runtime, writer) in Runtime::ALL.into_iter().zip(WRITERS) {
        for confined in [false, true] {
            let container = Container::start(
                runtime,
                &NEWEST.of("busy"),
                &["-for", "2s", "-only", "leaf"],
                |config, _| {
                    if confined {
                        bundle::with_user_namespace(config);
                        bundle::with_seccomp(config);
                    }
                },
            );
            compare(&container, writer, &[]);
        }
    }
}

#[test]
fn processes_that_appear_later_are_taken_in() {
    if !have_containers() {
        return;
    }
    for (runtime, writer) in Runtime::ALL.into_iter().zip(WRITERS) {
        let arguments = ["-for", "5s", "-only", "leaf"];
        let container = Container::start(runtime, &NEWEST.of("busy"), &arguments, |_, _| {});
        let injection = Injection::start(
            &["--writer", writer.name(), "--container", &container.id, "--all"],
            "",
            "when: {every: 100}, ",
        );
        container.exec(&["-for", "4s", "-only", "leaf"]);
        let outcome = injection.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let results: Vec<_> = outcome.of_type("process_result").collect();
        assert_eq!(results.len(), 2, "{}", outcome.describe());
        for result in &results {
            assert!(result["fired"]["leaf"].as_u64() > Some(0), "{result}");
            assert!(result["namespace_pid"].as_u64().is_some(), "{result}");
        }
        assert_ne!(results[0]["pid"], results[1]["pid"]);
        assert_eq!(outcome.of_type("rule").count(), 1, "one verdict for all");
        assert!(outcome.stderr.contains("leaf fired"), "{}", outcome.describe());
    }
}

/// Whoever started it is back before the runtime has made way for its program; runc has some of the functions of any Go program.
#[test]
fn containers_whose_program_is_about_to_run() {
    if !have_containers() {
        return;
    }
    for runtime in Runtime::ALL {
        let arguments = ["-for", "2s", "-only", "leaf"];
        let container = Container::create(runtime, &NEWEST.of("busy"), &arguments, |_, _| {});
        let id = ["--container", &container.id];
        let injection = Injection::start(&id, "", "");
        thread::sleep(Duration::from_millis(500));
        container.tell("start", &[]);
        let outcome = injection.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let leaf = busy::counted(&container.end())["leaf"];
        assert!(leaf.replaced > 0, "{leaf:?}: {}", outcome.describe());
        assert_eq!(
            outcome.counts()[0].applied,
            leaf.replaced,
            "{}",
            outcome.describe()
        );
        drop(container);

        let container = Container::create(runtime, &NEWEST.of("busy"), &arguments, |_, _| {});
        let id = ["--container", &container.id];
        let everywhere = "- {name: write, function: \"os.(*File).Write\", inject: {delay: 1ms}}\n";
        let outcome = inject(&id, everywhere, "");
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        let words = "does not run its program yet: start it first";
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
    }
}

#[test]
fn a_name_in_the_file_and_one_that_is_not_meant() {
    if !have_containers() {
        return;
    }
    let arguments = ["-for", "20s", "-only", "leaf"];
    let container = Container::start(Runtime::Runc, &NEWEST.of("busy"), &arguments, |_, _| {});
    let limits = "limits: {faults: 3}\n";
    let target = |more: &str| format!("{limits}target: {{container: {}{more}}}\n", container.id);
    let outcome = inject(&[], &target(""), "");
    assert_eq!(outcome.code, Some(5), "{}", outcome.describe());
    let refused = |arguments: &[&str], head: &str, more: &str, words: &[&str]| {
        let outcome = inject(arguments, head, more);
        assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        for words in words {
            assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
        }
    };
    let typo = format!("{}x", container.id);
    // Other tests have containers at the same time, with names that are as near.
    let meant = format!("`{}`", container.id);
    refused(
        &["--container", &typo],
        "",
        "",
        &[&format!("no container `{typo}`"), "did you mean", &meant],
    );
    container.exec(&["-for", "20s", "-only", "leaf"]);
    refused(
        &["--container", &container.id],
        "",
        "",
        &[
            "2 processes in container",
            "`--all`",
            ", 1 in the container: /bin/app",
        ],
    );
    // All of them, as the file asks.
    let outcome = inject(&[], &target(", all: true"), "");
    assert_eq!(outcome.code, Some(5), "{}", outcome.describe());
    assert_eq!(outcome.of_type("process").count(), 2, "{}", outcome.describe());
    refused(
        &["--container", &container.id],
        "",
        "program: shop, ",
        &["no process in container", "no rule is for a program of this name"],
    );
    container.tell("pause", &[]);
    refused(&["--container", &container.id], "", "", &["is paused"]);
    container.tell("resume", &[]);
    let outcome = inject(&["--pid", "1", "--container", "x"], "", "");
    assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
    let outcome = inject(&["--all"], "", "");
    assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("--container NAME"),
        "{}",
        outcome.describe()
    );
}

#[test]
fn containers_that_stop_or_have_no_go_program() {
    if !have_containers() {
        return;
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let busybox = busybox
        .into_iter()
        .find(|path| path.exists())
        .expect("`cargo xtask setup` installs it");
    let arguments = ["sh", "-c", "echo started; exec /bin/app sleep 60"];
    let container = Container::start(Runtime::Runc, &busybox, &arguments, |config, rootfs| {
        fs::rename(rootfs.join("bin/app"), rootfs.join("bin/busybox")).expect("renamed");
        std::os::unix::fs::symlink("busybox", rootfs.join("bin/app")).expect("a link");
        config["process"]["args"][0] = "/bin/busybox".into();
        config["process"]["args"][3] = "echo started; exec /bin/busybox sleep 60".into();
    });
    let outcome = inject(&["--container", &container.id], "", "");
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("no Go program runs in it"),
        "{}",
        outcome.describe()
    );
    // Until one runs, all are waited for, but not beyond the limit.
    let outcome = inject(
        &["--container", &container.id, "--all"],
        "limits: {duration: 1s}\n",
        "",
    );
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("waiting for one"),
        "{}",
        outcome.describe()
    );
    container.tell("kill", &["KILL"]);
    let stopped = || inject(&["--container", &container.id], "", "");
    let mut outcome = stopped();
    for _ in 0..20 {
        if outcome.stderr.contains("does not run") {
            break;
        }
        outcome = stopped();
    }
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert!(
        outcome.stderr.contains("does not run: start it first"),
        "{}",
        outcome.describe()
    );
}

/// What several programs of a container lack is told once, as in a run of a command.
#[test]
fn a_function_that_no_program_has_is_told_once() {
    if !have_containers() {
        return;
    }
    let arguments = ["-for", "20s", "-only", "leaf"];
    let container = Container::start(Runtime::Runc, &NEWEST.of("busy"), &arguments, |_, rootfs| {
        fs::copy(NEWEST.of("waiting"), rootfs.join("bin/other")).expect("a copy");
    });
    container.exec_program("/bin/other", &["/nowhere"]);
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "version: 1\nrules:\n- {function: main.leav, inject: {set: {a: 1}}}\n";
    fs::write(folder.path().join("rules.yaml"), rules).expect("rules are written");
    let mut command = goinject::command(["run", "rules.yaml", "--container", &container.id]);
    let outcome = Running::start(command.current_dir(folder.path())).end();
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    assert_eq!(
        outcome.stderr.matches("error: ").count(),
        1,
        "{}",
        outcome.describe()
    );
    let words = [
        "there is no function `main.leav`",
        "looked for in app, other",
        "did you mean `main.leaf`?",
    ];
    for words in words {
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.describe());
    }
}

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
    said(docker.command().args(["pause", &name]));
    says("is paused");
    said(docker.command().args(["unpause", &name]));
    said(docker.command().args(["kill", &name]));
    says("does not run: start it first");
}
