//! Where the runtime keeps what a probe wants to know: the goroutine and the write barrier.

use std::collections::HashMap;

use super::address::{Address, FieldOffset};
use super::binary::Binary;
use super::bytes::{u32_at, u64_at};
use super::elf::symbols::SymbolKind;
use super::pclntab::functions::Function;
use super::types::Kind;

/// Functions of the runtime that load g from thread-local storage in every release.
const LOADERS: [&str; 5] = [
    "runtime.mcall",
    "runtime.morestack",
    "runtime.gogo",
    "runtime.systemstack",
    "runtime.asmcgocall",
];
/// So many functions are enough to find the write barrier's flag in a stripped program.
const MAX_BARRIER_USERS: usize = 64;

/// Offsets in `runtime.g` and `runtime.m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoroutineLayout {
    /// `g.stack.lo`: the lowest address of the goroutine's stack.
    pub stack_lo: FieldOffset,
    /// `g.stack.hi`: the address after the highest.
    pub stack_hi: FieldOffset,
    /// `g.stackguard0`: what stack checks compare with.
    pub stackguard0: FieldOffset,
    /// `g.m`: the thread that runs it.
    pub m: FieldOffset,
    /// `g.goid`: its number, as in stack traces.
    pub goid: FieldOffset,
    /// `m.curg`: the goroutine that a thread runs.
    pub curg: FieldOffset,
    /// `m.procid`: the number that the kernel has for the thread.
    pub procid: FieldOffset,
    /// `g.parentGoid`: the number of the goroutine that started it, since Go 1.21.
    pub parent: Option<FieldOffset>,
    /// Whether this was read from the program's debug information, and not taken from the table of
    /// releases.
    pub from_debug_information: bool,
}

impl Binary {
    /// Where the current goroutine's `g` is in thread-local storage: bytes from the thread
    /// pointer, perhaps negative. Compiled code since Go 1.17 has it in a register as well; before that, and in assembly,
    /// this is the way to it. Read from the instructions of the runtime itself.
    pub fn tls_g_offset(&self) -> Option<i64> {
        let loaders = LOADERS.iter().flat_map(|name| self.functions().find(name));
        let offsets: Vec<i64> = loaders
            .filter_map(|function| self.loaded_from_tls(&function))
            .collect();
        let first = *offsets.first()?;
        offsets.iter().all(|&offset| offset == first).then_some(first)
    }

    /// The offset from the thread pointer that a function first loads from.
    fn loaded_from_tls(&self, function: &Function) -> Option<i64> {
        let code = self.code(function).ok()?;
        self.architecture()
            .thread_local_load(code, function.entry, &|place| self.tls_relocation(place))
    }

    /// What the dynamic linker puts into a place for the offset of `runtime.tlsg`.
    fn tls_relocation(&self, place: Address) -> Option<i64> {
        let elf = self.image.elf();
        let (table, size) = elf.rela?;
        let table = self.read(table, usize::try_from(size).ok()?)?;
        let thread_offset = self.architecture().relocations().thread_offset;
        let addend = table.chunks_exact(24).find_map(|entry| {
            (u64_at(entry, 0)? == place.0 && u32_at(entry, 8)? == thread_offset).then(|| u64_at(entry, 16))?
        })?;
        let tls = elf.tls?;
        let size = tls.memory_size.checked_next_multiple_of(tls.align.max(1))?;
        self.architecture().thread_pointer_offset(addend, size)
    }

    /// Where goroutine numbers, stack bounds and so on are.
    pub fn goroutine_layout(&self) -> GoroutineLayout {
        *self.goroutine.get_or_init(|| {
            self.goroutine_layout_by_types()
                .unwrap_or_else(|| self.goroutine_layout_of_release())
        })
    }

    fn goroutine_layout_of_release(&self) -> GoroutineLayout {
        let minor = self.version().minor;
        // Verified with a binary of each release from 1.15 to 1.27 that could be had; a test does it again.
        let (goid, procid, curg) = match minor {
            ..=22 => (152, 72, 192),
            23 | 24 => (160, 72, 192),
            _ => (152, 64, 184),
        };
        let parent = match minor {
            ..=20 => None,
            21 | 22 | 25 => Some(FieldOffset(272)),
            _ => Some(FieldOffset(280)),
        };
        GoroutineLayout {
            parent,
            stack_lo: FieldOffset(0),
            stack_hi: FieldOffset(8),
            stackguard0: FieldOffset(16),
            m: FieldOffset(48),
            goid: FieldOffset(goid),
            curg: FieldOffset(curg),
            procid: FieldOffset(procid),
            from_debug_information: false,
        }
    }

    fn goroutine_layout_by_types(&self) -> Option<GoroutineLayout> {
        // The runtime's first goroutine and thread are package variables of just these types.
        let g = self.variable("runtime.g0").ok()??.ty?;
        let m = self.variable("runtime.m0").ok()??.ty?;
        let field = |ty, name: &str| {
            let Kind::Struct { fields } = &self.types().get(ty).kind else {
                return None;
            };
            fields.iter().find(|f| f.name == name).map(|f| (f.offset, f.ty))
        };
        let (stack, bounds) = field(g, "stack")?;
        let offset = |(offset, _)| FieldOffset(offset);
        Some(GoroutineLayout {
            stack_lo: FieldOffset(stack + field(bounds, "lo")?.0),
            stack_hi: FieldOffset(stack + field(bounds, "hi")?.0),
            stackguard0: field(g, "stackguard0").map(offset)?,
            m: field(g, "m").map(offset)?,
            goid: field(g, "goid").map(offset)?,
            curg: field(m, "curg").map(offset)?,
            procid: field(m, "procid").map(offset)?,
            parent: field(g, "parentGoid").map(offset),
            from_debug_information: true,
        })
    }

    /// Where a test's name is in `testing.T`, `B` and `F`, which all begin with a `testing.common`. None where neither debug
    /// information nor the table of releases has it.
    pub fn test_name_offset(&self) -> Option<FieldOffset> {
        let by_types = || {
            let common = self.type_named("testing.common").ok()??;
            let Kind::Struct { fields } = &self.types().get(common).kind else {
                return None;
            };
            fields
                .iter()
                .find(|field| field.name == "name")
                .map(|field| FieldOffset(field.offset))
        };
        by_types().or_else(|| {
            // Of every release that could be had; a test reads them again.
            let offset = match self.version().minor {
                15 => 208,
                19 => 240,
                21 | 25 => 256,
                22..=24 => 248,
                26 | 27 => 288,
                _ => return None,
            };
            Some(FieldOffset(offset))
        })
    }

    /// The link-time address of `runtime.writeBarrier`: four bytes that are not zero while pointers
    /// must be written through the barrier.
    pub fn write_barrier(&self) -> Option<Address> {
        if let Some(symbol) = self
            .symbol("runtime.writeBarrier")
            .filter(|s| s.kind == SymbolKind::Object)
        {
            return Some(symbol.address);
        }
        if let Ok(Some(variable)) = self.variable("runtime.writeBarrier") {
            return Some(variable.address);
        }
        self.write_barrier_by_use()
    }

    /// Stripped: every compiled store of a pointer compares the flag with zero, and then perhaps
    /// calls the barrier.
    fn write_barrier_by_use(&self) -> Option<Address> {
        let barriers: Vec<Address> = self
            .functions()
            .find_prefixed("runtime.gcWriteBarrier")
            .iter()
            .map(|barrier| barrier.entry)
            .collect();
        let mut votes: HashMap<u64, usize> = HashMap::new();
        let mut users = 0;
        for function in self
            .functions()
            .iter()
            .filter(|f| !f.is_assembly && !f.is_foreign)
        {
            if users == MAX_BARRIER_USERS {
                break;
            }
            let Ok(code) = self.code(&function) else { continue };
            let (mut flags, called) = self.architecture().flags_and_calls(code, function.entry);
            let calls = called.iter().any(|callee| barriers.contains(callee));
            if calls {
                users += 1;
                flags.sort_unstable();
                flags.dedup();
                flags
                    .iter()
                    .for_each(|flag| *votes.entry(*flag).or_default() += 1);
            }
        }
        // Every user compares the flag; other variables are compared here and there.
        let (&address, &count) = votes.iter().max_by_key(|(_, count)| **count)?;
        (count == users && count > 1).then_some(Address(address))
    }
}
