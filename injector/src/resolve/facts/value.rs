//! The values of a call: where they are, and what a rule may do with them.

use serde::Serialize;

use crate::go::abi::Layout;
use crate::go::types::{Kind, Signature, TypeId, Types, Variable};
use crate::plan::Place;
use crate::resolve::place::{Located, WORD, fields_of};

/// So many fields and elements of a value are listed.
const LISTED: usize = 24;

/// A receiver, parameter or result, or a field of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Value {
    /// What it is to the call.
    pub role: Role,
    /// As a rule names it: `key`, `args[1]`, `recv`, `r.limit`.
    pub path: String,
    /// Its Go type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Bytes.
    pub size: u64,
    /// Where its words are; empty where its fields tell that, and for values without bytes.
    pub parts: Vec<Part>,
    /// What a rule may do with it.
    pub access: Access,
    /// Why not more than that; absent if it can be set.
    pub why: Option<String>,
    /// Its own fields and elements, those behind a pointer included; one level only.
    pub fields: Vec<Value>,
    /// Fields and elements beyond those.
    pub more_fields: usize,
}

/// What a value is to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Of a method; in place at entry.
    Receiver,
    /// In place at entry.
    Parameter,
    /// In place at return.
    Result,
}

/// A word of a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// `pointer`, `length`, `capacity`, `type`, `itab`, `data`, `real`, `imaginary`; empty for values of one word.
    pub name: &'static str,
    /// A register or a place on the stack, perhaps behind pointers.
    pub place: String,
    /// Bytes.
    pub size: u64,
}

/// What a rule may do with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// It may stand in `set` and in `if`.
    Set,
    /// It may stand in `if`.
    Observe,
    /// Its fields or elements may.
    Fields,
    /// Nothing.
    Neither,
}

/// The values of one function.
pub(super) struct Values<'a> {
    pub(super) signature: &'a Signature,
    pub(super) layout: &'a Layout,
    pub(super) types: &'a Types,
    /// Why no rule can act on the function.
    pub(super) unreachable: Option<&'a str>,
    /// Why results can't be reached.
    pub(super) no_results: Option<String>,
}

impl Values<'_> {
    pub(super) fn list(&self) -> Vec<Value> {
        let mut all = Vec::new();
        if let (Some(variable), Some(placement)) = (&self.signature.receiver, &self.layout.receiver) {
            let path = variable.name.clone().unwrap_or_else(|| "recv".to_owned());
            all.push(self.whole(Role::Receiver, path, &Located::new(variable.ty, placement)));
        }
        let ends = [
            (
                Role::Parameter,
                "args",
                &self.signature.parameters,
                &self.layout.parameters,
            ),
            (
                Role::Result,
                "results",
                &self.signature.results,
                &self.layout.results,
            ),
        ];
        for (role, list, variables, placements) in ends {
            let captured = match role {
                Role::Parameter => self.signature.captured,
                _ => 0,
            };
            for (n, (variable, placement)) in variables.iter().zip(placements).enumerate() {
                // One without a name is a pointer to what the closure captures, and no rule can name it.
                let Some(path) = path(variable, list, n.checked_sub(captured)) else {
                    continue;
                };
                all.push(self.whole(role, path, &Located::new(variable.ty, placement)));
            }
        }
        all
    }

    /// A value with its fields.
    fn whole(&self, role: Role, path: String, located: &Located) -> Value {
        let mut value = self.one(role, path, located);
        let inner = self.inner(&value.path, located);
        value.more_fields = inner.len().saturating_sub(LISTED);
        value.fields = inner
            .into_iter()
            .take(LISTED)
            .map(|(path, located)| self.one(role, path, &located))
            .collect();
        value.fields.extend(self.counts(&value, located));
        value
    }

    /// What the runtime counts of a map or channel.
    fn counts(&self, value: &Value, located: &Located) -> Vec<Value> {
        let names: &[(&str, u64)] = match self.types.get(located.ty).kind {
            Kind::Map { .. } => &[("len", 0)],
            Kind::Chan => &[("len", 0), ("cap", WORD)],
            _ => &[],
        };
        let counts = names.iter().filter_map(|(name, offset)| {
            let place = located
                .follow(0, located.ty, *offset, None)
                .ok()?
                .scalar(0, WORD)?;
            let (access, why) = match value.access {
                Access::Neither => (Access::Neither, value.why.clone()),
                _ => (
                    Access::Observe,
                    Some("it is not part of the value itself".to_owned()),
                ),
            };
            Some(Value {
                role: value.role,
                path: format!("{}.{name}", value.path),
                type_name: "int".to_owned(),
                size: WORD,
                parts: vec![Part {
                    name: "",
                    place: place.to_string(),
                    size: WORD,
                }],
                access,
                why,
                fields: Vec::new(),
                more_fields: 0,
            })
        });
        counts.collect()
    }

    fn one(&self, role: Role, path: String, located: &Located) -> Value {
        let ty = self.types.get(located.ty);
        let (access, why) = self.access(role, located.ty);
        Value {
            role,
            path,
            type_name: ty.name.clone(),
            size: ty.size,
            parts: parts(located, self.types),
            access,
            why,
            fields: Vec::new(),
            more_fields: 0,
        }
    }

    fn access(&self, role: Role, ty: TypeId) -> (Access, Option<String>) {
        if let Some(why) = self.unreachable {
            return (Access::Neither, Some(why.to_owned()));
        }
        if let (Role::Result, Some(why)) = (role, &self.no_results) {
            return (Access::Neither, Some(why.clone()));
        }
        access(ty, self.types)
    }

    /// Fields of a struct or of what a pointer leads to, elements of an array.
    fn inner(&self, path: &str, located: &Located) -> Vec<(String, Located)> {
        let ty = self.types.get(located.ty);
        if let Kind::Array { length, element } = &ty.kind {
            let size = self.types.get(*element).size;
            return (0..(*length).min(LISTED as u64 + 1))
                .map(|n| {
                    (
                        format!("{path}[{n}]"),
                        located.part(n * size, *element, self.types),
                    )
                })
                .collect();
        }
        fields_of(located.ty, self.types)
            .iter()
            .filter(|field| field.name != "_")
            .filter_map(|field| {
                let at = located.field(&field.name, self.types).ok()??;
                Some((format!("{path}.{}", field.name), at))
            })
            .collect()
    }
}

fn path(variable: &Variable, list: &str, n: Option<usize>) -> Option<String> {
    variable.name.clone().or_else(|| Some(format!("{list}[{}]", n?)))
}

/// What a rule may do with a value of a type, as far as the type goes.
pub(crate) fn access(ty: TypeId, types: &Types) -> (Access, Option<String>) {
    let unknown = || {
        (
            Access::Neither,
            Some("its type is not known; `signature` says it".to_owned()),
        )
    };
    match &types.get(ty).kind {
        _ if types.get(ty).is_gap() => unknown(),
        Kind::Struct { fields } if fields.is_empty() => (Access::Neither, Some("it has no bytes".to_owned())),
        Kind::Array { length: 0, .. } => (Access::Neither, Some("it has no bytes".to_owned())),
        Kind::Struct { .. } | Kind::Array { .. } => (Access::Fields, None),
        Kind::Unknown => unknown(),
        _ => (Access::Set, None),
    }
}

/// The words of a value, where they are.
fn parts(located: &Located, types: &Types) -> Vec<Part> {
    let ty = types.get(located.ty);
    let word = |n: u64, name| (name, n * WORD, WORD);
    let half = ty.size / 2;
    let wanted: Vec<(&'static str, u64, u64)> = match &ty.kind {
        Kind::Bool | Kind::Int | Kind::Uint | Kind::Float => vec![("", 0, ty.size)],
        Kind::Pointer { .. } | Kind::Map { .. } | Kind::Chan | Kind::Func => vec![word(0, "")],
        Kind::String => vec![word(0, "pointer"), word(1, "length")],
        Kind::Slice { .. } => vec![word(0, "pointer"), word(1, "length"), word(2, "capacity")],
        Kind::Interface { empty: true } => vec![word(0, "type"), word(1, "data")],
        Kind::Interface { empty: false } => vec![word(0, "itab"), word(1, "data")],
        Kind::Complex => vec![("real", 0, half), ("imaginary", half, half)],
        Kind::Struct { .. } | Kind::Array { .. } | Kind::Unknown => Vec::new(),
    };
    wanted
        .into_iter()
        .filter_map(|(name, offset, size)| {
            let place: Place = located.scalar(offset, size)?;
            Some(Part {
                name,
                place: place.to_string(),
                size,
            })
        })
        .collect()
}
