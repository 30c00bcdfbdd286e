//! The container image: read by skopeo, and run by runc next to a target.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

    /// runc on the image with these arguments. Its PID namespace is a process's, or the host's; its root is read-only.
    fn run(&self, arguments: &[&str], joined: Option<u32>) -> (Option<i32>, String) {
        let rules = self.folder.path().join("rules.yaml");
        fs::write(&rules, RULES).expect("written");
        let words = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let configuration = &self.configuration["config"];
        let mut typed = words(&configuration["Entrypoint"]);
        typed.extend(arguments.iter().map(|word| json!(word)));
        let capabilities = [
            "CAP_SYS_PTRACE",
            "CAP_SYS_ADMIN",
            "CAP_BPF",
            "CAP_PERFMON",
            "CAP_DAC_READ_SEARCH",
        ];
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
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            },
            "root": {"path": "rootfs", "readonly": true},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/rules.yaml", "type": "bind", "source": rules, "options": ["bind", "ro"]},
            ],
            "linux": {"namespaces": namespaces},
        });
        // runc makes the place of a mount only where the root can be written.
        fs::write(self.folder.path().join("rootfs/rules.yaml"), "").expect("written");
        fs::write(self.folder.path().join("config.json"), specification.to_string()).expect("written");
        let name = format!("goinject-test-{}-{}", std::process::id(), joined.unwrap_or(0));
        let output = output(
            Command::new("runc")
                .arg("--root")
                .arg(self.folder.path().join("state"))
                .args(["run", "--bundle"])
                .arg(self.folder.path())
                .arg(name),
        );
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }
}

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
fn runc_runs_the_image() {
    if no_namespaces().is_some() {
        return;
    }
    let image = Unpacked::new();
    let (code, said) = image.run(&["--version"], None);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("goinject "), "{said}");
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
    let (code, said) = image.run(&run, own_namespace.then_some(target.pid));
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
