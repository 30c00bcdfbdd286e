//! Elements of maps, which are looked for at each hit.

use goinject_probes::table::{self, KEY_TEXT};
use serde::Serialize;

use super::Place;
use crate::go::MapLayout;

/// The element of a map with some key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Element {
    /// Where the map is.
    pub map: Place,
    /// The key.
    pub key: MapKey,
    /// How the map holds its entries.
    pub layout: MapLayout,
}

/// The key of an element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MapKey {
    /// A string of at most [`KEY_TEXT`] bytes.
    Text(String),
    /// A number.
    Number {
        /// Its bits, those that it does not have zero.
        bits: u64,
        /// 1, 2, 4 or 8 bytes.
        size: u8,
    },
}

impl Element {
    /// Those that are to be found before this one, the first of them first, and this one.
    pub fn chain(&self) -> Vec<&Element> {
        let mut chain = vec![self];
        let mut at = self;
        while let Some(before) = &at.map.element {
            chain.push(before);
            at = before;
        }
        chain.reverse();
        chain
    }

    /// What the decision core looks for.
    pub(super) fn lookup(&self) -> table::Lookup {
        let small = |bytes: u64| u32::try_from(bytes).expect("groups are small");
        let mut key = [0; KEY_TEXT];
        let (text, key_size, number) = match &self.key {
            MapKey::Text(text) => {
                key[..text.len()].copy_from_slice(text.as_bytes());
                (1, 0, text.len() as u64)
            }
            MapKey::Number { bits, size } => (0, u32::from(*size), *bits),
        };
        let layout = if self.layout.buckets {
            table::MapLayout::Buckets
        } else {
            table::MapLayout::Groups
        };
        table::Lookup {
            layout: layout as u32,
            text,
            key_size,
            group_size: small(self.layout.group_size),
            keys: small(self.layout.keys),
            key_stride: small(self.layout.key_stride),
            elements: small(self.layout.elements),
            element_stride: small(self.layout.element_stride),
            indirect: u32::from(self.layout.indirect),
            padding: 0,
            number,
            key,
        }
    }
}
