//! Containers by name in a guest that has nothing but the second version of cgroups: one of runc, under the filter of system calls
//! that containers have by default, and one in the places where Docker with systemd leaves it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use goinject_tests::{Build, Outcome, Writer, bundle, busy, guest};

const ID: &str = "0b8301f9ab37364393af5dff68340c10b060002d0c0e9510293ae2bf0a208691";

const SCRIPT: &str = r#"
set -e
grep -v ' cgroup2 ' /proc/mounts | grep ' cgroup ' && exit 8
cp -r /srv/bundle /tmp/bundle
cd /tmp/bundle && mkdir -p rootfs/proc rootfs/dev rootfs/tmp
by_name() { # NAME WRITER
	echo "@@ $1 $2"
	code=0
	goinject run --quiet --writer $2 --json /tmp/json --container $1 /srv/rules/rules.yaml >/tmp/said 2>&1 || code=$?
	echo "@code $code"
	touch /tmp/json
	grep -v '"type":"fired"' /tmp/json || true
	sed 's/^/said: /' /tmp/said
}
for writer in WRITERS; do
	/bin/runc run --no-pivot --detach shop-1 >/tmp/out 2>&1 || { cat /tmp/out; exit 7; }
	until grep -q started /tmp/out; do sleep 0.1; done
	by_name shop-1 $writer
	echo "cgroup: $(cat /proc/$(/bin/runc state shop-1 | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')/cgroup)"
	/bin/runc delete --force shop-1

	scope=/sys/fs/cgroup/system.slice/docker-NUMBER.scope
	mkdir -p $scope /var/lib/docker/containers/NUMBER
	printf '{"ID":"NUMBER","Name":"/web","Config":{"Labels":{}},"State":{"Running":true,"Pid":1}}' >/var/lib/docker/containers/NUMBER/config.v2.json
	: >/tmp/out # The former one has said that it is started.
	sh -c "echo \$\$ >$scope/cgroup.procs; exec unshare -p -f /tmp/bundle/rootfs/bin/app -only leaf -for 60s" >/tmp/out 2>&1 &
	until grep -q started /tmp/out; do sleep 0.1; done
	by_name web $writer
	kill -9 $(cat $scope/cgroup.procs) || true
done
"#;

#[test]
fn guest_newest_finds_containers_with_the_second_cgroups_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    fs::create_dir_all(place("bundle/rootfs/bin")).expect("folders");
    fs::create_dir(place("rules")).expect("a folder");
    let rules = busy::rules(&["leaf"], "when: {times: 50}, ");
    fs::write(
        place("rules/rules.yaml"),
        format!("{rules}limits: {{duration: 3s}}\n"),
    )
    .expect("rules");
    fs::copy(Build::plain("1.27").of("busy"), place("bundle/rootfs/bin/app")).expect("the program");
    let mut config = bundle::config(&["/bin/app", "-only", "leaf", "-for", "60s"]);
    config["linux"]["seccomp"] = bundle::default_seccomp(&[]);
    fs::write(place("bundle/config.json"), config.to_string()).expect("a configuration");
    if let Some(reason) = bundle::refused() {
        goinject_tests::Tally::skip("containers in a guest", &reason);
        return;
    }
    let runc = ["/usr/sbin/runc", "/usr/bin/runc"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.exists());
    let files = [
        (place("bundle"), PathBuf::from("/srv/bundle")),
        (place("rules"), PathBuf::from("/srv/rules")),
        (runc.expect("it is there").to_owned(), PathBuf::from("/bin/runc")),
    ];
    let Some(mut booted) = guest::boot("newest", &files) else {
        return;
    };
    let writers = [
        Writer::SignalFrame,
        Writer::Context,
        Writer::Tracer,
        Writer::Breakpoints,
    ];
    let names = writers.map(Writer::name).join(" ");
    let script = SCRIPT.replace("WRITERS", &names).replace("NUMBER", ID);
    let outcome = booted.run(&script, Duration::from_secs(240));
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
    let text = outcome.stdout();
    assert!(
        outcome.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&outcome.stderr)
    );
    for writer in writers {
        for (name, runtime) in [("shop-1", "runc"), ("web", "Docker")] {
            let start = format!("{name} {}\n", writer.name());
            let part = text.split("@@ ").find_map(|part| part.strip_prefix(&start));
            let outcome = Outcome::of_a_script(part.unwrap_or_else(|| panic!("{start} in {text}")));
            assert_eq!(outcome.code, Some(5), "{start}: {text}");
            assert_eq!(outcome.counts()[0].applied, 50, "{start}: {text}");
            let process = outcome.of_type("process").next().expect("it is told of");
            assert_eq!(process["namespace_pid"], 1, "{start}: {process}");
            assert_eq!(process["container"]["name"], name, "{process}");
            assert_eq!(process["container"]["runtime"], runtime, "{process}");
        }
    }
    let second = text
        .lines()
        .filter(|line| line.starts_with("cgroup: 0::/") && line.contains("shop-1"));
    assert_eq!(second.count(), writers.len(), "{text}");
}
