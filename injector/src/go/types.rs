//! Go types, as far as their memory layout and their names go.
//!
//! Types refer to each other (a struct holds a pointer to itself), so they live in one [`Types`]
//! arena and are named by [`TypeId`]. The sources are DWARF and the signatures of rule files.

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
#[derive(Clone, Debug, Default)]
pub struct Types {
    types: Vec<Type>,
}

impl Types {
    /// Looks a type up.
    pub fn get(&self, id: TypeId) -> &Type {
        &self.types[id.0 as usize]
    }

    /// Adds a type.
    pub fn add(&mut self, ty: Type) -> TypeId {
        self.types.push(ty);
        TypeId(u32::try_from(self.types.len() - 1).expect("fewer than 2^32 types"))
    }

    /// Replaces a type that was added as a placeholder because it refers to itself.
    pub fn set(&mut self, id: TypeId, ty: Type) {
        self.types[id.0 as usize] = ty;
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
    /// Results.
    pub results: Vec<Variable>,
}

/// A receiver, parameter or result.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its Go name; absent if unnamed, blank or invented by the compiler (`~r0`).
    pub name: Option<String>,
    /// Its type.
    pub ty: TypeId,
}
