//! Standard error, where goinject says what it does. Whoever does not read it must not hold up a run: a target may stand
//! still meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What waits for a reader at the most.
const WAITING: usize = 1 << 20;
/// How long a reader may be busy before the run goes on without it.
const MOMENT: Duration = Duration::from_millis(200);
/// How long the end of goinject waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);

static CONSOLE: Mutex<Option<Console>> = Mutex::new(None);

/// Writes a text in one piece: the target may write to the same terminal. Whoever has closed it is told nothing.
pub fn write(text: &str) {
    with(|console| console.write(text));
}

/// Writes what still waits, as long as somebody reads it.
pub fn flush() {
    with(|console| console.drain(PATIENCE));
}

fn with(act: impl FnOnce(&mut Console)) {
    let mut console = CONSOLE.lock().unwrap_or_else(PoisonError::into_inner);
    act(console.get_or_insert_with(|| Console::new(own_description().ok())));
}

/// Standard error opened once more where it is a pipe or terminal: not to wait is a property of the description, and the
/// one that was inherited belongs to others, too.
fn own_description() -> io::Result<File> {
    let inherited = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let kind = inherited.metadata()?.file_type();
    if !kind.is_fifo() && !kind.is_char_device() {
        return Ok(inherited);
    }
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open("/proc/self/fd/2")
        // Where that is not allowed, such as at a terminal of another user, it is written to as it is.
        .or(Ok(inherited))
}

/// Standard error, and what waits to be written to it.
#[derive(Debug)]
struct Console {
    /// None if it is closed.
    file: Option<File>,
    waiting: Vec<u8>,
    /// Texts for which there was no room.
    dropped: u64,
    /// Nobody has read for a moment.
    stuck: bool,
}

impl Console {
    fn new(file: Option<File>) -> Console {
        Console {
            file,
            waiting: Vec::new(),
            dropped: 0,
            stuck: false,
        }
    }

    fn write(&mut self, text: &str) {
        self.advance();
        if self.waiting.len() + text.len() > WAITING {
            self.dropped += 1;
            return;
        }
        if self.dropped > 0 {
            let words = format!(
                "goinject: {} messages are missing here: they were not read\n",
                self.dropped
            );
            self.waiting.extend_from_slice(words.as_bytes());
            self.dropped = 0;
        }
        self.waiting.extend_from_slice(text.as_bytes());
        match self.stuck {
            true => self.advance(),
            false => self.drain(MOMENT),
        }
    }

    /// Writes what can be written now. An error loses what waits: there is nobody to tell of it.
    fn advance(&mut self) {
        let Some(file) = &mut self.file else {
            self.waiting.clear();
            return;
        };
        while !self.waiting.is_empty() {
            match file.write(&self.waiting) {
                Ok(written) if written > 0 => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => self.waiting.clear(),
            }
        }
        self.stuck = false;
    }

    /// Writes all that waits, unless nobody reads for so long.
    fn drain(&mut self, patience: Duration) {
        let mut last = Instant::now();
        loop {
            let before = self.waiting.len();
            self.advance();
            let Some(file) = self.file.as_ref().filter(|_| !self.waiting.is_empty()) else {
                return;
            };
            if self.waiting.len() < before {
                last = Instant::now();
            }
            let left = patience.saturating_sub(last.elapsed());
            if left.is_zero() {
                self.stuck = true;
                return;
            }
            let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
            // It is only a way to wait: what can be written is found out by writing.
            let _ = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use nix::fcntl::OFlag;
    use nix::unistd::pipe2;

    use super::*;

    fn pipe() -> (File, Console) {
        let (read, write): (OwnedFd, OwnedFd) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).expect("a pipe");
        (read.into(), Console::new(Some(write.into())))
    }

    fn read(from: &mut File) -> String {
        let mut text = Vec::new();
        // It ends where a reader would have to wait.
        let _ = from.read_to_end(&mut text);
        String::from_utf8(text).expect("text")
    }

    #[test]
    fn what_nobody_reads_is_kept_in_order_and_then_counted() {
        let (mut reader, mut console) = pipe();
        let line = |n: usize| format!("{n:07} {}\n", "x".repeat(91));
        let started = Instant::now();
        for n in 0..20_000 {
            console.write(&line(n));
        }
        // Waited for once, not at each of them.
        assert!(started.elapsed() < MOMENT * 20, "{:?}", started.elapsed());
        assert!(console.dropped > 1000 && console.waiting.len() <= WAITING);
        let dropped = console.dropped;
        let mut text = read(&mut reader);
        while !console.waiting.is_empty() {
            console.advance();
            text.push_str(&read(&mut reader));
        }
        console.write("at last\n");
        text.push_str(&read(&mut reader));
        let lines: Vec<&str> = text.lines().collect();
        let (kept, end) = lines.split_at(lines.len() - 2);
        assert_eq!(kept.len() as u64 + dropped, 20_000);
        assert!(kept.iter().enumerate().all(|(n, text)| **text == line(n)[..99]));
        let words = format!("goinject: {dropped} messages are missing here: they were not read");
        assert_eq!(end, [words.as_str(), "at last"]);
    }

    #[test]
    fn a_reader_that_went_away_is_told_nothing() {
        let (reader, mut console) = pipe();
        drop(reader);
        console.write("nobody\n");
        assert!(console.waiting.is_empty());
        console.drain(PATIENCE);
    }
}
