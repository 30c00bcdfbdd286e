//! Elements of maps, by their keys.

use goinject_probes::table::KEY_TEXT;

use super::path::Scope;
use super::place::{Located, NoSuchPlace};
use super::value::integer_range;
use crate::go::types::{Kind, Type, TypeId};
use crate::plan::MapKey;

/// A map's key and element types.
struct Entry<'t> {
    map: &'t Type,
    key: TypeId,
    value: TypeId,
}

impl Scope<'_> {
    /// `m["text"]`.
    pub(super) fn keyed(&self, at: Located, key: &str) -> Result<Located, NoSuchPlace> {
        let at = at.dereferenced(self.types)?;
        let entry = self.entry(&at)?;
        let of = self.types.get(entry.key);
        match of.kind {
            Kind::String if key.len() > KEY_TEXT => Err(NoSuchPlace::new(format!(
                "the key has {} bytes, and at most {KEY_TEXT} are looked for",
                key.len()
            ))),
            Kind::String => self.entry_of(&at, &entry, MapKey::Text(key.to_owned())),
            Kind::Int | Kind::Uint => Err(NoSuchPlace::new(format!(
                "the keys of `{}` are numbers",
                entry.map.name
            ))
            .help("write a number between `[` and `]`, without quotes")),
            _ => Err(no_key(&entry, of)),
        }
    }

    /// `m[3]`.
    pub(super) fn numbered(&self, at: &Located, key: u64) -> Result<Located, NoSuchPlace> {
        let entry = self.entry(at)?;
        let of = self.types.get(entry.key);
        let signed = match of.kind {
            Kind::Int => true,
            Kind::Uint => false,
            Kind::String => {
                let message = format!("the keys of `{}` are texts", entry.map.name);
                return Err(NoSuchPlace::new(message).help("write the key in quotes: `[\"…\"]`"));
            }
            _ => return Err(no_key(&entry, of)),
        };
        let (_, most) = integer_range(signed, of.size);
        if i128::from(key) > most {
            let message = format!(
                "`{}` has no key {key}: a `{}` is at most {most}",
                entry.map.name, of.name
            );
            return Err(NoSuchPlace::new(message));
        }
        let size = u8::try_from(of.size).expect("integers have at most 8 bytes");
        self.entry_of(at, &entry, MapKey::Number { bits: key, size })
    }

    fn entry(&self, at: &Located) -> Result<Entry<'_>, NoSuchPlace> {
        let map = self.types.get(at.ty);
        let known = |ty: &Option<TypeId>| ty.filter(|ty| !matches!(self.types.get(*ty).kind, Kind::Unknown));
        match &map.kind {
            Kind::Map { key, value } => match (known(key), known(value)) {
                (Some(key), Some(value)) => Ok(Entry { map, key, value }),
                _ => Err(NoSuchPlace::new(format!(
                    "goinject does not know the types of `{}`'s keys and elements",
                    map.name
                ))),
            },
            _ => Err(NoSuchPlace::new(format!("`{}` is not a map", map.name))
                .help("a text between `[` and `]` is the key of a map")),
        }
    }

    fn entry_of(&self, at: &Located, entry: &Entry<'_>, key: MapKey) -> Result<Located, NoSuchPlace> {
        let layout = self.binary.map_layout(entry.key, entry.value);
        at.element(key, entry.value, layout)
    }
}

fn no_key(entry: &Entry<'_>, of: &Type) -> NoSuchPlace {
    NoSuchPlace::new(format!(
        "elements of `{}` cannot be reached: its keys are of type `{}`",
        entry.map.name, of.name
    ))
    .help("maps whose keys are strings or integers are looked into")
}
