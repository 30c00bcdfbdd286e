//! Signatures as a rule file gives them for a program without types, from one that has them.

use goinject::go::types::{Kind, Signature, TypeId, Types, Variable};
use goinject::go::{Binary, Function};

/// How many pointers a written type follows: further ones, such as the next node of a list, are to `struct{}`.
const POINTERS: usize = 4;

/// The signature of a function, its receiver first and every type by its structure. `None` where the binary has none.
#[must_use]
pub fn written(binary: &Binary, function: &Function) -> Option<String> {
    let signature: Signature = binary.signature(function).ok()??;
    let writer = Writer {
        types: binary.types(),
    };
    let parameters: Vec<&Variable> = signature.receiver.iter().chain(&signature.parameters).collect();
    let results: Vec<&Variable> = signature.results.iter().collect();
    Some(format!(
        "func{} {}",
        writer.list(&parameters),
        writer.list(&results)
    ))
}

struct Writer<'t> {
    types: &'t Types,
}

impl Writer<'_> {
    fn list(&self, variables: &[&Variable]) -> String {
        let all_unnamed = variables.iter().all(|variable| variable.name.is_none());
        let one = |variable: &&Variable| match all_unnamed {
            true => self.ty(variable.ty, POINTERS),
            false => format!(
                "{} {}",
                variable.name.as_deref().unwrap_or("_"),
                self.ty(variable.ty, POINTERS)
            ),
        };
        let all: Vec<String> = variables.iter().map(one).collect();
        format!("({})", all.join(", "))
    }

    fn ty(&self, id: TypeId, pointers: usize) -> String {
        let ty = self.types.get(id);
        let bits = ty.size * 8;
        match &ty.kind {
            // A type that every program may have, and that signatures know by its name.
            Kind::Int if ty.name == "time.Duration" => ty.name.clone(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int if ty.name == "int" => "int".to_owned(),
            Kind::Uint if ["uint", "uintptr"].contains(&ty.name.as_str()) => ty.name.clone(),
            Kind::Int => format!("int{bits}"),
            Kind::Uint => format!("uint{bits}"),
            Kind::Float => format!("float{bits}"),
            Kind::Complex => format!("complex{bits}"),
            Kind::String => "string".to_owned(),
            Kind::Slice { element } => format!("[]{}", self.behind(*element, pointers)),
            Kind::Array { element, length } => format!("[{length}]{}", self.ty(*element, pointers)),
            Kind::Struct { fields } => {
                let field = |field: &goinject::go::types::Field| {
                    format!("{} {}", field.name, self.ty(field.ty, pointers))
                };
                let fields: Vec<String> = fields.iter().map(field).collect();
                format!("struct{{{}}}", fields.join("; "))
            }
            Kind::Pointer { target: Some(target) } => format!("*{}", self.behind(*target, pointers)),
            Kind::Pointer { target: None } | Kind::Unknown => "unsafe.Pointer".to_owned(),
            Kind::Interface { .. } if ["error", "context.Context"].contains(&ty.name.as_str()) => {
                ty.name.clone()
            }
            Kind::Interface { empty: true } => "interface{}".to_owned(),
            Kind::Interface { empty: false } => "interface{ M() }".to_owned(),
            Kind::Map {
                key: Some(key),
                value: Some(value),
            } if pointers > 0 => format!("map[{}]{}", self.ty(*key, 0), self.behind(*value, pointers)),
            Kind::Map { .. } => "map[string]int".to_owned(),
            Kind::Chan => "chan int".to_owned(),
            Kind::Func => "func()".to_owned(),
        }
    }

    fn behind(&self, target: TypeId, pointers: usize) -> String {
        match pointers.checked_sub(1) {
            Some(pointers) => self.ty(target, pointers),
            None => "struct{}".to_owned(),
        }
    }
}
