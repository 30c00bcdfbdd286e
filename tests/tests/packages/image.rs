//! The container image: read by skopeo, and run by runc, crun and Podman next to a target, with nothing but the capabilities
//! that it asks for and under the seccomp filter that containers have by default.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use goinject_tests::Tally;
use goinject_tests::bundle::{self, Container, Runtime};
use serde_json::{Value, json};

use crate::{RULES, no_namespaces, output, package, succeeds, target, text};

fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(&path).expect("in the archive")).expect("JSON")
}

/// The image, unpacked as the layout says: a folder with `rootfs`, and the image's configuration.
struct Unpacked {
    folder: tempfile::TempDir,
    configuration: Value,
}

impl Unpacked {
    fn new() -> Unpacked {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = folder.path().join("archive");
        let root = folder.path().join("rootfs");
        fs::create_dir(&archive).expect("a folder");
        fs::create_dir(&root).expect("a folder");
        succeeds(
            Command::new("tar")
                .arg("-xf")
                .arg(package(".oci.tar"))
                .arg("-C")
                .arg(&archive),
        );
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().expect("a digest");
            archive.join("blobs").join(digest.replace(':', "/"))
        };
        let manifest = read(blob(&read(archive.join("index.json"))["manifests"][0]));
        let configuration = read(blob(&manifest["config"]));
        let layers = manifest["layers"].as_array().expect("layers");
        for layer in layers {
            succeeds(
                Command::new("tar")
                    .arg("-xzf")
                    .arg(blob(layer))
                    .arg("-C")
                    .arg(&root),
            );
        }
        Unpacked {
            folder,
            configuration,
        }
    }

    /// A runtime on the image with these arguments. Its PID namespace is a process's, or the host's; its root is read-only.
    fn run(&self, runtime: Runtime, arguments: &[&str], joined: Option<u32>) -> (Option<i32>, String) {
        let rules = self.folder.path().join("rules.yaml");
        fs::write(&rules, RULES).expect("written");
        let words = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let configuration = &self.configuration["config"];
        let mut typed = words(&configuration["Entrypoint"]);
        typed.extend(arguments.iter().map(|word| json!(word)));
        let mut namespaces = vec![json!({"type": "mount"})];
        if let Some(pid) = joined {
            namespaces.push(json!({"type": "pid", "path": format!("/proc/{pid}/ns/pid")}));
        }
        let specification = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": typed,
                "env": words(&configuration["Env"]),
                "cwd": configuration["WorkingDir"],
                "noNewPrivileges": true,
                "capabilities": {"bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES},
            },
            "root": {"path": "rootfs", "readonly": true},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/rules.yaml", "type": "bind", "source": rules, "options": ["bind", "ro"]},
            ],
            "linux": {"namespaces": namespaces, "seccomp": bundle::default_seccomp(&CAPABILITIES)},
        });
        // runc makes the place of a mount only where the root can be written.
        fs::write(self.folder.path().join("rootfs/rules.yaml"), "").expect("written");
        fs::write(self.folder.path().join("config.json"), specification.to_string()).expect("written");
        let name = format!("goinject-test-{}-{}", std::process::id(), joined.unwrap_or(0));
        let output = output(
            runtime
                .command()
                .arg("--root")
                .arg(self.folder.path().join("state"))
                .args(["run", "--bundle"])
                .arg(self.folder.path())
                .arg(name),
        );
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }
}

/// What packaging/README.md has the image run with.
const CAPABILITIES: [&str; 5] = [
    "CAP_SYS_PTRACE",
    "CAP_SYS_ADMIN",
    "CAP_BPF",
    "CAP_PERFMON",
    "CAP_DAC_OVERRIDE",
];

/// A target that runs for itself, in a PID namespace of its own or not.
struct Alone {
    child: Child,
    /// Its number on the host.
    pid: u32,
}

impl Alone {
    fn start(own_namespace: bool) -> Alone {
        let mut command = match own_namespace {
            false => Command::new(target()),
            true => {
                let mut command = Command::new("unshare");
                command.args(["--pid", "--fork", "--kill-child"]).arg(target());
                command
            }
        };
        command.args(["-only", "number", "-input"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().expect("it starts");
        let mut started = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped"))
            .read_line(&mut started)
            .expect("a line");
        assert!(started.starts_with("started "), "{started}");
        let pid = match own_namespace {
            false => child.id(),
            true => only_child_of(child.id()),
        };
        Alone { child, pid }
    }

    /// Lets it end, and gives its exit status: 0 if no call went wrong.
    fn end(mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        self.child.wait().expect("our child").code()
    }
}

fn only_child_of(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
    children.trim().parse().expect("one child")
}

#[test]
fn skopeo_reads_the_image() {
    let place = format!("oci-archive:{}", package(".oci.tar").display());
    let image: Value =
        serde_json::from_str(&succeeds(Command::new("skopeo").args(["inspect", &place]))).expect("JSON");
    assert_eq!(
        (&image["Architecture"], &image["Os"]),
        (&json!("amd64"), &json!("linux")),
        "{image}"
    );
    assert_eq!(image["Labels"]["org.opencontainers.image.title"], "goinject");
    // The parts are verified by their checksums where they are copied.
    let copy = tempfile::tempdir().expect("a folder");
    let to = format!("oci:{}:copy", copy.path().join("image").display());
    succeeds(Command::new("skopeo").args(["--insecure-policy", "copy", "--quiet", &place, &to]));
}

#[test]
fn the_recipe_makes_the_same_image() {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/Containerfile");
    let recipe = fs::read_to_string(recipe).expect("committed");
    let instruction = |name: &str| {
        let line = recipe.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
    };
    let words = |name: &str| serde_json::from_str::<Value>(&instruction(name)).expect("a list");
    let image = Unpacked::new().configuration["config"].clone();
    assert_eq!(instruction("FROM"), "scratch");
    assert_eq!(words("ENTRYPOINT"), image["Entrypoint"]);
    assert_eq!(words("CMD"), image["Cmd"]);
    assert_eq!(json!([instruction("ENV")]), image["Env"]);
    assert_eq!(json!(instruction("WORKDIR")), image["WorkingDir"]);
}

#[test]
fn runc_and_crun_run_the_image() {
    if no_namespaces().is_some() {
        return;
    }
    let image = Unpacked::new();
    for runtime in Runtime::ALL {
        let (code, said) = image.run(runtime, &["--version"], None);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.starts_with("goinject "), "{said}");
    }
}

/// The target has mount, PID and user namespaces of its own, a root that can only be read, and the default filter.
#[test]
fn the_image_injects_into_another_container() {
    if no_namespaces().is_some() {
        return;
    }
    let image = Unpacked::new();
    // Names are looked up in the files of the host, which its first process sees.
    let sees_host = fs::read_dir("/proc/1/root/").is_ok();
    if !sees_host {
        Tally::skip(
            "containers by name from the image",
            "the root of the host's first process can't be read",
        );
    }
    for runtime in Runtime::ALL {
        let arguments = ["-only", "number", "-for", "100s"];
        let container = Container::start(runtime, &target(), &arguments, |config, _| {
            bundle::with_user_namespace(config);
            config["linux"]["seccomp"] = bundle::default_seccomp(&[]);
        });
        let first = container.pid();
        for engine in ["ptrace", "bpf"] {
            let run = ["run", "/rules.yaml", "--quiet", "--engine", engine];
            // By its number in its own PID namespace, and from the host's by name.
            let from_inside = [&run[..], &["--pid", "1"]].concat();
            let by_name = [&run[..], &["--container", &container.id]].concat();
            let runs = [(from_inside, Some(first)), (by_name, None)];
            for (run, joined) in runs.into_iter().take(1 + usize::from(sees_host)) {
                let (code, said) = image.run(runtime, &run, joined);
                assert_eq!(code, Some(5), "{} {run:?}: {said}", runtime.name());
                assert!(said.contains(&format!("engine {engine}")), "{said}");
            }
        }
    }
}

/// Podman loads the image, and runs it and the target with defaults of its own, and no more privileges than are documented.
#[test]
fn podman_loads_and_runs_the_image() {
    if no_namespaces().is_some() {
        return;
    }
    let podman = Podman::new();
    let root = podman.path("image");
    fs::create_dir(&root).expect("a folder");
    fs::copy(target(), root.join("app")).expect("a copy");
    let layer = podman.path("image.tar");
    succeeds(
        Command::new("tar")
            .arg("-cf")
            .arg(&layer)
            .arg("-C")
            .arg(&root)
            .arg("app"),
    );
    succeeds(podman.command().arg("import").arg(&layer).arg("target:latest"));
    succeeds(
        podman
            .command()
            .args(["load", "--input"])
            .arg(package(".oci.tar")),
    );
    let mut start = podman.command();
    start.args(["run", "--detach", "--read-only"]).args(PODMAN_LIMITS);
    start.args(["--uidmap", "0:100000:60000", "--gidmap", "0:100000:60000"]);
    start.args(["--name", "target", "localhost/target:latest", "/app"]);
    succeeds(start.args(["-only", "number", "-for", "100s"]));
    let rules = podman.path("rules.yaml");
    fs::write(&rules, RULES).expect("written");
    let image = concat!("localhost/goinject:", env!("CARGO_PKG_VERSION"));
    let capabilities = CAPABILITIES.map(|name| name.trim_start_matches("CAP_")).join(",");
    for engine in ["ptrace", "bpf"] {
        let mut run = podman.command();
        run.args(["run", "--rm", "--pid", "container:target", "--read-only"])
            .args(PODMAN_LIMITS)
            .args(["--cap-drop", "ALL", "--cap-add", &capabilities])
            .arg(format!("--volume={}:/rules.yaml:ro", rules.display()))
            .arg(image)
            .args(["run", "/rules.yaml", "--quiet", "--engine", engine, "--pid", "1"]);
        let output = output(&mut run);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains(&format!("engine {engine}")), "{said}");
    }
}

/// Limits that this machine may set, and its network.
const PODMAN_LIMITS: [&str; 4] = [
    "--network=host",
    "--ulimit=nofile=512:512",
    "--ulimit=nproc=512:512",
    "--log-driver=k8s-file",
];

/// Podman with stores of its own. Its containers end with it.
struct Podman(tempfile::TempDir);

impl Podman {
    fn new() -> Podman {
        Podman(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        for (option, folder) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(self.path(folder));
        }
        command.args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs"]);
        command.args(["--events-backend=file", "--runtime=runc"]);
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = output(self.command().args(["rm", "--force", "--all", "--time", "0"]));
    }
}

/// What the image's goinject makes of a target outside of its container.
fn injects(engine: &str, own_namespace: bool) {
    if no_namespaces().is_some() {
        return;
    }
    let image = Unpacked::new();
    let target = Alone::start(own_namespace);
    // In the target's own namespace it is the first process; in the host's it has the number that is seen here.
    let pid = if own_namespace {
        "1".to_owned()
    } else {
        target.pid.to_string()
    };
    let run = ["run", "/rules.yaml", "--quiet", "--engine", engine, "--pid", &pid];
    let (code, said) = image.run(Runtime::Runc, &run, own_namespace.then_some(target.pid));
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains(&format!("engine {engine}")), "{said}");
    assert_eq!(target.end(), Some(0));
}

#[test]
fn the_image_injects_into_a_process_of_the_host_by_ptrace() {
    injects("ptrace", false);
}

#[test]
fn the_image_injects_into_a_process_of_the_host_by_bpf() {
    injects("bpf", false);
}

#[test]
fn the_image_injects_from_the_targets_own_pid_namespace_by_ptrace() {
    injects("ptrace", true);
}

#[test]
fn the_image_injects_from_the_targets_own_pid_namespace_by_bpf() {
    injects("bpf", true);
}
