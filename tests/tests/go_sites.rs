//! Where the functions of the fixtures can be probed.

use goinject::go::abi::Convention;
use goinject::go::sites::{EntryKind, Execution, Leads, MorestackCallee, Sites, sites};
use goinject::go::{Binary, Function};
use goinject_tests::{Flags, VERSIONS, fixture};

struct Fixture {
    binary: Binary,
    version: &'static str,
}

impl Fixture {
    fn open(version: &'static str) -> Fixture {
        let binary = Binary::open(&fixture("shapes", version, Flags::default())).unwrap();
        Fixture { binary, version }
    }

    fn function(&self, name: &str) -> Function {
        self.binary.functions().find(name).remove(0)
    }

    fn sites(&self, name: &str) -> Sites {
        sites(&self.binary, &self.function(name)).unwrap_or_else(|e| panic!("{}: {e}", self.version))
    }

    fn at_least(&self, minor: u32) -> bool {
        self.binary.version().at_least(minor)
    }
}

fn all() -> impl Iterator<Item = Fixture> {
    VERSIONS.iter().map(|version| Fixture::open(version))
}

#[test]
fn calls_are_probed_after_the_stack_check() {
    for fixture in all() {
        let found = fixture.sites("main.texts");
        let entry = &found.entry;
        assert_eq!(entry.site.execution, Execution::Emulated, "{}", fixture.version);
        assert_eq!(entry.site.stack_depth, Some(0), "{}", fixture.version);
        let morestack = found.morestack.as_ref().unwrap();
        if fixture.at_least(21) {
            assert_eq!(entry.kind, EntryKind::AfterCheck);
            assert_eq!(
                (entry.site.text.as_str(), &entry.site.bytes[..]),
                ("push rbp", &[0x55][..])
            );
            assert_eq!(entry.site.leads, Leads::Next(entry.site.address.plus(1)));
            let write = entry.site.memory_writes[0];
            assert_eq!(
                (write.operand.base, write.operand.displacement, write.size),
                (Some(4), -8, 8)
            );
        } else {
            assert_eq!(
                entry.kind,
                EntryKind::CheckJump {
                    morestack_flags: 0x41
                }
            );
            let next = entry.site.address.plus(entry.site.bytes.len() as u64);
            assert_eq!(
                entry.site.leads,
                Leads::Branch {
                    taken: morestack.start,
                    next
                }
            );
        }
        assert_eq!(entry.site.writes.integer_arguments, 0, "{}", fixture.version);
        assert!(!entry.site.pc_relative);
    }
}

#[test]
fn large_frames_have_two_jumps_and_the_last_one_counts() {
    for fixture in all() {
        for name in ["main.bigFrame", "main.hugeFrame"] {
            let found = fixture.sites(name);
            let function = fixture.function(name);
            let code = fixture.binary.code(&function).unwrap();
            let offset = (found.entry.site.address.0 - function.entry.0) as usize;
            if !fixture.at_least(21) {
                assert_eq!(
                    found.entry.kind,
                    EntryKind::CheckJump {
                        morestack_flags: 0x41
                    }
                );
                assert!(offset > 15, "{} {name}: a jump is before it", fixture.version);
            } else {
                // Before the push is a jbe, short or near.
                assert!(code[offset - 2] == 0x76 || code[offset - 6..offset - 4] == [0x0f, 0x86]);
            }
        }
    }
}

#[test]
fn functions_without_a_check_are_probed_at_their_start() {
    for fixture in all() {
        for name in ["main.leafNoCheck", "main.nosplit", "main.noArgs"] {
            let found = fixture.sites(name);
            assert_eq!(found.entry.kind, EntryKind::Start, "{} {name}", fixture.version);
            assert_eq!(found.entry.site.address, fixture.function(name).entry);
            assert_eq!(found.morestack, None);
            assert!(!found.returns.is_empty());
        }
        let leaf = fixture.sites("main.leafNoCheck");
        if fixture.at_least(17) {
            // xor rax, rbx: the first instruction overwrites the first parameter.
            assert_eq!(
                leaf.entry.site.writes.integer_arguments, 1,
                "{}",
                leaf.entry.site.text
            );
            assert_eq!(leaf.entry.site.execution, Execution::SingleStepped);
        }
    }
}

#[test]
fn every_return_is_found() {
    for fixture in all() {
        for (name, least) in [
            ("main.recovers", 2),
            ("main.switches", 2),
            ("main.deferLoop", 2),
            ("main.scalars", 1),
        ] {
            let found = fixture.sites(name);
            assert!(
                found.returns.len() >= least,
                "{} {name}: {}",
                fixture.version,
                found.returns.len()
            );
            for site in &found.returns {
                assert_eq!((site.bytes.as_slice(), site.leads), (&[0xc3][..], Leads::Return));
                assert_eq!(site.stack_depth, Some(0));
                assert_eq!(site.execution, Execution::SingleStepped);
            }
        }
        assert!(
            fixture.sites("main.never").returns.is_empty(),
            "{}",
            fixture.version
        );
    }
}

#[test]
fn tail_calls_name_where_they_go() {
    for fixture in all() {
        let jump = fixture
            .binary
            .functions()
            .find("main.jumpAsm")
            .into_iter()
            .find(|f| f.is_assembly)
            .unwrap();
        assert_eq!(jump.convention(), Convention::Stack);
        let found = sites(&fixture.binary, &jump).unwrap();
        assert!(found.returns.is_empty(), "{}", fixture.version);
        let [tail] = &found.tail_calls[..] else {
            panic!("{}: {:?}", fixture.version, found.tail_calls)
        };
        assert_eq!(tail.callee.as_deref(), Some("main.addAsm"));
        assert!(!tail.conditional);
    }
}

#[test]
fn closures_keep_their_context_while_their_stack_grows() {
    for fixture in all() {
        let callee = |name: &str| fixture.sites(name).morestack.map(|m| m.callee);
        assert_eq!(
            callee("main.texts"),
            Some(MorestackCallee::NoContext),
            "{}",
            fixture.version
        );
        assert_eq!(
            callee("main.run.func1"),
            Some(MorestackCallee::Context),
            "{}",
            fixture.version
        );
        assert_eq!(
            callee("main.(*Square).Scale-fm"),
            Some(MorestackCallee::Context),
            "{}",
            fixture.version
        );
    }
}

#[test]
fn register_parameters_are_saved_before_the_stack_grows() {
    for fixture in all() {
        let morestack = fixture.sites("main.texts").morestack.unwrap();
        if fixture.at_least(17) {
            // Nine words: a string, a slice, and two interfaces; the third finds no registers.
            assert_eq!(morestack.spills.len(), 9, "{}", fixture.version);
            assert!(morestack.start < morestack.call);
        } else {
            assert!(morestack.spills.is_empty());
            assert_eq!(morestack.start, morestack.call);
        }
        assert_eq!(morestack.after_call, morestack.call.plus(5));
    }
}

#[test]
fn returns_agree_with_another_disassembler() {
    for version in ["1.15", "1.27"] {
        let path = fixture("shapes", version, Flags::default());
        let binary = Binary::open(&path).unwrap();
        let listing = std::process::Command::new("objdump")
            .args(["-d", "--no-show-raw-insn"])
            .arg(&path)
            .output();
        let listing = String::from_utf8(listing.expect("objdump: run `cargo xtask setup`").stdout).unwrap();
        let mut theirs: Vec<u64> = listing
            .lines()
            .filter_map(|line| line.trim().split_once(":\t"))
            .filter(|(_, text)| text.trim() == "ret" || text.trim() == "retq")
            .filter_map(|(address, _)| u64::from_str_radix(address, 16).ok())
            .collect();
        let mut ours = Vec::new();
        for function in binary.functions().iter() {
            match sites(&binary, &function) {
                Ok(found) => ours.extend(found.returns.iter().map(|r| r.address.0)),
                // A function that is not probed has returns all the same.
                Err(_) => theirs.retain(|&a| a < function.entry.0 || a >= function.end.0),
            }
        }
        ours.sort_unstable();
        theirs.sort_unstable();
        theirs.dedup();
        assert_eq!(ours.len(), theirs.len(), "{version}");
        assert_eq!(ours, theirs, "{version}");
    }
}
