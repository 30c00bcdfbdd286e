//! What libbpf and the verifier say while a program is loaded, cut down to the line that matters.

use std::sync::{Mutex, MutexGuard};

use libbpf_rs::PrintLevel;

static LOG: Mutex<String> = Mutex::new(String::new());
static TURN: Mutex<()> = Mutex::new(());

/// Collects libbpf's log for as long as it lives; loads take turns.
pub(crate) struct Capture {
    _turn: MutexGuard<'static, ()>,
}

/// Starts to collect.
pub(crate) fn capture() -> Capture {
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    lock().clear();
    libbpf_rs::set_print(Some((PrintLevel::Info, |_, line| lock().push_str(&line))));
    Capture { _turn: turn }
}

impl Capture {
    /// The telling line: the last one of the verifier before its statistics, else libbpf's error.
    pub(crate) fn reason(&self, error: &libbpf_rs::Error) -> String {
        let log = lock();
        if std::env::var_os("GOINJECT_BPF_LOG").is_some() {
            eprintln!("{log}");
        }
        match telling_line(&log) {
            Some(line) => format!("{line} ({error})"),
            // With what it is about: a limit of this process, for instance.
            None => format!("{error:#}"),
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        libbpf_rs::set_print(None);
    }
}

fn lock() -> MutexGuard<'static, String> {
    LOG.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The line that says what is wrong. Newer kernels explain it at length below (Linux 7.3); those lines are
/// for authors of BPF programs.
pub(crate) fn telling_line(log: &str) -> Option<&str> {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let end = lines
        .iter()
        .position(|line| line.starts_with("Verification failed:"))
        .or_else(|| lines.iter().rposition(|line| line.starts_with("processed ")))
        .unwrap_or(lines.len());
    lines[..end]
        .iter()
        .rev()
        .find(|line| !line.starts_with("-- "))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifiers_last_word_is_found() {
        let log = "libbpf: prog 'x': BPF program load failed: Permission denied\n\
                   libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n0: (7b) *(u64 *)(r1 +80) = r0\n\
                   invalid bpf_context access off=80 size=8\nprocessed 1 insns (limit 1000000)\n\
                   -- END PROG LOAD LOG --\nlibbpf: failed to load object\n";
        assert_eq!(
            telling_line(log),
            Some("invalid bpf_context access off=80 size=8")
        );
        assert_eq!(telling_line(""), None);
        let explained = "program of this type cannot use helper bpf_probe_write_user#36\n\n\
                         Verification failed: Policy: Operation is not allowed\n\nSuggestion:\n  \
                         Use a helper allowed for this program type.\n\nprocessed 6 insns (limit 1000000)\n";
        assert_eq!(
            telling_line(explained),
            Some("program of this type cannot use helper bpf_probe_write_user#36")
        );
    }
}
