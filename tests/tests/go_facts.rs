//! What the runtime and the linker know, read from real programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use goinject::go::address::FieldOffset;
use goinject::go::types::Kind;
use goinject::go::{Binary, GoroutineLayout, Itabs};
use goinject_tests::{Flags, Strip, VERSIONS, fixture};

fn open(program: &str, version: &str, flags: Flags) -> Binary {
    Binary::open(&fixture(program, version, flags)).unwrap()
}

fn stripped() -> Flags {
    Flags {
        strip: Strip::All,
        ..Flags::default()
    }
}

#[test]
fn the_table_of_goroutine_layouts_is_what_debug_information_says() {
    for version in VERSIONS {
        let by_types = open("shapes", version, Flags::default()).goroutine_layout();
        let by_table = open("shapes", version, stripped()).goroutine_layout();
        assert!(
            by_types.from_debug_information && !by_table.from_debug_information,
            "{version}"
        );
        let by_table = GoroutineLayout {
            from_debug_information: true,
            ..by_table
        };
        assert_eq!(by_types, by_table, "{version}");
        assert_eq!(by_types.stackguard0, FieldOffset(16), "{version}");
    }
}

#[test]
fn g_is_in_thread_local_storage() {
    for version in ["1.15", "1.19", "1.27"] {
        let offset = |program, flags| open(program, version, flags).tls_g_offset();
        assert_eq!(offset("shapes", Flags::default()), Some(-8), "{version}");
        assert_eq!(
            offset(
                "shapes",
                Flags {
                    pie: true,
                    ..Flags::default()
                }
            ),
            Some(-8),
            "{version}"
        );
        assert_eq!(offset("shapes", stripped()), Some(-8), "{version}");
        // The C code of this program has thread-local variables, and may come first or second.
        let with_c = offset("cgo", Flags::default()).unwrap();
        assert!(with_c <= -8 && with_c % 8 == 0, "{version}: {with_c}");
    }
}

#[test]
fn the_write_barrier_is_found_without_symbols() {
    let folder = std::env::temp_dir().join(format!("goinject-barrier-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for version in VERSIONS {
        let whole = fixture("shapes", version, Flags::default());
        let bare = folder.join(version);
        let status = Command::new("objcopy")
            .arg("--strip-all")
            .args([&whole, &bare])
            .status();
        assert!(
            status.is_ok_and(|s| s.success()),
            "objcopy is needed: run `cargo xtask setup`"
        );
        let (whole, bare) = (Binary::open(&whole).unwrap(), Binary::open(&bare).unwrap());
        assert!(whole.write_barrier().is_some());
        assert_eq!(whole.write_barrier(), bare.write_barrier(), "{version}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn package_variables_with_their_types() {
    for version in VERSIONS {
        let binary = open("shapes", version, Flags::default());
        let variable = |name: &str| binary.variable(name).unwrap();
        let quota = variable("main.ErrQuota").unwrap();
        let ty = binary.types().get(quota.ty.unwrap());
        assert_eq!(
            (ty.name.as_str(), &ty.kind),
            ("error", &Kind::Interface { empty: false }),
            "{version}"
        );
        assert_eq!(
            binary.symbol("main.ErrQuota").unwrap().address,
            quota.address,
            "{version}"
        );
        assert!(
            variable("io.EOF").is_some() && variable("main.ErrQouta").is_none(),
            "{version}"
        );
        let names = binary.variable_names().unwrap();
        for name in ["main.ErrQuota", "io.EOF"] {
            assert!(names.iter().any(|other| other == name), "{version}: {name}");
        }
        // Without types, the symbol still tells the place.
        let plain = open(
            "shapes",
            version,
            Flags {
                strip: Strip::Dwarf,
                ..Flags::default()
            },
        );
        if plain.build().has_symbols {
            let quota = plain.variable("main.ErrQuota").unwrap().unwrap();
            assert!(quota.ty.is_none() && quota.size == Some(16), "{version}");
        }
    }
}

#[test]
fn types_refer_to_themselves() {
    for version in VERSIONS {
        let binary = open("shapes", version, Flags::default());
        let types = binary.types();
        let walk = binary.functions().find("main.(*Node).Walk").remove(0);
        let signature = binary.signature(&walk).unwrap().unwrap();
        let Kind::Pointer { target: Some(node) } = types.get(signature.receiver.unwrap().ty).kind else {
            panic!()
        };
        let Kind::Struct { fields } = &types.get(node).kind else {
            panic!()
        };
        let shown: Vec<_> = fields
            .iter()
            .map(|f| (f.name.as_str(), f.offset, types.get(f.ty).name.as_str()))
            .collect();
        let expected = [
            ("Value", 0, "int"),
            ("Next", 8, "*main.Node"),
            ("Children", 16, "[]*main.Node"),
            ("Index", 40, "map[string]*main.Node"),
            ("Visit", 48, "func(*main.Node) error"),
        ];
        assert_eq!(shown, expected, "{version}");
        assert_eq!(
            types.get(fields[1].ty).kind,
            Kind::Pointer { target: Some(node) },
            "{version}"
        );
        let Kind::Map {
            key: Some(key),
            value: Some(_),
        } = types.get(fields[3].ty).kind
        else {
            panic!()
        };
        assert_eq!(types.get(key).kind, Kind::String, "{version}");
    }
}

#[test]
fn inlined_calls_have_their_place_in_the_source() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/go/shapes/main.go");
    let source = std::fs::read_to_string(source).unwrap();
    let line = source.lines().position(|l| l.contains("onlyInlined(n)")).unwrap() as u32 + 1;
    for version in VERSIONS {
        for flags in [Flags::default(), stripped()] {
            let binary = open("shapes", version, flags);
            assert!(
                binary.functions().find("main.onlyInlined").is_empty(),
                "{version}"
            );
            let calls = binary.inlined_calls("main.onlyInlined").unwrap();
            assert_eq!(calls.len(), 1, "{version}");
            let call = &calls[0];
            assert_eq!(
                (call.caller.as_str(), call.within.as_str()),
                ("main.main", "main.main"),
                "{version}"
            );
            assert_eq!(call.line, line, "{version}");
            assert!(call.file.ends_with("shapes/main.go"), "{version}: {}", call.file);
            let main = binary.functions().find("main.main").remove(0);
            assert!(
                call.ranges
                    .iter()
                    .all(|r| r.start >= main.entry && r.end <= main.end),
                "{version}"
            );
            assert!(!call.ranges.is_empty(), "{version}");
        }
        let unoptimised = open(
            "shapes",
            version,
            Flags {
                unoptimised: true,
                ..Flags::default()
            },
        );
        assert!(
            unoptimised.inlined_calls("main.onlyInlined").unwrap().is_empty(),
            "{version}"
        );
    }
}

#[test]
fn functions_know_their_source() {
    for version in VERSIONS {
        let binary = open("shapes", version, stripped());
        let function = binary.functions().find("main.scalars").remove(0);
        let (file, line) = binary.functions().location(&function).unwrap();
        assert!(
            file.ends_with("shapes/main.go") && line > 70,
            "{version}: {file}:{line}"
        );
        assert_eq!(
            binary.functions().at(function.entry.plus(3)),
            Some(function.clone()),
            "{version}"
        );
        assert_eq!(function.package(), "main");
        let assembly = binary.functions().find("main.addAsm");
        assert!(assembly.iter().any(|f| f.is_assembly), "{version}");
    }
}

#[test]
fn functions_are_found_by_their_names() {
    for version in VERSIONS {
        for flags in [Flags::default(), stripped()] {
            let binary = open("shapes", version, flags);
            let functions = binary.functions();
            let mut by_name: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            for function in functions.iter() {
                for name in [Some(function.name), function.full_name].into_iter().flatten() {
                    by_name.entry(name).or_default().push(function.entry.0);
                }
            }
            for (name, entries) in &by_name {
                let found = functions.find(name);
                let found: Vec<u64> = found.iter().map(|function| function.entry.0).collect();
                assert_eq!(&found, entries, "{version}: {name}");
            }
            let starts = |name: &str| name.starts_with("main.(*Node)");
            let begun = functions.find_prefixed("main.(*Node)");
            let all = functions.iter().filter(|function| starts(&function.name));
            assert!(
                begun.iter().eq(all.collect::<Vec<_>>().iter()) && !begun.is_empty(),
                "{version}"
            );
            assert!(functions.find("main.scalar").is_empty() && functions.find("ain.scalars").is_empty());
        }
    }
}

#[test]
fn interface_tables_of_the_linker() {
    for version in VERSIONS {
        for flags in [
            Flags::default(),
            Flags {
                pie: true,
                external: true,
                strip: Strip::All,
                ..Flags::default()
            },
        ] {
            let binary = open("shapes", version, flags);
            let module = binary.module().unwrap();
            assert!(
                module.types < module.etypes && module.text < module.etext,
                "{version}"
            );
            // The first word of an interface table points at the interface's type.
            let first = match &module.itabs {
                Itabs::Pointers { start, count } => {
                    assert!(*count > 5 && *count < 500, "{version}: {count}");
                    binary.read_pointer(*start).unwrap()
                }
                Itabs::Table { start, size } => {
                    assert!(*size > 100 && *size < 100_000, "{version}: {size}");
                    *start
                }
            };
            let interface = binary.read_pointer(first).unwrap();
            assert!(
                interface >= module.types && interface < module.etypes,
                "{version} {module:?} {interface}"
            );
        }
    }
}
