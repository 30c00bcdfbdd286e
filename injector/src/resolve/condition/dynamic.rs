//! Conditions on what an interface holds: compared as a whole, by its type, and by what errors wrap.

use goinject_probes::table::{TestKind, WRAPPER_ROWS, WRAPPERS};
use goinject_rules::diagnostic::did_you_mean;
use goinject_rules::errno;
use goinject_rules::model::{self, Comparison, Root, Step};
use goinject_rules::source::{Span, Spanned};

use super::super::path::{Side, Target};
use super::super::place::{Located, WORD};
use super::super::rule::Wrong;
use super::{Condition, Resolver, Typed, only_equality};
use crate::go::address::Address;
use crate::go::types::Kind;
use crate::plan::{Global, Operand, OperandKind, Test, Wrapper, Wraps};

/// System errors that count as an error of the standard library, by their `Is` method.
const COUNTS_AS: [(&str, [&str; 2]); 3] = [
    ("ErrNotExist", ["ENOENT", ""]),
    ("ErrExist", ["EEXIST", "ENOTEMPTY"]),
    ("ErrPermission", ["EACCES", "EPERM"]),
];

fn word(place: Option<crate::plan::Place>, nil_is_zero: bool, span: Span) -> Result<Operand, Wrong> {
    let place = place.ok_or_else(|| {
        Wrong::new(
            span,
            "its parts are in places that goinject cannot tell apart",
            "compare it with `null`",
        )
    })?;
    Ok(Operand::Place {
        place,
        size: 8,
        kind: OperandKind::Unsigned,
        nil_is_zero,
    })
}

fn negated(condition: Condition, comparison: Comparison) -> Condition {
    match comparison {
        Comparison::NotEqual => Condition::Not(Box::new(condition)),
        _ => condition,
    }
}

impl Resolver<'_> {
    fn is_interface(&self, located: &Located) -> Option<bool> {
        match self.scope.types.get(located.ty).kind {
            Kind::Interface { empty } => Some(empty),
            _ => None,
        }
    }

    /// Two interface values are equal if both their words are.
    pub(super) fn interfaces(
        &self,
        span: Span,
        pair: &(Typed, Typed),
        comparison: Comparison,
    ) -> Result<Option<Condition>, Wrong> {
        let (
            Typed::Place {
                side: left_side,
                whole: Some(left),
                name,
                ..
            },
            Typed::Place {
                side: right_side,
                whole: Some(right),
                name: other,
                ..
            },
        ) = pair
        else {
            return Ok(None);
        };
        let (left_empty, right_empty) = match (self.is_interface(left), self.is_interface(right)) {
            (None, None) => return Ok(None),
            (Some(left), Some(right)) => (left, right),
            _ => {
                return Err(Wrong::new(
                    span,
                    format!("`{name}` and `{other}` cannot be compared: one of them is an interface"),
                    "compare the interface with a variable of its own type, or its type by name: \
                     `type(err) == \"*os.PathError\"`",
                ));
            }
        };
        only_equality(span, comparison, false)?;
        if left_empty != right_empty {
            return Err(Wrong::new(
                span,
                format!("`{name}` and `{other}` cannot be compared: only one of them has methods"),
                "compare it with a variable of its own type",
            ));
        }
        let text = self.written(span);
        let equal = |offset| {
            let test = Test {
                text: text.clone(),
                left: word(left.scalar(offset, WORD), false, span)?,
                test: TestKind::Equal,
                right: word(right.scalar(offset, WORD), false, span)?,
            };
            Ok(Box::new(Condition::Test(test, *left_side, *right_side)))
        };
        let both = Condition::And(equal(0)?, equal(WORD)?);
        Ok(Some(negated(both, comparison)))
    }

    /// `type(x)`: the description of the type that an interface holds.
    pub(super) fn type_of(&self, path: &model::Path, span: Span) -> Result<Typed, Wrong> {
        let (side, target) = self.reach(path, span)?;
        let located = match target {
            Target::Value(located) if self.is_interface(&located).is_some() => located,
            _ => {
                return Err(Wrong::new(
                    span,
                    format!("`{path}` is not an interface: its type is known"),
                    "write it without `type`",
                ));
            }
        };
        let operand = self.type_word(&located, span)?;
        Ok(Typed::Type { operand, side })
    }

    /// The address of the description of the type that an interface holds.
    fn type_word(&self, located: &Located, span: Span) -> Result<Operand, Wrong> {
        match self.is_interface(located) {
            Some(true) => word(located.scalar(0, WORD), false, span),
            // A table begins with its interface; the type comes second.
            _ => {
                let table = located
                    .follow(0, located.ty, WORD, None)
                    .map_err(|error| Wrong::place(span, error))?;
                word(table.scalar(0, WORD), true, span)
            }
        }
    }

    /// `err.(*os.PathError)`: what an interface holds. That it is of this type becomes a part of the condition.
    pub(super) fn held(
        &self,
        name: &str,
        path: &model::Path,
        (side, target): (Option<Side>, &Target),
        span: Span,
    ) -> Result<Located, Wrong> {
        let located = match target {
            Target::Value(located) if self.is_interface(located).is_some() => located,
            _ => {
                return Err(Wrong::new(
                    span,
                    format!("`{path}` is not an interface: its type is known"),
                    format!("write it without `.({name})`"),
                ));
            }
        };
        let (binary, types) = (self.scope.binary, self.scope.types);
        let global = self.type_named(name, span)?;
        let ty = binary.described_type(global.address).ok_or_else(|| {
            let message = format!("the type descriptor of `{name}` cannot be read");
            Wrong::new(span, message, "compare the type only: `type(err) == \"…\"`")
        })?;
        if matches!(types.get(ty).kind, Kind::Interface { .. }) {
            return Err(Wrong::new(
                span,
                format!("`{name}` is an interface, too"),
                "name the type that it holds, such as `*os.PathError`",
            ));
        }
        let test = Test {
            text: format!("type({path}) == \"{name}\""),
            left: self.type_word(located, span)?,
            test: TestKind::Equal,
            right: Operand::Address(global),
        };
        let guard = Condition::Test(test, side, None);
        let mut guards = self.guards.borrow_mut();
        if !guards.contains(&guard) {
            guards.push(guard);
        }
        if binary.is_held_directly(ty) {
            return Ok(located.part(WORD, ty, types));
        }
        let behind = located.follow(WORD, ty, 0, None);
        behind.map_err(|error| Wrong::place(span, error))
    }

    /// The type that an interface holds against the name of one.
    pub(super) fn types(
        &self,
        span: Span,
        pair: &(Typed, Typed),
        comparison: Comparison,
        (left, right): (Span, Span),
    ) -> Result<Option<Condition>, Wrong> {
        let (operand, side, name, at) = match pair {
            (Typed::Type { operand, side }, Typed::Constant(model::Operand::Text(name))) => {
                (operand, side, name, right)
            }
            (Typed::Constant(model::Operand::Text(name)), Typed::Type { operand, side }) => {
                (operand, side, name, left)
            }
            _ => return Ok(None),
        };
        only_equality(span, comparison, false)?;
        let address = self.type_named(name, at)?;
        let test = Test {
            text: self.written(span),
            left: operand.clone(),
            test: TestKind::Equal,
            right: Operand::Address(address),
        };
        Ok(Some(negated(Condition::Test(test, *side, None), comparison)))
    }

    fn type_named(&self, name: &str, span: Span) -> Result<Global, Wrong> {
        let binary = self.scope.binary;
        let mut found = binary.types_named(name);
        match (found.pop(), found.pop()) {
            (Some((address, full)), None) => Ok(global(&full, address)),
            (Some((_, first)), Some((_, second))) => Err(Wrong::new(
                span,
                format!("`{name}` may be `{first}` or `{second}`"),
                "write the whole import path of its package",
            )),
            (None, _) => {
                let names = binary.described_types().iter().map(|(_, name)| name.as_str());
                let help = match did_you_mean(name, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "write it as `%T` prints it, such as `*os.PathError`".to_owned(),
                };
                let message = format!("the program has no type `{name}` that it puts into interfaces");
                Err(Wrong::new(span, message, help))
            }
        }
    }

    /// `errors.Is(err, io.EOF)`.
    pub(super) fn error_is(
        &self,
        span: Span,
        error: &Spanned<model::Operand>,
        other: &Spanned<model::Operand>,
    ) -> Result<Condition, Wrong> {
        let (side, left) = self.error(error)?;
        let (mut numbers, mut place, mut other_side) = ([0; 2], None, None);
        if let Some(number) = system_error(&other.value) {
            numbers[0] = number;
        } else {
            let (side, right) = self.error(other)?;
            numbers = counts_as(&other.value);
            place = right.scalar(0, WORD);
            other_side = side;
        }
        if side.is_some() && other_side.is_some() && side != other_side {
            return Err(Wrong::new(
                span,
                "an error at entry cannot be compared with one at return",
                "compare each with a package variable",
            ));
        }
        let wrappers = self.wrappers(numbers);
        if wrappers.len() > WRAPPERS * WRAPPER_ROWS {
            return Err(Wrong::new(
                span,
                format!(
                    "the program has {} types that wrap errors, and at most {} can be looked into",
                    wrappers.len(),
                    WRAPPERS * WRAPPER_ROWS
                ),
                "compare with `==`, or ask for the type: `type(err) == \"*os.PathError\"`",
            ));
        }
        let test = Test {
            text: self.written(span),
            left: word(left.scalar(0, WORD), false, span)?,
            test: TestKind::Is,
            right: Operand::Error { place, wrappers },
        };
        Ok(Condition::Test(test, side, other_side))
    }

    fn error(&self, operand: &Spanned<model::Operand>) -> Result<(Option<Side>, Located), Wrong> {
        let no_error = |name: &str| {
            Wrong::new(
                operand.span,
                format!("{name} is no `error`"),
                "write a parameter, a result or a package variable that is one: `errors.Is(err, io.EOF)`",
            )
        };
        let model::Operand::Path(path) = &operand.value else {
            return Err(no_error("this"));
        };
        match self.reach(path, operand.span)? {
            (side, Target::Value(located))
                if self.is_interface(&located) == Some(false)
                    && located.scalar(0, WORD).is_some()
                    && self.scope.types.get(located.ty).name == "error" =>
            {
                Ok((side, located))
            }
            _ => Err(no_error(&format!("`{path}`"))),
        }
    }

    /// The types whose errors wrap others: with a method `Unwrap`, and one field that it can give.
    fn wrappers(&self, numbers: [u8; 2]) -> Vec<Wrapper> {
        let binary = self.scope.binary;
        let Some(error) = binary.interface_named("error") else {
            return Vec::new();
        };
        let of_error = binary.itabs().iter().filter(|itab| itab.interface == error);
        let mut wrappers: Vec<Wrapper> = of_error
            .filter_map(|itab| {
                let name = binary.runtime_type_name(itab.concrete)?;
                let wraps = match name.as_str() {
                    "syscall.Errno" if numbers != [0; 2] => Wraps::Errno(numbers),
                    _ => self.wraps(&name, itab.concrete)?,
                };
                Some(Wrapper {
                    ty: global(&name, itab.concrete),
                    wraps,
                })
            })
            .collect();
        wrappers.sort_by_key(|wrapper| wrapper.ty.address);
        wrappers.dedup_by_key(|wrapper| wrapper.ty.address);
        wrappers
    }

    fn wraps(&self, name: &str, address: Address) -> Option<Wraps> {
        let (binary, types) = (self.scope.binary, self.scope.types);
        let bare = name.trim_start_matches('*');
        let (package, own) = bare.rsplit_once('.')?;
        let methods = [format!("{package}.(*{own}).Unwrap"), format!("{bare}.Unwrap")];
        if !methods
            .iter()
            .any(|method| !binary.functions().find(method).is_empty())
        {
            return None;
        }
        let mut ty = types.get(binary.described_type(address)?);
        if let Kind::Pointer { target: Some(target) } = ty.kind {
            ty = types.get(target);
        }
        let Kind::Struct { fields } = &ty.kind else {
            return None;
        };
        let is_error = |ty| types.get(ty).name == "error";
        let mut found = fields.iter().filter_map(|field| {
            let offset = u32::try_from(field.offset).ok()?;
            match types.get(field.ty).kind {
                Kind::Interface { .. } if is_error(field.ty) => Some(Wraps::One(offset)),
                Kind::Slice { element } if is_error(element) => Some(Wraps::List(offset)),
                _ => None,
            }
        });
        match (found.next(), found.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }
}

fn global(name: &str, address: Address) -> Global {
    Global {
        name: format!("type {name}"),
        address,
        offset: 0,
    }
}

/// A name of the standard library: package and variable or constant.
fn qualified(operand: &model::Operand) -> Option<(&str, &str)> {
    match operand {
        model::Operand::Path(path) => match (&path.root, path.steps.as_slice()) {
            (Root::Name(package), [Step::Field(name)]) => Some((package, name)),
            _ => None,
        },
        _ => None,
    }
}

/// `syscall.ENOSPC`: a constant, of which a program has no variable.
fn system_error(operand: &model::Operand) -> Option<u8> {
    let (package, name) = qualified(operand)?;
    let number = errno::number(name).filter(|_| matches!(package, "syscall" | "unix"))?;
    u8::try_from(number).ok()
}

/// The system errors that count as an error of the standard library.
fn counts_as(operand: &model::Operand) -> [u8; 2] {
    let known = qualified(operand).and_then(|(package, name)| {
        let known = COUNTS_AS.iter().find(|(known, _)| *known == name)?;
        matches!(package, "os" | "fs" | "oserror").then_some(known.1)
    });
    let number = |name: &str| {
        errno::number(name)
            .and_then(|number| u8::try_from(number).ok())
            .unwrap_or(0)
    };
    known.map_or([0; 2], |names| names.map(number))
}
