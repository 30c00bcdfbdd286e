//! Values in a call: where a parameter is, and where its fields and elements are.

use std::collections::{BTreeMap, BTreeSet};

use crate::go::MapLayout;
use crate::go::abi::{Part, Placement};
use crate::go::address::Address;
use crate::go::types::{Field, Kind, TypeId, Types};
use crate::plan::{Base, Edit, Element, Extend, MapKey, NamedRegister, Place, Source, Step};

/// Bytes of a machine word.
pub(super) const WORD: u64 = 8;

/// Maps that one path goes through.
const NESTED_MAPS: usize = 4;

/// A value in a call: its type, and where its bytes are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Located {
    /// Its type.
    pub(super) ty: TypeId,
    place: Whole,
}

#[derive(Clone, Debug, PartialEq)]
enum Whole {
    /// Scalar parts in registers.
    Parts(Vec<Part>),
    /// Bytes in a row. The offset is behind the last step, or behind the base if there is none.
    Bytes {
        base: Base,
        steps: Vec<Step>,
        offset: i64,
        /// Of [`Base::Element`].
        element: Option<Box<Element>>,
    },
}

/// Why there is no such value. The words are for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoSuchPlace {
    /// What is wrong.
    pub(super) message: String,
    /// What to write instead.
    pub(super) help: Option<String>,
}

impl NoSuchPlace {
    pub(super) fn new(message: impl Into<String>) -> NoSuchPlace {
        NoSuchPlace {
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> NoSuchPlace {
        self.help = Some(help.into());
        self
    }
}

impl Located {
    /// A parameter or result where the calling convention puts it.
    pub(super) fn new(ty: TypeId, placement: &Placement) -> Located {
        let place = match placement {
            Placement::Registers(parts) => Whole::Parts(parts.clone()),
            Placement::Stack { offset } => Whole::Bytes {
                base: Base::Stack(0),
                steps: Vec::new(),
                offset: i64::try_from(*offset).expect("frames are small"),
                element: None,
            },
        };
        Located { ty, place }
    }

    /// A value of a type at address 0: offsets within it are addresses.
    pub(super) fn at_start(ty: TypeId) -> Located {
        Located {
            ty,
            place: Whole::Bytes {
                base: Base::Absolute(Address(0)),
                steps: Vec::new(),
                offset: 0,
                element: None,
            },
        }
    }

    /// A package variable.
    pub(super) fn variable(ty: TypeId, address: Address) -> Located {
        Located {
            ty,
            place: Whole::Bytes {
                base: Base::Absolute(address),
                steps: Vec::new(),
                offset: 0,
                element: None,
            },
        }
    }

    /// A value that is made in the scratch memory.
    pub(super) fn in_scratch(ty: TypeId, offset: u32) -> Located {
        Located {
            ty,
            place: Whole::Bytes {
                base: Base::Scratch(offset),
                steps: Vec::new(),
                offset: 0,
                element: None,
            },
        }
    }

    /// A value in memory below a call's frame, so many bytes from the stack pointer at entry.
    pub(super) fn on_stack(ty: TypeId, offset: i64) -> Located {
        Located {
            ty,
            place: Whole::Bytes {
                base: Base::Stack(0),
                steps: Vec::new(),
                offset,
                element: None,
            },
        }
    }

    /// The part of it that starts `offset` bytes in and has type `ty`.
    pub(super) fn part(&self, offset: u64, ty: TypeId, types: &Types) -> Located {
        let place = match &self.place {
            Whole::Parts(parts) => {
                let end = offset + types.get(ty).size;
                let inside = parts.iter().filter(|part| (offset..end).contains(&part.offset));
                Whole::Parts(
                    inside
                        .map(|part| Part {
                            offset: part.offset - offset,
                            ..*part
                        })
                        .collect(),
                )
            }
            Whole::Bytes {
                base,
                steps,
                offset: start,
                element,
            } => Whole::Bytes {
                base: *base,
                steps: steps.clone(),
                element: element.clone(),
                offset: start + i64::try_from(offset).expect("values are small"),
            },
        };
        Located { ty, place }
    }

    /// The place of the scalar of `size` bytes that starts `offset` bytes in.
    pub(super) fn scalar(&self, offset: u64, size: u64) -> Option<Place> {
        match &self.place {
            Whole::Parts(parts) => {
                let part = parts
                    .iter()
                    .find(|part| part.offset == offset && u64::from(part.size) == size)?;
                Some(Place {
                    base: Base::Register(NamedRegister::of(part)),
                    steps: Vec::new(),
                    element: None,
                })
            }
            Whole::Bytes {
                base,
                steps,
                offset: start,
                element,
            } => {
                let offset = i32::try_from(start + i64::try_from(offset).ok()?).ok()?;
                let mut place = Place {
                    base: *base,
                    steps: steps.clone(),
                    element: element.clone(),
                };
                match (place.steps.last_mut(), &mut place.base) {
                    (Some(step), _) => step.offset = offset,
                    (None, Base::Stack(from) | Base::Element(from)) => *from = offset,
                    (None, Base::Absolute(address)) => {
                        address.0 = address.0.wrapping_add_signed(offset.into())
                    }
                    (None, Base::Scratch(start)) => *start = start.checked_add_signed(offset)?,
                    (None, Base::Register(_) | Base::Copy(_) | Base::Nowhere) => return None,
                }
                Some(place)
            }
        }
    }

    /// What the pointer that starts `offset` bytes in points at. With an index, the word behind the
    /// pointer is a length that must be more than it.
    pub(super) fn follow(
        &self,
        offset: u64,
        target: TypeId,
        target_offset: u64,
        index: Option<u32>,
    ) -> Result<Located, NoSuchPlace> {
        let place = self
            .scalar(offset, WORD)
            .ok_or_else(|| NoSuchPlace::new("its pointer is not in one place"))?;
        let mut steps = place.steps;
        if steps.len() == goinject_probes::table::STEPS {
            return Err(NoSuchPlace::new(format!(
                "the path follows more than {} pointers, which goinject does not",
                goinject_probes::table::STEPS
            )));
        }
        steps.push(Step { offset: 0, index });
        let too_far = |_| NoSuchPlace::new("the element is more than 2 GiB from its start");
        let offset = i64::from(i32::try_from(target_offset).map_err(too_far)?);
        Ok(Located {
            ty: target,
            place: Whole::Bytes {
                base: place.base,
                steps,
                offset,
                element: place.element,
            },
        })
    }

    /// The element with a key, if this is a map.
    pub(super) fn element(&self, key: MapKey, ty: TypeId, layout: MapLayout) -> Result<Located, NoSuchPlace> {
        let no_place = || NoSuchPlace::new("its pointer is not in one place");
        let map = self.scalar(0, WORD).ok_or_else(no_place)?;
        let element = Element { map, key, layout };
        if element.chain().len() > NESTED_MAPS {
            return Err(NoSuchPlace::new(format!(
                "the path goes through more than {NESTED_MAPS} maps, which goinject does not"
            )));
        }
        Ok(Located {
            ty,
            place: Whole::Bytes {
                base: Base::Element(0),
                steps: Vec::new(),
                offset: 0,
                element: Some(Box::new(element)),
            },
        })
    }

    /// Where it is, if it is a whole element of a map.
    pub(super) fn element_place(&self) -> Option<Place> {
        match &self.place {
            Whole::Bytes {
                base: base @ Base::Element(0),
                steps,
                offset: 0,
                element,
            } if steps.is_empty() => Some(Place {
                base: *base,
                steps: Vec::new(),
                element: element.clone(),
            }),
            _ => None,
        }
    }

    /// What is found before its words can be written; an error if they are in a map's own memory.
    pub(super) fn finds(&self) -> Result<Vec<Edit>, NoSuchPlace> {
        let Whole::Bytes {
            element: Some(element),
            steps,
            ..
        } = &self.place
        else {
            return Ok(Vec::new());
        };
        if steps.is_empty() {
            return Err(NoSuchPlace::new(
                "elements of a map cannot be overwritten: Go moves them as the map grows",
            )
            .help("set what an element points at, or change the value where the program reads it"));
        }
        let find = |element: &Element| Edit {
            place: element.map.clone(),
            size: 8,
            extend: Extend::Zero,
            source: Source::Find(Box::new(element.clone())),
            pointer: false,
        };
        Ok(element.chain().into_iter().map(find).collect())
    }

    /// The value that it points at, as often as it is a pointer: Go's own automatic dereference.
    pub(super) fn dereferenced(mut self, types: &Types) -> Result<Located, NoSuchPlace> {
        while let Kind::Pointer { target } = types.get(self.ty).kind {
            let target = target
                .ok_or_else(|| NoSuchPlace::new("it is an unsafe.Pointer, which points at no known type"))?;
            self = self.follow(0, target, 0, None)?;
        }
        Ok(self)
    }

    /// A field by its name, promoted ones included.
    pub(super) fn field(&self, name: &str, types: &Types) -> Result<Option<Located>, NoSuchPlace> {
        let path = match find_field(self.ty, name, types).as_slice() {
            [] => return Ok(None),
            [path] => path.clone(),
            [path, other, ..] => return Err(ambiguous(name, path, other)),
        };
        let mut at = self.clone();
        for field in path {
            at = at.dereferenced(types)?;
            at = at.part(field.offset, field.ty, types);
        }
        Ok(Some(at))
    }
}

/// The ways to a field: itself, or through embedded structs. Of those the shallowest count, as Go selects it; where there
/// are two of them, Go takes neither.
fn find_field(ty: TypeId, name: &str, types: &Types) -> Vec<Vec<Field>> {
    /// More than one way to a struct is told from one, and no more.
    const WAYS: usize = 2;
    let mut level: BTreeMap<TypeId, Vec<Vec<Field>>> = BTreeMap::from([(ty, vec![Vec::new()])]);
    let mut seen = BTreeSet::from([ty]);
    while !level.is_empty() {
        let mut found = Vec::new();
        let mut next: BTreeMap<TypeId, Vec<Vec<Field>>> = BTreeMap::new();
        for (ty, paths) in level {
            for field in fields_of(ty, types) {
                let ways = paths
                    .iter()
                    .map(|path| [path.as_slice(), std::slice::from_ref(field)].concat());
                if field.name == name {
                    found.extend(ways);
                } else if field.embedded && !seen.contains(&field.ty) {
                    let known = next.entry(field.ty).or_default();
                    known.extend(ways.take(WAYS - known.len()));
                }
            }
        }
        if !found.is_empty() {
            return found;
        }
        seen.extend(next.keys());
        level = next;
    }
    Vec::new()
}

/// A way to a field, as Go code writes it.
fn written(path: &[Field]) -> String {
    let names: Vec<&str> = path.iter().map(|field| field.name.as_str()).collect();
    names.join(".")
}

/// A name that is that of two fields at the same depth.
fn ambiguous(name: &str, path: &[Field], other: &[Field]) -> NoSuchPlace {
    let (path, other) = (written(path), written(other));
    NoSuchPlace::new(format!("`{name}` is ambiguous: it is `{path}` or `{other}`"))
        .help("name the embedded struct that it is in, as Go code has to")
}

/// The fields of a struct, or of the struct that a pointer leads to.
pub(super) fn fields_of(mut ty: TypeId, types: &Types) -> &[Field] {
    // A pointer may lead to itself (`type T *T`), and no path follows more than these.
    for _ in 0..=goinject_probes::table::STEPS {
        match &types.get(ty).kind {
            Kind::Struct { fields } => return fields,
            Kind::Pointer { target: Some(target) } => ty = *target,
            _ => return &[],
        }
    }
    &[]
}

/// Whether a pointer leads to itself in the end, and to nothing else: `type T *T`.
pub(super) fn is_endless(mut ty: TypeId, types: &Types) -> bool {
    let mut seen = Vec::new();
    while let Kind::Pointer { target: Some(target) } = types.get(ty).kind {
        if seen.contains(&ty) {
            return true;
        }
        seen.push(ty);
        ty = target;
    }
    false
}

/// The names that may stand behind a value of this type: its fields, promoted ones included.
pub(super) fn field_names(ty: TypeId, types: &Types) -> Vec<String> {
    let mut names = Vec::new();
    let mut waiting = vec![ty];
    let mut seen = vec![ty];
    while let Some(ty) = waiting.pop() {
        for field in fields_of(ty, types) {
            names.push(field.name.clone());
            if field.embedded && !seen.contains(&field.ty) {
                seen.push(field.ty);
                waiting.push(field.ty);
            }
        }
    }
    names.retain(|name| name != "_");
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::types::Type;

    /// A struct of fields, each with its type and whether it is embedded.
    fn made(types: &Types, fields: &[(&str, TypeId, bool)]) -> TypeId {
        let field = |(n, (name, ty, embedded)): (usize, &(&str, TypeId, bool))| Field {
            name: (*name).to_owned(),
            offset: n as u64 * WORD,
            ty: *ty,
            embedded: *embedded,
        };
        let fields: Vec<Field> = fields.iter().enumerate().map(field).collect();
        types.add(Type {
            name: "main.T".to_owned(),
            size: fields.len() as u64 * WORD,
            align: WORD,
            kind: Kind::Struct { fields },
        })
    }

    fn found(ty: TypeId, name: &str, types: &Types) -> Vec<String> {
        let ways = find_field(ty, name, types);
        ways.iter().map(|path| written(path)).collect()
    }

    #[test]
    fn fields_are_selected_as_go_does() {
        let types = Types::default();
        let word = types.add(Type {
            name: "int".to_owned(),
            size: WORD,
            align: WORD,
            kind: Kind::Int,
        });
        let inner = made(&types, &[("ID", word, false), ("Deep", word, false)]);
        let left = made(&types, &[("ID", word, false), ("Inner", inner, true)]);
        let right = made(
            &types,
            &[("ID", word, false), ("Inner", inner, true), ("Only", word, false)],
        );
        let both = made(&types, &[("Left", left, true), ("Right", right, true)]);
        assert_eq!(found(both, "Only", &types), ["Right.Only"]);
        assert_eq!(found(both, "ID", &types), ["Left.ID", "Right.ID"]);
        // One struct, but embedded in two.
        assert_eq!(
            found(both, "Deep", &types),
            ["Left.Inner.Deep", "Right.Inner.Deep"]
        );
        assert_eq!(found(left, "ID", &types), ["ID"], "the shallowest");
        assert_eq!(found(left, "Deep", &types), ["Inner.Deep"]);
        assert!(found(both, "None", &types).is_empty());
        let own = made(
            &types,
            &[("Left", left, true), ("Right", right, true), ("ID", word, false)],
        );
        assert_eq!(found(own, "ID", &types), ["ID"], "hides both");
    }
}
