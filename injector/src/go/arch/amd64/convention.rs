//! The registers of Go's convention on amd64, and what the debug information calls them.

use iced_x86::Register;

use crate::go::abi;

/// The integer registers, in the convention's sequence.
const INTEGER: [Register; 9] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];
/// How many there are.
pub(in crate::go::arch) const INTEGER_REGISTERS: u8 = 9;
/// Their names.
const INTEGER_NAMES: [&str; 9] = ["RAX", "RBX", "RCX", "RDI", "RSI", "R8", "R9", "R10", "R11"];
/// Their numbers in debug information.
const INTEGER_DWARF: [u16; 9] = [0, 3, 2, 5, 4, 8, 9, 10, 11];
/// How many floating-point registers the convention has: X0 to X14.
pub(in crate::go::arch) const FLOATS: u8 = 15;
/// The number of X0 in debug information.
const FLOAT_DWARF: u16 = 17;

/// The place of a machine register in the convention's sequence, whatever part of it is named.
pub(super) fn argument_register(register: Register) -> Option<abi::Register> {
    if register.is_vector_register() {
        let number = u8::try_from(register.number()).ok()?;
        return (number < FLOATS).then_some(abi::Register::Float(number));
    }
    let full = register.full_register();
    let n = INTEGER.iter().position(|&integer| integer == full)?;
    Some(abi::Register::Integer(u8::try_from(n).ok()?))
}

/// The name of a register of the convention.
pub(in crate::go::arch) fn register_name(register: abi::Register) -> String {
    match register {
        abi::Register::Integer(n) => INTEGER_NAMES
            .get(usize::from(n))
            .map_or_else(|| format!("integer register {n}"), |name| (*name).to_owned()),
        abi::Register::Float(n) => format!("X{n}"),
    }
}

/// The number that debug information has for a register of the convention.
pub(in crate::go::arch) fn dwarf_number(register: abi::Register) -> u16 {
    match register {
        abi::Register::Integer(n) => INTEGER_DWARF[usize::from(n) % INTEGER_DWARF.len()],
        abi::Register::Float(n) => FLOAT_DWARF + u16::from(n),
    }
}

/// Assembly functions that take registers in every release from Go 1.19 to 1.27 that has them: those that
/// their sources mark with `<ABIInternal>`.
pub(in crate::go::arch) fn is_register_assembly(name: &str) -> bool {
    let Some(name) = name.strip_prefix("runtime.") else {
        return matches!(
            name,
            "time.now"
                | "internal/bytealg.Compare"
                | "internal/chacha8rand.block"
                | "internal/runtime/syscall.Syscall6"
                | "internal/runtime/syscall/linux.Syscall6"
                | "runtime/internal/syscall.Syscall6"
        ) || name.starts_with("internal/runtime/maps.memHash");
    };
    name.starts_with("gcWriteBarrier")
        || name.starts_with("panic")
        || name.starts_with("memhash")
        || name.starts_with("raceread")
        || name.starts_with("racewrite")
        || matches!(
            name,
            "cmpstring"
                | "debugCallV2"
                | "duffcopy"
                | "duffzero"
                | "mcall"
                | "memclrNoHeapPointers"
                | "memequal"
                | "memequal_varlen"
                | "memmove"
                | "strhash"
        )
}
