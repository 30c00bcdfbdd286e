//! Code that brings a thread back to where it was, and where that is, on amd64.

use super::{GeneralRegisters, SYSTEM_CALL};

/// Bytes that the code takes at the most.
pub const WAY_BACK_SIZE: usize = 160;

/// The registers that a stopped thread goes on with in user mode. One that was stopped in a system call which is to start
/// again has that arranged by the kernel only on its way out of that call.
pub fn restarted(mut registers: GeneralRegisters) -> GeneralRegisters {
    const AGAIN: [i64; 3] = [-512, -513, -514];
    const BY_RESTART_CALL: i64 = -516;
    let in_call = registers.orig_rax.cast_signed() >= 0;
    let result = registers.rax.cast_signed();
    if in_call && AGAIN.contains(&result) {
        registers.rax = registers.orig_rax;
        registers.rip -= 2;
    } else if in_call && result == BY_RESTART_CALL {
        registers.rax = libc::SYS_restart_syscall.cast_unsigned();
        registers.rip -= 2;
    }
    registers.orig_rax = u64::MAX;
    registers
}

/// A system call, then code that gives a thread its signal mask and these registers again and goes where they say. It
/// uses no stack, which may be at its very end, and changes nothing but the registers it sets.
pub fn way_back(registers: &GeneralRegisters, mask: u64) -> Vec<u8> {
    const CARRY_TO_SIGN: u64 = 0xd5;
    const OVERFLOW: u64 = 1 << 11;
    const DIRECTION: u64 = 1 << 10;
    let mut code = SYSTEM_CALL.to_vec();
    let mut add = |bytes: &[u8]| code.extend_from_slice(bytes);
    add(&[0xbf, 2, 0, 0, 0]); // mov edi, SIG_SETMASK
    add(&[0x48, 0x8d, 0x35, 0, 0, 0, 0]); // lea rsi, [the mask below]
    add(&[0x31, 0xd2]); // xor edx, edx
    add(&[0x41, 0xba, 8, 0, 0, 0]); // mov r10d, 8
    add(&[0xb8, 14, 0, 0, 0]); // mov eax, rt_sigprocmask
    add(&SYSTEM_CALL);
    // 1 + 0x7f overflows, 0 + 0x7f does not; the other flags come out of AH.
    let overflows = u8::from(registers.eflags & OVERFLOW != 0);
    let flags = u8::try_from(registers.eflags & CARRY_TO_SIGN).expect("masked") | 2;
    add(&[0xb8, overflows, flags, 0, 0]); // mov eax, flags
    add(&[0x04, 0x7f, 0x9e]); // add al, 0x7f; sahf
    add(&[if registers.eflags & DIRECTION != 0 {
        0xfd
    } else {
        0xfc
    }]); // std or cld
    for (opcode, value) in [
        ([0x48, 0xb8], registers.rax),
        ([0x48, 0xb9], registers.rcx),
        ([0x48, 0xba], registers.rdx),
        ([0x48, 0xbe], registers.rsi),
        ([0x48, 0xbf], registers.rdi),
        ([0x49, 0xb8], registers.r8),
        ([0x49, 0xb9], registers.r9),
        ([0x49, 0xba], registers.r10),
        ([0x49, 0xbb], registers.r11),
    ] {
        add(&opcode); // mov register, value
        add(&value.to_le_bytes());
    }
    add(&[0xff, 0x25, 0, 0, 0, 0]); // jmp [the address below]
    add(&registers.rip.to_le_bytes());
    let mask_at = u32::try_from(code.len()).expect("short") - MASK_BASE;
    code[MASK_OPERAND..MASK_OPERAND + 4].copy_from_slice(&mask_at.to_le_bytes());
    code.extend_from_slice(&mask.to_le_bytes());
    code
}

/// Where the operand of `lea` is, and what it counts from.
const MASK_OPERAND: usize = 10;
const MASK_BASE: u32 = 14;

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::*;

    fn some_registers() -> GeneralRegisters {
        // SAFETY: plain integers.
        let mut registers: GeneralRegisters = unsafe { std::mem::zeroed() };
        registers.rip = 0x40_1000;
        registers.rax = 0x1111;
        registers.r11 = 0x2222;
        registers
    }

    #[test]
    fn it_ends_where_the_thread_was() {
        let mut registers = some_registers();
        registers.eflags = 0x0ad5;
        let code = way_back(&registers, 0x7fff);
        assert!(code.len() <= WAY_BACK_SIZE);
        let (instructions, data) = code.split_at(code.len() - 16);
        let decoder = Decoder::with_ip(64, instructions, 0x1000, DecoderOptions::NONE);
        let listing: Vec<String> = decoder.into_iter().map(|one| one.to_string()).collect();
        let mask_at = 0x1000 + code.len() - 8;
        assert_eq!(
            listing[..10],
            [
                "syscall",
                "mov edi,2",
                &format!("lea rsi,[rel {mask_at:X}h]"),
                "xor edx,edx",
                "mov r10d,8",
                "mov eax,0Eh",
                "syscall",
                "mov eax,0D701h",
                "add al,7Fh",
                "sahf",
            ]
        );
        assert_eq!(listing[10..12], ["cld", "mov rax,1111h"]);
        assert_eq!(listing[listing.len() - 2], "mov r11,2222h");
        assert!(listing.last().unwrap().starts_with("jmp qword"));
        assert_eq!(data[..8], 0x40_1000u64.to_le_bytes());
        assert_eq!(data[8..], 0x7fffu64.to_le_bytes());
    }

    #[test]
    fn interrupted_system_calls_start_again() {
        let mut registers = some_registers();
        registers.orig_rax = libc::SYS_futex as u64;
        registers.rax = (-512i64).cast_unsigned();
        let again = restarted(registers);
        assert_eq!((again.rax, again.rip), (libc::SYS_futex as u64, 0x40_0ffe));
        registers.rax = (-516i64).cast_unsigned();
        let again = restarted(registers);
        assert_eq!(
            (again.rax, again.rip),
            (libc::SYS_restart_syscall as u64, 0x40_0ffe)
        );
        registers.rax = (-4i64).cast_unsigned();
        let over = restarted(registers);
        assert_eq!((over.rax, over.rip), (registers.rax, registers.rip));
        // Its number is no longer that of a call: RAX is the program's own.
        registers.orig_rax = u64::MAX;
        registers.rax = (-512i64).cast_unsigned();
        assert_eq!(restarted(registers).rip, registers.rip);
    }
}
