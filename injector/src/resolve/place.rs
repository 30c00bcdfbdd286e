//! Values in a call: where a parameter is, and where its fields and elements are.

use crate::go::abi::{Part, Placement};
use crate::go::address::Address;
use crate::go::types::{Field, Kind, TypeId, Types};
use crate::plan::{Base, NamedRegister, Place, Step};

/// Bytes of a machine word.
pub(super) const WORD: u64 = 8;

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
            } => Whole::Bytes {
                base: *base,
                steps: steps.clone(),
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
                })
            }
            Whole::Bytes {
                base,
                steps,
                offset: start,
            } => {
                let offset = i32::try_from(start + i64::try_from(offset).ok()?).ok()?;
                let mut place = Place {
                    base: *base,
                    steps: steps.clone(),
                };
                match (place.steps.last_mut(), &mut place.base) {
                    (Some(step), _) => step.offset = offset,
                    (None, Base::Stack(from_stack_pointer)) => *from_stack_pointer = offset,
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
            },
        })
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
        let Some(path) = find_field(self.ty, name, types) else {
            return Ok(None);
        };
        let mut at = self.clone();
        for field in path {
            at = at.dereferenced(types)?;
            at = at.part(field.offset, field.ty, types);
        }
        Ok(Some(at))
    }
}

/// The way to a field: itself, or through embedded structs, the shallowest first, as Go selects it.
fn find_field(ty: TypeId, name: &str, types: &Types) -> Option<Vec<Field>> {
    let mut level: Vec<(TypeId, Vec<Field>)> = vec![(ty, Vec::new())];
    let mut seen = Vec::new();
    while !level.is_empty() {
        let mut next = Vec::new();
        for (ty, path) in level {
            let fields = fields_of(ty, types);
            if let Some(field) = fields.iter().find(|field| field.name == name) {
                return Some([path, vec![field.clone()]].concat());
            }
            for field in fields.iter().filter(|field| field.embedded) {
                if seen.contains(&field.ty) {
                    continue;
                }
                seen.push(field.ty);
                next.push((field.ty, [path.clone(), vec![field.clone()]].concat()));
            }
        }
        level = next;
    }
    None
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
