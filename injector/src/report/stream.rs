//! A file or pipe that events go to while the run goes on.

mod rotation;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub use self::rotation::{Rotation, parse_size};
use crate::event::line::Line;

/// What waits for a reader at the most; a run must not stand still because nobody reads its events.
const WAITING: usize = 16 << 20;
/// How long the end of a run waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits before it looks again whether somebody has opened a named pipe.
const LOOK: Duration = Duration::from_millis(10);

/// What takes the lines.
#[derive(Debug)]
enum Taker {
    /// A file of this size.
    File(File, u64),
    /// A pipe by its name: readers come and go. None while there is none.
    NamedPipe(Option<File>),
    /// Any other pipe, or a device.
    Other(File),
}

impl Taker {
    /// Opens it. A file is emptied, or kept under another name where it is rotated.
    fn open(path: &Path, rotation: Rotation) -> io::Result<Taker> {
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
            return Ok(Taker::NamedPipe(open_pipe(path)?));
        }
        let kind = fs::metadata(path).ok().map(|metadata| metadata.file_type());
        if kind.is_some_and(|kind| kind.is_fifo() || kind.is_char_device()) {
            // The descriptor is our own, not shared with whoever reads.
            let mut options = OpenOptions::new();
            let opened = options.write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
            return Ok(Taker::Other(opened));
        }
        if rotation.is_on() && fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) {
            rotation.make_room(path)?;
        }
        let file = open_file(path)?;
        file.set_len(0)?;
        Ok(Taker::File(file, 0))
    }

    fn file(&self) -> Option<&File> {
        match self {
            Taker::File(file, _) | Taker::Other(file) => Some(file),
            Taker::NamedPipe(file) => file.as_ref(),
        }
    }
}

/// At its end, wherever that is by now: somebody may have emptied it.
fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// None where nobody reads it.
fn open_pipe(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).custom_flags(libc::O_NONBLOCK).open(path);
    match opened {
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Whether it is a pipe that nobody reads.
fn has_no_reader(file: &File) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok()
        && fds[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLERR))
}

/// Bytes that are in a pipe.
fn unread(pipe: &File) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open, and there is a place for the answer.
    let asked = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    if asked < 0 {
        0
    } else {
        usize::try_from(bytes).unwrap_or(0)
    }
}

/// Lines, each written as soon as it comes. Errors are kept until it is closed.
#[derive(Debug)]
pub struct Stream {
    path: PathBuf,
    rotation: Rotation,
    taker: Taker,
    /// Whole lines, of which so many bytes have been written already.
    waiting: Vec<u8>,
    sent: usize,
    dropped: u64,
    error: Option<io::Error>,
}

impl Stream {
    /// Creates the file, or empties it; opens a pipe.
    pub fn create(path: &Path, rotation: Rotation) -> io::Result<Stream> {
        Ok(Stream {
            taker: Taker::open(path, rotation)?,
            path: path.to_owned(),
            rotation,
            waiting: Vec::new(),
            sent: 0,
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
        if self.error.is_some() {
            return;
        }
        let mut text = serde_json::to_vec(line).expect("lines have only string keys");
        text.push(b'\n');
        if let Err(error) = self.rotate(text.len()) {
            self.error = Some(error);
        }
        self.waiting.append(&mut text);
    }

    /// Begins the next file where this one has no room for so many bytes more.
    fn rotate(&mut self, more: usize) -> io::Result<()> {
        let Taker::File(_, size) = &self.taker else {
            return Ok(());
        };
        if !self.rotation.is_full(*size, more) {
            return Ok(());
        }
        // All of it was written, or there is an error: a file takes what it is given.
        self.rotation.make_room(&self.path)?;
        self.taker = Taker::File(open_file(&self.path)?, 0);
        Ok(())
    }

    /// Goes on in a new file where somebody else has renamed or removed the one that lines went to.
    pub fn follow_name(&mut self) {
        let Taker::File(file, size) = &mut self.taker else {
            return;
        };
        let is_at = rotation::is_at(file, &self.path);
        if let Ok(true) = is_at {
            *size = file.metadata().map_or(*size, |metadata| metadata.len());
        }
        // Where there can be no new one, that which is open takes them as before.
        if let Ok(false) = is_at
            && let Ok(new) = open_file(&self.path)
        {
            let size = new.metadata().map_or(0, |metadata| metadata.len());
            self.taker = Taker::File(new, size);
        }
    }

    /// Writes what can be written now.
    pub fn advance(&mut self) {
        while self.error.is_none() && self.sent < self.waiting.len() {
            if let Taker::NamedPipe(file @ None) = &mut self.taker {
                *file = open_pipe(&self.path).ok().flatten();
            }
            let Some(mut file) = self.taker.file() else {
                return;
            };
            match file.write(&self.waiting[self.sent..]) {
                Ok(0) => self.error = Some(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.has_written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What is in the pipe stays there, and the next reader goes on with it.
                Err(error) if self.is_between_readers(&error) => return,
                Err(error) => self.error = Some(error),
            }
        }
    }

    fn is_between_readers(&self, error: &io::Error) -> bool {
        matches!(self.taker, Taker::NamedPipe(_)) && error.kind() == io::ErrorKind::BrokenPipe
    }

    /// Whether all of it is where it belongs: what is in a named pipe that nobody reads goes with goinject.
    fn is_through(&self) -> bool {
        let in_pipe = match &self.taker {
            Taker::NamedPipe(Some(file)) => has_no_reader(file) && unread(file) > 0,
            _ => false,
        };
        self.waiting.is_empty() && !in_pipe
    }

    fn has_written(&mut self, written: usize) {
        if let Taker::File(_, size) = &mut self.taker {
            *size += written as u64;
        }
        self.sent += written;
        let whole = self.waiting[..self.sent].iter().rposition(|byte| *byte == b'\n');
        if let Some(last) = whole {
            self.waiting.drain(..=last);
            self.sent -= last + 1;
        }
    }

    /// Writes the rest out, as long as somebody reads it.
    pub fn close(mut self) -> io::Result<()> {
        let mut last = Instant::now();
        loop {
            let before = (self.waiting.len(), self.sent);
            self.advance();
            if let Some(error) = self.error {
                return Err(error);
            }
            if self.is_through() {
                return match self.dropped {
                    0 => Ok(()),
                    dropped => Err(io::Error::other(format!(
                        "{dropped} events are missing: they were not read fast enough"
                    ))),
                };
            }
            if (self.waiting.len(), self.sent) != before {
                last = Instant::now();
            }
            let left = PATIENCE.saturating_sub(last.elapsed());
            if left.is_zero() {
                return Err(io::Error::other("nobody reads them"));
            }
            let Some(file) = self.taker.file().filter(|file| !has_no_reader(file)) else {
                thread::sleep(LOOK);
                continue;
            };
            let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
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
        let reader = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("opened");
        let mut stream = Stream::create(&path, Rotation::default()).expect("opened");
        let programs = vec!["x".repeat(1000); 200];
        let long = Line::PassedOver(crate::event::line::PassedOver { programs });
        for _ in 0..100 {
            stream.line(&long);
        }
        assert!(stream.waiting.len() > WAITING);
        let mut reader = Some(reader);
        let thread = thread::spawn(move || {
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
        let mut stream = Stream::create(Path::new("/dev/full"), Rotation::default()).expect("opened");
        stream.line(&end());
        stream.line(&end());
        let error = stream.close().expect_err("there is no room");
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }

    fn lines_of(path: &Path) -> usize {
        let text = fs::read_to_string(path).unwrap_or_default();
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "{}: {text}",
            path.display()
        );
        let lines = text.lines().map(serde_json::from_str::<Line>);
        lines.collect::<Result<Vec<_>, _>>().expect("whole lines").len()
    }

    #[test]
    fn no_line_is_lost_where_files_are_rotated() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        fs::write(&path, "").expect("an empty file is none to keep");
        let size = serde_json::to_vec(&end()).expect("JSON").len() as u64 + 1;
        let rotation = Rotation::new(Some(size * 3 + 1), None);
        let mut stream = Stream::create(&path, rotation).expect("opened");
        for _ in 0..10 {
            stream.line(&end());
        }
        stream.close().expect("written");
        let of = |n: u32| lines_of(&folder.path().join(format!("events.jsonl.{n}")));
        assert_eq!((lines_of(&path), of(1), of(2), of(3), of(4)), (1, 3, 3, 3, 0));
        // A run that comes later goes on where that one ended.
        let rotation = Rotation::new(Some(size * 3 + 1), Some(2));
        let mut stream = Stream::create(&path, rotation).expect("opened");
        stream.line(&end());
        stream.close().expect("written");
        assert_eq!((lines_of(&path), of(1), of(2), of(3)), (1, 1, 3, 0));
    }

    #[test]
    fn a_file_that_was_renamed_or_emptied_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let mut stream = Stream::create(&path, Rotation::default()).expect("opened");
        stream.line(&end());
        let old = folder.path().join("old");
        fs::rename(&path, &old).expect("renamed");
        stream.line(&end());
        stream.follow_name();
        stream.line(&end());
        assert_eq!((lines_of(&old), lines_of(&path)), (2, 1));
        // As logrotate does with `copytruncate`.
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(0))
            .expect("emptied");
        stream.line(&end());
        stream.close().expect("written");
        assert_eq!(lines_of(&path), 1);
    }

    #[test]
    fn readers_of_a_named_pipe_come_and_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("made");
        let open = || {
            let mut options = OpenOptions::new();
            options
                .read(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(&path)
                .expect("opened")
        };
        let read = |mut reader: &File| {
            let mut text = vec![0; 1 << 20];
            let read = reader.read(&mut text).unwrap_or(0);
            String::from_utf8_lossy(&text[..read]).lines().count()
        };
        // Nobody is there yet, and nothing stands still.
        let mut stream = Stream::create(&path, Rotation::default()).expect("opened");
        stream.line(&end());
        let first = open();
        stream.line(&end());
        assert_eq!(read(&first), 2);
        stream.line(&end());
        drop(first);
        stream.line(&end());
        let second = open();
        stream.line(&end());
        assert_eq!(read(&second), 3);
        stream.line(&end());
        drop(second);
        let error = stream.close().expect_err("one line is read by nobody");
        assert_eq!(error.to_string(), "nobody reads them");
    }
}
