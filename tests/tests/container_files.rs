//! Containers as the files of each runtime tell of them, on copies of such files.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use goinject::container::View;
use goinject_tests::tree;

struct Tree(tempfile::TempDir);

impl Tree {
    fn of(name: &str) -> Tree {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/containers");
        tree::unpack(&archive.join(name).with_extension("txtar"), folder.path());
        Tree(folder)
    }

    /// Every container, with its processes here and there.
    fn shown(&self) -> String {
        let view = View::at(self.0.path());
        let mut text = String::new();
        for container in view.containers() {
            let members = view.members(&container).into_iter().map(|member| {
                let inside = member.namespace_pid.map_or("-".to_owned(), |pid| pid.to_string());
                format!("{}={inside}", member.pid)
            });
            let members: Vec<String> = members.collect();
            let _ = writeln!(
                text,
                "{} | {} | {} | {}",
                container.label(),
                container.short_id(),
                container.runtime,
                members.join(" ")
            );
        }
        text
    }

    /// Writes anew what `/proc` tells of the cgroups of each process: the one it has in the second version's hierarchy, as another
    /// host, or somebody in another cgroup namespace, would see it.
    fn with_cgroups(self, seen: impl Fn(&str) -> String) -> Tree {
        for entry in fs::read_dir(self.0.path().join("proc")).expect("processes") {
            let file = entry.expect("an entry").path().join("cgroup");
            let Ok(text) = fs::read_to_string(&file) else {
                continue;
            };
            let cgroup = text.lines().find_map(|line| line.strip_prefix("0::"));
            fs::write(&file, seen(cgroup.expect("in the hierarchy"))).expect("written");
        }
        self
    }

    /// What a name stands for, or why for nothing.
    fn find(&self, name: &str) -> String {
        let name = name.parse().expect("a name");
        match View::at(self.0.path()).find(&name) {
            Ok(found) => {
                let labels: Vec<String> = found.iter().map(|found| found.container.label()).collect();
                labels.join(" ")
            }
            Err(error) => error.to_string(),
        }
    }
}

#[test]
fn docker() {
    let tree = Tree::of("docker");
    insta::assert_snapshot!(tree.shown(), @r"
    old | 2b91d3fb2f21 | Docker | 
    web | 7d54e6c89f27 | Docker | 316=1 484=13
    web-db | b74e80149862 | Docker | 370=1
    ");
    for name in ["web", "/web"] {
        assert_eq!(tree.find(name), "web", "{name}");
    }
    // Where nothing says where its files are, those that it has mounted into a container do.
    let shown = tree.shown();
    fs::remove_file(tree.0.path().join("etc/docker/daemon.json")).expect("it is there");
    assert_eq!(tree.shown(), shown);
    fs::remove_dir_all(tree.0.path().join("var/run/docker")).expect("it is there");
    assert!(tree.find("web").starts_with("there is no container"));
}

#[test]
fn docker_with_cgroups_of_systemd() {
    let tree = Tree::of("docker-systemd");
    insta::assert_snapshot!(tree.shown(), @r"
    old | c6f86b228645 | Docker | 
    web | 0b8301f9ab37 | Docker | 3101=1 3150=17 3300=30
    web-db | 967fe9f54c82 | Docker | 3202=1
    ");
    for name in ["web", "/web", "0b83", "docker://0b8301f9ab37"] {
        assert_eq!(tree.find(name), "web", "{name}");
    }
    insta::assert_snapshot!(tree.find("old"), @"container `old` (old (c6f86b228645, Docker)) does not run: start it first");
    insta::assert_snapshot!(tree.find("web-bd"), @"there is no container `web-bd`: did you mean `web-db`?");
    // What a container calls itself counts for nothing.
    assert!(tree.find("stolen").starts_with("there is no container"));
}

#[test]
fn docker_with_the_first_cgroups() {
    let tree = Tree::of("docker-v1");
    // The process of a container in the container is in the outer one.
    insta::assert_snapshot!(tree.shown(), @"eager_euler | 0b8301f9ab37 | Docker | 3101=1 3110=1");
}

#[test]
fn podman() {
    let tree = Tree::of("podman");
    insta::assert_snapshot!(tree.shown(), @r"
    mine | c6f86b228645 | Podman | 3501=1
    plain | 967fe9f54c82 | Podman | 3201=1 3205=9
    web | 0b8301f9ab37 | Podman | 3101=1
    ");
    assert_eq!(tree.find("mine"), "mine");
}

/// Containers of several at once, in the scopes and slices that systemd makes.
#[test]
fn cgroups_of_systemd() {
    let tree = Tree::of("systemd");
    insta::assert_snapshot!(tree.shown(), @r"
    0b8301f9ab37 | 0b8301f9ab37 | containerd | 301=1
    3f4ef767e86a-infra | 3dc3ebf74f19 | Podman | 215=1
    app | fd046f5097b3 | Podman | 243=1
    shop | 5f1b749cb40a | Podman | 169=1
    web | bc71c53ee2ea | Docker | 113=1
    ");
    for name in ["web", "shop", "app"] {
        assert_eq!(tree.find(name), name);
    }
    assert_eq!(tree.find("0b83"), "0b8301f9ab37");
}

/// A pod's cgroup is called by the pod's id where systemd does not make it: each container in it is another.
#[test]
fn a_pod_of_podman() {
    let tree = Tree::of("podman-pod");
    insta::assert_snapshot!(tree.shown(), @r"
    5f15acf9ebca-infra | 08a296d11570 | Podman | 32049=1
    one | cae1930ca970 | Podman | 32076=1
    two | 49a109ff8eef | Podman | 32116=1
    ");
    assert_eq!(tree.find("one"), "one");
}

#[test]
fn cri_o() {
    let tree = Tree::of("cri-o");
    insta::assert_snapshot!(tree.shown(), @r"
    shop/bill-0 (sandbox) | c010d35942b7 | CRI-O | 436=1
    shop/bill-0/main | f4531b914e40 | CRI-O | 476=6
    shop/cart-0 (sandbox) | 60509aac5c93 | CRI-O | 
    shop/cart-0/app | 5a8e7f55a7ed | CRI-O | 324=1
    shop/cart-0/app | c9b1a64f4a46 | CRI-O | 
    shop/cart-0/proxy | 3cdeafd77730 | CRI-O | 378=1
    ");
    // One that was restarted is there once; a sandbox is nobody's target, be it a process or none.
    assert_eq!(tree.find("shop/cart-0"), "shop/cart-0/app shop/cart-0/proxy");
    assert_eq!(tree.find("shop/bill-0"), "shop/bill-0/main");
    // The name that it gives a container is in its list only.
    let name = "k8s_app_cart-0_shop_5c1e7788-0000-4000-8000-000000000001_1";
    assert_eq!(tree.find(name), "shop/cart-0/app");
    let other = "k8s_app_cart-0_shop_5c1e7788-0000-4000-8000-000000000001_0";
    assert!(
        tree.find(other).ends_with("does not run: start it first"),
        "{}",
        tree.find(other)
    );
}

#[test]
fn cri_o_with_cgroups_of_systemd() {
    let tree = Tree::of("cri-o-systemd");
    insta::assert_snapshot!(tree.shown(), @r"
    shop/cart-0 (sandbox) | 0b8301f9ab37 | CRI-O | 3000=1
    shop/cart-0/app | 91c3a8b31ca7 | CRI-O | 
    shop/cart-0/app | 967fe9f54c82 | CRI-O | 3101=1
    shop/cart-0/proxy | c6f86b228645 | CRI-O | 3201=1
    ");
    // One that was restarted is there once; the sandbox is nobody's target.
    assert_eq!(tree.find("shop/cart-0"), "shop/cart-0/app shop/cart-0/proxy");
    assert_eq!(tree.find("shop/cart-0/app"), "shop/cart-0/app");
    insta::assert_snapshot!(tree.find("shop/cart-0/ap"), @"pod `shop/cart-0` has no container `ap`: it has app, proxy");
    insta::assert_snapshot!(tree.find("shop/cart-1"), @"there is no container `shop/cart-1`: did you mean `shop/cart-0`?");
}

#[test]
fn containerd() {
    let tree = Tree::of("containerd");
    insta::assert_snapshot!(tree.shown(), @r"
    my-tool | tool | containerd | 3301=1 3302=2
    shop/cart (sandbox) | 0b8301f9ab37 | containerd | 3000=1
    shop/cart/app | 967fe9f54c82 | containerd | 3101=1
    test/cart/app | c6f86b228645 | containerd | 3201=1
    ");
    assert_eq!(tree.find("shop/cart"), "shop/cart/app");
    assert_eq!(tree.find("test/cart/app"), "test/cart/app");
    assert_eq!(tree.find("tool"), "my-tool");
}

#[test]
fn the_kubelet_alone() {
    let tree = Tree::of("kubelet");
    insta::assert_snapshot!(tree.shown(), @r"
    ca9c2cab47e6 | ca9c2cab47e6 | runtime not known | 803=1
    f3b2de2b59e4 | f3b2de2b59e4 | runtime not known | 809=1
    shop/bill-node/main | 21aabb3788aa | runtime not known | 975=1
    shop/cart-node/app | eecff889fcec | runtime not known | 947=1
    shop/cart-node/proxy | 5b4b4b3a9fbd | runtime not known | 1067=1
    ");
    assert_eq!(
        tree.find("shop/cart-node"),
        "shop/cart-node/app shop/cart-node/proxy"
    );
    // Without the names of logs, what it mounts tells the same.
    fs::remove_dir_all(tree.0.path().join("var/log/containers")).expect("it is there");
    assert_eq!(
        tree.find("shop/cart-node"),
        "shop/cart-node/app shop/cart-node/proxy"
    );
    assert_eq!(tree.find("shop/bill-node/main"), "shop/bill-node/main");
}

#[test]
fn a_mount_of_the_kubelet() {
    let tree = Tree::of("kubelet-mount");
    insta::assert_snapshot!(tree.shown(), @r"
    c6f86b228645 | c6f86b228645 | runtime not known | 3301=1
    shop/bill-0/main | 967fe9f54c82 | runtime not known | 3201=1
    shop/cart-7d4b9-x2x/app | 0b8301f9ab37 | runtime not known | 3101=1
    ");
    assert_eq!(tree.find("shop/bill-0"), "shop/bill-0/main");
}

#[test]
fn the_kubelet_with_each_driver_of_cgroups() {
    let tree = Tree::of("kubelet-v1");
    insta::assert_snapshot!(tree.shown(), @r"
    shop/bill-0/main | 967fe9f54c82 | runtime not known | 3201=1
    shop/cart-0/app | 0b8301f9ab37 | containerd | 3101=1
    ");
    assert_eq!(tree.find("shop/cart-0"), "shop/cart-0/app");
    let tree = Tree::of("kubelet-namespace");
    insta::assert_snapshot!(tree.shown(), @r"
    c6f86b228645 | c6f86b228645 | runtime not known | 3301=1
    shop/bill-0/main | 967fe9f54c82 | runtime not known | 3201=1
    shop/cart-0/app | 0b8301f9ab37 | CRI-O | 3101=1
    ");
    assert_eq!(tree.find("shop/bill-0/main"), "shop/bill-0/main");
}

#[test]
fn runc_and_crun_alone() {
    let tree = Tree::of("runc-crun");
    insta::assert_snapshot!(tree.shown(), @r"
    bare | bare | crun | 3301=1 3302=2
    gone | gone | runc | 
    grouped | grouped | crun | 3401=-
    web | web | runc | 3101=1 3102=2
    ");
    insta::assert_snapshot!(tree.find("gone"), @"container `gone` (gone (runc)) does not run: start it first");
    // An id that somebody chose is a name: its beginning is none.
    assert_eq!(tree.find("we"), "there is no container `we`: did you mean `web`?");
    insta::assert_snapshot!(tree.find("shop"), @r"
    there is no container `shop`; these run:
      bare (crun)
      grouped (crun)
      web (runc)
    ");
}

/// A cgroup as `/proc` shows it to somebody whose cgroup namespace begins at `base`.
fn from_within(base: &str, cgroup: &str) -> String {
    let parts = |path: &str| -> Vec<String> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let (base, cgroup) = (parts(base), parts(cgroup));
    let common = base
        .iter()
        .zip(&cgroup)
        .take_while(|(one, other)| one == other)
        .count();
    let up = base[common..].iter().map(|_| "..");
    let path: Vec<&str> = up.chain(cgroup[common..].iter().map(String::as_str)).collect();
    format!("/{}", path.join("/"))
}

#[test]
fn cgroups_from_within_a_namespace() {
    assert_eq!(from_within("/a/b", "/a/b"), "/");
    assert_eq!(from_within("/a/b", "/a/c.scope"), "/../c.scope");
    assert_eq!(from_within("/a/b", "/"), "/../..");
}

/// Whatever hierarchies a host has, and wherever goinject is in them, the same containers have the same processes.
#[test]
fn each_layout_of_cgroups_tells_the_same() {
    let own = "5d0f1c6e1f0f4d1fbd54cf4ee25e4c8c6a4ae8f5a0ee1d7d7e0a31b2c3d4e5f6";
    let pod = format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod5c1e7788_0000_4000_8000_000000000009.slice/crio-{own}.scope"
    );
    let first = |cgroup: &str| {
        format!("12:pids:{cgroup}\n5:cpu,cpuacct:{cgroup}\n4:memory:{cgroup}\n1:name=systemd:{cgroup}\n")
    };
    let namespaced = |base: String| move |cgroup: &str| format!("0::{}\n", from_within(&base, cgroup));
    type Seen<'a> = Box<dyn Fn(&str) -> String + 'a>;
    let layouts: [(&str, Seen<'_>); 6] = [
        ("the first alone", Box::new(first)),
        (
            "both, as systemd has them",
            Box::new(|cgroup| format!("{}0::{cgroup}\n", first(cgroup))),
        ),
        (
            "both, the second unused",
            Box::new(|cgroup| format!("{}0::/\n", first(cgroup))),
        ),
        (
            "from a container of Docker",
            Box::new(namespaced(format!("/system.slice/docker-{own}.scope"))),
        ),
        ("from a pod", Box::new(namespaced(pod))),
        (
            "from a container of Podman",
            Box::new(namespaced(format!("/machine.slice/libpod-{own}.scope/container"))),
        ),
    ];
    for name in [
        "docker",
        "docker-systemd",
        "podman",
        "podman-pod",
        "cri-o",
        "cri-o-systemd",
        "containerd",
        "systemd",
        "kubelet",
        "kubelet-mount",
    ] {
        let plain = Tree::of(name).shown();
        for (layout, seen) in &layouts {
            assert_eq!(
                Tree::of(name).with_cgroups(seen).shown(),
                plain,
                "{name}: {layout}"
            );
        }
    }
}

#[test]
fn several_of_one_name_are_told_apart() {
    let tree = Tree::of("docker-systemd");
    let id = "967fe9f54c8202765926d3edd7977590ae3e09de81ec3b780602d6bec3b460cb";
    let config = tree
        .0
        .path()
        .join(format!("srv/docker/containers/{id}/config.v2.json"));
    let text = fs::read_to_string(&config).expect("it is there");
    fs::write(&config, text.replace("/web-db", "/web")).expect("written");
    insta::assert_snapshot!(tree.find("web"), @r"
    `web` may be any of these containers, name one by its id:
      web (0b8301f9ab37, Docker)
      web (967fe9f54c82, Docker)
    ");
    assert_eq!(tree.find("967f"), "web");
}
