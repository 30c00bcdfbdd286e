//! amd64, or x86-64.

mod closure;
mod convention;
mod decode;
mod describe;
mod kernel;
mod moved;
mod panic;
mod results;
mod runtime;
mod sleeper;

pub(super) use self::closure::reads_closure_object;
pub(super) use self::convention::{
    FLOATS, INTEGER_REGISTERS, dwarf_number, is_register_assembly, register_name,
};
pub(super) use self::decode::{check_part, decode, references, returns_from_registers};
pub(super) use self::describe::describe;
pub(super) use self::moved::{JUMP, is_padding, moved};
pub(super) use self::panic::behind_panic_call;
pub(super) use self::results::{reads_result, stores};
pub(super) use self::runtime::{
    flags_and_calls, sets_registers_up, thread_local_load, thread_pointer_offset,
};
pub(super) use self::sleeper::behind_only_call;
use super::Relocations;

/// In the ELF header.
pub(super) const MACHINE: u16 = goblin::elf::header::EM_X86_64;
/// RSP as instructions encode it.
pub(super) const STACK_POINTER: u8 = 4;
/// Instructions may be anywhere.
pub(super) const INSTRUCTION_ALIGNMENT: u8 = 1;
/// `R_X86_64_RELATIVE` and `R_X86_64_TPOFF64`.
pub(super) const RELOCATIONS: Relocations = Relocations {
    relative: 8,
    thread_offset: 18,
};
