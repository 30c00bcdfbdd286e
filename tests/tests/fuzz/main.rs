//! Every reader of files against a quarter of a million damaged inputs: each ends soon, with an answer or an error, and without
//! taking much memory.
//!
//! `GOINJECT_FUZZ` is another number of inputs per reader, `GOINJECT_SEED` repeats a run. `go_damage` asks more of fewer
//! files.

mod events;
mod tiny;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use goinject::go::{Binary, sites};
use goinject_rules::source::Source;
use goinject_tests::{Flags, fixture};
use tiny::Tiny;

const INPUTS: u64 = 250_000;
/// Far more than any takes, even on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(10);
const MEMORY_LIMIT_KB: u64 = 1 << 19;

/// xorshift64*: good enough, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Feeds a reader of files, which tells whether an input was still good.
fn feed(reader: &str, read: impl FnMut(&mut Random) -> bool) {
    feed_so_many(reader, INPUTS, read);
}

/// Feeds that many inputs where nobody asks for another number.
fn feed_so_many(reader: &str, usual: u64, mut read: impl FnMut(&mut Random) -> bool) {
    let inputs = number("GOINJECT_FUZZ").unwrap_or(usual);
    let seed = number("GOINJECT_SEED").unwrap_or(0x5eed_0001).max(1);
    let mut random = Random(seed);
    let (start, mut slowest, mut good) = (Instant::now(), Duration::ZERO, 0_u64);
    for round in 0..inputs {
        let begin = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| read(&mut random)));
        slowest = slowest.max(begin.elapsed());
        match outcome {
            Ok(is_good) => good += u64::from(is_good),
            Err(_) => panic!("{reader}: input {round} of seed {seed}"),
        }
        assert!(
            slowest < TIME_LIMIT,
            "{reader}: input {round} of seed {seed} took {slowest:?}"
        );
    }
    let peak = peak_memory_kb();
    println!(
        "{reader}: {inputs} inputs (seed {seed}) in {:.1} s, {good} still good, the slowest took {slowest:?}; peak {} MB",
        start.elapsed().as_secs_f64(),
        peak / 1024
    );
    assert!(
        good > 0 && good < inputs,
        "{reader}: damage that never or always matters is none"
    );
    assert!(peak < MEMORY_LIMIT_KB, "{reader}: {peak} kB of memory");
}

fn peak_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is always there");
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let size = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    size.expect("the kernel tells the peak")
}

/// Up to three changes to a text: pieces of other texts put in, parts taken out, bytes replaced.
fn garbled(seeds: &[&str], pieces: &[&str], random: &mut Random) -> String {
    let mut text = seeds[random.below(seeds.len())].to_owned();
    for _ in 0..=random.below(3) {
        let at = text.floor_char_boundary(random.below(text.len() + 1));
        let end = text
            .floor_char_boundary((at + random.below(8)).min(text.len()))
            .max(at);
        let piece = pieces[random.below(pieces.len())];
        match random.below(3) {
            0 => text.insert_str(at, piece),
            1 => text.replace_range(at..end, ""),
            _ => text.replace_range(at..end, piece),
        }
    }
    text
}

const RULE_FILES: [&str; 5] = [
    "version: 1\nrules:\n- function: main.f\n  inject: {set: {a: 1, r1: null}}\n",
    "version: 1\nseed: 4\nlimits: {duration: 5m, faults: 9}\nrules:\n- {function: {glob: 'a.{b,c}*'}, inject: {panic: true}}\n",
    "version: 1\nrules:\n- {function: main.f, when: {every: 3, times: 10, rate: 5/s}, inject: {delay: {fixed: 1ms, jitter: 2ms}}}\n",
    "version: 1\nx-a: &a {expect: {fired: '1..2'}}\nrules:\n- {<<: *a, function: main.f, inject: {return: {err: {errno: EIO}}}}\n",
    "version: 1\nmode: observe\nrules:\n- function: {regex: 'a(b|c)', max_matches: 3}\n  inject:\n    set: {s.p[1].len: {add: 2}}\n",
];

const YAML: [&str; 32] = [
    "\"", "'", "{", "}", "[", "]", ",", ": ", "- ", "\n", "\n  ", "\t", "#", "&a ", "*a", "<<: ", "!x ", "|",
    ">", "~", "null", "true", "-1", "1e999", "0x_", "ä", "\u{feff}", "\r\n", "\\u00e4", "---\n", "50ms",
    "25%",
];

#[test]
fn rule_files() {
    feed("rule files", |random| {
        let text = garbled(&RULE_FILES, &YAML, random);
        goinject_rules::parse(&Source::new("fuzz.yaml", text)).is_ok()
    });
}

const CONDITIONS: [&str; 6] = [
    "a1 == 1 && a2",
    "size(s) > 3 || p == null",
    "!(x < 2.5) && name.startsWith('ab')",
    "req.URL.Path.contains(\"/v1\")",
    "args[0] >= -5 && results[1] != null",
    "list[2].max <= 0x10",
];

const CEL: [&str; 24] = [
    "&&", "||", "!", "==", "!=", "<", ">=", "(", ")", "[", "]", ".", "size(", "null", "true", "1", "-", "0x",
    "1e9", "\\\"", "'", "\\\\", "in", "?",
];

#[test]
fn conditions() {
    // One part of rule files by itself, which takes a parser of another library a long time.
    feed_so_many("conditions", INPUTS / 4, |random| {
        let condition = garbled(&CONDITIONS, &CEL, random)
            .replace('\n', " ")
            .replace('\'', "''");
        let text = format!(
            "version: 1\nrules:\n- {{function: main.f, inject: {{panic: true}}, if: '{condition}'}}\n"
        );
        goinject_rules::parse(&Source::new("fuzz.yaml", text)).is_ok()
    });
}

const SIGNATURES: [&str; 6] = [
    "func(a int8, b uint16, c float32, d string, e []byte) (n int, err error)",
    "func(ctx context.Context, req *struct{ Key, Value []byte }, opts ...func()) error",
    "func(int, map[string]*pkg.T, <-chan error) (time.Duration, any)",
    "func(a, b [3]struct{ x int32; io.Reader; _ [0]int64 })",
    "func(f func(a int, b string) (x, y error), i interface{ M() }) func()",
    "func(\n\ta complex64,\n\tb unsafe.Pointer,\n) uintptr",
];

const GO: [&str; 28] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "*",
    ",",
    ";",
    "...",
    "<-",
    "func",
    "struct{",
    "interface{",
    "map[",
    "chan ",
    "int",
    "[9999999999]",
    "[0]",
    "_",
    " ",
    "\n",
    "ä",
    ".",
    "error",
    "any",
    "`",
    "\"",
];

#[test]
fn signatures() {
    let whole = Tiny::new().bytes;
    let open = || Binary::from_bytes(Path::new("whole"), whole.clone()).expect("a Go program");
    let (mut binary, mut uses) = (open(), 0);
    let function = binary.functions().find("main.f").remove(0);
    feed("signatures", |random| {
        // A binary keeps the types of the signatures that were read for it.
        uses += 1;
        if uses % 10_000 == 0 {
            binary = open();
        }
        let text = garbled(&SIGNATURES, &GO, random);
        // Whether it fits a function is another question, which is to end as well.
        let _ = binary.parse_signature(&function, &text);
        goinject::go::signature::parse(&text, false, binary.types()).is_ok()
    });
}

/// A program in memory, and the parts of it that are to be damaged.
struct Damaged {
    bytes: Arc<Vec<u8>>,
    parts: Vec<(usize, usize)>,
    /// The functions whose names begin with `main.`.
    functions: Vec<usize>,
}

impl Damaged {
    /// A program of a version, with debug information that is not compressed.
    fn of(version: &str, parts: impl Fn(&[u8]) -> Vec<(usize, usize)>) -> Damaged {
        let flags = Flags {
            plain_dwarf: true,
            ..Flags::default()
        };
        let bytes = std::fs::read(fixture("small", version, flags)).expect("a fixture");
        Damaged::new(parts(&bytes), bytes)
    }

    fn new(parts: Vec<(usize, usize)>, bytes: Vec<u8>) -> Damaged {
        let bytes = Arc::new(bytes);
        let binary = Binary::from_bytes(Path::new("whole"), Arc::clone(&bytes)).expect("a Go program");
        let names = binary.functions().names();
        let own = names.filter(|(_, name)| name.starts_with("main."));
        Damaged {
            parts,
            functions: own.map(|(index, _)| index).collect(),
            bytes,
        }
    }

    /// Damages the program, lets it be read, and repairs it: copying it would take longer than reading it.
    fn read(&mut self, random: &mut Random, read: impl FnOnce(&Binary, &[usize]) -> bool) -> bool {
        let bytes = Arc::get_mut(&mut self.bytes).expect("what read it is gone");
        let mut damage = Vec::new();
        for _ in 0..=random.below(4) {
            let (start, end) = self.parts[random.below(self.parts.len())];
            let at = start + random.below(end - start);
            damage.push((at, bytes[at]));
            bytes[at] = match random.below(4) {
                0 => random.next() as u8,
                1 => bytes[at] ^ (1 << random.below(8)),
                2 => [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                _ => bytes[at].wrapping_add(1),
            };
        }
        let path = Path::new("damaged");
        let is_good = Binary::from_bytes(path, Arc::clone(&self.bytes))
            .is_ok_and(|binary| read(&binary, &self.functions));
        let bytes = Arc::get_mut(&mut self.bytes).expect("what read it is gone");
        for (at, byte) in damage.into_iter().rev() {
            bytes[at] = byte;
        }
        is_good
    }
}

fn word(whole: &[u8], at: usize) -> usize {
    u64::from_le_bytes(whole[at..at + 8].try_into().expect("eight bytes")) as usize
}

/// The headers of sections: name, start and size of each.
fn sections(whole: &[u8]) -> Vec<(String, usize, usize)> {
    let half = |at: usize| usize::from(whole[at]) | usize::from(whole[at + 1]) << 8;
    let (table, count, names) = (word(whole, 40), half(60), half(62));
    let names = word(whole, table + 64 * names + 24);
    let section = |number: usize| {
        let header = table + 64 * number;
        let name = names + (half(header) | half(header + 2) << 16);
        let length = whole[name..]
            .iter()
            .position(|byte| *byte == 0)
            .expect("names end");
        let name = String::from_utf8_lossy(&whole[name..name + length]).into_owned();
        (name, word(whole, header + 24), word(whole, header + 32))
    };
    (0..count).map(section).collect()
}

fn section(whole: &[u8], wanted: &str) -> (usize, usize) {
    let found = sections(whole).into_iter().find(|(name, ..)| name == wanted);
    let (_, start, size) = found.unwrap_or_else(|| panic!("there is no {wanted}"));
    (start, start + size)
}

/// Surroundings of a text within a part.
fn around(whole: &[u8], (start, end): (usize, usize), text: &[u8], reach: usize) -> (usize, usize) {
    let at = whole[start..end]
        .windows(text.len())
        .position(|window| window == text);
    let at = start + at.expect("the program has it");
    (at.saturating_sub(reach).max(start), (at + reach).min(end))
}

#[test]
fn elf_headers() {
    let tiny = Tiny::new();
    let mut program = Damaged::new(tiny.headers, tiny.bytes);
    feed("ELF headers", |random| {
        program.read(random, |binary, _| binary.version().minor == 27)
    });
}

#[test]
fn build_information() {
    let tiny = Tiny::new();
    let mut program = Damaged::new(vec![tiny.build_info], tiny.bytes);
    feed("build information", |random| {
        program.read(random, |binary, _| binary.build().race)
    });
}

#[test]
fn function_tables() {
    let tiny = Tiny::new();
    let mut program = Damaged::new(vec![tiny.table], tiny.bytes);
    assert_eq!(program.functions.len(), 2);
    feed("function tables", |random| {
        program.read(random, |binary, functions| {
            let found = functions
                .iter()
                .filter_map(|&index| binary.functions().get(index));
            let read = found.map(|function| {
                let located = binary.functions().location(&function).is_some();
                located && sites::sites(binary, &function).is_ok()
            });
            // All of them, not only up to the first that is damaged.
            read.filter(|is_good| !is_good).count() == 0
        })
    });
}

#[test]
fn debug_information() {
    let parts = |whole: &[u8]| {
        let info = section(whole, ".debug_info");
        vec![
            section(whole, ".debug_abbrev"),
            around(whole, info, b"main.scalars\0", 600),
            around(whole, info, b"main.point\0", 200),
        ]
    };
    let mut programs = ["1.15", "1.27"].map(|version| Damaged::of(version, parts));
    let read = |binary: &Binary, functions: &[usize]| {
        let found = functions
            .iter()
            .filter_map(|&index| binary.functions().get(index));
        let typed = found.map(|function| {
            let signature = binary.signature(&function);
            signature.is_ok_and(|signature| {
                let all = signature
                    .iter()
                    .flat_map(|all| all.parameters.iter().chain(&all.results));
                // Sizes and names come from the types' own entries.
                all.map(|variable| binary.types().get(variable.ty).size)
                    .sum::<u64>()
                    < 1 << 40
            })
        });
        typed.filter(|is_good| !is_good).count() == 0
    };
    // Each of these takes as long as four of the others.
    feed_so_many("debug information", INPUTS / 4, |random| {
        programs[random.below(2)].read(random, read)
    });
}
