//! What was found out about BPF, kept until the next boot: trying it loads and verifies the whole program.
//!
//! Nothing is remembered where the answer may be another next time for reasons that can't be seen (filters of system
//! calls, a program that did not load), or where others could write the file.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use goinject_probes::capability::{BpfSupport, Support};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::facts::Facts;

/// BPF as it was found once, and what that depends on.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    /// Equal as long as nothing has changed that the answer depends on.
    circumstances: Value,
    load: Answer,
    memory: Answer,
    context: Answer,
    signal: Answer,
    multi: Answer,
    sleep: Answer,
}

/// [`Support`], written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Yes,
    No(String),
    Unknown(String),
}

/// BPF as it was found earlier in this boot, else as `probe` finds it now.
pub(super) fn bpf(facts: &Facts, probe: impl FnOnce() -> BpfSupport) -> BpfSupport {
    let Some(file) = folder(facts).map(|folder| folder.join("bpf.json")) else {
        return probe();
    };
    kept_in(&file, circumstances(facts), probe)
}

fn kept_in(file: &Path, circumstances: Value, probe: impl FnOnce() -> BpfSupport) -> BpfSupport {
    if let Some(memory) = read(file).filter(|memory| memory.circumstances == circumstances) {
        return memory.support();
    }
    let support = probe();
    // What keeps the program from loading may be over next time: memory that is short, or a mount that is missing here only.
    if support.load.is_yes() {
        // What can't be kept is found out again.
        let _ = write(file, &Memory::new(circumstances, &support));
    }
    support
}

/// A folder of this user's own that is empty after a boot. None where nothing is to be remembered.
fn folder(facts: &Facts) -> Option<PathBuf> {
    if facts.seccomp {
        return None;
    }
    let base = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => PathBuf::from(folder),
        None if facts.user == 0 => PathBuf::from("/run"),
        None => return None,
    };
    let folder = base.join("goinject");
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    is_own(&fs::symlink_metadata(&folder).ok()?, facts).then_some(folder)
}

/// Whether nobody else could have written it.
fn is_own(metadata: &Metadata, facts: &Facts) -> bool {
    metadata.is_dir() && metadata.uid() == facts.user && metadata.mode() & 0o022 == 0
}

/// All that is known to change what BPF allows.
fn circumstances(facts: &Facts) -> Value {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let program = fs::metadata("/proc/self/exe").ok();
    json!({
        "boot": text("/proc/sys/kernel/random/boot_id"),
        "goinject": program.map(|of| (of.dev(), of.ino(), of.size(), of.mtime(), of.mtime_nsec())),
        "facts": facts,
        "user_namespace": fs::read_link("/proc/self/ns/user").unwrap_or_default(),
        "label": text("/proc/self/attr/current"),
        "unprivileged_bpf_disabled": text("/proc/sys/kernel/unprivileged_bpf_disabled"),
        "perf_event_paranoid": text("/proc/sys/kernel/perf_event_paranoid"),
    })
}

fn read(file: &Path) -> Option<Memory> {
    serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
}

/// Writes it as a whole or not at all.
fn write(file: &Path, memory: &Memory) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut new, memory)?;
    new.persist(file)?;
    Ok(())
}

impl Memory {
    fn new(circumstances: Value, support: &BpfSupport) -> Memory {
        Memory {
            circumstances,
            load: Answer::of(&support.load),
            memory: Answer::of(&support.memory),
            context: Answer::of(&support.context),
            signal: Answer::of(&support.signal),
            multi: Answer::of(&support.multi),
            sleep: Answer::of(&support.sleep),
        }
    }

    fn support(self) -> BpfSupport {
        BpfSupport {
            load: self.load.support(),
            memory: self.memory.support(),
            context: self.context.support(),
            signal: self.signal.support(),
            multi: self.multi.support(),
            sleep: self.sleep.support(),
        }
    }
}

impl Answer {
    fn of(support: &Support) -> Answer {
        match support {
            Support::Yes => Answer::Yes,
            Support::No(why) => Answer::No(why.clone()),
            Support::Unknown(why) => Answer::Unknown(why.clone()),
        }
    }

    fn support(self) -> Support {
        match self {
            Answer::Yes => Support::Yes,
            Answer::No(why) => Support::No(why),
            Answer::Unknown(why) => Support::Unknown(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(context: Support) -> BpfSupport {
        BpfSupport {
            load: Support::Yes,
            memory: Support::No("locked down".to_owned()),
            context,
            signal: Support::Yes,
            multi: Support::Yes,
            sleep: Support::Unknown("it was not tried".to_owned()),
        }
    }

    #[test]
    fn what_was_found_is_read_back_while_nothing_has_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bpf.json");
        let support = found(Support::Yes);
        write(&file, &Memory::new(json!({"boot": 1}), &support)).expect("written");
        let memory = read(&file).expect("read");
        assert_eq!(memory.circumstances, json!({"boot": 1}));
        assert_eq!(memory.support(), support);
        fs::write(&file, "{\"circumstances\": ").expect("written");
        assert!(read(&file).is_none());
    }

    #[test]
    fn a_program_that_does_not_load_is_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bpf.json");
        let refused = BpfSupport {
            load: Support::No("cannot find kernel or vmlinux BTF".to_owned()),
            ..found(Support::Yes)
        };
        let never = || -> BpfSupport { unreachable!("it is remembered") };
        let circumstances = || json!({"boot": 1});
        assert_eq!(kept_in(&file, circumstances(), || refused.clone()), refused);
        let support = found(Support::Yes);
        assert_eq!(kept_in(&file, circumstances(), || support.clone()), support);
        assert_eq!(kept_in(&file, circumstances(), never), support);
    }

    #[test]
    fn circumstances_tell_hosts_apart() {
        let facts = Facts::read();
        assert_eq!(circumstances(&facts), circumstances(&Facts::read()));
        let other = Facts {
            user: facts.user + 1,
            ..facts.clone()
        };
        assert_ne!(circumstances(&facts), circumstances(&other));
    }

    #[test]
    fn under_a_filter_nothing_is_remembered() {
        let facts = Facts {
            seccomp: true,
            ..Facts::read()
        };
        assert_eq!(folder(&facts), None);
    }

    #[test]
    fn a_folder_that_others_may_write_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let facts = Facts::read();
        let folder = tempfile::tempdir().expect("a folder");
        let of = |mode: u32| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("changed");
            is_own(&fs::symlink_metadata(folder.path()).expect("there"), &facts)
        };
        assert!(of(0o700));
        assert!(!of(0o777) && !of(0o720));
    }
}
