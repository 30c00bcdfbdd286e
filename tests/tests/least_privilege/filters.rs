//! System calls that a seccomp filter takes away from goinject, one at a time.

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
    let mut command = place.shell(&script);
    without(&mut command, call);
    Running::start(&mut command).end()
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
        assert!(next.stderr.contains("engine ptrace"), "{}", next.describe());
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
