//! System calls that a seccomp filter takes away from goinject, one at a time.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use goinject_tests::goinject::Running;
use goinject_tests::{Outcome, Writer};

use super::Place;
use super::ways::{ANYWHERE, unrefused, unsuccessful};

/// Has a command, and what that starts, be refused a system call with EPERM.
fn without(command: &mut Command, call: libc::c_long) {
    let call = u32::try_from(call).expect("a number of a system call");
    let row = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("codes are small"),
        jt,
        jf,
        k,
    };
    let filter = [
        // The number is the first word of what a filter looks at.
        row(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        row(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call),
        row(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned(),
        ),
        row(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    // SAFETY: prctl is async-signal-safe, and the filter, which the closure owns, lives for the call.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog {
                len: 4,
                filter: filter.as_ptr().cast_mut(),
            };
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) != 0
            {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

fn run(place: &Place, options: &str, call: libc::c_long) -> Outcome {
    let script = format!(
        "./goinject run --quiet {options} {} -- ./busy -only number -calls 3000 >/dev/null",
        ANYWHERE[0].rules()
    );
    shell_without(place, &script, call)
}

fn shell_without(place: &Place, script: &str, call: libc::c_long) -> Outcome {
    let mut command = place.shell(script);
    without(&mut command, call);
    Running::start(&mut command).end()
}

/// Every engine starts and follows programs by ptrace: without it nothing is chosen, not even for rules that only observe, and
/// what says what a run would do says the same as the run.
#[test]
fn nothing_is_promised_where_ptrace_is_refused() {
    let place = Place::new();
    let rule = "{name: seen, function: main.number, mode: observe, inject: {set: {n: 7}}}";
    let rules = format!("version: 1\nrules:\n- {rule}\n");
    fs::write(place.path().join("observe.yaml"), rules).expect("rules");
    let words = ["refuses ptrace", "allow ptrace"];
    for script in [
        "./goinject run --quiet observe.yaml -- ./busy -only number -calls 3000",
        "./goinject run --quiet --engine bpf observe.yaml -- ./busy -only number -calls 3000",
        "./goinject check observe.yaml --binary ./busy",
    ] {
        let outcome = shell_without(&place, script, libc::SYS_ptrace);
        if script.contains("--engine bpf") && super::refused().is_some() {
            // It has not even BPF.
            assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
        } else {
            assert_eq!(unrefused(&outcome, &words), None, "{script}");
        }
        assert_eq!(outcome.stdout, "", "{script}");
    }
    let outcome = shell_without(&place, "./goinject doctor --format json", libc::SYS_ptrace);
    assert_eq!(outcome.code, Some(3), "{}", outcome.describe());
    let told: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let list = |key: &str| told[key].as_array().expect("a list").clone();
    for outlook in list("auto") {
        assert_eq!(outlook["engine"], serde_json::Value::Null, "{outlook}");
        let reason = outlook["reason"].as_str().expect("a reason");
        assert!(reason.contains("refuses ptrace"), "{outlook}");
    }
    for engine in list("engines") {
        assert_eq!(engine["answer"], "no", "{engine}");
        let parts = engine["parts"].as_array().expect("parts").iter();
        let writers = parts.filter(|part| {
            part["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("writer"))
        });
        for writer in writers {
            assert_ne!(writer["answer"], "yes", "{writer}");
        }
    }
    let needed = |row: &serde_json::Value| row["of"] == "bpf" && row["need"] == "ptrace of the target";
    let row = list("needs").into_iter().find(needed).expect("it is needed");
    assert_eq!(row["here"], "no");
    // With it, `check` names what a run takes.
    let allowed = place.run("./goinject check observe.yaml --binary ./busy");
    assert_eq!(allowed.code, Some(0), "{}", allowed.describe());
    assert!(
        allowed.stderr.contains("this host would use engine "),
        "{}",
        allowed.describe()
    );
}

#[test]
fn each_system_call_that_a_filter_refuses_is_told() {
    let place = Place::new();
    let named = |writer: Writer| format!("--writer {}", writer.name());
    for call in [libc::SYS_bpf, libc::SYS_perf_event_open] {
        let refused = run(&place, &named(Writer::Tracer), call);
        let words = ["refuses BPF", "allow bpf() and perf_event_open()"];
        // Where one link serves all sites, nothing asks for perf events.
        let does_without = call == libc::SYS_perf_event_open && unsuccessful(&refused).is_none();
        if does_without {
            continue;
        }
        if super::refused().is_none() {
            assert_eq!(unrefused(&refused, &words), None, "{call}");
        }
        let next = run(&place, "", call);
        assert_eq!(unsuccessful(&next), None, "{call}");
        assert!(next.stderr.contains("engine inline"), "{}", next.describe());
    }
    let words = ["refuses ptrace", "allow ptrace"];
    for writer in [Writer::Breakpoints, Writer::Trampoline] {
        let refused = run(&place, &named(writer), libc::SYS_ptrace);
        assert_eq!(unrefused(&refused, &words), None, "{}", writer.name());
    }
    for call in [libc::SYS_memfd_create, libc::SYS_pidfd_getfd] {
        let refused = run(&place, &named(Writer::Trampoline), call);
        let words = ["refuses to share memory with a child", "pidfd_getfd()"];
        assert_eq!(unrefused(&refused, &words), None, "{call}");
        // The others do without.
        assert_eq!(
            unsuccessful(&run(&place, &named(Writer::Breakpoints), call)),
            None
        );
    }
}
