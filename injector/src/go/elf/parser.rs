//! Reads and checks the headers of an ELF file.

use std::path::Path;

use goblin::container::{Container, Ctx};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_TLS, ProgramHeader};
use goblin::elf::section_header::{SHF_COMPRESSED, SHT_NOBITS, SHT_NULL, SectionHeader};

use super::types::{Elf, ElfKind, Section, Segment, TlsSegment};
use crate::go::address::Address;
use crate::go::arch::Architecture;
use crate::go::bytes::{c_string_at, u16_at, u64_at};
use crate::go::error::GoError;

/// More dynamic entries than any linker writes; a bound for damaged files.
const MAX_DYNAMIC_ENTRIES: usize = 4096;
const DT_NULL: u64 = 0;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_FLAGS_1: u64 = 0x6fff_fffb;
const DF_1_PIE: u64 = 0x0800_0000;

impl Elf {
    /// Reads the headers of a file. `path` is for messages only.
    pub(in crate::go) fn parse(path: &Path, data: &[u8]) -> Result<Elf, GoError> {
        check_identification(path, data)?;
        let damaged = |what: &str| GoError::damaged(path, what);
        let header =
            goblin::elf::Elf::parse_header(data).map_err(|_| damaged("the ELF header is incomplete"))?;
        let architecture =
            Architecture::of_machine(header.e_machine).ok_or_else(|| GoError::OtherMachine {
                path: path.to_owned(),
                machine: machine_name(header.e_machine),
            })?;
        let ctx = Ctx::new(Container::Big, goblin::container::Endian::Little);
        let programs = ProgramHeader::parse(data, to_usize(header.e_phoff), usize::from(header.e_phnum), ctx)
            .map_err(|_| damaged("the program headers are not all there"))?;
        let sections = parse_sections(data, &header, ctx)
            .ok_or_else(|| damaged("the section headers are not all there"))?;

        let mut elf = Elf {
            architecture,
            kind: match header.e_type {
                header::ET_EXEC => ElfKind::Executable,
                header::ET_DYN => ElfKind::Shared,
                header::ET_REL => ElfKind::Object,
                header::ET_CORE => ElfKind::Core,
                other => ElfKind::Other(other),
            },
            entry: Address(header.e_entry),
            segments: Vec::new(),
            sections,
            tls: None,
            has_interpreter: false,
            says_pie: false,
            rela: None,
        };
        for program in &programs {
            match program.p_type {
                PT_LOAD => {
                    let end = program.p_offset.checked_add(program.p_filesz);
                    if end.is_none_or(|end| end > data.len() as u64) {
                        return Err(damaged("it ends before its segments do"));
                    }
                    elf.segments.push(Segment {
                        address: program.p_vaddr,
                        offset: program.p_offset,
                        file_size: program.p_filesz,
                        memory_size: program.p_memsz.max(program.p_filesz),
                        executable: program.p_flags & PF_X != 0,
                        writable: program.p_flags & PF_W != 0,
                    });
                }
                PT_TLS => {
                    elf.tls = Some(TlsSegment {
                        memory_size: program.p_memsz,
                        align: program.p_align,
                    });
                }
                PT_INTERP => elf.has_interpreter = true,
                _ => {}
            }
        }
        if let Some(dynamic) = programs.iter().find(|p| p.p_type == PT_DYNAMIC) {
            read_dynamic(&mut elf, data, dynamic);
        }
        Ok(elf)
    }
}

fn check_identification(path: &Path, data: &[u8]) -> Result<(), GoError> {
    if !data.starts_with(header::ELFMAG) {
        let found = match data {
            [b'#', b'!', ..] => Some("a script"),
            [b'M', b'Z', ..] => Some("a Windows program"),
            [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => Some("a macOS program"),
            [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Some("an archive"),
            [] => Some("an empty file"),
            _ => None,
        };
        return Err(GoError::NotElf {
            path: path.to_owned(),
            found,
        });
    }
    if data.len() < header::header64::SIZEOF_EHDR && data.get(4) != Some(&header::ELFCLASS32) {
        return Err(GoError::damaged(path, "the ELF header is incomplete"));
    }
    let machine = || u16_at(data, 18).map_or_else(|| "an unknown machine".to_owned(), machine_name);
    let other = |machine: String| {
        Err(GoError::OtherMachine {
            path: path.to_owned(),
            machine,
        })
    };
    match (data.get(4), data.get(5)) {
        (Some(&header::ELFCLASS32), _) => other(format!("32-bit {}", machine())),
        (Some(&header::ELFCLASS64), Some(&header::ELFDATA2LSB)) => Ok(()),
        (Some(&header::ELFCLASS64), Some(&header::ELFDATA2MSB)) => other("a big-endian machine".to_owned()),
        _ => Err(GoError::damaged(path, "the ELF header is of no known class")),
    }
}

fn machine_name(machine: u16) -> String {
    if let Some(architecture) = Architecture::of_machine(machine) {
        return architecture.name().to_owned();
    }
    match machine {
        header::EM_386 => "386".to_owned(),
        header::EM_AARCH64 => "arm64".to_owned(),
        header::EM_ARM => "arm".to_owned(),
        header::EM_RISCV => "riscv64".to_owned(),
        header::EM_PPC64 => "ppc64".to_owned(),
        header::EM_S390 => "s390x".to_owned(),
        header::EM_MIPS => "mips".to_owned(),
        258 => "loong64".to_owned(),
        other => format!("machine type {other}"),
    }
}

fn parse_sections(data: &[u8], header: &Header, ctx: Ctx) -> Option<Vec<Section>> {
    if header.e_shoff == 0 {
        return Some(Vec::new());
    }
    let headers =
        SectionHeader::parse(data, to_usize(header.e_shoff), usize::from(header.e_shnum), ctx).ok()?;
    let names = headers
        .get(usize::from(header.e_shstrndx))
        .filter(|h| h.sh_type != SHT_NOBITS)
        .and_then(|h| {
            data.get(to_usize(h.sh_offset)..to_usize(h.sh_offset).checked_add(to_usize(h.sh_size))?)
        })
        .unwrap_or_default();
    // The null section stays, because sh_link counts it.
    let section = |h: &SectionHeader| Section {
        name: c_string_at(names, h.sh_name).unwrap_or_default().to_owned(),
        address: h.sh_addr,
        offset: h.sh_offset,
        size: h.sh_size,
        compressed: h.sh_flags & u64::from(SHF_COMPRESSED) != 0,
        no_bits: matches!(h.sh_type, SHT_NOBITS | SHT_NULL),
        link: h.sh_link,
    };
    Some(headers.iter().map(section).collect())
}

fn read_dynamic(elf: &mut Elf, data: &[u8], dynamic: &ProgramHeader) {
    let start = to_usize(dynamic.p_offset);
    let count = (to_usize(dynamic.p_filesz) / 16).min(MAX_DYNAMIC_ENTRIES);
    let (mut table, mut size) = (None, None);
    for i in 0..count {
        let at = start.saturating_add(16 * i);
        let (Some(tag), Some(value)) = (u64_at(data, at), u64_at(data, at.saturating_add(8))) else {
            break;
        };
        match tag {
            DT_NULL => break,
            DT_RELA => table = Some(Address(value)),
            DT_RELASZ => size = Some(value),
            DT_FLAGS_1 => elf.says_pie = value & DF_1_PIE != 0,
            _ => {}
        }
    }
    elf.rela = table.zip(size);
}

/// An offset that does not fit is past the end of any file, and is refused there.
fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
