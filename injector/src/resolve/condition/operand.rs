//! What conditions compare: paths, sizes and constants, found in the call or the program.

use goinject_rules::model;
use goinject_rules::source::{Span, Spanned};

use super::super::path::{Side, Target};
use super::super::place::{Located, WORD};
use super::super::rule::Wrong;
use super::super::value::{self, Context};
use super::{Resolver, TypeClass, Typed};
use crate::go::types::{Kind, Type};
use crate::plan::{Operand, OperandKind};

impl Resolver<'_> {
    /// What is reached by a path, type assertions followed.
    pub(super) fn reach(&self, path: &model::Path, span: Span) -> Result<(Option<Side>, Target), Wrong> {
        let next = |steps: &[model::Step]| {
            let found = steps
                .iter()
                .position(|step| matches!(step, model::Step::Assert(_)));
            found.unwrap_or(steps.len())
        };
        let (before, mut rest) = path.steps.split_at(next(&path.steps));
        let mut walked = model::Path {
            root: path.root.clone(),
            steps: before.to_vec(),
        };
        let (side, mut target) = self.reach_plainly(&walked, span)?;
        while let [model::Step::Assert(ty), after @ ..] = rest {
            let held = self.held(ty, &walked, (side, &target), span)?;
            let (steps, more) = after.split_at(next(after));
            target = self
                .scope
                .follow(held, steps)
                .map_err(|error| Wrong::place(span, error))?;
            walked.steps.push(model::Step::Assert(ty.clone()));
            walked.steps.extend_from_slice(steps);
            rest = more;
        }
        Ok((side, target))
    }

    /// Through a parameter or result, or else from a package variable such as `io.EOF`.
    fn reach_plainly(&self, path: &model::Path, span: Span) -> Result<(Option<Side>, Target), Wrong> {
        let error = match self.scope.reach(path) {
            Ok(reached) => return Ok((Some(reached.side), reached.target)),
            Err(error) => error,
        };
        let (model::Root::Name(package), [model::Step::Field(name), rest @ ..]) =
            (&path.root, path.steps.as_slice())
        else {
            return Err(Wrong::place(span, error));
        };
        // A name that is nearly a parameter's is meant as one.
        let near = error
            .help
            .as_ref()
            .is_some_and(|help| help.starts_with("did you mean"));
        if near || self.scope.names().contains(package) {
            return Err(Wrong::place(span, error));
        }
        let context = Context::new(self.scope.binary, self.scope.scratch.borrow_mut());
        let variable = value::variable(&format!("{package}.{name}"), &context).map_err(|misfit| Wrong {
            unarmable: misfit.unarmable,
            ..Wrong::new(
                span,
                format!("{}; {}", error.message, misfit.message),
                misfit.help,
            )
        })?;
        let target = self
            .scope
            .follow(variable, rest)
            .map_err(|error| Wrong::place(span, error))?;
        Ok((None, target))
    }

    pub(super) fn operand(&self, operand: &Spanned<model::Operand>) -> Result<Typed, Wrong> {
        let (path, size_of) = match &operand.value {
            model::Operand::Path(path) => (path, false),
            model::Operand::Size(path) => (path, true),
            model::Operand::Type(path) => return self.type_of(path, operand.span),
            constant => return Ok(Typed::Constant(constant.clone())),
        };
        let (side, mut target) = self.reach(path, operand.span)?;
        let name = self.written(operand.span);
        if size_of {
            let mut length = path.clone();
            length.steps.push(model::Step::Field("len".to_owned()));
            let found = self.reach(&length, operand.span).ok();
            // A field may be called `len`.
            target = found
                .map(|(_, found)| found)
                .filter(|found| !matches!(found, Target::Value(_)))
                .ok_or_else(|| {
                    Wrong::new(
                        operand.span,
                        format!("`{path}` has no size"),
                        "strings, slices, arrays, maps and channels have one",
                    )
                })?;
        }
        let located = match target {
            Target::Fixed(length) => return Ok(Typed::Constant(model::Operand::Integer(length.into()))),
            Target::Count { word, settable } => {
                let operand = Operand::Place {
                    place: word,
                    size: 8,
                    kind: OperandKind::Signed,
                    nil_is_zero: !settable,
                };
                return Ok(Typed::Place {
                    operand,
                    side,
                    ty: TypeClass::Integer {
                        signed: true,
                        size: 8,
                    },
                    name,
                    whole: None,
                });
            }
            Target::Value(located) => located,
        };
        self.located(operand.span, name, side, &located)
    }

    /// Two sides of a comparison. A pointer is compared with null and with pointers, and what it leads to with all else.
    pub(super) fn pair(
        &self,
        left: &Spanned<model::Operand>,
        right: &Spanned<model::Operand>,
    ) -> Result<(Typed, Typed), Wrong> {
        let (first, second) = (self.operand(left)?, self.operand(right)?);
        Ok(match (first.is_of_pointers(), second.is_of_pointers()) {
            (true, false) => (self.behind(first, left.span)?, second),
            (false, true) => {
                let second = self.behind(second, right.span)?;
                (first, second)
            }
            _ => (first, second),
        })
    }

    /// An operand that is a value, or a pointer to one.
    pub(super) fn value(&self, operand: &Spanned<model::Operand>) -> Result<Typed, Wrong> {
        self.behind(self.operand(operand)?, operand.span)
    }

    /// What a pointer leads to, as often as it is one; anything else as it is.
    pub(super) fn behind(&self, typed: Typed, span: Span) -> Result<Typed, Wrong> {
        let Typed::Place {
            side,
            name,
            whole: Some(pointer),
            ..
        } = &typed
        else {
            return Ok(typed);
        };
        if !matches!(
            self.scope.types.get(pointer.ty).kind,
            Kind::Pointer { target: Some(_) }
        ) {
            return Ok(typed);
        }
        match pointer.clone().dereferenced(self.scope.types) {
            Ok(end) if class(self.scope.types.get(end.ty)).is_some() => {
                self.located(span, name.clone(), *side, &end)
            }
            _ => Ok(typed),
        }
    }

    pub(super) fn located(
        &self,
        span: Span,
        name: String,
        side: Option<Side>,
        located: &Located,
    ) -> Result<Typed, Wrong> {
        let go = self.scope.types.get(located.ty);
        let (ty, kind, size) = class(go).ok_or_else(|| {
            Wrong::new(
                span,
                format!("a value of type `{}` cannot be compared", go.name),
                "compare one of its fields or elements, or its size",
            )
        })?;
        let place = located.scalar(0, size).ok_or_else(|| {
            Wrong::new(
                span,
                "its parts are in places that goinject cannot tell apart",
                "compare one of its fields",
            )
        })?;
        let size = u8::try_from(size).expect("scalars have at most 8 bytes");
        let operand = Operand::Place {
            place,
            size,
            kind,
            nil_is_zero: false,
        };
        Ok(Typed::Place {
            operand,
            side,
            ty,
            name,
            whole: Some(located.clone()),
        })
    }
}

/// What a Go type is in a condition, what kind of operand it makes, and its bytes; none if it can't be compared.
pub(super) fn class(go: &Type) -> Option<(TypeClass, OperandKind, u64)> {
    match &go.kind {
        Kind::Bool => Some((TypeClass::Bool, OperandKind::Unsigned, 1)),
        Kind::Int => Some((
            TypeClass::Integer {
                signed: true,
                size: go.size,
            },
            OperandKind::Signed,
            go.size,
        )),
        Kind::Uint => Some((
            TypeClass::Integer {
                signed: false,
                size: go.size,
            },
            OperandKind::Unsigned,
            go.size,
        )),
        Kind::Float => Some((TypeClass::Float { size: go.size }, OperandKind::Float, go.size)),
        Kind::String => Some((TypeClass::Text, OperandKind::Text, WORD)),
        Kind::Pointer { .. }
        | Kind::Interface { .. }
        | Kind::Map { .. }
        | Kind::Chan
        | Kind::Func
        | Kind::Slice { .. } => Some((TypeClass::Nilable, OperandKind::Unsigned, WORD)),
        Kind::Complex | Kind::Array { .. } | Kind::Struct { .. } | Kind::Unknown => None,
    }
}
