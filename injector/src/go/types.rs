//! Go types, as far as their memory layout and their names go.
//!
//! Types refer to each other (a struct holds a pointer to itself), so they live in one [`Types`]
//! arena and are named by [`TypeId`]. The sources are DWARF and the signatures of rule files.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A type in a [`Types`] arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub(super) u32);

/// One Go type.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// As Go prints it: `int`, `*net/http.Request`, `[]uint8`, `time.Duration`.
    pub name: String,
    /// Bytes in memory.
    pub size: u64,
    /// Bytes.
    pub align: u64,
    /// What it is beneath all names.
    pub kind: Kind,
}

/// What a type is beneath its name.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `bool`.
    Bool,
    /// `int`, `int8` … `int64`.
    Int,
    /// `uint`, `uint8` … `uint64`, `uintptr`.
    Uint,
    /// `float32`, `float64`.
    Float,
    /// `complex64`, `complex128`.
    Complex,
    /// Pointer and length.
    String,
    /// Pointer, length and capacity.
    Slice {
        /// Element type.
        element: TypeId,
    },
    /// Elements one after another.
    Array {
        /// Element type.
        element: TypeId,
        /// How many.
        length: u64,
    },
    /// Fields in order.
    Struct {
        /// The fields; padding is implied by the offsets. Blank fields are listed.
        fields: Vec<Field>,
    },
    /// `*T`; also `unsafe.Pointer`, whose target is absent.
    Pointer {
        /// What it points at.
        target: Option<TypeId>,
    },
    /// Two words. `error` and every interface with methods have a pointer to an itab first,
    /// the empty interface a pointer to a type.
    Interface {
        /// Whether it is the empty interface.
        empty: bool,
    },
    /// One word: pointer to the runtime's map header.
    Map {
        /// Key type.
        key: Option<TypeId>,
        /// Value type.
        value: Option<TypeId>,
    },
    /// One word.
    Chan,
    /// One word: pointer to a closure.
    Func,
    /// A type the source does not describe; the size is known, nothing else.
    Unknown,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name; `_` if blank; the type's base name if embedded.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Its type.
    pub ty: TypeId,
    /// Whether its own fields are promoted.
    pub embedded: bool,
}

/// All types known of one binary.
///
/// Types are only ever added, so everything works through a shared reference and what
/// [`get`](Types::get) returns stays valid while more types come in. Types of a binary are read from
/// its debug information when they are first asked for: a signature with one `*http.Request` must
/// not cost the thousands of types that can be reached from it.
#[derive(Clone, Default)]
pub struct Types {
    arena: Arena,
    source: Option<Arc<dyn TypeSource>>,
}

/// Where types come from that are in an arena and not read yet.
pub(super) trait TypeSource: Send + Sync {
    /// Reads the type that has this key in the source.
    fn load(&self, types: &Types, key: u64) -> Type;
}

impl Types {
    /// Looks a type up.
    pub fn get(&self, id: TypeId) -> &Type {
        let slot = self.arena.slot(id.0);
        if let Some(ty) = slot.value.get() {
            return ty;
        }
        let loaded = match (&self.source, slot.key.get()) {
            (Some(source), Some(&key)) => source.load(self, key),
            _ => Type::unknown(0),
        };
        // Another thread may have been quicker; both read the same.
        slot.value.get_or_init(|| loaded)
    }

    /// Adds a type.
    pub fn add(&self, ty: Type) -> TypeId {
        let id = self.arena.reserve();
        let _ = self.arena.slot(id).value.set(ty);
        TypeId(id)
    }

    /// Makes room for a type that others refer to before it is known. It must be defined before it is looked up.
    pub(super) fn declare(&self) -> TypeId {
        TypeId(self.arena.reserve())
    }

    /// Says what a declared type is.
    pub(super) fn define(&self, id: TypeId, ty: Type) {
        let _ = self.arena.slot(id.0).value.set(ty);
    }

    /// Replaces a type that was added as a placeholder because it refers to itself.
    pub fn set(&mut self, id: TypeId, ty: Type) {
        let slot = self.arena.slot_mut(id.0);
        slot.value = OnceLock::from(ty);
    }

    /// The key in the source of a type that is read from there.
    pub(super) fn key(&self, id: TypeId) -> Option<u64> {
        self.arena.slot(id.0).key.get().copied()
    }

    /// An arena whose types are read from a source by their keys there.
    pub(super) fn from_source(source: Arc<dyn TypeSource>) -> Types {
        Types {
            arena: Arena::default(),
            source: Some(source),
        }
    }

    /// The type that has this key in the source; it is read when it is first looked up.
    pub(super) fn by_key(&self, key: u64) -> TypeId {
        let mut ids = self.arena.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ids.entry(key).or_insert_with(|| {
            let id = self.arena.reserve();
            let _ = self.arena.slot(id).key.set(key);
            id
        });
        TypeId(*id)
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = (0..self.arena.len()).filter_map(|i| self.arena.slot(i).value.get());
        f.debug_list().entries(known).finish()
    }
}

impl Type {
    /// A type of which only the size is known.
    pub(super) fn unknown(size: u64) -> Type {
        let align = if size.is_power_of_two() { size.min(8) } else { 1 };
        Type {
            name: "?".to_owned(),
            size,
            align,
            kind: Kind::Unknown,
        }
    }

    /// Whether it stands for a type that the compiler did not tell, whatever `kind` says of its form.
    pub fn is_gap(&self) -> bool {
        self.name == "?"
    }
}

/// Slots that never move: buckets of doubling size.
struct Arena {
    buckets: [OnceLock<Box<[Slot]>>; BUCKETS],
    length: AtomicU32,
    ids: Mutex<HashMap<u64, u32>>,
}

#[derive(Clone, Default)]
struct Slot {
    key: OnceLock<u64>,
    value: OnceLock<Type>,
}

const FIRST_BUCKET: u32 = 64;
/// Together 2^32 - 64 slots.
const BUCKETS: usize = 26;

impl Arena {
    fn len(&self) -> u32 {
        self.length.load(Ordering::Acquire)
    }

    fn reserve(&self) -> u32 {
        let id = self.length.fetch_add(1, Ordering::AcqRel);
        let (bucket, _) = place(id);
        self.buckets[bucket].get_or_init(|| vec![Slot::default(); (FIRST_BUCKET << bucket) as usize].into());
        id
    }

    fn slot(&self, id: u32) -> &Slot {
        let (bucket, index) = place(id);
        let slots = self.buckets[bucket].get().expect("a type id of this arena");
        &slots[index]
    }

    fn slot_mut(&mut self, id: u32) -> &mut Slot {
        let (bucket, index) = place(id);
        let slots = self.buckets[bucket].get_mut().expect("a type id of this arena");
        &mut slots[index]
    }
}

/// The bucket of a slot and the place in it.
fn place(id: u32) -> (usize, usize) {
    let shifted = u64::from(id) + u64::from(FIRST_BUCKET);
    let bucket = shifted.ilog2() - FIRST_BUCKET.ilog2();
    (
        bucket as usize,
        (shifted - (u64::from(FIRST_BUCKET) << bucket)) as usize,
    )
}

impl Default for Arena {
    fn default() -> Arena {
        Arena {
            buckets: std::array::from_fn(|_| OnceLock::new()),
            length: AtomicU32::new(0),
            ids: Mutex::default(),
        }
    }
}

impl Clone for Arena {
    fn clone(&self) -> Arena {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Arena {
            buckets: self.buckets.clone(),
            length: AtomicU32::new(self.len()),
            ids: Mutex::new(ids),
        }
    }
}

/// The parameters and results of a function, in declaration order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signature {
    /// The receiver of a method.
    pub receiver: Option<Variable>,
    /// The hidden dictionary of a generic shape function stands after the receiver (or first of all in Go 1.18 and 1.19).
    pub dictionary: bool,
    /// Parameters, receiver and dictionary not counted.
    pub parameters: Vec<Variable>,
    /// So many of the parameters, the first ones, are variables that a closure captures: one that is called where it
    /// stands gets them like parameters. Positions are counted behind them.
    pub captured: usize,
    /// Results.
    pub results: Vec<Variable>,
    /// Which parameter is the first, the second and so on cannot be told: names are right, positions (`args[2]`) may
    /// not be.
    pub positions_uncertain: Option<Uncertain>,
}

/// Why positions of parameters cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncertain {
    /// The compiler left out parameters without a name, and not how many: in programs built by Go before 1.22.
    Unlisted,
    /// The first parameters may be variables that the closure captures.
    Captured,
}

impl Uncertain {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Uncertain::Unlisted => "parameters without a name are not all recorded",
            Uncertain::Captured => {
                "a closure that is called where it stands gets what it captures as its first parameters, and which these \
                 are cannot be told here"
            }
        }
    }
}

impl Signature {
    /// The parameters that are declared: what positions count.
    pub fn declared(&self) -> &[Variable] {
        self.parameters.get(self.captured..).unwrap_or_default()
    }

    /// The variables that a closure gets as its first parameters.
    pub fn captures(&self) -> &[Variable] {
        self.parameters.get(..self.captured).unwrap_or_default()
    }
}

/// A receiver, parameter or result.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its Go name; absent if unnamed, blank or invented by the compiler (`~r0`).
    pub name: Option<String>,
    /// Its type.
    pub ty: TypeId,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Type {
        Type {
            name: name.to_owned(),
            size: 8,
            align: 8,
            kind: Kind::Int,
        }
    }

    #[test]
    fn references_stay_valid_while_types_are_added() {
        let types = Types::default();
        let first = types.add(named("first"));
        let kept = types.get(first);
        let ids: Vec<_> = (0..1000).map(|i| types.add(named(&i.to_string()))).collect();
        assert_eq!(kept.name, "first");
        assert!(
            ids.iter()
                .enumerate()
                .all(|(i, id)| types.get(*id).name == i.to_string())
        );
    }

    #[test]
    fn a_placeholder_is_replaced() {
        let mut types = Types::default();
        let id = types.add(named("placeholder"));
        types.set(
            id,
            Type {
                kind: Kind::Pointer { target: Some(id) },
                ..named("*T")
            },
        );
        assert_eq!(types.get(id).name, "*T");
        assert_eq!(types.clone().get(id), types.get(id));
    }

    #[test]
    fn types_of_a_source_are_read_once_and_may_refer_to_themselves() {
        struct Squares(AtomicU32);
        impl TypeSource for Squares {
            fn load(&self, types: &Types, key: u64) -> Type {
                self.0.fetch_add(1, Ordering::Relaxed);
                let target = Some(types.by_key(key));
                Type {
                    kind: Kind::Pointer { target },
                    ..named(&(key * key).to_string())
                }
            }
        }
        let source = Arc::new(Squares(AtomicU32::new(0)));
        let types = Types::from_source(source.clone());
        let id = types.by_key(12);
        assert_eq!(types.by_key(12), id);
        assert_eq!(types.get(id).name, "144");
        assert_eq!(types.get(id).kind, Kind::Pointer { target: Some(id) });
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn places_fill_the_buckets_without_gaps() {
        assert_eq!(
            (place(0), place(63), place(64), place(191)),
            ((0, 0), (0, 63), (1, 0), (1, 127))
        );
        assert_eq!(place(u32::MAX - 64).0, BUCKETS - 1);
    }
}
