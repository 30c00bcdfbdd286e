//! Interface tables and runtime types, in every Go version and kind of build.

use goinject::go::Binary;
use goinject_tests::{Flags, Strip, VERSIONS, fixture};

fn builds() -> [Flags; 4] {
    [
        Flags::default(),
        Flags {
            pie: true,
            ..Flags::default()
        },
        Flags {
            strip: Strip::All,
            ..Flags::default()
        },
        Flags {
            strip: Strip::All,
            pie: true,
            ..Flags::default()
        },
    ]
}

#[test]
fn errors_have_their_interface_tables() {
    for version in VERSIONS {
        for flags in builds() {
            let binary = Binary::open(&fixture("shapes", version, flags)).unwrap();
            let build = format!("Go {version} {}", flags.name());
            for concrete in ["*errors.errorString", "syscall.Errno", "*io/fs.PathError"] {
                let concrete = match (concrete, version) {
                    ("*io/fs.PathError", "1.15") => "*os.PathError",
                    _ => concrete,
                };
                let itab = binary.itab("error", concrete);
                let itab = itab.unwrap_or_else(|| panic!("{build}: no itab of {concrete}"));
                let symbol = binary
                    .symbol(&format!("go.itab.{concrete},error"))
                    .or_else(|| binary.symbol(&format!("go:itab.{concrete},error")));
                if let Some(symbol) = symbol {
                    assert_eq!(symbol.address, itab.address, "{build}: {concrete}");
                }
            }
            assert!(binary.itab("error", "*main.Square").is_none(), "{build}");
            assert!(binary.itab("main.Shape", "*main.Square").is_some(), "{build}");
            assert!(binary.itab("io.Writer", "main.discard").is_some(), "{build}");
        }
    }
}

#[test]
fn debug_information_leads_to_the_same_types() {
    for version in VERSIONS {
        for flags in &builds()[..2] {
            let binary = Binary::open(&fixture("shapes", version, *flags)).unwrap();
            let function = &binary.functions().find("main.texts")[0];
            let signature = binary.signature(function).unwrap().unwrap();
            for (n, name) in [(3, "error"), (4, "main.Shape")] {
                let address = binary.runtime_type(signature.parameters[n].ty);
                let address = address.unwrap_or_else(|| panic!("Go {version}: no runtime type of {name}"));
                assert_eq!(binary.runtime_type_name(address).as_deref(), Some(name));
                assert_eq!(binary.interface_named(name), Some(address));
            }
            let area = &binary.functions().find("main.(*Square).Area")[0];
            let square = binary.signature(area).unwrap().unwrap().receiver.unwrap().ty;
            let itab = binary.itab_of(signature.parameters[4].ty, square);
            assert_eq!(itab, binary.itab("main.Shape", "*main.Square"), "Go {version}");
            assert!(itab.is_some(), "Go {version}");
        }
    }
}
