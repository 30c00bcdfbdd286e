//! Breakpoints on amd64.

/// Bytes reserved for each copy: an instruction of up to 15 bytes, grown by relocation, and a jump.
pub(in crate::engine::breakpoints) const SLOT: u64 = 64;

/// An instruction that a program may not run.
pub(in crate::engine) type Trap = [u8; 1];

/// hlt. A thread that comes to one has a general protection fault, and still stands at it: if the kernel drops the signal, since one
/// like it that somebody has sent waits already, the thread comes to it once more. Behind an int3 it would go on in the middle of an
/// instruction, or as if there had been none; and of an int3 the kernel takes that it belongs to a uprobe.
pub(in crate::engine) const TRAP: Trap = [0xf4];

/// What the thread gets.
pub(in crate::engine) const SIGNAL: i32 = libc::SIGSEGV;
