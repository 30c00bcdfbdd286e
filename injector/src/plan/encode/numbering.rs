//! Whether calls are numbered, and which of them fire because they did in a recorded run.

use std::collections::BTreeSet;
use std::rc::Rc;

use goinject_probes::table::Tables;

use super::LoadBias;
use crate::plan::Plan;

/// How calls are recognized in another run of the same programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Numbering {
    /// Not at all.
    #[default]
    Off,
    /// Each call that matches a rule has a number among those of the same Go test and call stack.
    Numbered,
    /// So they have, and those of a recorded run fire.
    Forced(Rc<Forced>),
}

/// The faults of a recorded run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forced {
    /// The calls, by [`goinject_probes::native::forced_key`].
    pub calls: BTreeSet<u64>,
    /// The build IDs of the programs. In others, which were built anew, rules decide as they always do.
    pub builds: BTreeSet<String>,
}

impl Numbering {
    /// Puts it into the tables of a process with this plan.
    pub fn apply(&self, plan: &Plan, bias: LoadBias, tables: &mut Tables) {
        if *self == Numbering::Off {
            return;
        }
        tables.control.numbers = 1;
        tables.process.bias = bias.0;
        let build = plan.binary.build_id.as_deref();
        tables.process.build = build.map_or(0, fnv);
        if let Numbering::Forced(forced) = self {
            tables.forced = forced.calls.iter().copied().collect();
            tables.process.forced = build.is_some_and(|build| forced.builds.contains(build)).into();
        }
    }
}

/// FNV-1a.
fn fnv(text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325u64;
    text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
