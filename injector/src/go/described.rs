//! Types by the descriptions that the program carries for itself: also stripped programs have those of all types that
//! they put into interfaces, with fields and offsets.
//!
//! Source: `runtime/type.go` up to Go 1.20, then `internal/abi/type.go`.

use std::collections::{HashMap, HashSet, VecDeque};

use super::address::Address;
use super::binary::Binary;
use super::bytes::{u8_at, u64_at};
use super::runtime_types::{COMMON_SIZE, KIND, KIND_MASK};
use super::types::{Field, Kind, Type, TypeId};

/// Size and alignment in what all kinds have in common.
const SIZE: usize = 0;
const ALIGN: usize = 21;
/// Name, type and offset of a field.
pub(super) const FIELD_SIZE: u64 = 24;
/// In the first byte of a field's name, since Go 1.19.
const EMBEDDED: u8 = 1 << 3;

/// No program has so many; bounds for damaged files.
const MAX_FIELDS: u64 = 1 << 12;
const MAX_SEEN: usize = 1 << 17;
/// Types that are read for one: what is further away is known by its size only.
const MAX_READ: usize = 512;

/// What a description says of a type's form. Other types are named by their addresses.
enum Form {
    Plain(Kind),
    Pointer(Address),
    Slice(Address),
    Array(Address, u64),
    Map(Address, Address),
    Struct(Vec<(String, u64, Address, bool)>),
}

struct Description {
    name: String,
    size: u64,
    align: u64,
    form: Form,
}

impl Binary {
    /// The descriptions of types of a name that fits, with their full names. A name fits with the whole import path of its
    /// package or with the last part of that, as `%T` prints it.
    pub fn types_named(&self, name: &str) -> Vec<(Address, String)> {
        let fits = |(_, full): &&(Address, String)| type_name_fits(name, full);
        let mut found: Vec<(Address, String)> = self.described_types().iter().filter(fits).cloned().collect();
        if found.is_empty() {
            found = self.other_types().iter().filter(fits).cloned().collect();
        }
        // A whole name means that one, whatever else ends alike.
        if let Some(exact) = found.iter().find(|(_, full)| full == name) {
            found = vec![exact.clone()];
        }
        found
    }

    /// All types that are reached from those that the program puts into interfaces, with their names.
    pub fn described_types(&self) -> &[(Address, String)] {
        self.described.get_or_init(|| {
            let itabs = self.itabs().iter();
            let roots = itabs.flat_map(|itab| [itab.concrete, itab.interface]);
            self.reached_from(roots.collect(), HashSet::new())
        })
    }

    /// The others that the program has descriptions of: what it puts into `any`, or only makes by reflection.
    fn other_types(&self) -> &[(Address, String)] {
        self.other_types.get_or_init(|| {
            let known = self.described_types().iter().map(|(address, _)| *address);
            self.reached_from(self.linked_types().into(), known.collect())
        })
    }

    /// Types that are reached from some, with these, and without those that are known.
    fn reached_from(
        &self,
        mut waiting: VecDeque<Address>,
        mut known: HashSet<Address>,
    ) -> Vec<(Address, String)> {
        let mut found = Vec::new();
        while let Some(address) = waiting.pop_front() {
            if found.len() >= MAX_SEEN || !known.insert(address) {
                continue;
            }
            let Some(description) = self.description(address) else {
                continue;
            };
            waiting.extend(description.refers_to());
            found.push((address, description.name));
        }
        found
    }

    /// A type as its description says it.
    pub fn described_type(&self, address: Address) -> Option<TypeId> {
        let mut ids: HashMap<Address, TypeId> = HashMap::new();
        let mut waiting = VecDeque::from([address]);
        let first = self.types().declare();
        ids.insert(address, first);
        let mut read = 0;
        while let Some(address) = waiting.pop_front() {
            let id = ids[&address];
            let description = match self.description(address) {
                Some(description) if read < MAX_READ => description,
                None if id == first => return None,
                other => {
                    let mut unknown = Type::unknown(other.as_ref().map_or(0, |description| description.size));
                    if let Some(description) = other {
                        unknown.name = description.name;
                    }
                    self.types().define(id, unknown);
                    continue;
                }
            };
            read += 1;
            let mut of = |address: Address| {
                *ids.entry(address).or_insert_with(|| {
                    waiting.push_back(address);
                    self.types().declare()
                })
            };
            let kind = match description.form {
                Form::Plain(kind) => kind,
                Form::Pointer(target) => Kind::Pointer {
                    target: Some(of(target)),
                },
                Form::Slice(element) => Kind::Slice { element: of(element) },
                Form::Array(element, length) => Kind::Array {
                    element: of(element),
                    length,
                },
                Form::Map(key, value) => Kind::Map {
                    key: Some(of(key)),
                    value: Some(of(value)),
                },
                Form::Struct(fields) => Kind::Struct {
                    fields: fields
                        .into_iter()
                        .map(|(name, offset, ty, embedded)| Field {
                            name,
                            offset,
                            ty: of(ty),
                            embedded,
                        })
                        .collect(),
                },
            };
            let ty = Type {
                name: description.name,
                size: description.size,
                align: description.align,
                kind,
            };
            self.types().define(id, ty);
        }
        Some(first)
    }

    fn description(&self, address: Address) -> Option<Description> {
        let name = self.runtime_type_name(address)?;
        let common = self.image.relocated(address, COMMON_SIZE)?;
        let behind = address.plus(COMMON_SIZE as u64);
        let word = |n: u64| self.image.pointer(behind.plus(8 * n));
        let form = match u8_at(&common, KIND)? & KIND_MASK {
            1 => Form::Plain(Kind::Bool),
            2..=6 => Form::Plain(Kind::Int),
            7..=12 => Form::Plain(Kind::Uint),
            13 | 14 => Form::Plain(Kind::Float),
            15 | 16 => Form::Plain(Kind::Complex),
            17 => Form::Array(word(0)?, word(2)?.0),
            18 => Form::Plain(Kind::Chan),
            19 => Form::Plain(Kind::Func),
            20 => Form::Plain(Kind::Interface {
                empty: word(2)?.0 == 0,
            }),
            21 => Form::Map(word(0)?, word(1)?),
            22 => Form::Pointer(word(0)?),
            23 => Form::Slice(word(0)?),
            24 => Form::Plain(Kind::String),
            25 => Form::Struct(self.described_fields(word(1)?, word(2)?.0)?),
            26 => Form::Plain(Kind::Pointer { target: None }),
            _ => return None,
        };
        Some(Description {
            name,
            size: u64_at(&common, SIZE)?,
            align: u64::from(u8_at(&common, ALIGN)?),
            form,
        })
    }

    fn described_fields(&self, start: Address, count: u64) -> Option<Vec<(String, u64, Address, bool)>> {
        if count > MAX_FIELDS {
            return None;
        }
        let field = |n: u64| {
            let at = start.plus(n * FIELD_SIZE);
            let bytes = self.image.relocated(at, usize::try_from(FIELD_SIZE).ok()?)?;
            let (name, ty) = (Address(u64_at(&bytes, 0)?), Address(u64_at(&bytes, 8)?));
            let offset = u64_at(&bytes, 16)?;
            let (offset, embedded) = match self.version().at_least(19) {
                true => (offset, self.image.read(name, 1)?[0] & EMBEDDED != 0),
                false => (offset >> 1, offset & 1 != 0),
            };
            Some((self.described_name(name)?, offset, ty, embedded))
        };
        (0..count).map(field).collect()
    }
}

impl Description {
    fn refers_to(&self) -> Vec<Address> {
        match &self.form {
            Form::Plain(_) => Vec::new(),
            Form::Pointer(of) | Form::Slice(of) | Form::Array(of, _) => vec![*of],
            Form::Map(key, value) => vec![*key, *value],
            Form::Struct(fields) => fields.iter().map(|(_, _, ty, _)| *ty).collect(),
        }
    }
}

/// Other names that the standard library has for types of its own.
const ALIASES: [(&str, &str); 1] = [("os.PathError", "io/fs.PathError")];

/// Whether somebody who writes one name may mean the type that the program knows by another.
pub fn type_name_fits(written: &str, full: &str) -> bool {
    let full = full.replace("%2e", ".");
    let (bare, stars) = without_stars(written);
    let (bare_full, stars_full) = without_stars(&full);
    let is_alias = ALIASES.contains(&(bare, bare_full));
    // `a/b.T` has its last part behind the last slash that is not of type arguments.
    let end = bare_full.find('[').unwrap_or(bare_full.len());
    let last = bare_full[..end]
        .rfind('/')
        .map_or(bare_full, |slash| &bare_full[slash + 1..]);
    stars == stars_full && (is_alias || bare == bare_full || bare == last)
}

fn without_stars(name: &str) -> (&str, usize) {
    let bare = name.trim_start_matches('*');
    (bare, name.len() - bare.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_as_people_write_them() {
        for (written, full) in [
            ("*client.StatusError", "*github.com/acme/client.StatusError"),
            (
                "*github.com/acme/client.StatusError",
                "*github.com/acme/client.StatusError",
            ),
            ("main.Code", "main.Code"),
            ("*os.PathError", "*io/fs.PathError"),
            ("*fs.PathError", "*io/fs.PathError"),
            ("yaml.v3.Node", "gopkg.in/yaml%2ev3.Node"),
            ("string", "string"),
            ("list.List[a/b.T]", "x/list.List[a/b.T]"),
        ] {
            assert!(type_name_fits(written, full), "{written} {full}");
        }
        for (written, full) in [
            ("client.StatusError", "*github.com/acme/client.StatusError"),
            ("StatusError", "*github.com/acme/client.StatusError"),
            ("ent.T", "a/client.ent.T"),
            ("T", "main.T"),
        ] {
            assert!(!type_name_fits(written, full), "{written} {full}");
        }
    }
}
