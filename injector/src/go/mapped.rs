//! Files in memory, which others may change meanwhile.
//!
//! Reading a mapped page that is not in its file any more is SIGBUS, by default the end of the process. A build that
//! replaces a program while it is looked at must not do that, so such pages are replaced by zeros, and it is remembered.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use memmap2::Mmap;
use nix::libc;

use super::error::GoError;

/// The bytes of a file.
#[derive(Debug)]
pub(super) enum Contents {
    Mapped(Mapped),
    Shared(Arc<Vec<u8>>),
}

impl Contents {
    /// Those of a regular file. A pipe or device could keep its reader waiting, or have no end.
    pub(super) fn of_file(path: &Path) -> Result<Contents, GoError> {
        Contents::of_open_file(path, &open(path)?)
    }

    /// Those of a regular file that is open.
    pub(super) fn of_open_file(path: &Path, file: &File) -> Result<Contents, GoError> {
        let metadata = file.metadata().map_err(|e| GoError::io(path, e))?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() {
                "a folder"
            } else {
                "a device or pipe"
            };
            return Err(GoError::NotElf {
                path: path.to_owned(),
                found: Some(found),
            });
        }
        if metadata.len() == 0 {
            return Ok(Contents::Shared(Arc::default()));
        }
        // SAFETY: the mapping is private and only read. Another process may overwrite or truncate the file
        // meanwhile: changed bytes are handled like any other damaged file, and for pages that are gone there is
        // `replace_page`.
        let mapped = unsafe { Mmap::map(file) }.map_err(|e| GoError::io(path, e))?;
        match Place::take(&mapped) {
            Some(place) => Ok(Contents::Mapped(Mapped { place, mapped })),
            None => Ok(Contents::Shared(Arc::new(
                std::fs::read(path).map_err(|e| GoError::io(path, e))?,
            ))),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Contents::Mapped(mapped) => &mapped.mapped,
            Contents::Shared(bytes) => bytes,
        }
    }

    /// Whether a part of the file was gone when it was read.
    pub(super) fn was_cut(&self) -> bool {
        match self {
            Contents::Mapped(mapped) => PLACES[mapped.place.0].was_cut.load(Ordering::Acquire),
            Contents::Shared(_) => false,
        }
    }
}

/// Opens a file without waiting for whoever may write into a pipe.
pub(super) fn open(path: &Path) -> Result<File, GoError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options.open(path).map_err(|e| GoError::io(path, e))
}

/// A file that is mapped; the place is given back before the mapping goes.
#[derive(Debug)]
pub(super) struct Mapped {
    place: Place,
    mapped: Mmap,
}

/// What the signal handler knows of a mapping.
struct Known {
    /// 0: the place is free.
    start: AtomicUsize,
    end: AtomicUsize,
    was_cut: AtomicBool,
}

/// A place in [`PLACES`].
#[derive(Debug)]
struct Place(usize);

/// One run reads a handful of files; with more they are read instead of mapped.
const MOST: usize = 256;

static PLACES: [Known; MOST] = [const {
    Known {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        was_cut: AtomicBool::new(false),
    }
}; MOST];

impl Place {
    fn take(mapped: &Mmap) -> Option<Place> {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(handle);
        let start = mapped.as_ptr().addr();
        let free = |known: &&Known| {
            let taken = known
                .start
                .compare_exchange(0, start, Ordering::AcqRel, Ordering::Relaxed);
            taken.is_ok()
        };
        let n = PLACES.iter().position(|known| free(&known))?;
        PLACES[n].was_cut.store(false, Ordering::Release);
        PLACES[n].end.store(start + mapped.len(), Ordering::Release);
        Some(Place(n))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PLACES[self.0].end.store(0, Ordering::Release);
        PLACES[self.0].start.store(0, Ordering::Release);
    }
}

static FORMER: std::sync::OnceLock<libc::sigaction> = std::sync::OnceLock::new();

/// Bytes of a page of the host, for the handler.
static PAGE_SIZE: AtomicUsize = AtomicUsize::new(0);

fn handle() {
    // SAFETY: sysconf has no preconditions.
    let page_size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    PAGE_SIZE.store(
        usize::try_from(page_size).expect("every kernel has pages"),
        Ordering::Release,
    );
    // SAFETY: a zeroed sigaction is a valid one, and the handler does only what a signal handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = replace_page as extern "C" fn(_, _, _) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let mut former: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGBUS, &action, &mut former) == 0 {
            let _ = FORMER.set(former);
        }
    }
}

/// Puts a page of zeros where a file has none any more. Only atomics and system calls: it may interrupt anything.
extern "C" fn replace_page(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let page_size = PAGE_SIZE.load(Ordering::Acquire);
    // SAFETY: the kernel gives a valid siginfo, which has an address for this signal.
    let address = unsafe { (*info).si_addr() }.addr();
    for known in &PLACES {
        let (start, end) = (
            known.start.load(Ordering::Acquire),
            known.end.load(Ordering::Acquire),
        );
        if start == 0 || !(start..end).contains(&address) {
            continue;
        }
        known.was_cut.store(true, Ordering::Release);
        // SAFETY: the page is one of a private mapping of this file, which is only ever read.
        let page = unsafe {
            libc::mmap(
                std::ptr::without_provenance_mut(address & !(page_size - 1)),
                page_size,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        if page != libc::MAP_FAILED {
            return;
        }
    }
    // Not one of these: whoever handled it before does so when the instruction runs again.
    if let Some(former) = FORMER.get() {
        // SAFETY: it is what sigaction gave.
        unsafe { libc::sigaction(libc::SIGBUS, former, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_cut_short_reads_as_zeros() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&[7; 3 * 4096]).expect("written");
        let contents = Contents::of_file(file.path()).expect("a file");
        assert_eq!((contents.bytes()[0], contents.was_cut()), (7, false));
        file.as_file().set_len(100).expect("cut");
        assert_eq!(contents.bytes()[2 * 4096 + 5], 0);
        assert!(contents.was_cut());
        assert_eq!(contents.bytes()[0], 7);
        drop(contents);
        assert_eq!(Contents::of_file(file.path()).expect("a file").bytes(), [7; 100]);
    }

    #[test]
    fn pipes_and_devices_are_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        for path in [pipe.as_path(), Path::new("/dev/zero")] {
            let error = Contents::of_file(path).expect_err("not a file");
            assert!(error.to_string().contains("a device or pipe"), "{error}");
        }
    }
}
