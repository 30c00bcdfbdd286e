//! Whether this host can run guests under KVM.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use crate::cache::Cache;

/// How a guest's processor is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accelerator {
    /// KVM where a trial boot succeeds, else the emulator. `$GOINJECT_ACCELERATOR` (`kvm`, `tcg`) decides instead.
    #[default]
    Auto,
    /// The host's processor.
    Kvm,
    /// Emulation: works everywhere, several times slower.
    Tcg,
}

impl Accelerator {
    /// What the environment asks for, when this is [`Accelerator::Auto`].
    pub(super) fn asked(self) -> Accelerator {
        match (self, std::env::var("GOINJECT_ACCELERATOR").as_deref()) {
            (Accelerator::Auto, Ok("kvm")) => Accelerator::Kvm,
            (Accelerator::Auto, Ok("tcg")) => Accelerator::Tcg,
            _ => self,
        }
    }
}

/// The emulator's option for KVM.
pub(super) const KVM: &str = "kvm";
/// The emulator's option for emulation, one host thread per processor.
pub(super) const TCG: &str = "tcg,thread=multi";
/// The same with one host thread for all processors.
pub(super) const TCG_IN_TURN: &str = "tcg,thread=single";

/// A remembered trial. A device that can be opened says little: in nested virtual machines KVM may start and then fail
/// at some instruction. So a trial is a whole boot, kept until the host boots again.
pub(super) struct Verdict {
    file: PathBuf,
    boot: String,
}

impl Verdict {
    pub(super) fn of(cache: &Cache) -> Verdict {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Verdict {
            file: cache.root().join("guest/kvm"),
            boot: boot.trim().to_owned(),
        }
    }

    /// Whether KVM works, when that is known without a trial.
    pub(super) fn known(&self) -> Option<bool> {
        if OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_err()
        {
            return Some(false);
        }
        let text = fs::read_to_string(&self.file).ok()?;
        let (boot, answer) = text.split_once(' ')?;
        (boot == self.boot).then(|| answer.starts_with("works"))
    }

    pub(super) fn remember(&self, failure: Option<&str>) {
        let answer = failure.map_or("works".to_owned(), |reason| format!("fails: {reason}"));
        // Only a shortcut: without it the next guest tries again.
        let _ = fs::create_dir_all(self.file.parent().expect("it is in a folder"));
        let _ = fs::write(&self.file, format!("{} {answer}\n", self.boot));
    }
}
