//! Jumps in the program's code, and the stubs that they lead to.

use super::displaced::{DisplaceError, Displaced, displace};

/// Bytes reserved for each stub.
pub(in crate::engine) const STUB: u64 = 192;

/// A jump, as many bytes of it as take the place of the instructions there. What is left over is never run.
pub(in crate::engine) fn jump(from: u64, to: u64, size: usize) -> Option<Vec<u8>> {
    let mut bytes = relative_jump(from, to)?.to_vec();
    bytes.resize(size.max(bytes.len()), 0xcc);
    (bytes.len() == size).then_some(bytes)
}

fn relative_jump(from: u64, to: u64) -> Option<[u8; 5]> {
    let distance = i32::try_from(to.wrapping_sub(from.wrapping_add(5)).cast_signed()).ok()?;
    let mut bytes = [0xe9, 0, 0, 0, 0];
    bytes[1..].copy_from_slice(&distance.to_le_bytes());
    Some(bytes)
}

/// Whether a word of the stack of a thread, whose stack pointer is `start`, is the program counter in the frame of a signal whose
/// handler it runs. In front of it is the interrupted stack pointer, and the alternate stack; behind it are the flags, and the
/// segments, of which that of code is the same in all programs.
pub(in crate::engine) fn is_saved_pc(words: &[u64], n: usize, start: u64) -> bool {
    const CODE: u64 = 0x33;
    /// Bytes of a frame at the most, without an alternate stack.
    const FRAME: u64 = 16 << 10;
    let at = |distance: isize| n.checked_add_signed(distance).and_then(|n| words.get(n)).copied();
    let (Some(stack), Some(size), Some(interrupted), Some(segments)) = (at(-19), at(-17), at(-1), at(2))
    else {
        return false;
    };
    let here = start + 8 * n as u64;
    let is_alternate = |address: u64| address.wrapping_sub(stack) < size;
    segments & 0xffff == CODE
        && match is_alternate(here) {
            true => is_alternate(start),
            false => interrupted.wrapping_sub(here) < FRAME,
        }
}

/// What a jump at a site leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Stub {
    /// Its code.
    pub(in crate::engine) code: Vec<u8>,
    /// Where in there a thread goes on that the core lets pass.
    pub(in crate::engine) resume: usize,
    /// Where in memory the program's instructions are in it, each with its own address.
    pub(in crate::engine) copies: Vec<(u64, u64)>,
}

/// The stub at `at` for a site: the instructions before the site, which its jump has taken with it, the way into the core,
/// and the site's instruction and those behind it. `before` of the bytes at `start` are before the site.
pub(in crate::engine) fn stub(
    row: u32,
    at: u64,
    entrance: u64,
    start: u64,
    bytes: &[u8],
    before: usize,
) -> Result<Stub, String> {
    let failed = |error: DisplaceError| error.to_string();
    let (mut code, mut copies) = (Vec::new(), Vec::new());
    let site = start + before as u64;
    if before > 0 {
        Displaced { code, copies } = displace(&bytes[..before], start, at).map_err(failed)?;
        // It ends with a jump to the site, whose place is taken by the way into the core.
        if code.len() < 5
            || code[code.len() - 5..] != relative_jump(at + code.len() as u64 - 5, site).unwrap_or_default()
        {
            return Err(format!("the instructions before 0x{site:x} don't lead to it"));
        }
        code.truncate(code.len() - 5);
    }
    // mov r13d, row
    code.extend([0x41, 0xbd]);
    code.extend(row.to_le_bytes());
    let jump = relative_jump(at + code.len() as u64, entrance).ok_or("the core is too far away")?;
    code.extend(jump);
    let resume = code.len();
    let rest = displace(&bytes[before..], site, at + resume as u64).map_err(failed)?;
    code.extend(rest.code);
    copies.extend(rest.copies);
    if code.len() as u64 > STUB {
        return Err(format!("the copy of the instructions at 0x{start:x} is too long"));
    }
    Ok(Stub { code, resume, copies })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_runs_what_came_before_and_ends_with_the_rest() {
        // add rsp, 0x10; pop rbp; ret
        let epilogue = [0x48, 0x83, 0xc4, 0x10, 0x5d, 0xc3];
        let stub = stub(3, 0x30_0000, 0x2f_0000, 0x40_1000, &epilogue, 5).unwrap();
        assert_eq!(stub.code[..5], epilogue[..5]);
        assert_eq!(stub.code[5..11], [0x41, 0xbd, 3, 0, 0, 0]);
        assert_eq!(stub.code[11], 0xe9);
        assert_eq!(stub.code[stub.resume..], [0xc3]);
        let at = |n: usize| 0x30_0000 + n as u64;
        assert_eq!(
            stub.copies,
            [
                (at(0), 0x40_1000),
                (at(4), 0x40_1004),
                (at(stub.resume), 0x40_1005)
            ]
        );
    }

    #[test]
    fn a_signals_frame_counts_on_the_stack_of_its_handler() {
        const START: u64 = 0x1000;
        let frame = |stack: u64, interrupted: u64| {
            let mut words = vec![0; 64];
            let n = 40;
            (words[n - 19], words[n - 17]) = (stack, 0x8000);
            (words[n - 1], words[n], words[n + 2]) = (interrupted, 0x40_1000, 0x2b_0000_0000_0033);
            is_saved_pc(&words, n, START)
        };
        assert!(frame(0x800, 0xc000));
        assert!(
            !frame(START + 8, 0xc000),
            "the thread is on another stack, and this is left over"
        );
        assert!(frame(0x10_0000, START + 0x400));
        assert!(!frame(0x10_0000, START + 0x10_0000));
    }

    #[test]
    fn a_jump_fills_its_room() {
        assert_eq!(
            jump(0x40_0000, 0x40_0105, 7).unwrap(),
            [0xe9, 0, 1, 0, 0, 0xcc, 0xcc]
        );
        assert_eq!(jump(0x40_0000, 0x40_0105, 4), None);
        assert_eq!(jump(0, 1 << 40, 5), None);
    }
}
