//! One type: its fields, or what else a rule can reach behind a value of it.

use serde::Serialize;

use crate::go::types::{Kind, Type, Types};
use crate::go::{Binary, GoError};
use crate::resolve::facts::Access;
use crate::resolve::type_access;

/// A type of the program.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TypeFacts {
    /// Its name, with the import path of its package.
    pub name: String,
    /// What it is beneath its name: `struct`, `int`, `map`, ….
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// Bytes.
    pub align: u64,
    /// What a rule may do with a whole value.
    pub access: Access,
    /// Why not more than that.
    pub why: Option<String>,
    /// Of a struct.
    pub fields: Vec<FieldFacts>,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldFacts {
    /// Its name.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether its own fields are promoted.
    pub embedded: bool,
    /// What a rule may do with it.
    pub access: Access,
    /// Why not more than that.
    pub why: Option<String>,
}

impl TypeFacts {
    /// The type of a name; none if there is none, or the program has no types.
    pub(super) fn named(binary: &Binary, name: &str) -> Result<Option<TypeFacts>, GoError> {
        let Some(id) = binary.type_named(name)? else {
            return Ok(None);
        };
        let types = binary.types();
        let ty = types.get(id);
        let (access, why) = type_access(id, types);
        let fields = match &ty.kind {
            Kind::Struct { fields } => fields.as_slice(),
            _ => &[],
        };
        let fields = fields.iter().map(|field| {
            let of = types.get(field.ty);
            let (access, why) = type_access(field.ty, types);
            FieldFacts {
                name: field.name.clone(),
                offset: field.offset,
                size: of.size,
                type_name: of.name.clone(),
                embedded: field.embedded,
                access,
                why,
            }
        });
        Ok(Some(TypeFacts {
            name: name.to_owned(),
            kind: kind(ty, types),
            size: ty.size,
            align: ty.align,
            access,
            why,
            fields: fields.collect(),
        }))
    }
}

fn kind(ty: &Type, types: &Types) -> String {
    let name = |id| &types.get(id).name;
    match &ty.kind {
        Kind::Bool => "bool".to_owned(),
        Kind::Int => format!("int{}", ty.size * 8),
        Kind::Uint => format!("uint{}", ty.size * 8),
        Kind::Float => format!("float{}", ty.size * 8),
        Kind::Complex => format!("complex{}", ty.size * 8),
        Kind::String => "string".to_owned(),
        Kind::Slice { element } => format!("slice of {}", name(*element)),
        Kind::Array { element, length } => format!("array of {length} {}", name(*element)),
        Kind::Struct { .. } => "struct".to_owned(),
        Kind::Pointer { target: Some(target) } => format!("pointer to {}", name(*target)),
        Kind::Pointer { target: None } => "pointer".to_owned(),
        Kind::Interface { empty: true } => "empty interface".to_owned(),
        Kind::Interface { empty: false } => "interface".to_owned(),
        Kind::Map { .. } => "map".to_owned(),
        Kind::Chan => "channel".to_owned(),
        Kind::Func => "func".to_owned(),
        Kind::Unknown => "unknown".to_owned(),
    }
}
