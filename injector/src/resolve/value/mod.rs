//! Replacement values: from what a rule file says to the words that a Go value is made of.
//!
//! One file for each family of types. What a value fits into is always a [`Located`], so that a struct
//! in registers, on the stack and behind a pointer are the same here.

mod composite;
mod concrete;
mod function;
mod interface;
mod misfit;
mod number;
mod object;
mod pointer;
mod text;
mod variable;
mod wrapper;

use std::cell::RefMut;

use goinject_rules::model::Value;

use self::misfit::describe;
use super::place::{Located, WORD};
use crate::go::Binary;
use crate::go::types::{Kind, TypeId, Types};
use crate::plan::scratch::ScratchBuilder;
use crate::plan::{Edit, Extend, Shape, Source};

pub(super) use self::misfit::Misfit;
pub(super) use self::number::{integer_range, length};

/// What values are fitted with.
pub(super) struct Context<'a> {
    /// The program.
    pub(super) binary: &'a Binary,
    /// Where texts and objects go.
    scratch: RefMut<'a, ScratchBuilder>,
    /// What is to be written at each firing into the objects that the value leads to.
    behind: Vec<Edit>,
    /// What the value is a part of.
    within: Within,
}

/// What a value is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// The call: its parameters, results, and what is there behind them.
    Call,
    /// An object that the program does not write to: one serves all firings.
    Kept,
    /// An object that each firing gets a copy of.
    Fresh,
}

/// A value fitted into its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fitted {
    /// Its words, in the order of their offsets.
    pub(super) edits: Vec<Edit>,
    /// How they are to be shown.
    pub(super) shape: Shape,
}

/// A package variable that a condition names, by the last part of its package's path where that tells it.
pub(super) fn variable(name: &str, context: &Context<'_>) -> Result<Located, Misfit> {
    let found = variable::find(name, context)?;
    Ok(Located::variable(found.known_type()?, found.word(0).address))
}

/// Fits a value into a place.
pub(super) fn fit(value: &Value, at: &Located, context: &mut Context<'_>) -> Result<Fitted, Misfit> {
    let go = context.types().get(at.ty);
    if go.is_gap() {
        return Err(Misfit::of_binary(
            "the compiler left out unnamed parameters, so its type is not known",
            "declare the function's types with `signature: \"func(…) (…)\"`",
        ));
    }
    match &go.kind {
        Kind::Bool => number::boolean(value, at, go),
        Kind::Int | Kind::Uint => number::integer(value, at, go),
        Kind::Float => number::float(value, at, go),
        Kind::Complex => number::complex(value, at, go),
        Kind::String => text::string(value, at, context),
        Kind::Slice { element } => text::slice(value, at, *element, context),
        Kind::Array { element, length } => composite::array(value, at, (*element, *length), context),
        Kind::Struct { .. } => composite::structure(value, at, context),
        Kind::Pointer { target } => pointer::pointer(value, at, *target, context),
        Kind::Interface { empty } => interface::interface(value, at, *empty, context),
        Kind::Map { .. } | Kind::Chan => pointer::reference(value, at, context),
        Kind::Func => function::function(value, at, context),
        Kind::Unknown => Err(Misfit::new(
            format!(
                "values of type `{}` cannot be set: the binary does not describe it",
                go.name
            ),
            "set one of its fields instead, if it has any",
        )),
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(binary: &'a Binary, scratch: RefMut<'a, ScratchBuilder>) -> Context<'a> {
        Context {
            binary,
            scratch,
            behind: Vec::new(),
            within: Within::Call,
        }
    }

    /// What is to be written, besides the value, into the objects that it leads to.
    pub(super) fn into_behind(self) -> Vec<Edit> {
        self.behind
    }

    fn types(&self) -> &'a Types {
        self.binary.types()
    }

    fn type_name(&self, ty: TypeId) -> &'a str {
        &self.types().get(ty).name
    }

    fn text(&mut self, bytes: &[u8]) -> Result<u32, Misfit> {
        self.scratch.text(bytes).ok_or_else(Misfit::no_room)
    }
}

impl Fitted {
    fn one(edit: Edit, shape: Shape) -> Fitted {
        Fitted {
            edits: vec![edit],
            shape,
        }
    }

    /// Words in a row, the first `pointers` of them pointers, all else lengths.
    fn words(
        at: &Located,
        sources: impl IntoIterator<Item = Source>,
        pointers: usize,
        shape: Shape,
    ) -> Result<Fitted, Misfit> {
        let word = |(n, source)| edit(at, n as u64 * WORD, WORD, Extend::Zero, source, n < pointers);
        Ok(Fitted {
            edits: sources
                .into_iter()
                .enumerate()
                .map(word)
                .collect::<Result<_, _>>()?,
            shape,
        })
    }
}

/// One word of a value.
fn edit(
    at: &Located,
    offset: u64,
    size: u64,
    extend: Extend,
    source: Source,
    pointer: bool,
) -> Result<Edit, Misfit> {
    let place = at.scalar(offset, size).ok_or_else(|| {
        Misfit::new(
            "the value is spread over places that goinject cannot tell apart",
            "set its fields one by one",
        )
    })?;
    Ok(Edit {
        place,
        size: u8::try_from(size).expect("words have at most 8 bytes"),
        extend,
        source,
        pointer,
    })
}
