//! The decision core fed with calls that are made up, by rules compiled for a real binary.

use std::collections::BTreeMap;

use goinject::compile::compile;
use goinject::go::Binary;
use goinject::plan::encode::{Loaded, encode};
use goinject::resolve::resolve;
use goinject_probes::native::{Core, Hit, Thread};
use goinject_probes::table::{Counters, Event, GeneralRegister, WriterKind};
use goinject_rules::source::Source;

/// A core with rules for one function of a program, under Go's register convention.
#[derive(Debug)]
pub struct Decisions {
    core: Core,
    goid_offset: u64,
    address: u64,
}

/// A made-up call: its registers and the memory behind them.
#[derive(Clone, Debug, Default)]
pub struct MadeUpCall {
    hit: Hit,
    floats: [u64; 16],
    /// By their first address; none overlaps another.
    memory: BTreeMap<u64, Vec<u8>>,
}

impl Decisions {
    /// Rules, as YAML, that have a single site in the program. An error says what is wrong with the file by itself.
    ///
    /// # Panics
    /// If they do not fit the program.
    pub fn new(rules: &str, binary: &Binary) -> Result<Decisions, String> {
        let source = Source::new("rules.yaml", rules.to_owned());
        let (rules, diagnostics) = goinject_rules::parse(&source).map_err(|errors| format!("{errors:?}"))?;
        let resolution = resolve(&rules, binary);
        assert!(resolution.failure().is_none(), "{diagnostics:?} {resolution:?}");
        let plan = compile(&rules, &resolution, binary);
        assert_eq!(plan.sites.len(), 1, "{plan}");
        let tables = encode(&plan, &Loaded::default(), 1, &[WriterKind::Tracer]);
        let (goid_offset, address) = (tables.process.goid_offset, tables.sites[0].address);
        let core = Core::new(&tables);
        core.start();
        Ok(Decisions {
            core,
            goid_offset,
            address,
        })
    }

    /// Has the rules decide for a call on a goroutine, and gives its registers as they are then.
    pub fn decide(&mut self, call: &MadeUpCall, goroutine: u64) -> Hit {
        let mut call = call.clone();
        // As far apart as no g is long.
        let g = 0x7000_0000_0000 + goroutine * 0x1_0000;
        call.place(g + self.goid_offset, &goroutine.to_ne_bytes());
        call.hit.registers[GeneralRegister::GOROUTINE as usize] = g;
        call.hit.pc = self.address;
        let mut hit = call.hit;
        self.core.hit(&mut call, &mut hit);
        hit
    }

    /// What each rule has done.
    #[must_use]
    pub fn counters(&self) -> Vec<Counters> {
        self.core.counters()
    }
}

impl MadeUpCall {
    /// The register of an integer argument, by its place in the convention's sequence.
    #[must_use]
    pub fn with(mut self, argument: usize, value: u64) -> MadeUpCall {
        self.hit.registers[GeneralRegister::ARGUMENTS[argument] as usize] = value;
        self
    }

    /// A floating-point register.
    #[must_use]
    pub fn with_float(mut self, index: usize, value: f64) -> MadeUpCall {
        self.floats[index] = value.to_bits();
        self
    }

    /// Memory that is there.
    #[must_use]
    pub fn with_memory(mut self, address: u64, bytes: &[u8]) -> MadeUpCall {
        self.place(address, bytes);
        self
    }

    fn place(&mut self, address: u64, bytes: &[u8]) {
        self.memory.insert(address, bytes.to_vec());
    }
}

impl Thread for MadeUpCall {
    fn read(&mut self, address: u64, to: &mut [u8]) -> bool {
        let Some((start, bytes)) = self.memory.range(..=address).next_back() else {
            return false;
        };
        let at = usize::try_from(address - start).expect("addresses are as wide as words");
        match bytes.get(at..).and_then(|rest| rest.get(..to.len())) {
            Some(from) => {
                to.copy_from_slice(from);
                true
            }
            None => false,
        }
    }

    fn write(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }

    fn float(&mut self, index: u32) -> Option<u64> {
        self.floats.get(index as usize).copied()
    }

    fn set_float(&mut self, _: u32, _: u64) -> bool {
        false
    }

    fn thread_pointer(&mut self) -> u64 {
        0
    }

    fn emit(&mut self, _: &Event) {}
}
