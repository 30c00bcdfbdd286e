//! Why a process cannot be looked at, before anything of it is opened.

use std::fs;
use std::io::ErrorKind;

use crate::tracee::{KERNEL_THREAD, Wanted, denial, has_flag};

/// What keeps a process id from naming a program; none if nothing does.
pub fn refusal(pid: i32) -> Option<String> {
    let Ok(own) = fs::read_link("/proc/self") else {
        return Some("/proc is not mounted here, and goinject finds processes there".to_owned());
    };
    if own.to_string_lossy() != std::process::id().to_string() {
        return Some("/proc is that of another PID namespace: mount one of this namespace".to_owned());
    }
    let folder = format!("/proc/{pid}");
    let Ok(status) = fs::read_to_string(format!("{folder}/status")) else {
        return Some(format!("there is no process {pid}"));
    };
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.split_whitespace().next().unwrap_or_default().to_owned())
    };
    if let Some(process) = field("Tgid").filter(|process| *process != pid.to_string()) {
        return Some(format!("{pid} is a thread of process {process}: name that"));
    }
    let ended = format!("process {pid} has ended, but its parent has not waited for it yet");
    if field("State").is_some_and(|state| state == "Z" || state == "X") {
        return Some(ended);
    }
    match fs::read_link(format!("{folder}/exe")) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Some(denial(pid, Wanted::Program).to_string())
        }
        Err(_) if is_kernel_thread(&folder) => {
            Some(format!("process {pid} is a kernel thread: it has no program"))
        }
        // A process that is ending loses its memory before its state tells.
        Err(_) if field("VmSize").is_none() => Some(ended),
        Err(error) => Some(format!("the program of process {pid} cannot be found: {error}")),
    }
}

fn is_kernel_thread(folder: &str) -> bool {
    let stat = fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
    has_flag(&stat, KERNEL_THREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_have_no_program_of_their_own() {
        let own = i32::try_from(std::process::id()).expect("a process id");
        assert_eq!(refusal(own), None);
        assert_eq!(
            refusal(99_999_999).as_deref(),
            Some("there is no process 99999999")
        );
        assert_eq!(
            refusal(2)
                .as_deref()
                .map(|why| why.contains("kernel thread") || why.contains("no process")),
            Some(true)
        );
        let (send, receive) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(nix::unistd::gettid().as_raw()).expect("somebody waits");
            let _ = ended.recv();
        });
        let tid = receive.recv().expect("a thread id");
        assert_eq!(
            refusal(tid),
            Some(format!("{tid} is a thread of process {own}: name that"))
        );
        drop(end);
        thread.join().expect("it ends");
        let mut child = std::process::Command::new("true").spawn().expect("started");
        let pid = i32::try_from(child.id()).expect("a process id");
        while refusal(pid).is_none() {
            std::thread::yield_now();
        }
        assert!(refusal(pid).is_some_and(|why| why.contains("has ended")));
        child.wait().expect("ended");
    }
}
