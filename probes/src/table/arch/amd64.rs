//! Registers on amd64. The C side is `bpf/arch/amd64`.

/// A general register, in the order in which the tables and the hit number them (`bpf/arch/amd64/goabi.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "register names say themselves")]
pub enum GeneralRegister {
    Rax,
    Rbx,
    Rcx,
    Rdi,
    Rsi,
    R8,
    R9,
    R10,
    R11,
    Rdx,
    Rsp,
    Rbp,
    R12,
    R13,
    R14,
    R15,
}

impl GeneralRegister {
    /// Those of integer arguments and results, in the convention's sequence. They come first.
    pub const ARGUMENTS: [GeneralRegister; 9] = {
        use GeneralRegister::*;
        [Rax, Rbx, Rcx, Rdi, Rsi, R8, R9, R10, R11]
    };
    /// What compiled code has g in.
    pub const GOROUTINE: GeneralRegister = GeneralRegister::R14;
    /// The stack pointer.
    pub const STACK_POINTER: GeneralRegister = GeneralRegister::Rsp;
}

/// Of a general register (RAX) in the context of a probe, `struct pt_regs`.
pub(crate) const CONTEXT_REGISTER: i16 = 80;
