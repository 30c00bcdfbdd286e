//! The code of a handler.
//!
//! It looks for the place where the thread stands in its table, and has it go on where that says; or, where that is the copy of an instruction which
//! has faulted, has the handler that was there before find it at the instruction itself. A signal that is marked as
//! served was taken care of by goinject, which then died before it could take it back. Any other goes to the handler that was
//! there before. It is entered by the kernel with the C convention, on the thread's signal stack.

use std::arch::global_asm;

/// The bit of where a thread is to go on by which the places of traps are marked.
const OF_TRAP: u32 = 63;
/// The one by which copies of instructions are.
const OF_COPY: u32 = 62;

/// A place with a trap: what else finds a thread there, as a fault of the program's own once the trap is gone, is passed on.
pub(in crate::engine) fn at_trap(place: u64, to: u64) -> (u64, u64) {
    (place, to | 1 << OF_TRAP)
}

/// The copy of an instruction that may fault, and the instruction. The handler that was there before must not have the thread go
/// on from where it finds it: what is there now may be no whole instruction.
pub(in crate::engine) fn at_copy(copy: u64, original: u64) -> (u64, u64) {
    (copy, original | 1 << OF_COPY)
}

/// The mark of a signal that goinject has taken care of; no number of an error.
pub(in crate::engine) const SERVED: i32 = 0x676f_696e;

// 168 is the saved RIP: 40 bytes into struct ucontext start the registers, RIP is the 17th.
// The second word of siginfo is si_errno, the third is si_code.
global_asm!(
    ".pushsection .rodata.goinject_stub, \"a\"",
    ".balign 16",
    ".globl goinject_stub_start",
    ".hidden goinject_stub_start",
    "goinject_stub_start:",
    "mov rax, [rdx + 168]",
    "lea r8, [rip + goinject_stub_table]",
    "mov rcx, [rip + goinject_stub_count]",
    "2: test rcx, rcx",
    "jz 3f",
    "cmp [r8], rax",
    "je 4f",
    "add r8, 16",
    "dec rcx",
    "jmp 2b",
    "4: mov rax, [r8 + 8]",
    // One that was sent finds the thread where it goes on.
    "cmp dword ptr [rsi + 8], 0",
    "jle 3f",
    "btr rax, {of_copy}",
    "jc 7f",
    "btr rax, {of_trap}",
    "jnc 6f",
    "cmp dword ptr [rsi + 8], {si_kernel}",
    "jne 3f",
    "6:",
    "mov [rdx + 168], rax",
    "ret",
    "7: mov [rdx + 168], rax",
    "3: cmp dword ptr [rsi + 4], {served}",
    "je 5f",
    "jmp [rip + goinject_stub_previous]",
    "5: ret",
    ".balign 8",
    ".globl goinject_stub_previous",
    ".hidden goinject_stub_previous",
    "goinject_stub_previous: .quad 0",
    ".globl goinject_stub_count",
    ".hidden goinject_stub_count",
    "goinject_stub_count: .quad 0",
    ".globl goinject_stub_table",
    ".hidden goinject_stub_table",
    "goinject_stub_table:",
    ".popsection",
    served = const SERVED,
    of_trap = const OF_TRAP,
    of_copy = const OF_COPY,
    si_kernel = const libc::SI_KERNEL,
);

unsafe extern "C" {
    #[link_name = "goinject_stub_start"]
    static START: u8;
    #[link_name = "goinject_stub_previous"]
    static PREVIOUS: u8;
    #[link_name = "goinject_stub_count"]
    static COUNT: u8;
    #[link_name = "goinject_stub_table"]
    static TABLE: u8;
}

/// The code with its data: the handler that it passes other signals to, and for each place where a thread may stand, the one
/// where it is to go on.
pub(in crate::engine) fn image(previous: u64, table: &[(u64, u64)]) -> Vec<u8> {
    let length = offset(&raw const TABLE);
    // SAFETY: the labels enclose that many bytes of constant data.
    let mut image = unsafe { std::slice::from_raw_parts(&raw const START, length) }.to_vec();
    let mut put = |at: usize, word: u64| image[at..at + 8].copy_from_slice(&word.to_le_bytes());
    put(offset(&raw const PREVIOUS), previous);
    put(offset(&raw const COUNT), table.len() as u64);
    for (place, to) in table {
        image.extend_from_slice(&place.to_le_bytes());
        image.extend_from_slice(&to.to_le_bytes());
    }
    image
}

fn offset(label: *const u8) -> usize {
    label as usize - (&raw const START) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_ends_in_its_table() {
        let empty = image(0, &[]);
        let one = image(0x1234, &[(5, 6)]);
        assert_eq!(one.len(), empty.len() + 16);
        assert_eq!(
            one[empty.len()..],
            [5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]
        );
        assert!(one.windows(8).any(|word| word == 0x1234u64.to_le_bytes()));
    }

    #[test]
    fn what_is_passed_on_of_a_fault() {
        // Of a program whose handler tells that it was called: mov byte ptr [rdx], 1; ret
        let own = [0xc6, 0x02, 0x01, 0xc3];
        let places = [at_trap(0x1000, 0x9000), at_copy(0x2000, 0x8000), (0x3000, 0x7000)];
        let mut image = image(0, &places);
        let behind = image.len();
        image.extend(own);
        let mut memory = memmap2::MmapMut::map_anon(image.len()).unwrap();
        let start = memory.as_ptr() as u64;
        image[offset(&raw const PREVIOUS)..][..8].copy_from_slice(&(start + behind as u64).to_le_bytes());
        memory.copy_from_slice(&image);
        let memory = memory.make_exec().unwrap();
        // SAFETY: the stub follows the C convention and only touches its own data and the context, and what it goes to returns.
        let handler: Handler = unsafe { std::mem::transmute(memory.as_ptr()) };
        let mut info = [0; 32];
        for (at, code, goes_to, is_passed_on) in [
            (0x1000, 1, 0x1000, true),
            (0x1000, libc::SI_KERNEL, 0x9000, false),
            (0x2000, 1, 0x8000, true),
            (0x2000, libc::SI_KERNEL, 0x8000, true),
            (0x2000, libc::SI_USER, 0x2000, true),
            (0x2000, libc::SI_TKILL, 0x2000, true),
            (0x3000, 1, 0x7000, false),
            (0x3000, libc::SI_USER, 0x3000, true),
        ] {
            let mut context = [0u64; 40];
            context[21] = at;
            info[2] = code;
            handler(libc::SIGSEGV, info.as_ptr(), context.as_mut_ptr());
            assert_eq!((context[21], context[0] == 1), (goes_to, is_passed_on));
        }
    }

    type Handler = extern "C" fn(i32, *const i32, *mut u64);

    #[test]
    fn the_handler_sends_threads_on_from_the_places_it_knows() {
        let table: Vec<(u64, u64)> = (0..100).map(|n| (0x1000 + n, 0x9000 + n)).collect();
        let image = image(0, &table);
        let mut memory = memmap2::MmapMut::map_anon(image.len()).unwrap();
        memory.copy_from_slice(&image);
        let memory = memory.make_exec().unwrap();
        // SAFETY: the stub follows the C convention and only touches its own data and the context.
        let handler: Handler = unsafe { std::mem::transmute(memory.as_ptr()) };
        let mut context = [0u64; 40];
        let mut info = [0; 32];
        info[2] = 1;
        for (place, to) in table {
            context[21] = place;
            handler(libc::SIGSEGV, info.as_ptr(), context.as_mut_ptr());
            assert_eq!(context[21], to);
        }
        // Redirected elsewhere by goinject.
        context[21] = 0x5000;
        info[1] = SERVED;
        handler(libc::SIGSEGV, info.as_ptr(), context.as_mut_ptr());
        assert_eq!(context[21], 0x5000);
    }
}
