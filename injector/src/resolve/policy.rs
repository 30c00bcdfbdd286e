//! Functions that no rule may touch: where goinject's own means would break the program.

use crate::go::Function;

/// Why a function can't be probed, if it can't.
///
/// The runtime's own functions run on system stacks, in signal handlers, with signals blocked or
/// between `fork` and `exec`, where a trap or a signal kills the process or never ends. Its exported
/// ones are called like any other.
pub(crate) fn refusal(function: &Function) -> Option<&'static str> {
    let package = function.package();
    let own = function.name.get(package.len() + 1..).unwrap_or_default();
    let in_runtime = package == "runtime"
        || [
            "runtime/internal/",
            "internal/runtime/",
            "internal/abi",
            "internal/bytealg",
        ]
        .iter()
        .any(|prefix| package.starts_with(prefix));
    if in_runtime && !is_exported(own) {
        return Some("it belongs to the Go runtime, which also runs where a probe would break it");
    }
    if in_runtime && package != "runtime" {
        return Some("it belongs to the Go runtime, which also runs where a probe would break it");
    }
    let after_fork = [
        "syscall.RawSyscall",
        "syscall.rawSyscall",
        "syscall.rawVfork",
        "syscall.forkAndExecInChild",
        "syscall.runtime_",
        // Seen where nothing is inlined: resource limits up to Go 1.23, and capabilities.
        "syscall.rawSetrlimit",
        "syscall.capTo",
    ];
    if after_fork.iter().any(|prefix| function.name.starts_with(prefix)) {
        return Some("it also runs between fork and exec, where a probe would break the new process");
    }
    if package.starts_with("runtime/cgo")
        || function.name.starts_with("_cgo")
        || function.name.starts_with("_rt0")
    {
        return Some("it runs outside of any goroutine");
    }
    None
}

fn is_exported(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.chars().next().is_some_and(char::is_uppercase)
}
