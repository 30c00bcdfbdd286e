//! What is told of a hit.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::{EVENT_TEXTS, EVENT_WORDS, GoTest, STACK, TEXT};

/// One word of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Word {
    /// What was there.
    pub before: u64,
    /// What was put there.
    pub after: u64,
}

/// `gi_event.flags`: nothing was written.
pub const EVENT_OBSERVED: u32 = 1;
/// `gi_event.flags`: a context ended the call, and the words are its results.
pub const EVENT_ENDED: u32 = 2;

/// A rule that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// Number of the call among the rule's matched calls, from 1.
    pub call: u64,
    /// Goroutine id; 0 unknown.
    pub goid: u64,
    /// Thread id, in goinject's PID namespace.
    pub tid: u32,
    /// Row of the rule.
    pub rule: u32,
    /// Row of the site.
    pub site: u32,
    /// Row of the binding.
    pub binding: u32,
    /// [`Reason`].
    pub reason: u32,
    /// `EVENT_*`.
    pub flags: u32,
    /// Bit n: `word[n].before` was read.
    pub known: u32,
    /// Entries of `text` in use.
    pub texts: u32,
    /// Bytes of each text.
    pub text_length: [u32; EVENT_TEXTS],
    /// Serial of the process.
    pub process: u32,
    /// Entries of `stack` in use.
    pub frames: u32,
    #[doc(hidden)]
    pub padding: u32,
    /// Nanoseconds that the goroutine was to sleep.
    pub delay: u64,
    /// Where the call was made, as another run of the program tells it: by Go test and call stack.
    pub place: u64,
    /// Its number among the rule's calls there, from 1; 0: not numbered.
    pub number: u64,
    /// In the order of the binding's edits.
    pub word: [Word; EVENT_WORDS],
    /// In the order of the edits that carry [`EDIT_TEXT`].
    pub text: [[u8; TEXT]; EVENT_TEXTS],
    /// Return addresses, innermost first.
    pub stack: [u64; STACK],
    /// The Go test that the call was made in.
    pub test: GoTest,
}

impl Event {
    /// Reads one that was sent only as far as it is in use. None if it is none.
    pub fn from_sent(bytes: &[u8]) -> Option<Event> {
        let mut event = Event::default();
        let sent = event.as_mut_bytes().get_mut(..bytes.len())?;
        if bytes.len() < std::mem::offset_of!(Event, stack) {
            return None;
        }
        sent.copy_from_slice(bytes);
        Some(event)
    }

    /// The return addresses.
    pub fn return_addresses(&self) -> &[u64] {
        &self.stack[..(self.frames as usize).min(STACK)]
    }
}

impl Default for Event {
    fn default() -> Self {
        FromZeros::new_zeroed()
    }
}
