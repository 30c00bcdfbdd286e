//! Paths of rule files, followed through the types of a function.

use std::cell::RefCell;

use goinject_rules::diagnostic::did_you_mean;
use goinject_rules::model::{Path, Root, Step};

use super::place::{Located, NoSuchPlace, WORD, field_names, is_endless};
use crate::go::Binary;
use crate::go::abi::{Layout, Placement};
use crate::go::types::{Kind, Signature, Types, Variable};
use crate::plan::scratch::ScratchBuilder;

/// Which end of a call a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Receiver and parameters: in place at entry.
    Entry,
    /// Results: in place at return.
    Return,
}

/// A function's values by name and position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    /// As declared.
    pub(super) signature: &'a Signature,
    /// Where the values are.
    pub(super) layout: &'a Layout,
    /// The arena of their types.
    pub(super) types: &'a Types,
    /// The program.
    pub(super) binary: &'a Binary,
    /// Where the texts and objects of new values go.
    pub(super) scratch: &'a RefCell<ScratchBuilder>,
    /// The function is a wrapper, and the receiver that is meant is what its own points at.
    pub(super) receiver_behind: bool,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reached {
    /// When it is in place.
    pub(super) side: Side,
    /// What and where it is.
    pub(super) target: Target,
}

/// A value, or a property of one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// A whole value.
    Value(Located),
    /// The length or capacity word of a string or slice, or of a map's or channel's header.
    Count {
        /// The word's place and whether it may be overwritten.
        word: crate::plan::Place,
        /// The word belongs to a string or slice header, not to the runtime.
        settable: bool,
    },
    /// The length of an array: it never changes.
    Fixed(u64),
}

impl Scope<'_> {
    /// Follows a path.
    pub(super) fn reach(&self, path: &Path) -> Result<Reached, NoSuchPlace> {
        let (side, start) = self.root(path)?;
        let target = self.follow(start, &path.steps)?;
        Ok(Reached { side, target })
    }

    /// Follows the steps of a path from a value on.
    pub(super) fn follow(&self, mut at: Located, steps: &[Step]) -> Result<Target, NoSuchPlace> {
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Field(name) => match at.field(name, self.types)? {
                    Some(field) => at = field,
                    None => {
                        let target = self.property(at, name)?;
                        if steps.len() > n + 1 {
                            return Err(NoSuchPlace::new(format!(
                                "`.{name}` is a number; nothing lies behind it"
                            )));
                        }
                        return Ok(target);
                    }
                },
                Step::Index(index) => at = self.element(at, *index)?,
                Step::Key(key) => at = self.keyed(at, key)?,
                Step::Assert(_) => {
                    return Err(NoSuchPlace::new(
                        "what an interface holds is reached in conditions only",
                    ));
                }
            }
        }
        Ok(Target::Value(at))
    }

    fn root(&self, path: &Path) -> Result<(Side, Located), NoSuchPlace> {
        match &path.root {
            Root::Receiver => match (&self.signature.receiver, &self.layout.receiver) {
                (Some(variable), Some(placement)) => self.receiver(variable, placement),
                // A parameter may be called that.
                _ if self.declares("recv") => self.named("recv"),
                _ => Err(NoSuchPlace::new(
                    "the function has no receiver: it is not a method",
                )),
            },
            Root::Argument(n) => {
                let declared = self.signature.declared();
                self.refuse_ambiguous(path, "args", *n, declared)?;
                self.refuse_uncertain(declared.get(*n as usize))?;
                let placements = self.layout.parameters.get(self.signature.captured..);
                let of = pick(declared, placements.unwrap_or_default(), *n as usize);
                let count = declared.len();
                of.map(|located| (Side::Entry, located))
                    .ok_or_else(|| out_of_range("args", "parameter", *n, count))
            }
            Root::Result(n) => {
                self.refuse_ambiguous(path, "results", *n, &self.signature.results)?;
                let of = pick(&self.signature.results, &self.layout.results, *n as usize);
                let count = self.signature.results.len();
                of.map(|located| (Side::Return, located))
                    .ok_or_else(|| out_of_range("results", "result", *n, count))
            }
            Root::Name(name) => self.named(name),
        }
    }

    fn receiver(&self, variable: &Variable, placement: &Placement) -> Result<(Side, Located), NoSuchPlace> {
        let own = Located::new(variable.ty, placement);
        match self.types.get(variable.ty).kind {
            Kind::Pointer { target: Some(target) } if self.receiver_behind => {
                Ok((Side::Entry, own.follow(0, target, 0, None)?))
            }
            _ => Ok((Side::Entry, own)),
        }
    }

    /// Whether a path begins with the receiver.
    pub(super) fn is_receiver(&self, path: &Path) -> bool {
        let name = self
            .signature
            .receiver
            .as_ref()
            .and_then(|receiver| receiver.name.as_deref());
        match &path.root {
            Root::Receiver => self.signature.receiver.is_some() || !self.declares("recv"),
            Root::Name(root) => name == Some(root.as_str()),
            Root::Argument(_) | Root::Result(_) => false,
        }
    }

    fn declares(&self, name: &str) -> bool {
        let parameters = self.signature.parameters.iter();
        let mut all = parameters.chain(&self.signature.results);
        all.any(|variable| variable.name.as_deref() == Some(name))
    }

    /// `args[0]` is the first parameter, or an element of one that is called `args`. What has no name is always
    /// meant by its position, and so is the one of that name, if an index of its own follows.
    fn refuse_ambiguous(
        &self,
        path: &Path,
        list: &str,
        n: u32,
        variables: &[Variable],
    ) -> Result<(), NoSuchPlace> {
        let position = |of: &[Variable]| of.iter().position(|v| v.name.as_deref() == Some(list));
        let own = match (
            position(self.signature.declared()),
            position(&self.signature.results),
        ) {
            (Some(own), _) => format!("args[{own}]"),
            (None, Some(own)) => format!("results[{own}]"),
            (None, None) => return Ok(()),
        };
        let is_indexed = matches!(path.steps.first(), Some(Step::Index(_)));
        let name = variables.get(n as usize).map(|variable| variable.name.as_deref());
        let other = match name {
            Some(None | Some("_")) => return Ok(()),
            Some(Some(name)) if name == list && is_indexed => return Ok(()),
            Some(Some(name)) => format!(", or `{name}`"),
            None => String::new(),
        };
        let message = format!("`{list}[{n}]` may be a position or an element: something is called `{list}`");
        Err(NoSuchPlace::new(message).help(format!("write `{own}[{n}]` for the element{other}")))
    }

    /// A position is no way to name a parameter where another one may be meant.
    fn refuse_uncertain(&self, meant: Option<&Variable>) -> Result<(), NoSuchPlace> {
        let Some(why) = self.signature.positions_uncertain else {
            return Ok(());
        };
        let named = self
            .signature
            .parameters
            .iter()
            .any(|variable| variable.name.is_some());
        let help = match meant.and_then(|variable| variable.name.as_deref()) {
            Some(name) => format!("write its name; `{name}` would be that one if nothing is missing"),
            None if named => "write its name".to_owned(),
            None => "name the parameters in the rule's `signature`, and write the name".to_owned(),
        };
        Err(NoSuchPlace::new(format!(
            "positions of parameters are not known for certain here: {}",
            why.words()
        ))
        .help(help))
    }

    fn named(&self, name: &str) -> Result<(Side, Located), NoSuchPlace> {
        let is_it = |variable: &Variable| variable.name.as_deref() == Some(name);
        if let (Some(variable), Some(placement)) = (&self.signature.receiver, &self.layout.receiver)
            && is_it(variable)
        {
            return self.receiver(variable, placement);
        }
        let ends = [
            (Side::Entry, &self.signature.parameters, &self.layout.parameters),
            (Side::Return, &self.signature.results, &self.layout.results),
        ];
        for (side, variables, placements) in ends {
            if let Some(n) = variables.iter().position(is_it) {
                return Ok((side, Located::new(variables[n].ty, &placements[n])));
            }
        }
        let names = self.names();
        let error = NoSuchPlace::new(format!("there is no parameter or result `{name}`"));
        Err(match did_you_mean(name, names.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => error.help("the function has neither parameters nor results"),
            None => error.help(format!("there are {}", list(&names))),
        })
    }

    /// Every way to name a receiver, parameter or result.
    pub(super) fn names(&self) -> Vec<String> {
        let receiver = self
            .signature
            .receiver
            .iter()
            .map(|v| v.name.clone().unwrap_or_else(|| "recv".to_owned()));
        let numbered = |prefix: &'static str, variables: &[Variable]| {
            let name =
                move |(n, v): (usize, &Variable)| v.name.clone().unwrap_or_else(|| format!("{prefix}[{n}]"));
            variables.iter().enumerate().map(name).collect::<Vec<_>>()
        };
        receiver
            .chain(self.signature.captures().iter().filter_map(|v| v.name.clone()))
            .chain(numbered("args", self.signature.declared()))
            .chain(numbered("results", &self.signature.results))
            .collect()
    }

    /// `.len` and `.cap` of what has no such field.
    fn property(&self, at: Located, name: &str) -> Result<Target, NoSuchPlace> {
        let owner = at.clone();
        if is_endless(at.ty, self.types) {
            return Err(self.no_field(&owner, name));
        }
        let at = at.dereferenced(self.types)?;
        let number = match (&self.types.get(at.ty).kind, name) {
            (Kind::String | Kind::Slice { .. }, "len") => at.scalar(WORD, WORD).map(|word| (word, true)),
            (Kind::Slice { .. }, "cap") => at.scalar(2 * WORD, WORD).map(|word| (word, true)),
            (Kind::Array { length, .. }, "len" | "cap") => return Ok(Target::Fixed(*length)),
            // The runtime's map header has started with the count since Go 1.0, and a channel's with
            // the count and the size of its buffer.
            (Kind::Map { .. } | Kind::Chan, "len") => self.header_word(&at, 0)?.map(|word| (word, false)),
            (Kind::Chan, "cap") => self.header_word(&at, WORD)?.map(|word| (word, false)),
            _ => return Err(self.no_field(&owner, name)),
        };
        let (word, settable) = number.ok_or_else(|| NoSuchPlace::new("its length is not in one place"))?;
        Ok(Target::Count { word, settable })
    }

    fn header_word(&self, at: &Located, offset: u64) -> Result<Option<crate::plan::Place>, NoSuchPlace> {
        // The header's own type does not matter: one word of it is read.
        Ok(at.follow(0, at.ty, offset, None)?.scalar(0, WORD))
    }

    fn element(&self, at: Located, index: u64) -> Result<Located, NoSuchPlace> {
        let at = at.dereferenced(self.types)?;
        let ty = self.types.get(at.ty);
        match &ty.kind {
            Kind::Array { element, length } if index < *length => {
                Ok(at.part(index * self.types.get(*element).size, *element, self.types))
            }
            Kind::Array { length, .. } => Err(NoSuchPlace::new(format!(
                "index {index} is out of range of `{}`",
                ty.name
            ))
            .help(match length {
                0 => "it has no elements".to_owned(),
                length => format!("its elements are 0 to {}", length - 1),
            })),
            Kind::Slice { element } => {
                let index = u32::try_from(index)
                    .ok()
                    .filter(|index| *index < u32::MAX)
                    .ok_or_else(|| NoSuchPlace::new(format!("index {index} is too large")))?;
                at.follow(
                    0,
                    *element,
                    u64::from(index) * self.types.get(*element).size,
                    Some(index),
                )
            }
            Kind::Map { .. } => self.numbered(&at, index),
            Kind::String => Err(
                NoSuchPlace::new(format!("bytes of a `{}` cannot be reached", ty.name))
                    .help("strings never change, so that they may be shared: set the whole string"),
            ),
            _ => Err(NoSuchPlace::new(format!("`{}` has no elements", ty.name))
                .help("`[n]` follows an array or a slice")),
        }
    }

    fn no_field(&self, at: &Located, name: &str) -> NoSuchPlace {
        let ty = self.types.get(at.ty);
        let mut names = field_names(at.ty, self.types);
        let counts: &[&str] = match &ty.kind {
            Kind::String | Kind::Map { .. } => &["len"],
            Kind::Slice { .. } | Kind::Array { .. } | Kind::Chan => &["len", "cap"],
            _ => &[],
        };
        names.extend(counts.iter().map(|name| (*name).to_owned()));
        let error = NoSuchPlace::new(format!("`{}` has no field `{name}`", ty.name));
        match (did_you_mean(name, names.iter().map(String::as_str)), &ty.kind) {
            (Some(near), _) => error.help(format!("did you mean `{near}`?")),
            (None, Kind::Interface { .. }) => error.help(
                "it is an interface: in a condition, `.(*os.PathError)` behind it reaches what it holds",
            ),
            (None, Kind::Pointer { target: Some(target) })
                if matches!(self.types.get(*target).kind, Kind::Unknown) =>
            {
                let own = ty.name.trim_start_matches('*');
                NoSuchPlace::new(format!("goinject does not know the fields of `{own}`")).help(format!(
                    "write them out in `signature`, up to the one that is meant: `*struct{{…; {name} T}}` for `{}`",
                    ty.name
                ))
            }
            (None, _) if names.is_empty() => error.help("only structs and pointers to structs have fields"),
            (None, _) if !counts.is_empty() => error.help(format!("all it has is {}", list(&names))),
            (None, _) => error.help(format!("its fields are {}", list(&names))),
        }
    }
}

fn pick(variables: &[Variable], placements: &[Placement], n: usize) -> Option<Located> {
    Some(Located::new(variables.get(n)?.ty, placements.get(n)?))
}

fn out_of_range(list: &str, what: &str, n: u32, count: usize) -> NoSuchPlace {
    let error = NoSuchPlace::new(format!("there is no {what} `{list}[{n}]`"));
    match count {
        0 => error.help(format!("the function has no {what}s")),
        1 => error.help(format!("the function has one {what}: `{list}[0]`")),
        count => error.help(format!(
            "the function has {count} {what}s: `{list}[0]` to `{list}[{}]`",
            count - 1
        )),
    }
}

/// Names in a row, the first dozen of them.
pub(super) fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        quoted.push(format!("{} more", names.len() - SHOWN));
    }
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
