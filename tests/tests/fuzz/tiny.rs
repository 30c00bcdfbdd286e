//! A Go program of two kilobytes, made by hand: what the linker records of two functions, and little else. In a real
//! one, with a thousand times the size, most damage hits what nobody reads.

const BASE: u64 = 0x40_0000;
const TEXT: usize = 0x100;
const BUILD_INFO: usize = 0x200;
const TABLE: usize = 0x280;
/// Bytes of each function.
const SIZE: usize = 48;

/// The program, and its parts: headers, build information, function table.
pub(crate) struct Tiny {
    pub(crate) bytes: Vec<u8>,
    pub(crate) headers: Vec<(usize, usize)>,
    pub(crate) build_info: (usize, usize),
    pub(crate) table: (usize, usize),
}

impl Tiny {
    pub(crate) fn new() -> Tiny {
        let mut bytes = vec![0; TEXT];
        bytes.extend(text());
        bytes.resize(BUILD_INFO, 0);
        bytes.extend(build_info());
        let build_info_end = bytes.len();
        bytes.resize(TABLE, 0);
        bytes.extend(function_table());
        let table_end = bytes.len();
        let names = b"\0.text\0.go.buildinfo\0.gopclntab\0.shstrtab\0";
        bytes.extend(names);
        let names_at = table_end;
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let sections_at = bytes.len();
        // Name, type, flags, where.
        let sections = [
            (0, 0, 0, (0, 0)),
            (1, 1, 6, (TEXT, TEXT + 2 * SIZE + 16)),
            (7, 1, 2, (BUILD_INFO, build_info_end)),
            (21, 1, 2, (TABLE, table_end)),
            (32, 3, 0, (names_at, names_at + names.len())),
        ];
        for (name, kind, flags, (start, end)) in sections {
            put(&mut bytes, &[name, kind], 4);
            let address = if flags == 0 { 0 } else { BASE + start as u64 };
            put(
                &mut bytes,
                &[flags, address, start as u64, (end - start) as u64],
                8,
            );
            put(&mut bytes, &[0, 0], 4);
            put(&mut bytes, &[1, 0], 8);
        }
        let headers = headers(sections_at as u64, bytes.len() as u64);
        bytes[..headers.len()].copy_from_slice(&headers);
        Tiny {
            headers: vec![(0, headers.len()), (sections_at, bytes.len())],
            build_info: (BUILD_INFO, build_info_end),
            table: (TABLE, table_end),
            bytes,
        }
    }
}

fn put(bytes: &mut Vec<u8>, values: &[u64], width: usize) {
    for value in values {
        bytes.extend(&value.to_le_bytes()[..width]);
    }
}

/// The headers of the file and of its only segment.
fn headers(sections: u64, size: u64) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // An executable for x86-64.
    put(&mut bytes, &[2, 62], 2);
    put(&mut bytes, &[1], 4);
    put(&mut bytes, &[BASE + TEXT as u64, 64, sections], 8);
    put(&mut bytes, &[0], 4);
    put(&mut bytes, &[64, 56, 1, 64, 5, 4], 2);
    // Loaded as a whole, to be read and executed.
    put(&mut bytes, &[1, 5], 4);
    put(&mut bytes, &[0, BASE, BASE, size, size, 0x1000], 8);
    bytes
}

/// Two functions that add their parameters, and what makes their stacks grow.
fn text() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..2 {
        // cmp rsp, [r14+16]; jbe 16; push rbp; mov rbp, rsp; lea rax, [rax+rbx]; pop rbp; ret
        let mut code = vec![0x49, 0x3b, 0x66, 0x10, 0x76, 0x0a, 0x55, 0x48, 0x89, 0xe5, 0x48];
        code.extend([0x8d, 0x04, 0x18, 0x5d, 0xc3]);
        // mov [rsp+8], rax; mov [rsp+16], rbx; call; mov rax, [rsp+8]; mov rbx, [rsp+16]; jmp 0
        code.extend([0x48, 0x89, 0x44, 0x24, 0x08, 0x48, 0x89, 0x5c, 0x24, 0x10, 0xe8]);
        let distance = (2 - number) * SIZE - (code.len() + 4);
        put(&mut code, &[distance as u64], 4);
        code.extend([0x48, 0x8b, 0x44, 0x24, 0x08, 0x48, 0x8b, 0x5c, 0x24, 0x10, 0xeb]);
        let back = -(code.len() as i64 + 1);
        code.push(back.to_le_bytes()[0]);
        code.resize(SIZE, 0xcc);
        bytes.extend(code);
    }
    bytes.push(0xc3);
    bytes
}

/// Texts in the file, as they are since Go 1.18.
fn build_info() -> Vec<u8> {
    let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
    bytes.resize(32, 0);
    for text in [
        "go1.27.3",
        "0123456789abcdefpath\tmain\nbuild\t-race=true\n0123456789abcdef",
    ] {
        bytes.push(u8::try_from(text.len()).expect("short texts"));
        bytes.extend(text.bytes());
    }
    bytes
}

/// A function table in the form that it has had since Go 1.20.
fn function_table() -> Vec<u8> {
    let names = b"main.f\0main.g\0runtime.morestack_noctxt\0\0\0";
    let (units, files) = ([0_u8; 4], b"main.go\0");
    // Depth of the stack: 0, 8 behind the push, 0 behind the pop. Line: 7. Each ends with a 0.
    let values = b"\0\x02\x07\x10\x08\x0f\x21\0\x10\x30\0\0";
    let names_at = 72;
    let units_at = names_at + names.len();
    let files_at = units_at + units.len();
    let values_at = files_at + files.len();
    let functions_at = values_at + values.len();
    let mut bytes = Vec::new();
    put(&mut bytes, &[0xffff_fff1], 4);
    bytes.extend([0, 0, 1, 8]);
    let text = BASE + TEXT as u64;
    put(&mut bytes, &[3, 1, text], 8);
    for at in [names_at, units_at, files_at, values_at, functions_at] {
        put(&mut bytes, &[at as u64], 8);
    }
    bytes.extend(names);
    bytes.extend(units);
    bytes.extend(files);
    bytes.extend(values);
    let entries = [(0, 0), (SIZE, 7), (2 * SIZE, 14)];
    let first = 3 * 8 + 4;
    for (number, (entry, _)) in entries.iter().enumerate() {
        put(&mut bytes, &[*entry as u64, (first + 44 * number) as u64], 4);
    }
    put(&mut bytes, &[2 * SIZE as u64 + 16], 4);
    for (entry, name) in entries {
        // Entry, name, size of the arguments, deferreturn; depths, files, lines; counts, unit, first line.
        put(&mut bytes, &[entry as u64, name, 0, 0, 1, 8, 8, 0, 0, 7], 4);
        bytes.extend([0; 4]);
    }
    bytes
}
