//! Whether anybody is within code that is about to change: the threads of a process, and the goroutines that Go has preempted.
//!
//! A thread is where its registers say, or where its signal handler returns to. A goroutine that was preempted between two
//! instructions goes on through `runtime.asyncPreempt`, above whose frame its stack has the address; other addresses that are left over
//! there, as of what has faulted, don't count. Stacks of goroutines lie
//! anywhere in the memory that the process has for itself, so all of it is looked through, while every thread is stopped.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::engine::arch::is_saved_pc;
use crate::tracee::arch::{pc, stack_pointer};
use crate::tracee::{Memory, Stop, mappings, page_size};

/// How far up its stack the frame of a signal may be that a thread's handler has stopped in.
const HANDLER: u64 = 64 << 10;
/// Pages that are read at once.
const AT_ONCE: u64 = 256;

const WORD: usize = 8;

/// Code, from each first byte to the one behind the last.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// In order, and apart.
    ranges: Vec<Range<u64>>,
    span: Range<u64>,
}

impl Code {
    pub(super) fn new(ranges: impl IntoIterator<Item = Range<u64>>) -> Code {
        let mut ranges: Vec<Range<u64>> = ranges.into_iter().collect();
        ranges.sort_by_key(|range| range.start);
        let start = ranges.first().map_or(0, |range| range.start);
        let end = ranges.iter().map(|range| range.end).max().unwrap_or(start);
        Code {
            ranges,
            span: start..end,
        }
    }

    fn has(&self, address: u64) -> bool {
        let next = self.ranges.partition_point(|range| range.start <= address);
        next > 0 && address < self.ranges[next - 1].end
    }

    /// Whether one of these words may be an address within. It is asked of each page, hence quick.
    fn may_be_among(&self, words: &[u64]) -> bool {
        let length = self.span.end - self.span.start;
        words.iter().fold(false, |found, word| {
            found | (word.wrapping_sub(self.span.start) < length)
        })
    }
}

/// The frame of `runtime.asyncPreempt`, above which a stack has the address at which a goroutine goes on.
#[derive(Clone, Debug)]
pub(super) struct Preemption {
    /// Where calls out of its code return to, and how many words such an address is below that of the goroutine.
    returns: Vec<(Range<u64>, usize)>,
    /// The most of these.
    reach: usize,
}

impl Preemption {
    /// Parts of the code, each with how far down the stack pointer is in it.
    pub(super) fn new(parts: impl IntoIterator<Item = (Range<u64>, u64)>) -> Preemption {
        let words = |depth: u64| depth as usize / WORD + 1;
        let returns: Vec<_> = parts
            .into_iter()
            .map(|(code, depth)| (code, words(depth)))
            .collect();
        Preemption {
            reach: returns.iter().map(|(_, below)| *below).max().unwrap_or_default(),
            returns,
        }
    }

    /// Whether it may be below a word of a stack: it is, or nobody knows how it looks.
    fn may_be_below(&self, words: &[u64], n: usize) -> bool {
        let is_there = |(code, below): &(Range<u64>, usize)| {
            n.checked_sub(*below).is_some_and(|at| code.contains(&words[at]))
        };
        self.returns.is_empty() || self.returns.iter().any(is_there)
    }
}

/// Whether a stopped thread is within the code, or returns there from a signal's handler.
///
/// # Errors
/// Those of ptrace.
pub(super) fn is_thread_within(stops: &[Stop], memory: &Memory, code: &Code) -> io::Result<bool> {
    for stop in stops {
        let registers = match stop.registers() {
            // Killed meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => continue,
            registers => registers?,
        };
        if code.has(pc(&registers)) {
            return Ok(true);
        }
        let start = stack_pointer(&registers) & !(WORD as u64 - 1);
        let stack = words_above(memory, start, HANDLER);
        let is_within = |n: usize| code.has(stack[n]) && is_saved_pc(&stack, n, start);
        if (0..stack.len()).any(is_within) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The words from an address on, as far as there is memory.
fn words_above(memory: &Memory, start: u64, size: u64) -> Vec<u64> {
    let mut words = Vec::new();
    let mut at = start;
    while at < start + size {
        let end = ((at + 1).next_multiple_of(page_size())).min(start + size);
        let mut bytes = vec![0; (end - at) as usize];
        if memory.read(at, &mut bytes).is_err() {
            break;
        }
        words.extend(words_of(&bytes));
        at = end;
    }
    words
}

fn words_of(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let words = bytes.chunks_exact(WORD);
    words.map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
}

/// Whether a preempted goroutine is to go on within the code.
///
/// # Errors
/// The process's memory can't be read.
pub(super) fn is_goroutine_within(
    pid: i32,
    memory: &Memory,
    code: &Code,
    preemption: &Preemption,
) -> io::Result<bool> {
    let pages = Pages::open(pid);
    // In front of each part is the end of the one before, where that is next to it.
    let mut words: Vec<u64> = Vec::new();
    for mapping in mappings(pid)?
        .iter()
        .filter(|mapping| mapping.writable && !mapping.shared)
    {
        words.clear();
        let mut at = mapping.range.start;
        while at < mapping.range.end {
            let part = at..(at + AT_ONCE * page_size()).min(mapping.range.end);
            at = part.end;
            for run in pages.present(part) {
                let mut bytes = vec![0; (run.end - run.start) as usize];
                // What can't be read is no stack.
                if memory.read(run.start, &mut bytes).is_err() {
                    words.clear();
                    continue;
                }
                let kept = words.len().min(preemption.reach);
                words.drain(..words.len() - kept);
                words.extend(words_of(&bytes));
                if code.may_be_among(&words[kept..])
                    && (kept..words.len()).any(|n| is_preempted(&words, n, code, preemption))
                {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// Whether a word of a stack is where a goroutine goes on within the code: below it is the frame of `runtime.asyncPreempt`.
fn is_preempted(words: &[u64], n: usize, code: &Code, preemption: &Preemption) -> bool {
    code.has(words[n]) && preemption.may_be_below(words, n)
}

/// Which pages of a process are there, where the kernel tells.
struct Pages(Option<File>);

impl Pages {
    fn open(pid: i32) -> Pages {
        Pages(File::open(format!("/proc/{pid}/pagemap")).ok())
    }

    /// The parts of memory that are there, in memory or swapped out.
    fn present(&self, part: Range<u64>) -> Vec<Range<u64>> {
        const THERE: u64 = 0b11 << 62;
        let mut entries = vec![0; ((part.end - part.start) / page_size()) as usize * WORD];
        let at = part.start / page_size() * WORD as u64;
        let told = self
            .0
            .as_ref()
            .is_some_and(|file| file.read_exact_at(&mut entries, at).is_ok());
        if !told {
            return vec![part];
        }
        let mut runs: Vec<Range<u64>> = Vec::new();
        for (n, entry) in (0..).zip(words_of(&entries)) {
            let page = part.start + n * page_size();
            match runs.last_mut() {
                _ if entry & THERE == 0 => {}
                Some(run) if run.end == page => run.end += page_size(),
                _ => runs.push(page..page + page_size()),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use super::*;

    #[test]
    fn code_has_what_is_between_its_ends() {
        let code = Code::new([20..24, 10..12]);
        let has: Vec<u64> = (0..30).filter(|address| code.has(*address)).collect();
        assert_eq!(has, [10, 11, 20, 21, 22, 23]);
        assert!(code.may_be_among(&[1, 15]) && !code.may_be_among(&[1, 24]));
        assert!(!Code::new([]).has(0));
    }

    #[test]
    fn a_goroutine_goes_on_above_the_frame_of_its_preemption() {
        let code = Code::new(once(10..12));
        let preemption = Preemption::new([(50..55, 8), (55..60, 16)]);
        let stack = |below: u64, at: u64| {
            let words = [0, below, 0, 0, at, 0];
            (0..words.len()).any(|n| is_preempted(&words, n, &code, &preemption))
        };
        assert!(stack(55, 11));
        assert!(!stack(55, 12), "it goes on elsewhere");
        assert!(!stack(60, 11), "it was not preempted: a sample of a profile");
        assert!(!stack(54, 11), "something is left over from another frame");
        let unknown = Preemption::new([]);
        assert!(is_preempted(&[0, 11], 1, &code, &unknown));
    }
}
