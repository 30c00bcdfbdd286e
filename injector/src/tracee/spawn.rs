//! Starting a command so that it is traced before its first instruction.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;

use super::ptrace;
use super::stop::{Report, Stop, Why};

/// A started command, stopped at its first instruction.
#[derive(Debug)]
pub struct Spawned {
    /// Its process, which goinject is the parent of.
    pub child: Child,
    /// Its only thread.
    pub stop: Stop,
}

impl Spawned {
    /// Starts a command. The child waits before its `exec` until it is seized, so nothing of the
    /// program runs untraced. An error is that of finding and starting the program, or of ptrace.
    pub fn start(mut command: Command) -> io::Result<Spawned> {
        let (mut pid_reader, pid_writer) = io::pipe()?;
        let (go_reader, mut go_writer) = io::pipe()?;
        let inherited = go_writer.as_raw_fd();
        // SAFETY: between fork and exec the closure only closes, reads, writes and gets its id: async-signal-safe. What it
        // closes is the child's copy, which nothing in the child uses.
        unsafe {
            command.pre_exec(move || {
                // Else the child would wait for itself if goinject died now.
                libc::close(inherited);
                let pid = libc::getpid();
                (&pid_writer).write_all(&pid.to_ne_bytes())?;
                let mut go = [0];
                (&go_reader).read_exact(&mut go)
            });
        }
        // `spawn` returns only after the exec, which waits for us: it needs a thread of its own.
        let (sender, receiver) = mpsc::channel();
        let spawner = thread::spawn(move || {
            let result = command.spawn();
            drop(command);
            // The receiver is gone only if seizing failed, which is reported there.
            let _ = sender.send(result);
        });
        let mut pid = [0; 4];
        let seized = pid_reader.read_exact(&mut pid).and_then(|()| {
            let pid = i32::from_ne_bytes(pid);
            ptrace::seize(pid)?;
            Ok(pid)
        });
        // Unread if the child is gone, which shows below.
        let _ = go_writer.write_all(&[1]);
        drop(go_writer);
        let result = match &seized {
            // The exec stops for us before `spawn` can see that it succeeded.
            Ok(pid) => wait_for_exec(*pid).map(Some),
            Err(_) => Ok(None),
        };
        let child = receiver.recv().expect("the spawning thread sends once");
        spawner.join().expect("the spawning thread does not panic");
        let child = child?;
        seized?;
        match result? {
            Some(stop) => Ok(Spawned { child, stop }),
            None => Err(io::Error::other("the program ended before it started")),
        }
    }
}

fn wait_for_exec(pid: i32) -> io::Result<Stop> {
    loop {
        let status =
            ptrace::wait(Some(pid), true).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
        match Report::of(status, pid) {
            Report::Stopped(stop) if matches!(stop.why(), Why::Exec(_)) => return Ok(stop),
            Report::Stopped(stop) => stop.resume()?,
            _ => return Err(io::Error::other("the program could not be started")),
        }
    }
}
