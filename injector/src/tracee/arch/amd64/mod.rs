//! Registers and system calls of a thread on amd64.

mod way_back;

pub use libc::{user_fpregs_struct as FloatRegisters, user_regs_struct as GeneralRegisters};

pub use self::way_back::{WAY_BACK_SIZE, restarted, way_back};

/// The instruction that makes a system call.
pub const SYSTEM_CALL: [u8; 2] = [0x0f, 0x05];
/// A mapping that looks like code and can't be run by a step.
pub const NO_CODE: &str = "[vsyscall]";
/// How far relative branches and addresses reach, with room to spare.
pub const REACH: u64 = 1 << 30;

/// Where a thread goes on.
pub fn pc(registers: &GeneralRegisters) -> u64 {
    registers.rip
}

/// Has a thread go on elsewhere.
pub fn set_pc(registers: &mut GeneralRegisters, pc: u64) {
    registers.rip = pc;
}

/// Where a thread's stack ends.
pub fn stack_pointer(registers: &GeneralRegisters) -> u64 {
    registers.rsp
}

/// What thread-local storage is found by.
pub fn thread_pointer(registers: &GeneralRegisters) -> u64 {
    registers.fs_base
}

/// The registers of a thread that is about to make a system call by the instruction at `instruction`. `registers` are
/// [`restarted`] ones: the kernel would restart an interrupted system call of the thread otherwise.
pub fn with_system_call(
    registers: GeneralRegisters,
    instruction: u64,
    number: i64,
    arguments: [u64; 6],
) -> GeneralRegisters {
    let [rdi, rsi, rdx, r10, r8, r9] = arguments;
    GeneralRegisters {
        rip: instruction,
        rax: number.cast_unsigned(),
        rdi,
        rsi,
        rdx,
        r10,
        r8,
        r9,
        ..registers
    }
}

/// What a system call gave, just after it: errors are -4095 to -1.
pub fn system_call_result(registers: &GeneralRegisters) -> u64 {
    registers.rax
}

/// A system call that a thread stands at the end of: its number, its first two arguments and its result. At its
/// entry the result is -ENOSYS.
pub fn system_call_at_end(registers: &GeneralRegisters) -> (u64, [u64; 2], u64) {
    (registers.orig_rax, [registers.rdi, registers.rsi], registers.rax)
}

/// The low 64 bits of a floating-point register of Go's convention.
pub fn float(floats: &FloatRegisters, index: u32) -> u64 {
    let at = index as usize * 4;
    u64::from(floats.xmm_space[at]) | u64::from(floats.xmm_space[at + 1]) << 32
}

/// Sets the low 64 bits of a floating-point register of Go's convention.
pub fn set_float(floats: &mut FloatRegisters, index: u32, value: u64) {
    let at = index as usize * 4;
    let bytes = value.to_le_bytes();
    let half = |n: usize| u32::from_le_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]);
    floats.xmm_space[at] = half(0);
    floats.xmm_space[at + 1] = half(4);
}
