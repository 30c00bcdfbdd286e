//! Takes probes off in the background: each waits for the kernel's grace periods, some 20 to 110 ms, which many
//! can share.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use libbpf_rs::Link;

/// As many grace periods are waited for at a time.
const WORKERS: usize = 64;

/// Closes links on threads of its own. Dropping it waits for all of them.
#[derive(Debug)]
pub(crate) struct Closer {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    closed: Receiver<u32>,
    tell: Sender<u32>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    ending: bool,
}

#[derive(Debug)]
struct Job {
    /// Behind it in the drop order: told once the links are closed.
    links: Vec<Link>,
    _done: Arc<Done>,
}

/// Tells when the last of what belongs together is closed.
#[derive(Debug)]
struct Done {
    id: u32,
    tell: Sender<u32>,
}

impl Drop for Done {
    fn drop(&mut self) {
        // Nobody listens any more at the very end.
        let _ = self.tell.send(self.id);
    }
}

impl Closer {
    pub(crate) fn new() -> Closer {
        let (tell, closed) = mpsc::channel();
        Closer {
            shared: Arc::new(Shared::default()),
            workers: Vec::new(),
            closed,
            tell,
        }
    }

    /// Closes links, without waiting; [`Closer::closed`] gives the number then.
    pub(crate) fn close(&mut self, id: u32, mut links: Vec<Link>) {
        let done = Arc::new(Done {
            id,
            tell: self.tell.clone(),
        });
        let share = links.len().div_ceil(WORKERS).max(1);
        while !links.is_empty() {
            let part = links.split_off(links.len() - share.min(links.len()));
            self.push(Job {
                links: part,
                _done: Arc::clone(&done),
            });
        }
    }

    fn push(&mut self, job: Job) {
        let mut queue = self.shared.lock();
        queue.jobs.push_back(job);
        if queue.idle < queue.jobs.len() && self.workers.len() < WORKERS {
            let shared = Arc::clone(&self.shared);
            // Where no thread can be had, it is done at the end, or by those that there are.
            let worker = thread::Builder::new()
                .name("goinject-close".to_owned())
                .spawn(move || work(&shared));
            self.workers.extend(worker);
        }
        drop(queue);
        self.shared.changed.notify_one();
    }

    /// What has been closed since the last call.
    pub(crate) fn closed(&self) -> Vec<u32> {
        self.closed.try_iter().collect()
    }

    /// Waits until everything is closed.
    pub(crate) fn finish(&mut self) {
        self.shared.lock().ending = true;
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            // A worker does nothing that can panic.
            let _ = worker.join();
        }
        let mut queue = self.shared.lock();
        queue.jobs.clear();
        queue.ending = false;
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(shared: &Shared) {
    let mut queue = shared.lock();
    loop {
        if let Some(job) = queue.jobs.pop_front() {
            drop(queue);
            drop(job.links);
            drop(job._done);
            queue = shared.lock();
        } else if queue.ending {
            return;
        } else {
            queue.idle += 1;
            queue = shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}
