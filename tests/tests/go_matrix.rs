//! Every function of real programs of every Go version: can it be read, and do independent sources
//! agree on where its parameters are?
//!
//! The oracle is the code that grows a function's stack: it saves the register parameters, and so
//! tells the compiler's own opinion of which registers those are and where their homes are. The
//! debug information's locations are a second one.
//!
//! The `go` command of every other version is among them: ten to twenty thousand functions each. `GOINJECT_MATRIX=full` takes
//! every build of every version of the small programs, too, and the `go` command of all, also without optimisation. A table with the
//! exceptions is printed for people. There are few kinds of them, and in none is the computed place the wrong one:
//!
//! - *refused*: the compiler has left a parameter without a name out of the debug information (1.15), or describes an
//!   inlined method in place of its wrapper, so that parameters do not add up to the size that the function table knows.
//! - *no sites*: a loop jumps back to the first instruction, or there is data among the code.
//! - *other places*: the first place that the debug information knows is one from further down, after the function has
//!   exchanged (`x, y = y, x`) or moved the parameter. Its instructions up to there use the computed one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use goinject::go::abi::{Convention, Layout, Part, Placement, Register};
use goinject::go::types::{Signature, Types};
use goinject::go::{Binary, Function, Place, sites};
use goinject_tests::{Flags, Strip, VERSIONS, fixture};

#[test]
fn default_builds_of_every_version() {
    let mut rows = Vec::new();
    for version in VERSIONS {
        rows.push(Row::read("shapes", version, Flags::default()));
        if version != "1.15" {
            rows.push(Row::read("generics", version, Flags::default()));
        }
    }
    report(&rows);
}

#[test]
fn every_kind_of_build() {
    let full = is_full();
    let versions: &[&str] = if full {
        &VERSIONS
    } else {
        &["1.15", "1.19", "1.27"]
    };
    let mut rows = Vec::new();
    for version in versions {
        for flags in builds() {
            rows.push(Row::read("shapes", version, flags));
        }
        rows.push(Row::read("cgo", version, Flags::default()));
        rows.push(Row::read(
            "cgo",
            version,
            Flags {
                pie: true,
                ..Flags::default()
            },
        ));
    }
    report(&rows);
}

#[test]
fn the_go_command() {
    // Small programs are read in all of them.
    let versions = match is_full() {
        true => VERSIONS.to_vec(),
        false => VERSIONS.into_iter().step_by(2).collect(),
    };
    let mut rows: Vec<Row> = versions
        .iter()
        .map(|v| Row::read("cmd/go", v, Flags::default()))
        .collect();
    let unoptimised = Flags {
        unoptimised: true,
        ..Flags::default()
    };
    let more: &[&str] = if is_full() { &["1.15", "1.19", "1.27"] } else { &[] };
    rows.extend(more.iter().map(|v| Row::read("cmd/go", v, unoptimised)));
    report(&rows);
}

fn is_full() -> bool {
    std::env::var("GOINJECT_MATRIX").is_ok_and(|value| value == "full")
}

fn builds() -> Vec<Flags> {
    let plain = Flags::default();
    vec![
        Flags {
            unoptimised: true,
            ..plain
        },
        Flags {
            trimpath: true,
            ..plain
        },
        Flags { pie: true, ..plain },
        Flags {
            external: true,
            ..plain
        },
        Flags {
            external: true,
            pie: true,
            ..plain
        },
        Flags { race: true, ..plain },
        Flags {
            strip: Strip::Dwarf,
            ..plain
        },
        Flags {
            strip: Strip::All,
            ..plain
        },
        Flags {
            strip: Strip::All,
            pie: true,
            ..plain
        },
        Flags {
            plain_dwarf: true,
            ..plain
        },
    ]
}

/// What was read of one program.
#[derive(Default)]
struct Row {
    name: String,
    functions: usize,
    signatures: usize,
    uncertain_positions: usize,
    without_types: usize,
    refused: Exceptions,
    entry_sites: BTreeMap<String, usize>,
    returns: usize,
    tail_calls: usize,
    unprobeable: Exceptions,
    /// Functions whose saved registers are exactly the computed ones, and those that save fewer
    /// because some parameters are not used.
    saves_all: usize,
    saves_some: usize,
    saves_other: Exceptions,
    places_agree: usize,
    places_differ: Exceptions,
    strange_depth: Exceptions,
}

/// A number of functions and some of their names.
#[derive(Default)]
struct Exceptions {
    count: usize,
    examples: Vec<String>,
}

impl Exceptions {
    fn add(&mut self, what: impl Into<String>) {
        self.count += 1;
        if self.examples.len() < 15 {
            self.examples.push(what.into());
        }
    }
}

impl Row {
    fn read(program: &str, version: &str, flags: Flags) -> Row {
        let path = fixture(program, version, flags);
        let binary = Binary::open(&path).unwrap_or_else(|e| panic!("{e}"));
        let mut row = Row {
            name: format!("{version:5} {program:9} {}", flags.name()),
            ..Row::default()
        };
        for function in binary.functions().iter().filter(|f| !f.is_foreign) {
            row.functions += 1;
            let signature = row.signature(&binary, &function);
            row.sites(&binary, &function, signature.as_ref());
        }
        let has_types = flags.strip == Strip::Nothing;
        assert_eq!(binary.build().has_dwarf, has_types, "{}", row.name);
        assert_eq!(binary.build().pie, flags.pie, "{}", row.name);
        assert_eq!(binary.build().race, flags.race, "{}", row.name);
        assert!(
            binary.tls_g_offset().is_some_and(|offset| offset < 0),
            "{}",
            row.name
        );
        assert!(
            binary.module().is_some() && binary.write_barrier().is_some(),
            "{}",
            row.name
        );
        row
    }

    fn signature(&mut self, binary: &Binary, function: &Function) -> Option<Signature> {
        match binary.signature(function) {
            Ok(Some(signature)) => {
                self.signatures += 1;
                self.uncertain_positions += usize::from(signature.positions_uncertain.is_some());
                Some(signature)
            }
            Ok(None) => {
                self.without_types += 1;
                None
            }
            Err(error) => {
                self.refused.add(error.to_string());
                None
            }
        }
    }

    fn sites(&mut self, binary: &Binary, function: &Function, signature: Option<&Signature>) {
        let found = match sites::sites(binary, function) {
            Ok(found) => found,
            Err(error) => return self.unprobeable.add(error.to_string()),
        };
        let kind = match found.entry.kind {
            sites::EntryKind::AfterCheck => "push",
            sites::EntryKind::CheckJump { .. } => "jump",
            sites::EntryKind::Start => "start",
        };
        *self.entry_sites.entry(kind.to_owned()).or_default() += 1;
        self.returns += found.returns.len();
        self.tail_calls += found.tail_calls.len();
        // Assembly may play with the stack pointer in ways that the tables do not follow.
        let odd = |site: &sites::Site| site.stack_depth != Some(0);
        if !function.is_assembly && (odd(&found.entry.site) || found.returns.iter().any(odd)) {
            self.strange_depth.add(&function.name);
        }
        let Some(signature) = signature else { return };
        let layout = binary.layout(function, signature);
        if let Some(morestack) = &found.morestack {
            self.compare_spills(binary, function, signature, &layout, &morestack.spills);
        }
        self.compare_places(binary, function, signature, &layout);
    }

    fn compare_spills(
        &mut self,
        binary: &Binary,
        function: &Function,
        signature: &Signature,
        layout: &Layout,
        saved: &[sites::Spill],
    ) {
        let expected = homes(binary.types(), signature, layout, function.arguments_size);
        if saved.iter().any(|spill| !expected.contains(spill)) {
            self.saves_other
                .add(format!("{}: {saved:?} and not {expected:?}", function.name));
        } else if saved.len() == expected.len() {
            self.saves_all += 1;
        } else {
            self.saves_some += 1;
        }
    }

    fn compare_places(
        &mut self,
        binary: &Binary,
        function: &Function,
        signature: &Signature,
        layout: &Layout,
    ) {
        let witnesses = binary.witnesses(function).expect("readable locations");
        let variables = signature.receiver.iter().chain(&signature.parameters);
        let placements = layout.receiver.iter().chain(&layout.parameters);
        for (variable, placement) in variables.zip(placements) {
            let Some(name) = &variable.name else { continue };
            let ty = binary.types().get(variable.ty);
            let Some((_, pieces)) = witnesses.iter().find(|(n, _)| n == name) else {
                continue;
            };
            let Some((place, _)) = pieces.first().filter(|_| ty.size > 0) else {
                continue;
            };
            let agrees = match (place, placement) {
                (Place::Register(number), Placement::Registers(parts)) => {
                    parts.iter().any(|part| dwarf_number(part) == *number)
                }
                (Place::Stack(offset), Placement::Stack { offset: computed }) => {
                    (8 + offset) as u64 >= *computed && ((8 + offset) as u64) < computed + ty.size
                }
                // Unoptimised code is described by where it puts its parameters first of all.
                (Place::Stack(_), Placement::Registers(_)) => continue,
                _ => false,
            };
            if agrees {
                self.places_agree += 1;
            } else {
                self.places_differ.add(format!(
                    "{} {name}: {pieces:?} and not {placement:?}",
                    function.name
                ));
            }
        }
    }
}

fn dwarf_number(part: &Part) -> u16 {
    match part.register {
        Register::Integer(n) => [0, 3, 2, 5, 4, 8, 9, 10, 11][usize::from(n)],
        Register::Float(n) => 17 + u16::from(n),
    }
}

/// The homes of the register parameters, worked out anew from the layout and the size of the call:
/// they are the end of the caller's frame, in order, aligned like the values.
fn homes(types: &Types, signature: &Signature, layout: &Layout, size: Option<u32>) -> Vec<sites::Spill> {
    let mut values: Vec<(u64, u64, &Placement)> = Vec::new();
    let variables = signature.receiver.iter().chain(&signature.parameters);
    let placements = layout.receiver.iter().chain(&layout.parameters);
    for (variable, placement) in variables.zip(placements) {
        values.push((
            types.get(variable.ty).size,
            types.get(variable.ty).align,
            placement,
        ));
    }
    if let Some(dictionary) = &layout.dictionary {
        // Behind the receiver if that came before the first integer parameter, else first.
        let receiver_first = layout.receiver.is_some() && !takes_first_register(dictionary);
        values.insert(usize::from(receiver_first), (8, 8, dictionary));
    }
    let mut end = 0;
    let mut found = Vec::new();
    for (size, align, placement) in values {
        let Placement::Registers(parts) = placement else {
            continue;
        };
        let home = u64::next_multiple_of(end, align);
        end = home + size;
        found.extend(parts.iter().map(|part| sites::Spill {
            register: part.register,
            offset: home + part.offset,
            size: part.size,
        }));
    }
    let area = u64::from(size.unwrap_or_default()).saturating_sub(u64::next_multiple_of(end, 8));
    found.iter_mut().for_each(|spill| spill.offset += 8 + area);
    found
}

fn takes_first_register(placement: &Placement) -> bool {
    matches!(placement, Placement::Registers(parts) if parts[0].register == Register::Integer(0))
}

fn report(rows: &[Row]) {
    let mut table = format!(
        "{:32} {:>6} {:>6} {:>5} {:>6} {:>5} | {:>6} {:>6} {:>6} {:>6} {:>5} {:>4} | {:>6} {:>5} {:>3} | {:>6} {:>3}\n",
        "version program build",
        "funcs",
        "types",
        "pos?",
        "none",
        "ref",
        "push",
        "jump",
        "start",
        "rets",
        "tails",
        "no",
        "spills",
        "some",
        "bad",
        "places",
        "bad"
    );
    for row in rows {
        let kind = |kind: &str| row.entry_sites.get(kind).copied().unwrap_or_default();
        writeln!(
            table,
            "{:32} {:>6} {:>6} {:>5} {:>6} {:>5} | {:>6} {:>6} {:>6} {:>6} {:>5} {:>4} | {:>6} {:>5} {:>3} | {:>6} {:>3}",
            row.name,
            row.functions,
            row.signatures,
            row.uncertain_positions,
            row.without_types,
            row.refused.count,
            kind("push"),
            kind("jump"),
            kind("start"),
            row.returns,
            row.tail_calls,
            row.unprobeable.count,
            row.saves_all,
            row.saves_some,
            row.saves_other.count,
            row.places_agree,
            row.places_differ.count,
        )
        .unwrap();
    }
    for row in rows {
        for (what, exceptions) in [
            ("refused", &row.refused),
            ("no sites", &row.unprobeable),
            ("other registers", &row.saves_other),
            ("other places", &row.places_differ),
            ("depth", &row.strange_depth),
        ] {
            for example in &exceptions.examples {
                writeln!(table, "{} {what}: {example}", row.name).unwrap();
            }
        }
    }
    println!("{table}");
    for row in rows {
        assert_eq!(
            row.saves_other.count, 0,
            "{}: parameters in other registers than computed\n{table}",
            row.name
        );
        assert_eq!(
            row.strange_depth.count, 0,
            "{}: sites with a frame on the stack\n{table}",
            row.name
        );
        assert!(
            row.refused.count * 50 <= row.functions,
            "{}: too many refused\n{table}",
            row.name
        );
        assert!(
            row.unprobeable.count * 500 <= row.functions,
            "{}: too many without sites\n{table}",
            row.name
        );
        assert!(
            row.places_differ.count * 100 <= row.places_agree,
            "{}: places differ\n{table}",
            row.name
        );
        if row.signatures > 0 {
            assert!(
                row.signatures * 10 >= row.functions * 8,
                "{}: too few signatures\n{table}",
                row.name
            );
        }
    }
}

#[test]
fn conventions_are_told_apart_without_symbols() {
    for version in VERSIONS {
        let whole = Binary::open(&fixture("shapes", version, Flags::default())).unwrap();
        let stripped = Flags {
            strip: Strip::All,
            ..Flags::default()
        };
        let stripped = Binary::open(&fixture("shapes", version, stripped)).unwrap();
        assert!(!stripped.build().has_symbols);
        let key = |b: &Binary| -> Vec<(String, bool, bool, Convention)> {
            let all = b.functions().iter().filter(|f| !f.is_foreign);
            all.map(|f| (f.name.clone(), f.is_assembly, f.is_wrapper, f.convention()))
                .collect()
        };
        let (whole, stripped) = (key(&whole), key(&stripped));
        assert_eq!(whole.len(), stripped.len());
        // Assembly without a Go declaration has no convention to speak of.
        let differ: Vec<_> = whole
            .iter()
            .zip(&stripped)
            .filter(|(a, b)| a != b && a.0.contains('.'))
            .map(|(a, _)| a)
            .collect();
        let declared: Vec<_> = differ.iter().filter(|f| !is_internal_assembly(&f.0)).collect();
        assert!(declared.is_empty(), "{version}: {declared:?}");
    }
}

/// Entry points and helpers that only other assembly calls.
fn is_internal_assembly(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    name.starts_with("internal/runtime/gc/scan.expandAVX512")
        || name.starts_with("debugCall")
        || matches!(last, "checkMasksAndShiftsAlignment")
}
