//! What depends on the architecture that a program was built for.
//!
//! The target's architecture is data: it is read from the program's file, and any host can plan for it. Each has a
//! folder here. What depends on the host's, because it runs or traces there, is under `tracee/arch` and
//! `engine/arch`, and in `probes/bpf/arch`.

mod amd64;

use super::abi::Register;
use super::address::Address;
use super::sites::{Site, Spill};

/// An architecture that programs are read of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// x86-64.
    Amd64,
}

/// Where an instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) enum Flow {
    /// To the next one.
    Next,
    /// To its target or to the next one.
    Branch,
    /// To its target.
    Jump,
    /// To where a register or memory says.
    IndirectJump,
    /// Into a function, and back.
    Call,
    /// To the caller.
    Return,
    /// Into the kernel, or nowhere.
    Other,
}

/// An instruction, as far as it matters for every one of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) struct Instruction {
    pub(in crate::go) address: Address,
    pub(in crate::go) length: u8,
    pub(in crate::go) flow: Flow,
    /// Where a direct jump or call goes.
    pub(in crate::go) target: Option<Address>,
}

impl Instruction {
    /// The address behind it.
    pub(in crate::go) fn next(&self) -> Address {
        self.address.plus(u64::from(self.length))
    }
}

/// What code does with a result in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) enum Use {
    /// It reads it.
    Read,
    /// It does not.
    None,
    /// It calls something at once, which may take it: where, if that is told.
    Passed(Option<Address>),
}

/// What an instruction may be to a function's stack check, and to the code that grows the stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::go) struct CheckPart {
    /// Part of the check, before its jump.
    pub(in crate::go) is_step: bool,
    /// It does nothing.
    pub(in crate::go) is_filler: bool,
    /// Of a jump that may end a check: any of these flags set means that the stack is to grow.
    pub(in crate::go) fails_on: Option<u64>,
    /// It saves the frame pointer, which is a cheap place for a probe.
    pub(in crate::go) is_frame_push: bool,
    /// It saves a register parameter to the caller's frame.
    pub(in crate::go) spill: Option<Spill>,
}

impl CheckPart {
    /// Whether it belongs to the code that saves parameters before the stack grows.
    pub(in crate::go) fn saves_or_fills(&self) -> bool {
        self.is_filler || self.spill.is_some()
    }
}

/// What is to be known of an instruction before it is run elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) struct Moved {
    /// Why it can't be.
    pub(in crate::go) never: Option<&'static str>,
    /// It may raise a signal, whose handler looks at where it comes from.
    pub(in crate::go) may_fault: bool,
    /// It jumps to where a table says.
    pub(in crate::go) is_by_table: bool,
    /// It is of a frame's setting up or taking down, within which nothing leads.
    pub(in crate::go) is_frame: bool,
    /// It uses a register that is free at an entry and at a return by Go's conventions.
    pub(in crate::go) uses_free_registers: bool,
}

/// Types of relocations, as the ELF supplement of the architecture numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) struct Relocations {
    /// The load bias plus the addend.
    pub(in crate::go) relative: u32,
    /// An offset from the thread pointer.
    pub(in crate::go) thread_offset: u32,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Architecture; 1] = [Architecture::Amd64];

    /// The one that an ELF header names; none if it is another.
    pub(in crate::go) fn of_machine(machine: u16) -> Option<Architecture> {
        Architecture::ALL.into_iter().find(|a| a.machine() == machine)
    }

    fn machine(self) -> u16 {
        match self {
            Architecture::Amd64 => amd64::MACHINE,
        }
    }

    /// As `GOARCH` has it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
        }
    }

    /// How many integer registers the register convention has.
    pub fn integer_registers(self) -> u8 {
        match self {
            Architecture::Amd64 => amd64::INTEGER_REGISTERS,
        }
    }

    /// How many floating-point registers the register convention has.
    pub fn float_registers(self) -> u8 {
        match self {
            Architecture::Amd64 => amd64::FLOATS,
        }
    }

    /// The name of a register of the convention.
    pub fn register_name(self, register: Register) -> String {
        match self {
            Architecture::Amd64 => amd64::register_name(register),
        }
    }

    /// The number that debug information has for a register of the convention.
    pub fn dwarf_number(self, register: Register) -> u16 {
        match self {
            Architecture::Amd64 => amd64::dwarf_number(register),
        }
    }

    /// The stack pointer's number in [`Registers::general`](super::sites::Registers::general).
    pub fn stack_pointer(self) -> u8 {
        match self {
            Architecture::Amd64 => amd64::STACK_POINTER,
        }
    }

    /// What instructions are aligned to, as the header of a function table has it.
    pub(in crate::go) fn instruction_alignment(self) -> u8 {
        match self {
            Architecture::Amd64 => amd64::INSTRUCTION_ALIGNMENT,
        }
    }

    pub(in crate::go) fn relocations(self) -> Relocations {
        match self {
            Architecture::Amd64 => amd64::RELOCATIONS,
        }
    }

    /// Whether an assembly function of this name takes registers in every release that has it.
    pub(in crate::go) fn is_register_assembly(self, name: &str) -> bool {
        match self {
            Architecture::Amd64 => amd64::is_register_assembly(name),
        }
    }

    /// Whether a function begins as a bridge from the stack convention to the register convention does.
    pub(in crate::go) fn sets_registers_up(self, code: &[u8], start: Address) -> bool {
        match self {
            Architecture::Amd64 => amd64::sets_registers_up(code, start),
        }
    }

    /// A function's instructions up to its padding, or where bytes are none.
    pub(in crate::go) fn decode(self, code: &[u8], start: Address) -> Result<Vec<Instruction>, Address> {
        match self {
            Architecture::Amd64 => amd64::decode(code, start),
        }
    }

    /// What an instruction is to a stack check.
    pub(in crate::go) fn check_part(self, bytes: &[u8], address: Address) -> CheckPart {
        match self {
            Architecture::Amd64 => amd64::check_part(bytes, address),
        }
    }

    /// An instruction as a place to probe.
    pub(in crate::go) fn describe(self, bytes: &[u8], address: Address, stack_depth: Option<i32>) -> Site {
        match self {
            Architecture::Amd64 => amd64::describe(bytes, address, stack_depth),
        }
    }

    /// What is to be known of an instruction before it is run elsewhere.
    pub(in crate::go) fn moved(self, bytes: &[u8], address: Address) -> Moved {
        match self {
            Architecture::Amd64 => amd64::moved(bytes, address),
        }
    }

    /// How many bytes a jump takes to anywhere near the code.
    pub fn jump_length(self) -> u64 {
        match self {
            Architecture::Amd64 => amd64::JUMP,
        }
    }

    /// Whether bytes fill up the space between functions.
    pub(in crate::go) fn is_padding(self, bytes: &[u8]) -> bool {
        match self {
            Architecture::Amd64 => amd64::is_padding(bytes),
        }
    }

    /// Where the call of a function returns to that a goroutine can be put to sleep through: it has one call, two
    /// words of frame, the upper the saved frame pointer, and nothing but its epilogue behind the call.
    pub(in crate::go) fn behind_only_call(self, code: &[u8], start: Address) -> Option<Address> {
        match self {
            Architecture::Amd64 => amd64::behind_only_call(code, start),
        }
    }

    /// The offset in thread-local storage that a function first loads from. `relocation` gives the offset that the
    /// dynamic linker puts into a place.
    pub(in crate::go) fn thread_local_load(
        self,
        code: &[u8],
        start: Address,
        relocation: &dyn Fn(Address) -> Option<i64>,
    ) -> Option<i64> {
        match self {
            Architecture::Amd64 => amd64::thread_local_load(code, start, relocation),
        }
    }

    /// The words that a function compares with zero, as it does with the write barrier's flag, and the functions
    /// that it calls.
    pub(in crate::go) fn flags_and_calls(self, code: &[u8], start: Address) -> (Vec<u64>, Vec<Address>) {
        match self {
            Architecture::Amd64 => amd64::flags_and_calls(code, start),
        }
    }

    /// Where the call of `callee` returns to in a function whose frame is two words below the saved frame pointer, and
    /// nothing else, when it makes that call.
    pub(in crate::go) fn behind_panic_call(
        self,
        code: &[u8],
        start: Address,
        callee: Address,
    ) -> Option<Address> {
        match self {
            Architecture::Amd64 => amd64::behind_panic_call(code, start, callee),
        }
    }

    /// The addresses of data that a function refers to, in the code's order.
    pub(in crate::go) fn references(self, code: &[u8], start: Address) -> Vec<Address> {
        match self {
            Architecture::Amd64 => amd64::references(code, start),
        }
    }

    /// For each call in some code: what becomes of the result in this register.
    pub(in crate::go) fn reads_result(
        self,
        code: &[u8],
        start: Address,
        result: Register,
    ) -> Vec<(Instruction, Use)> {
        match self {
            Architecture::Amd64 => amd64::reads_result(code, start, result),
        }
    }

    /// The offsets at which a function stores words behind pointers.
    pub(in crate::go) fn stores(self, code: &[u8], start: Address) -> Vec<u64> {
        match self {
            Architecture::Amd64 => amd64::stores(code, start),
        }
    }

    /// Whether a function takes anything from the closure object that it is called with.
    pub(in crate::go) fn reads_closure_object(self, code: &[u8], start: Address) -> bool {
        match self {
            Architecture::Amd64 => amd64::reads_closure_object(code, start),
        }
    }

    /// Whether a function comes to its return within so many instructions that work on registers alone.
    pub(in crate::go) fn returns_from_registers(self, code: &[u8], start: Address, most: usize) -> bool {
        match self {
            Architecture::Amd64 => amd64::returns_from_registers(code, start, most),
        }
    }

    /// Where something at `offset` in the program's own block of thread-local storage is, counted from the thread
    /// pointer.
    pub(in crate::go) fn thread_pointer_offset(self, offset: u64, block_size: u64) -> Option<i64> {
        match self {
            Architecture::Amd64 => amd64::thread_pointer_offset(offset, block_size),
        }
    }
}
