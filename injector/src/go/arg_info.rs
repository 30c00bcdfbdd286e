//! What the compiler recorded of each function's parameters for stack traces.
//!
//! Since Go 1.17 every compiled function with parameters has a FUNCDATA that gives, for up to ten
//! scalar components, their home in the caller's frame and their size. It counts parameters without
//! a name like any other, so it proves (or refutes) a list of parameters that was read elsewhere.
//! Source: `EmitArgInfo` in `cmd/compile/internal/ssagen/ssa.go`, Go 1.19 to 1.27.

use std::fmt::{self, Display, Formatter};

use super::abi::Incoming;
use super::types::{Kind, TypeId, Types};

/// `FUNCDATA_ArgInfo`.
pub(super) const FUNCDATA: usize = 5;
/// Longer than any real one.
pub(super) const MAX_BYTES: usize = 256;

const END: u8 = 0xff;
const OPEN: u8 = 0xfe;
const CLOSE: u8 = 0xfd;
const MORE: u8 = 0xfc;
const FAR: u8 = 0xfb;
/// From here on bytes are operators, below they are offsets.
const SPECIAL: u8 = 0xf0;
const MAX_COMPONENTS: u32 = 10;
const MAX_DEPTH: u32 = 5;

/// The record of one function, without its end mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArgInfo {
    bytes: Vec<u8>,
}

/// One parameter in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) tree: Tree,
}

/// The form of a parameter, as far as the record has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// Home in the caller's frame, absent if too far for the record, and bytes.
    Scalar { offset: Option<u8>, size: u8 },
    /// A struct, an array, or what is like one: a string, slice, interface or complex number.
    Aggregate(Vec<Tree>),
    /// There is more, and the record does not say what.
    Cut,
}

impl Tree {
    /// Visits all scalars in order.
    pub(super) fn scalars(&self, visit: &mut dyn FnMut(Option<u8>, u8)) {
        match self {
            Tree::Scalar { offset, size } => visit(*offset, *size),
            Tree::Aggregate(parts) => parts.iter().for_each(|part| part.scalars(visit)),
            Tree::Cut => {}
        }
    }
}

/// Sizes in bytes, grouped as in Go's stack traces: `({8 8} 4 …)`.
impl Display for ArgInfo {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let trees = self.items().into_iter().map(|item| item.tree);
        f.write_str("(")?;
        write_all(f, &trees.collect::<Vec<_>>())?;
        f.write_str(if self.is_cut() { " …)" } else { ")" })
    }
}

impl Display for Tree {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Scalar { size, .. } => write!(f, "{size}"),
            Tree::Aggregate(parts) => {
                f.write_str("{")?;
                write_all(f, parts)?;
                f.write_str("}")
            }
            Tree::Cut => f.write_str("…"),
        }
    }
}

fn write_all(f: &mut Formatter<'_>, trees: &[Tree]) -> fmt::Result {
    for (i, tree) in trees.iter().enumerate() {
        write!(f, "{}{tree}", if i > 0 { " " } else { "" })?;
    }
    Ok(())
}

impl ArgInfo {
    /// Reads a record from the bytes at its address.
    pub(super) fn parse(bytes: &[u8]) -> Option<ArgInfo> {
        let mut at = 0;
        loop {
            match *bytes.get(at)? {
                END => {
                    return Some(ArgInfo {
                        bytes: bytes[..at].to_vec(),
                    });
                }
                offset if offset < SPECIAL => at += 2,
                OPEN | CLOSE | MORE | FAR => at += 1,
                _ => return None,
            }
        }
    }

    /// The record that parameters with these homes would get. `skip_first` leaves the first out, as
    /// the compiler does for functions with type arguments in their name.
    pub(super) fn of(types: &Types, homes: &[(Incoming, u64)], skip_first: bool) -> ArgInfo {
        let mut writer = Writer {
            types,
            bytes: Vec::new(),
            components: 0,
        };
        for (value, home) in homes.iter().skip(usize::from(skip_first)) {
            let go_on = match value {
                Incoming::Dictionary => writer.scalar_visit(8, *home),
                Incoming::Typed(ty) => writer.visit(*ty, *home, 0),
            };
            if !go_on {
                break;
            }
        }
        ArgInfo { bytes: writer.bytes }
    }

    /// Whether it stops before the last parameter.
    pub(super) fn is_cut(&self) -> bool {
        // A mark for more at the outermost level can only be the last byte: aggregates end in CLOSE.
        self.bytes.last() == Some(&MORE)
    }

    /// Its parameters one by one.
    pub(super) fn items(&self) -> Vec<Item> {
        let mut items = Vec::new();
        let mut at = 0;
        while let Some(tree) = self.tree(&mut at, 0) {
            if tree == Tree::Cut {
                break;
            }
            items.push(Item { tree });
        }
        items
    }

    fn tree(&self, at: &mut usize, depth: u32) -> Option<Tree> {
        let byte = *self.bytes.get(*at)?;
        *at += 1;
        Some(match byte {
            OPEN if depth <= MAX_DEPTH => {
                let mut parts = Vec::new();
                while self.bytes.get(*at).is_some_and(|&b| b != CLOSE) {
                    parts.push(self.tree(at, depth + 1)?);
                }
                *at += 1;
                Tree::Aggregate(parts)
            }
            FAR => Tree::Scalar {
                offset: None,
                size: 8,
            },
            offset if offset < SPECIAL => {
                let size = *self.bytes.get(*at)?;
                *at += 1;
                Tree::Scalar {
                    offset: Some(offset),
                    size,
                }
            }
            _ => Tree::Cut,
        })
    }
}

struct Writer<'t> {
    types: &'t Types,
    bytes: Vec<u8>,
    components: u32,
}

impl Writer<'_> {
    /// Writes a value; whether to go on after it.
    fn visit(&mut self, ty: TypeId, home: u64, depth: u32) -> bool {
        let t = self.types.get(ty);
        if !is_aggregate(&t.kind) {
            return self.scalar_visit(t.size, home);
        }
        if self.components >= MAX_COMPONENTS {
            self.bytes.push(MORE);
            return false;
        }
        self.bytes.push(OPEN);
        let depth = depth + 1;
        if depth >= MAX_DEPTH {
            self.bytes.extend([MORE, CLOSE]);
            self.components += 1;
            return true;
        }
        match &t.kind {
            Kind::String | Kind::Interface { .. } => self.words(2, home),
            Kind::Slice { .. } => self.words(3, home),
            Kind::Complex => {
                let half = t.size / 2;
                let _ = self.scalar_visit(half, home) && self.scalar_visit(half, home.saturating_add(half));
            }
            Kind::Array { length: 0, .. } => self.components += 1,
            Kind::Array { element, length } => {
                let size = self.types.get(*element).size;
                // The limit on components ends this early, except for elements without any size.
                for i in 0..*length {
                    let at = home.saturating_add(i.saturating_mul(size));
                    if !self.visit(*element, at, depth) {
                        break;
                    }
                }
            }
            Kind::Struct { fields } if fields.is_empty() => self.components += 1,
            Kind::Struct { fields } => {
                for field in fields {
                    if !self.visit(field.ty, home.saturating_add(field.offset), depth) {
                        break;
                    }
                }
            }
            _ => {}
        }
        self.bytes.push(CLOSE);
        true
    }

    fn words(&mut self, count: u64, home: u64) {
        for i in 0..count {
            if !self.scalar_visit(8, home.saturating_add(8 * i)) {
                break;
            }
        }
    }

    fn scalar_visit(&mut self, size: u64, home: u64) -> bool {
        if self.components >= MAX_COMPONENTS {
            self.bytes.push(MORE);
            return false;
        }
        match u8::try_from(home) {
            Ok(offset) if offset < SPECIAL => self.bytes.extend([offset, size as u8]),
            _ => self.bytes.push(FAR),
        }
        self.components += 1;
        true
    }
}

fn is_aggregate(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Struct { .. }
            | Kind::Array { .. }
            | Kind::Complex
            | Kind::Interface { .. }
            | Kind::String
            | Kind::Slice { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::types::{Field, Type};

    fn ty(types: &Types, size: u64, kind: Kind) -> TypeId {
        types.add(Type {
            name: String::new(),
            size,
            align: size.clamp(1, 8),
            kind,
        })
    }

    #[test]
    fn strings_and_structs_open_and_close() {
        let types = Types::default();
        let string = ty(&types, 16, Kind::String);
        let byte = ty(&types, 1, Kind::Uint);
        let field = |offset, ty| Field {
            name: "f".into(),
            offset,
            ty,
            embedded: false,
        };
        let pair = ty(
            &types,
            24,
            Kind::Struct {
                fields: vec![field(0, byte), field(8, string)],
            },
        );
        let info = ArgInfo::of(
            &types,
            &[(Incoming::Typed(byte), 0), (Incoming::Typed(pair), 8)],
            false,
        );
        assert_eq!(info.bytes, [0, 1, OPEN, 8, 1, OPEN, 16, 8, 24, 8, CLOSE, CLOSE]);
        assert_eq!(info.items().len(), 2);
        let scalar = |offset, size| Tree::Scalar {
            offset: Some(offset),
            size,
        };
        let inner = Tree::Aggregate(vec![scalar(16, 8), scalar(24, 8)]);
        assert_eq!(info.items()[1].tree, Tree::Aggregate(vec![scalar(8, 1), inner]));
        assert!(!info.is_cut());
    }

    #[test]
    fn eleven_words_are_cut_after_ten() {
        let types = Types::default();
        let word = ty(&types, 8, Kind::Int);
        let homes: Vec<_> = (0..11).map(|i| (Incoming::Typed(word), 8 * i)).collect();
        let info = ArgInfo::of(&types, &homes, false);
        assert!(info.is_cut());
        assert_eq!(info.items().len(), 10);
        assert!(!ArgInfo::of(&types, &homes, true).is_cut());
    }

    #[test]
    fn records_end_or_are_refused() {
        assert_eq!(
            ArgInfo::parse(&[0, 8, END, 7]),
            Some(ArgInfo { bytes: vec![0, 8] })
        );
        assert_eq!(ArgInfo::parse(&[0, 8]), None);
        assert_eq!(ArgInfo::parse(&[0xf5, END]), None);
        assert_eq!(ArgInfo::parse(&[]), None);
    }
}
