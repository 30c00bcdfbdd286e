//! What Go prints of goroutines: at a panic, a fatal error, or when it is asked to.

use crate::event::line::Frame;
use crate::go::Function;

/// A goroutine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goroutine {
    /// Its number.
    pub id: u64,
    /// What it does: `running`, `chan receive`, `sync.Mutex.Lock`.
    pub state: String,
    /// Its stack, innermost first.
    pub frames: Vec<Frame>,
    /// The function that started it, and where.
    pub created_by: Option<Frame>,
}

impl Goroutine {
    /// The frames from where a panic began: below the innermost call of `panic`, past what the runtime puts between.
    /// None if there is no such call.
    pub fn below_panic(&self) -> Option<&[Frame]> {
        let panics = |frame: &Frame| frame.function == "panic" || frame.function == "runtime.gopanic";
        let last = self.frames.iter().rposition(panics)?;
        let below = &self.frames[last + 1..];
        let is_runtime = |frame: &Frame| Function::package_of(&frame.function) == "runtime";
        let first = below.iter().position(|frame| !is_runtime(frame))?;
        Some(&below[first..])
    }
}

/// A panic that a program printed: what it says of itself, and the frames from where it began.
pub fn panic(text: &str) -> Option<(String, Vec<Frame>)> {
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        let said = line
            .strip_prefix("panic: ")
            .or_else(|| line.strip_prefix("\tpanic: "));
        if let Some(said) = said {
            let all = goroutines(&text[from..]);
            let Some(first) = all.into_iter().next() else {
                break;
            };
            // The stack of one that nobody recovered begins where it did.
            let frames = first
                .below_panic()
                .map_or_else(|| first.frames.clone(), <[Frame]>::to_vec);
            let said = said.split(" [recovered").next().unwrap_or(said);
            return Some((said.trim_end().to_owned(), frames));
        }
        from += line.len();
    }
    // One that was recovered and printed: servers do that.
    goroutines(text).iter().find_map(|goroutine| {
        Some((
            "recovered, and printed".to_owned(),
            goroutine.below_panic()?.to_vec(),
        ))
    })
}

/// All goroutines that are printed in a text.
pub fn goroutines(text: &str) -> Vec<Goroutine> {
    let mut all: Vec<Goroutine> = Vec::new();
    let mut lines = text.lines().peekable();
    let mut current: Option<Goroutine> = None;
    while let Some(line) = lines.next() {
        if let Some(found) = header(line) {
            all.extend(current.replace(found));
            continue;
        }
        let Some(goroutine) = &mut current else { continue };
        if line.trim().is_empty() {
            all.extend(current.take());
            continue;
        }
        let place = lines.peek().and_then(|next| place(next));
        if let Some(creator) = line.strip_prefix("created by ") {
            let function = creator.split(" in goroutine ").next().unwrap_or(creator);
            goroutine.created_by = Some(frame(function, place.as_ref()));
        } else if let Some(function) = called(line) {
            goroutine.frames.push(frame(function, place.as_ref()));
        } else {
            continue;
        }
        if place.is_some() {
            lines.next();
        }
    }
    all.extend(current);
    all
}

fn frame(function: &str, place: Option<&(String, u32)>) -> Frame {
    let (file, line) = place.cloned().unwrap_or_default();
    Frame {
        function: function.to_owned(),
        file,
        line,
        inlined: false,
    }
}

/// `goroutine 7 [chan receive, 2 minutes]:`, perhaps behind something that another thread printed.
fn header(line: &str) -> Option<Goroutine> {
    let rest = line.strip_prefix("goroutine ")?.strip_suffix("]:")?;
    let (id, rest) = rest.split_once(' ')?;
    // `gp=0x… m=0 mp=0x…` stands between with GOTRACEBACK=system.
    let (_, state) = rest.split_once('[')?;
    let state = state.split(',').next().unwrap_or(state);
    Some(Goroutine {
        id: id.parse().ok()?,
        state: state.to_owned(),
        ..Goroutine::default()
    })
}

/// The function of `main.(*T).M(0xc000, ...)`.
fn called(line: &str) -> Option<&str> {
    if line.starts_with(['\t', ' ']) {
        return None;
    }
    let open = line.rfind('(')?;
    (open > 0 && line.ends_with(')')).then(|| &line[..open])
}

/// `\t/src/x.go:12 +0x1d`.
fn place(line: &str) -> Option<(String, u32)> {
    let line = line.strip_prefix('\t')?;
    let place = line.rsplit_once(" +0x").map_or(line, |(place, _)| place);
    let (file, number) = place.rsplit_once(':')?;
    Some((file.to_owned(), number.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANIC: &str = "--- FAIL: TestX (0.00s)
panic: runtime error: invalid memory address or nil pointer dereference [recovered]
	panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4f3d2a]

goroutine 7 [running]:
testing.tRunner.func1.2({0x50d0e0, 0x64a4d0})
	/go/src/testing/testing.go:1632 +0x230
testing.tRunner.func1()
	/go/src/testing/testing.go:1635 +0x35e
panic({0x50d0e0?, 0x64a4d0?})
	/go/src/runtime/panic.go:785 +0x132
shop/store%2ev2.(*File).size(...)
	/src/shop/store/file.go:12
shop/store%2ev2.Open({0x52, 0x3})
	/src/shop/store/file.go:20 +0x1d
created by testing.(*T).Run in goroutine 1
	/go/src/testing/testing.go:1743 +0x390

goroutine 1 [chan receive, 2 minutes]:
testing.(*T).Run(0xc0000b6000, {0x52b1b4?, 0x0?}, 0x5349a8)
	/go/src/testing/testing.go:1751 +0x3ab
exit status 2
";

    #[test]
    fn goroutines_and_where_a_panic_began() {
        let all = goroutines(PANIC);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].id, all[0].state.as_str()), (7, "running"));
        let (said, frames) = panic(PANIC).expect("it panics");
        assert_eq!(
            said,
            "runtime error: invalid memory address or nil pointer dereference"
        );
        assert_eq!(
            (frames[0].function.as_str(), frames[0].line),
            ("shop/store%2ev2.(*File).size", 12)
        );
        let creator = all[0].created_by.as_ref().expect("it was started");
        assert_eq!(creator.function, "testing.(*T).Run");
        assert_eq!(
            (all[1].state.as_str(), all[1].below_panic()),
            ("chan receive", None)
        );
    }

    #[test]
    fn a_panic_that_nobody_recovered_has_no_frame_of_its_own() {
        let text = "panic: oh\n\ngoroutine 18 [running]:\nshop.host(0x1)\n\t/src/shop/host.go:9 +0x1d\n";
        let (said, frames) = panic(text).expect("it panics");
        assert_eq!((said.as_str(), frames[0].function.as_str()), ("oh", "shop.host"));
        assert_eq!(panic(&text.replace("panic: oh\n", "dump\n")), None);
    }
}
