//! Where jumps can be put, for the engine that needs no trap.

use super::{Plan, Room, Site};

/// Why there can't be a jump at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoJump {
    /// There is no room, because of this.
    NoRoom(String),
    /// The jump at the site of this index would take the same bytes.
    Overlaps(usize),
}

impl Plan {
    /// For each site, why there can't be a jump; none where there can.
    pub fn without_jump(&self) -> Vec<Option<NoJump>> {
        let mut taken: Vec<(u64, u64, usize)> = Vec::new();
        let mut all: Vec<Option<NoJump>> = Vec::new();
        for (n, site) in self.sites.iter().enumerate() {
            all.push(match &site.instruction.room {
                Room::None(why) => Some(NoJump::NoRoom(why.clone())),
                Room::Jump { start, bytes } => {
                    taken.push((start.0, start.0 + bytes.len() as u64, n));
                    None
                }
            });
        }
        taken.sort_unstable();
        for pair in taken.windows(2) {
            let [(_, end, before), (start, _, after)] = [pair[0], pair[1]];
            if end > start {
                all[before] = Some(NoJump::Overlaps(after));
                all[after] = Some(NoJump::Overlaps(before));
            }
        }
        all
    }

    /// A site's instruction and place, for messages.
    pub fn place_of(&self, site: &Site) -> String {
        let instruction = &site.instruction;
        let name = &self.functions[site.function].name;
        format!("`{}` at {} of {name}", instruction.text, instruction.address)
    }
}
