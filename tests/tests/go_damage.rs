//! Damaged Go programs: whatever is wrong with a file, reading it ends soon, with an answer or an
//! error, and without taking much memory.
//!
//! `GOINJECT_FUZZ` is the number of damaged files per program, `GOINJECT_SEED` repeats a run.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use goinject::go::types::{Kind, TypeId, Types};
use goinject::go::{Binary, GoError, sites};
use goinject_tests::{Flags, Strip, fixture};

const DEFAULT_COUNT: u64 = 40;
/// Far more than any of these takes, even in a debug build on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// The fixtures are 2 to 5 MB.
const MEMORY_LIMIT_KB: u64 = 1 << 20;

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

#[test]
fn damaged_programs_end_in_answers_or_errors() {
    let count = number("GOINJECT_FUZZ").unwrap_or(DEFAULT_COUNT);
    let seed = number("GOINJECT_SEED").unwrap_or(0x5eed_0001).max(1);
    println!("{count} damaged files of each program, seed {seed}");
    let plain = Flags {
        plain_dwarf: true,
        ..Flags::default()
    };
    let programs = [
        fixture("shapes", "1.27", plain),
        fixture("shapes", "1.19", plain),
        fixture("shapes", "1.15", plain),
        fixture(
            "shapes",
            "1.15",
            Flags {
                pie: true,
                external: true,
                plain_dwarf: true,
                ..plain
            },
        ),
        fixture("generics", "1.21", Flags { pie: true, ..plain }),
        fixture("shapes", "1.27", Flags::default()),
        fixture(
            "shapes",
            "1.27",
            Flags {
                strip: Strip::All,
                ..Flags::default()
            },
        ),
    ];
    for (i, path) in programs.iter().enumerate() {
        let whole = std::fs::read(path).unwrap();
        let mut random = Random(seed.wrapping_add(i as u64 * 0x9e37_79b9));
        let regions = regions(&whole);
        for round in 0..count {
            let damaged = damage(&whole, &regions, &mut random);
            read_all(
                path,
                damaged,
                &format!("{} round {round} seed {seed}", path.display()),
            );
        }
    }
    let peak = peak_memory_kb();
    println!("peak memory {} MB", peak / 1024);
    assert!(peak < MEMORY_LIMIT_KB, "{peak} kB of memory");
}

#[test]
fn cut_off_programs_say_so() {
    let path = fixture("shapes", "1.27", Flags::default());
    let whole = std::fs::read(&path).unwrap();
    for length in [
        0,
        1,
        3,
        4,
        16,
        63,
        64,
        200,
        4096,
        whole.len() / 4,
        whole.len() / 2,
    ] {
        let error = Binary::from_bytes(&path, whole[..length].to_vec()).unwrap_err();
        assert!(
            matches!(
                error,
                GoError::Damaged { .. } | GoError::NotElf { .. } | GoError::NotGo { .. }
            ),
            "{length}: {error}"
        );
        assert!(error.to_string().contains("shapes-1.27"), "{error}");
    }
    // Debug information and symbols are at the end: without them the rest can still be read.
    let shortened = Binary::from_bytes(&path, whole[..whole.len() - 2000].to_vec());
    assert!(shortened.is_err() || shortened.is_ok_and(|b| !b.functions().is_empty()));
}

/// Parts of a file that are worth damaging on their own: headers, and each section.
fn regions(whole: &[u8]) -> Vec<(usize, usize)> {
    let word = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap()) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes(whole[at..at + 2].try_into().unwrap()));
    let (table, count) = (word(40), half(60));
    let mut regions = vec![
        (0, 64),
        (64, 64 + 56 * half(56)),
        (table, table + 64 * count),
        (0, whole.len()),
    ];
    for i in 0..count {
        let header = table + 64 * i;
        let kind = u32::from_le_bytes(whole[header + 4..header + 8].try_into().unwrap());
        let (start, size) = (word(header + 24), word(header + 32));
        if kind != 8 && size > 0 && start + size <= whole.len() {
            regions.push((start, start + size));
            // Heads of sections say how to read the rest.
            regions.push((start, start + size.min(256)));
        }
    }
    regions
}

fn damage(whole: &[u8], regions: &[(usize, usize)], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    if random.below(8) == 0 {
        bytes.truncate(random.below(whole.len()));
        return bytes;
    }
    for _ in 0..=random.below(3) {
        let (start, end) = regions[random.below(regions.len())];
        let at = |random: &mut Random| start + random.below(end - start);
        match random.below(5) {
            0 => {
                for _ in 0..=random.below(64) {
                    bytes[at(random)] = random.next() as u8;
                }
            }
            1 => {
                for _ in 0..=random.below(16) {
                    let place = at(random);
                    bytes[place] ^= 1 << random.below(8);
                }
            }
            2 => {
                let extreme = [
                    0,
                    1,
                    0x7f,
                    0xff,
                    0x7fff_ffff,
                    0xffff_ffff,
                    u64::MAX,
                    1 << 63,
                    1 << 40,
                ];
                for _ in 0..=random.below(8) {
                    let place = at(random) & !7;
                    let value = extreme[random.below(extreme.len())].to_le_bytes();
                    let width = [1, 2, 4, 8][random.below(4)];
                    if let Some(target) = bytes.get_mut(place..place + width) {
                        target.copy_from_slice(&value[..width]);
                    }
                }
            }
            3 => {
                let place = at(random);
                let length = random.below(512).min(end - place);
                bytes[place..place + length].fill(if random.below(2) == 0 { 0 } else { 0xff });
            }
            _ => {
                let (from, to) = (at(random), at(random));
                let length = random.below(256).min(end - from.max(to));
                bytes.copy_within(from..from + length, to);
            }
        }
    }
    bytes
}

/// Asks everything of a damaged program.
fn read_all(path: &Path, bytes: Vec<u8>, context: &str) {
    let start = Instant::now();
    let kept: PathBuf = std::env::temp_dir().join("goinject-damaged");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let Ok(binary) = Binary::from_bytes(path, bytes.clone()) else {
            return;
        };
        let _ = (
            binary.build(),
            binary.module(),
            binary.tls_g_offset(),
            binary.goroutine_layout(),
        );
        let _ = (
            binary.write_barrier(),
            binary.variable("main.ErrQuota"),
            binary.variable_names(),
        );
        let _ = binary.inlined_calls("main.onlyInlined");
        let count = binary.functions().len();
        let mut chosen: HashSet<usize> = (0..count).step_by((count / 40).max(1)).take(60).collect();
        chosen.extend(
            binary
                .functions()
                .names()
                .filter(|(_, n)| n.starts_with("main."))
                .take(60)
                .map(|(i, _)| i),
        );
        let mut seen = HashSet::new();
        for function in chosen.iter().filter_map(|&i| binary.functions().get(i)) {
            let _ = binary.functions().location(&function);
            if let Ok(Some(signature)) = binary.signature(&function) {
                let _ = binary.layout(&function, &signature);
                for variable in signature
                    .receiver
                    .iter()
                    .chain(&signature.parameters)
                    .chain(&signature.results)
                {
                    visit(binary.types(), variable.ty, &mut seen);
                }
            }
            let _ = binary.witnesses(&function);
            let _ = sites::sites(&binary, &function);
            let _ = binary.parse_signature(&function, "func(a, b int) error");
        }
    }));
    if outcome.is_err() || start.elapsed() > TIME_LIMIT {
        std::fs::write(&kept, &bytes).unwrap();
        panic!(
            "{context}: {:?} after {:?}; the file is {}",
            outcome.is_err(),
            start.elapsed(),
            kept.display()
        );
    }
}

fn visit(types: &Types, ty: TypeId, seen: &mut HashSet<TypeId>) {
    if seen.len() > 300 || !seen.insert(ty) {
        return;
    }
    match &types.get(ty).kind {
        Kind::Struct { fields } => fields.iter().for_each(|f| visit(types, f.ty, seen)),
        Kind::Slice { element } | Kind::Array { element, .. } => visit(types, *element, seen),
        Kind::Pointer { target: Some(target) } => visit(types, *target, seen),
        Kind::Map { key, value } => key.iter().chain(value).for_each(|&ty| visit(types, ty, seen)),
        _ => {}
    }
}

fn peak_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmPeak")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
