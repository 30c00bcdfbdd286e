//! Guests do what they say: output, exit status, time limits, crashes.

use std::time::{Duration, Instant};

use goinject_lab::guest::{Stream, refused, script};
use goinject_lab::{Cache, Guest, GuestError};

const LIMIT: Duration = Duration::from_secs(60);

/// A guest with the newest kernel, or none where the user wants none.
fn guest() -> Option<Guest> {
    if let Some(reason) = refused() {
        goinject_lab::skips::note("guests", 1, reason);
        return None;
    }
    match Guest::new(&Cache::from_env(), "newest") {
        Ok(guest) => Some(guest),
        Err(error) => panic!("{error} (or set GOINJECT_NO_GUEST=1)"),
    }
}

#[test]
fn guest_runs_scripts_one_after_the_other() {
    let Some(guest) = guest() else { return };
    let folder = tempdir("files");
    std::fs::write(folder.join("data"), "from the host").unwrap();
    let guest = guest
        .file(&folder, "/srv/files")
        .unwrap()
        .text("/bin/greet", "#!/bin/sh\necho \"$GREETING $1\"\n");
    let mut guest = guest.env("GREETING", "it's").boot().unwrap();
    std::fs::remove_dir_all(folder).unwrap();

    let outcome = guest
        .run("echo out; echo err >&2; printf tail; exit 3", LIMIT)
        .unwrap();
    assert_eq!(outcome.status, 3);
    assert_eq!(outcome.stdout(), "out\ntail");
    assert_eq!(outcome.stderr(), "err\n");

    assert_eq!(
        guest.run("cat /srv/files/data", LIMIT).unwrap().stdout(),
        "from the host"
    );
    assert_eq!(
        guest.run(&script(&["greet", "a b"]), LIMIT).unwrap().stdout(),
        "it's a b\n"
    );
    assert_eq!(guest.run("kill -SEGV $$", LIMIT).unwrap().status, 128 + 11);
    assert!(
        guest.run("[ -t 1 ] || [ -t 0 ]", LIMIT).unwrap().status != 0,
        "no terminal"
    );
    assert!(guest.release.ends_with("-cloud-amd64"));

    let bytes = guest.run("seq 1 100000", LIMIT).unwrap().stdout;
    let expected: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    assert!(
        bytes == expected.as_bytes(),
        "nothing lost or added in {} bytes",
        bytes.len()
    );

    let mut seen = Vec::new();
    let mut live = |stream: Stream, bytes: &[u8]| seen.push((Instant::now(), stream, bytes.to_vec()));
    guest
        .run_with("echo one; sleep 1; echo two", LIMIT, &mut live)
        .unwrap();
    let (first, last) = (&seen[0], &seen[seen.len() - 1]);
    assert_eq!(first.1, Stream::Stdout);
    assert!(
        last.0 - first.0 > Duration::from_millis(500),
        "output comes as it is written: {seen:?}"
    );
    guest.power_off();
}

#[test]
fn guest_survives_a_script_that_takes_too_long() {
    let Some(guest) = guest() else { return };
    let mut guest = guest.boot().unwrap();
    let error = guest
        .run("echo begun; sleep 1000 & sleep 1000", Duration::from_secs(2))
        .unwrap_err();
    let GuestError::TimedOut {
        partial,
        wedged: false,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(partial.stdout(), "begun\n");
    assert_eq!(
        guest.run("ps | grep -c '[s]leep 1000'", LIMIT).unwrap().stdout(),
        "0\n"
    );

    guest.run("setsid sleep 2000 & sleep 3000 & true", LIMIT).unwrap();
    let left = guest.run("ps -o args | grep '[s]leep [23]000'", LIMIT).unwrap();
    assert_eq!(
        left.stdout(),
        "sleep 2000\n",
        "only what has a session of its own lives on"
    );
}

#[test]
fn guest_tells_a_crash_of_its_kernel() {
    let Some(guest) = guest() else { return };
    let mut guest = guest.boot().unwrap();
    // What was written just before a crash may not come out of the machine any more.
    let error = guest
        .run(
            "echo before; sleep 1; echo c >/proc/sysrq-trigger; sleep 60",
            LIMIT,
        )
        .unwrap_err();
    let GuestError::Died { panic, partial, .. } = error else {
        panic!("{error}")
    };
    let panic = panic.expect("the kernel says so");
    assert!(
        panic.starts_with("Kernel panic - not syncing: sysrq triggered crash"),
        "{panic}"
    );
    assert_eq!(partial.stdout(), "before\n");
}

#[test]
fn guest_can_be_locked_down() {
    let Some(guest) = guest() else { return };
    let guest = guest.kernel_argument("lockdown=integrity");
    let outcome = guest
        .run(&["cat", "/sys/kernel/security/lockdown"], LIMIT)
        .unwrap();
    assert_eq!(outcome.stdout(), "none [integrity] confidentiality\n");
}

#[test]
fn guest_that_cannot_boot_says_why_after_two_attempts() {
    let Some(guest) = guest() else { return };
    let guest = guest.kernel_argument("rdinit=/nowhere");
    let error = guest.boot().err().expect("there is no such first process");
    let GuestError::NeverReady { reasons, console, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(reasons.len(), 2);
    assert!(reasons[0].contains("Kernel panic"), "{reasons:?}");
    assert!(console.contains("Call Trace"), "{console}");
}

fn tempdir(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("goinject-lab-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
