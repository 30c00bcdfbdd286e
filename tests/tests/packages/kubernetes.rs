//! The manifests of `examples/kubernetes`: checked against the schemas of Kubernetes, and their container run on something that
//! looks like a node to goinject.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::{no_namespaces, output, program, python, succeeds, target, text};

const UID: &str = "5c1e7788-0000-4000-8000-000000000001";
const ID: &str = "0b8301f9ab37364393af5dff68340c10b060002d0c0e9510293ae2bf0a208691";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/kubernetes")
        .join(name)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/kubernetes")
        .join(name)
}

/// The documents of a manifest.
fn documents(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(example(name)).expect("committed");
    let documents = text.split("\n---\n").map(serde_saphyr::from_str);
    documents.collect::<Result<_, _>>().expect("YAML")
}

fn kind(name: &str, kind: &str) -> Value {
    let found = documents(name)
        .into_iter()
        .find(|document| document["kind"] == kind);
    found.unwrap_or_else(|| panic!("{name} has no {kind}"))
}

/// The container of a workload.
fn container(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn manifests_are_what_kubernetes_knows() {
    let manifests = ["namespace.yml", "job.yml", "daemonset.yml"].map(example);
    let checked = succeeds(python().arg(fixture("validate.py")).args(&manifests));
    let checked: Value = serde_json::from_str(&checked).expect("JSON");
    assert_eq!(checked["mistakes"], json!([]));
    let versions = checked["versions"].as_array().expect("a list");
    assert!(versions.len() >= 5, "{versions:?}");
    // The checker is one: a field that nobody knows is a mistake.
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("wrong.yml");
    let job = fs::read_to_string(example("job.yml")).expect("committed");
    fs::write(&wrong, job.replace("hostPID: true", "hostPid: true")).expect("written");
    let checked = succeeds(python().arg(fixture("validate.py")).arg(&wrong));
    assert!(checked.contains("hostPid"), "{checked}");
}

#[test]
fn manifests_agree_with_each_other_and_with_what_is_published() {
    let (job, daemons) = (kind("job.yml", "Job"), kind("daemonset.yml", "DaemonSet"));
    let profile = &documents("debug-profile.yml")[0];
    let image = format!("goinject:{}", env!("CARGO_PKG_VERSION"));
    let context = &profile["securityContext"];
    for workload in [&job, &daemons] {
        assert_eq!(container(workload)["image"], image.as_str());
        let mut without_group = container(workload)["securityContext"].clone();
        without_group.as_object_mut().expect("a map").remove("runAsGroup");
        assert_eq!(without_group, *context);
    }
    let readme = fs::read_to_string(example("README.md")).expect("committed");
    assert!(readme.contains(&format!("--image={image} ")), "{image}");
    // The rules of the Job are those of the folder, and end before the Job does.
    let rules = kind("job.yml", "ConfigMap")["data"]["chaos.yaml"].clone();
    let file = fs::read_to_string(example("chaos.yaml")).expect("committed");
    let (_, file) = file.split_once('\n').expect("a line for editors");
    assert_eq!(rules, file);
    let rules = goinject_rules::parse(&goinject_rules::read(example("chaos.yaml")).expect("committed"));
    let (rules, _) = rules.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let limit = rules.limits.duration.expect("a limit").as_secs();
    assert!(
        job["spec"]["activeDeadlineSeconds"].as_u64() > Some(limit),
        "{job}"
    );
}

/// What is changed about the container of the manifests, and what comes of it: an exit code and words.
struct Case {
    name: &'static str,
    without: &'static [&'static str],
    engine: &'static str,
    seccomp: bool,
    comes: (i32, &'static str),
}

const fn case(
    name: &'static str,
    without: &'static [&'static str],
    engine: &'static str,
    comes: (i32, &'static str),
) -> Case {
    Case {
        name,
        without,
        engine,
        seccomp: false,
        comes,
    }
}

const CASES: [Case; 8] = [
    case("bpf", &[], "bpf", (0, "engine bpf")),
    case("ptrace", &["BPF", "PERFMON"], "ptrace", (0, "engine ptrace")),
    case("no-bpf", &["BPF", "SYS_ADMIN"], "bpf", (3, "bpf: BPF needs")),
    case(
        "no-perfmon",
        &["PERFMON", "SYS_ADMIN"],
        "bpf",
        (3, "bpf: BPF needs"),
    ),
    case(
        "no-ptrace",
        &["SYS_PTRACE"],
        "auto",
        (3, "there is no container `shop/cart-0`"),
    ),
    case("no-admin", &["SYS_ADMIN"], "auto", (3, "filter")),
    case("no-override", &["DAC_OVERRIDE"], "auto", (3, "ermission denied")),
    Case {
        seccomp: true,
        ..case("filtered", &["SYS_ADMIN"], "ptrace", (0, "engine ptrace"))
    },
];

const RULES: &str = "\
version: 1
limits: {faults: 1000}
rules:
- {name: result, function: main.result, inject: {set: {r: 1000003, s: replaced}}, expect: {fired: 1000}}
";

/// A filter that refuses nothing that goinject needs: that there is one counts.
fn filter() -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    })
}

fn mounts() -> Vec<Value> {
    vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}),
    ]
}

fn namespaces(kinds: &[&str]) -> Value {
    kinds.iter().map(|kind| json!({"type": kind})).collect()
}

/// A root with one program, which belongs to a user and is closed to others.
fn make_root(folder: &Path, from: &Path, name: &str, owner: u32) {
    for place in ["proc", "dev", "sys", "tmp"] {
        fs::create_dir_all(folder.join("rootfs").join(place)).expect("a root");
    }
    let app = folder.join("rootfs").join(name);
    fs::copy(from, &app).expect("a copy");
    fs::set_permissions(&app, fs::Permissions::from_mode(0o700)).expect("our own");
    chown(&app, Some(owner), Some(owner)).expect("our own");
}

/// The container of somebody's pod: with namespaces of its own, a user of its own, and the filter that runtimes give.
fn write_target(folder: &Path) {
    make_root(folder, &target(), "app", 1000);
    let config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 1000, "gid": 1000},
            "args": ["/app", "-for", "60s", "-only", "result"],
            "env": [],
            "cwd": "/",
            "noNewPrivileges": true,
            "capabilities": {},
        },
        "root": {"path": "rootfs", "readonly": true},
        "mounts": mounts(),
        "linux": {
            "cgroupsPath": format!("/kubepods/burstable/pod{UID}/{ID}"),
            "namespaces": namespaces(&["pid", "mount", "ipc", "uts", "network"]),
            "seccomp": filter(),
        },
    });
    fs::write(folder.join("config.json"), config.to_string()).expect("written");
}

/// The container of the manifests, as a runtime would make it: with the host's processes, and a mount namespace.
fn write_case(folder: &Path, case: &Case, context: &Value) {
    make_root(folder, &program(), "goinject", 0);
    fs::write(folder.join("rootfs/rules.yaml"), RULES).expect("written");
    let wanted = context["capabilities"]["add"].as_array().expect("a list");
    let capabilities: Vec<String> = wanted
        .iter()
        .map(|name| name.as_str().expect("text"))
        .filter(|name| !case.without.contains(name))
        .map(|name| format!("CAP_{name}"))
        .collect();
    let mut mounts = mounts();
    mounts.push(json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}));
    let mut config = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": context["runAsUser"], "gid": 0},
            "args": [
                "/goinject", "run", "/rules.yaml", "--quiet", "--engine", case.engine, "--until-limit",
                "--container", "shop/cart-0",
            ],
            "env": ["PATH=/"],
            "cwd": "/",
            "noNewPrivileges": context["allowPrivilegeEscalation"] == false,
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "root": {"path": "rootfs", "readonly": context["readOnlyRootFilesystem"]},
        "mounts": mounts,
        "linux": {"namespaces": namespaces(&["mount", "ipc", "uts", "network"])},
    });
    if case.seccomp {
        config["linux"]["seccomp"] = filter();
    }
    fs::write(folder.join("config.json"), config.to_string()).expect("written");
}

#[test]
fn the_container_of_the_manifests_has_what_it_needs_and_no_more() {
    if no_namespaces().is_some() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("our own");
    write_target(&folder.path().join("target"));
    let context = container(&kind("job.yml", "Job"))["securityContext"].clone();
    for case in &CASES {
        write_case(&folder.path().join("cases").join(case.name), case, &context);
    }
    let mut node = Command::new("unshare");
    node.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"])
        .arg(fixture("node.sh"))
        .arg(folder.path())
        .args([UID, ID])
        .stdout(Stdio::piped());
    let ended = output(&mut node);
    assert!(
        ended.status.success(),
        "{}{}",
        text(&ended.stdout),
        text(&ended.stderr)
    );
    let mut wrong = Vec::new();
    for case in &CASES {
        let read = |name: &str| fs::read_to_string(folder.path().join("cases").join(case.name).join(name));
        let (code, said) = (read("code").expect("it ran"), read("said").expect("it ran"));
        let (expected, words) = case.comes;
        if code.trim() != expected.to_string() || !said.contains(words) {
            wrong.push(format!("{}: {}\n{said}", case.name, code.trim()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
