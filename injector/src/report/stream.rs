//! A file or pipe that events go to while the run goes on.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::event::line::Line;

/// What waits for a reader at the most; a run must not stand still because nobody reads its events.
const WAITING: usize = 16 << 20;
/// How long the end of a run waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lines, each written as soon as it comes. Errors are kept until it is closed.
#[derive(Debug)]
pub struct Stream {
    file: File,
    waiting: Vec<u8>,
    dropped: u64,
    error: Option<io::Error>,
}

impl Stream {
    /// Creates the file, or empties it; opens a pipe.
    pub fn create(path: &Path) -> io::Result<Stream> {
        let file = File::create(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_fifo() || kind.is_char_device() {
            // The descriptor is our own, not shared with whoever reads.
            let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
            fcntl(&file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        Ok(Stream {
            file,
            waiting: Vec::new(),
            dropped: 0,
            error: None,
        })
    }

    /// Writes a line. An event for which there is no room is counted, and the last line tells of it.
    pub fn line(&mut self, line: &Line) {
        match line {
            Line::Fired(_) if self.waiting.len() > WAITING => self.dropped += 1,
            Line::End(end) => {
                let mut end = end.clone();
                end.dropped_events += self.dropped;
                self.push(&Line::End(end));
            }
            line => self.push(line),
        }
        self.advance();
    }

    fn push(&mut self, line: &Line) {
        if self.error.is_none() {
            serde_json::to_writer(&mut self.waiting, line).expect("lines have only string keys");
            self.waiting.push(b'\n');
        }
    }

    /// Writes what can be written now.
    pub fn advance(&mut self) {
        while self.error.is_none() && !self.waiting.is_empty() {
            match self.file.write(&self.waiting) {
                Ok(0) => self.error = Some(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// Writes the rest out, as long as somebody reads it.
    pub fn close(mut self) -> io::Result<()> {
        let mut last = Instant::now();
        loop {
            let before = self.waiting.len();
            self.advance();
            if let Some(error) = self.error {
                return Err(error);
            }
            if self.waiting.is_empty() {
                return match self.dropped {
                    0 => Ok(()),
                    dropped => Err(io::Error::other(format!(
                        "{dropped} events are missing: they were not read fast enough"
                    ))),
                };
            }
            if self.waiting.len() < before {
                last = Instant::now();
            }
            let left = PATIENCE.saturating_sub(last.elapsed());
            if left.is_zero() {
                return Err(io::Error::other("nobody reads them"));
            }
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            // It is only a way to wait: what can be written is found out by writing.
            let _ = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use nix::sys::stat::Mode;

    use super::*;
    use crate::event::line::{End, TargetEnd};

    fn end() -> Line {
        Line::End(End {
            target: TargetEnd::Exited,
            expected_status: None,
            panics: None,
            status: Some(0),
            signal: None,
            dropped_events: 1,
            lost_calls: 0,
            elapsed_ns: 5,
            exit_code: 0,
        })
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_nothing_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("made");
        let reader = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("opened");
        let mut stream = Stream::create(&path).expect("opened");
        let programs = vec!["x".repeat(1000); 200];
        let long = Line::PassedOver(crate::event::line::PassedOver { programs });
        for _ in 0..100 {
            stream.line(&long);
        }
        assert!(stream.waiting.len() > WAITING);
        let mut reader = Some(reader);
        let thread = std::thread::spawn(move || {
            let mut taken = reader.take().expect("there");
            let mut bytes = vec![0; 1 << 20];
            let mut text = Vec::new();
            while !text.ends_with(b"\"exit_code\":0}\n") {
                let read = taken.read(&mut bytes).expect("read");
                text.extend_from_slice(&bytes[..read]);
            }
            text
        });
        stream.line(&end());
        stream.close().expect("all is written");
        let text = thread.join().expect("read");
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 101);
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let mut stream = Stream::create(Path::new("/dev/full")).expect("opened");
        stream.line(&end());
        stream.line(&end());
        let error = stream.close().expect_err("there is no room");
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }
}
