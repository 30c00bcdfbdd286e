//! What the classes of outcomes mean, in words for people who see one for the first time.

use crate::explore::class::Class;

/// A class in a few words, and in a sentence or two: what it means and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// In a few words.
    pub short: &'static str,
    /// What was seen.
    pub full: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

/// What a class means.
pub fn meaning(class: Class) -> Meaning {
    let (short, full, help) = match class {
        Class::Crash => (
            "The program dies of an error",
            "After a call failed, the program was killed by a signal or by a fatal error of Go's runtime.",
            "Look at what the code does between the failed call and the place of the crash: a lock that is released twice, a map that is used by several goroutines, memory without a bound.",
        ),
        Class::Panic => (
            "The program panics on an error",
            "After a call failed, code that is not a test's panicked.",
            "Return the error, or check it before the value that came with it is used: where an error is not nil, other results are usually nil or incomplete.",
        ),
        Class::Deadlock => (
            "An error makes the program wait for ever",
            "After a call failed, every goroutine waited for another.",
            "Release locks, close channels and call WaitGroup.Done on the path of the error, too: defer does it on all paths.",
        ),
        Class::Hang => (
            "An error keeps the program from ending",
            "After a call failed, the program did not end in many times the time that it takes otherwise.",
            "See where it waits: somebody must learn of the error, by a channel that is closed or a context that is cancelled.",
        ),
        Class::Corrupt => (
            "An error makes a result wrong, and nobody is told",
            "After a call failed, the test failed or its output differed, and the error is nowhere in what it told.",
            "Return the error instead of a result, and undo what was done by half.",
        ),
        Class::UnboundedRetry => (
            "A failed call is repeated without end",
            "The call was repeated as long as it failed, and it failed for as long as it was watched.",
            "Give up after a number of attempts or a time, and return the last error.",
        ),
        Class::HotRetry => (
            "A failed call is repeated without a pause",
            "The call was repeated without end and with no pause between attempts.",
            "Wait between attempts, longer each time, and give up after a number of them.",
        ),
        Class::Leak => (
            "An error leaves a goroutine or an open file",
            "After a call failed, a goroutine or an open file was left that is not there otherwise.",
            "Close files and end goroutines on the path of the error, too: defer does it on all paths.",
        ),
        Class::Swallowed => (
            "An error is lost",
            "A call failed and nobody was told: the error became nil on its way up, nothing was tried again, and the output has no trace of it.",
            "Return the error with %w, handle it, or log it. Mind errors of Close and Flush where something was written, and variables that are declared again in an inner block.",
        ),
        Class::Unasserted => (
            "The test gets the error and passes",
            "The error reached the test, and the test does not care.",
            "Check in the test that the call succeeds.",
        ),
        Class::Recovered => (
            "The program goes on",
            "The call was tried again, or the program told of the error and went on.",
            "Nothing is to be done.",
        ),
        Class::Reported => (
            "The program fails and tells why",
            "The error is in what the test or the program told.",
            "Nothing is to be done.",
        ),
        Class::NotFired => (
            "The fault did not come up",
            "The call was not made in this run: the path to it depends on time or chance.",
            "Nothing is to be done.",
        ),
        Class::Flaky => (
            "Not the same when repeated",
            "Repetitions of the same fault did not come out the same.",
            "Try it again with --repeat, or by itself.",
        ),
        Class::Unstable => (
            "The test does not always pass by itself",
            "The test was set aside: without any fault, it passed in some runs and failed in others.",
            "Mend the test first.",
        ),
    };
    Meaning { short, full, help }
}
