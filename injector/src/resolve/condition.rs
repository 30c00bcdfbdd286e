//! Conditions of rule files, with their operands found and their types checked.

mod dynamic;
mod operand;

use std::cell::RefCell;

use goinject_probes::table::{CONDITION_TEXT, TestKind};
use goinject_rules::model::{self, Comparison, TextTest};
use goinject_rules::source::{Span, Spanned};

use super::path::{Scope, Side, Target};
use super::place::Located;
use super::rule::Wrong;
use super::value::integer_range;
use crate::plan::{Operand, OperandKind, Test};

/// A condition whose operands are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Both hold.
    And(Box<Condition>, Box<Condition>),
    /// At least one holds.
    Or(Box<Condition>, Box<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A test, and when each operand is in place; none for constants.
    Test(Test, Option<Side>, Option<Side>),
}

impl Condition {
    /// Rows of the table that it takes, those that leave others out among them.
    pub fn rows(&self) -> usize {
        match self {
            Condition::And(left, right) | Condition::Or(left, right) => left.rows() + right.rows() + 2,
            Condition::Not(inner) => inner.rows() + 1,
            Condition::Test(test, ..) => 1 + test.finds().len(),
        }
    }

    /// Whether every operand is in place at entry.
    pub fn is_of_entry(&self) -> bool {
        match self {
            Condition::And(left, right) | Condition::Or(left, right) => {
                left.is_of_entry() && right.is_of_entry()
            }
            Condition::Not(inner) => inner.is_of_entry(),
            Condition::Test(_, left, right) => *left != Some(Side::Return) && *right != Some(Side::Return),
        }
    }
}

/// Resolves a condition; every mistake in it is collected.
pub(super) fn resolve(
    condition: &Spanned<model::Condition>,
    text: &str,
    scope: &Scope<'_>,
) -> Result<Condition, Vec<Wrong>> {
    let resolver = Resolver {
        text,
        scope,
        guards: RefCell::default(),
    };
    resolver.condition(condition)
}

struct Resolver<'a> {
    /// The rule file.
    text: &'a str,
    scope: &'a Scope<'a>,
    /// What must hold for the operands of the present test to be there: the types that interfaces must hold.
    guards: RefCell<Vec<Condition>>,
}

/// An operand with its type, before the other one is known.
enum Typed {
    Place {
        operand: Operand,
        /// When it is in place; none: always.
        side: Option<Side>,
        ty: TypeClass,
        name: String,
        /// The whole of it.
        whole: Option<Located>,
    },
    Constant(model::Operand),
    /// The address of the description of the type that an interface holds.
    Type {
        operand: Operand,
        side: Option<Side>,
    },
}

/// What an operand can be compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TypeClass {
    Bool,
    Integer {
        signed: bool,
        size: u64,
    },
    Float {
        size: u64,
    },
    Text,
    /// Compared with null only; one word tells.
    Nilable,
}

impl Typed {
    /// Whether it is null or a value that can be.
    fn is_of_pointers(&self) -> bool {
        match self {
            Typed::Place { ty, .. } => *ty == TypeClass::Nilable,
            Typed::Constant(value) => *value == model::Operand::Null,
            Typed::Type { .. } => false,
        }
    }
}

type Wrongs = Vec<Wrong>;

impl Resolver<'_> {
    fn condition(&self, condition: &Spanned<model::Condition>) -> Result<Condition, Wrongs> {
        match &condition.value {
            model::Condition::And(left, right) => self.both(left, right, Condition::And),
            model::Condition::Or(left, right) => self.both(left, right, Condition::Or),
            model::Condition::Not(inner) => Ok(Condition::Not(Box::new(self.condition(inner)?))),
            model::Condition::Truth(operand) => self.guarded(self.truth(operand)),
            model::Condition::Compare(left, comparison, right) => {
                self.guarded(self.compare(condition.span, left, *comparison, right))
            }
            model::Condition::Text(test, operand, text) => {
                self.guarded(self.text_test(condition.span, *test, operand, text))
            }
            model::Condition::Has(path) => self.guarded(self.has(path)),
            model::Condition::Is(error, other) => self.guarded(self.error_is(condition.span, error, other)),
        }
    }

    /// A test behind those that its operands need.
    fn guarded(&self, test: Result<Condition, Wrong>) -> Result<Condition, Wrongs> {
        let guards = self.guards.take();
        let test = test.map_err(|wrong| vec![wrong])?;
        let join = |rest, guard| Condition::And(Box::new(guard), Box::new(rest));
        Ok(guards.into_iter().rev().fold(test, join))
    }

    fn both(
        &self,
        left: &Spanned<model::Condition>,
        right: &Spanned<model::Condition>,
        join: impl FnOnce(Box<Condition>, Box<Condition>) -> Condition,
    ) -> Result<Condition, Wrongs> {
        match (self.condition(left), self.condition(right)) {
            (Ok(left), Ok(right)) => Ok(join(Box::new(left), Box::new(right))),
            (Err(mut left), Err(right)) => {
                left.extend(right);
                Err(left)
            }
            (Err(wrongs), _) | (_, Err(wrongs)) => Err(wrongs),
        }
    }

    fn truth(&self, operand: &Spanned<model::Operand>) -> Result<Condition, Wrong> {
        let text = self.written(operand.span);
        match self.value(operand)? {
            Typed::Place {
                operand,
                side,
                ty: TypeClass::Bool,
                ..
            } => {
                let test = Test {
                    text,
                    left: operand,
                    test: TestKind::True,
                    right: Operand::Constant(0),
                };
                Ok(Condition::Test(test, side, None))
            }
            Typed::Constant(model::Operand::Bool(value)) => Ok(constant(text, value)),
            Typed::Place { name, .. } => Err(Wrong::new(
                operand.span,
                format!("`{name}` is not a condition by itself: it is not a bool"),
                "compare it with something, as in `n > 0` or `p != null`",
            )),
            Typed::Constant(_) | Typed::Type { .. } => Err(Wrong::new(
                operand.span,
                "a value is not a condition by itself",
                "compare it with something",
            )),
        }
    }

    fn compare(
        &self,
        span: Span,
        left: &Spanned<model::Operand>,
        comparison: Comparison,
        right: &Spanned<model::Operand>,
    ) -> Result<Condition, Wrong> {
        let text = self.written(span);
        let pair = self.pair(left, right)?;
        if let Some(condition) = self.types(span, &pair, comparison, (left.span, right.span))? {
            return Ok(condition);
        }
        if let Some(condition) = self.interfaces(span, &pair, comparison)? {
            return Ok(condition);
        }
        match pair {
            (
                Typed::Place {
                    operand,
                    side,
                    ty,
                    name,
                    ..
                },
                Typed::Constant(value),
            ) => self.with_constant(text, (operand, side, ty, name), comparison, &value, right.span),
            (
                Typed::Constant(value),
                Typed::Place {
                    operand,
                    side,
                    ty,
                    name,
                    ..
                },
            ) => self.with_constant(
                text,
                (operand, side, ty, name),
                turned(comparison),
                &value,
                left.span,
            ),
            (
                Typed::Place {
                    operand: left_operand,
                    side: left_side,
                    ty: left_type,
                    name: left_name,
                    ..
                },
                Typed::Place {
                    operand: right_operand,
                    side: right_side,
                    ty: right_type,
                    name: right_name,
                    ..
                },
            ) => {
                let comparable = matches!(
                    (left_type, right_type),
                    (TypeClass::Bool, TypeClass::Bool)
                        | (TypeClass::Integer { .. }, TypeClass::Integer { .. })
                        | (TypeClass::Float { .. }, TypeClass::Float { .. })
                        | (TypeClass::Text, TypeClass::Text)
                        | (TypeClass::Nilable, TypeClass::Nilable)
                );
                if !comparable {
                    return Err(Wrong::new(
                        span,
                        format!("`{left_name}` and `{right_name}` cannot be compared"),
                        "both must be of one kind: integers, floats, texts or bools",
                    ));
                }
                let orders = matches!(
                    left_type,
                    TypeClass::Integer { .. } | TypeClass::Float { .. } | TypeClass::Text
                );
                only_equality(span, comparison, orders)?;
                if left_type == TypeClass::Text
                    && left_side != right_side
                    && left_side.is_some()
                    && right_side.is_some()
                {
                    return Err(Wrong::new(
                        span,
                        "a text at entry cannot be compared with one at return",
                        "compare each with a fixed text",
                    ));
                }
                let text_differs = left_type == TypeClass::Text && comparison == Comparison::NotEqual;
                let kind = if text_differs {
                    TestKind::Equal
                } else {
                    test_kind(comparison)
                };
                let test = Test {
                    text,
                    left: left_operand,
                    test: kind,
                    right: right_operand,
                };
                let condition = Condition::Test(test, left_side, right_side);
                Ok(if text_differs {
                    Condition::Not(Box::new(condition))
                } else {
                    condition
                })
            }
            (Typed::Type { .. }, _) | (_, Typed::Type { .. }) => Err(Wrong::new(
                span,
                "a type is compared with its name",
                "write it in quotes: `type(err) == \"*os.PathError\"`",
            )),
            (Typed::Constant(_), Typed::Constant(_)) => Err(Wrong::new(
                span,
                "both sides are fixed, so the condition is constant",
                "compare a parameter, a result or something reached through one",
            )),
        }
    }

    fn with_constant(
        &self,
        text: String,
        (operand, side, ty, name): (Operand, Option<Side>, TypeClass, String),
        comparison: Comparison,
        value: &model::Operand,
        span: Span,
    ) -> Result<Condition, Wrong> {
        let test = |kind, constant| {
            let test = Test {
                text: text.clone(),
                left: operand.clone(),
                test: kind,
                right: Operand::Constant(constant),
            };
            Condition::Test(test, side, None)
        };
        match (ty, value) {
            (TypeClass::Integer { signed, size }, model::Operand::Integer(number)) => {
                let (least, most) = integer_range(signed, size);
                if !(least..=most).contains(number) {
                    return Err(Wrong::new(
                        span,
                        format!("`{name}` is never {number}, so the condition is constant"),
                        format!("its values range from {least} to {most}"),
                    ));
                }
                Ok(test(test_kind(comparison), number.cast_unsigned() as u64))
            }
            (TypeClass::Integer { .. }, model::Operand::Float(number)) => Err(Wrong::new(
                span,
                format!("`{name}` is an integer, and {number:?} is not"),
                "compare it with a whole number",
            )),
            (TypeClass::Float { size }, model::Operand::Integer(_) | model::Operand::Float(_)) => {
                let number = match value {
                    model::Operand::Integer(number) => *number as f64,
                    model::Operand::Float(number) => *number,
                    _ => unreachable!("matched above"),
                };
                // As Go does with a constant: rounded to the type of what it is compared with.
                let number = if size == 4 {
                    f64::from(number as f32)
                } else {
                    number
                };
                Ok(test(test_kind(comparison), number.to_bits()))
            }
            (TypeClass::Bool, model::Operand::Bool(value)) => {
                only_equality(span, comparison, false)?;
                Ok(test(test_kind(comparison), u64::from(*value)))
            }
            (TypeClass::Nilable, model::Operand::Null) => {
                only_equality(span, comparison, false)?;
                Ok(test(test_kind(comparison), 0))
            }
            (TypeClass::Text, model::Operand::Text(fixed))
                if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) =>
            {
                let ordered = Test {
                    text: text.clone(),
                    left: operand.clone(),
                    test: test_kind(comparison),
                    right: fixed_text(fixed, span)?,
                };
                Ok(Condition::Test(ordered, side, None))
            }
            (TypeClass::Text, model::Operand::Text(fixed)) => {
                let equal = Test {
                    text: text.clone(),
                    left: operand.clone(),
                    test: TestKind::Equal,
                    right: fixed_text(fixed, span)?,
                };
                let equal = Condition::Test(equal, side, None);
                Ok(if comparison == Comparison::NotEqual {
                    Condition::Not(Box::new(equal))
                } else {
                    equal
                })
            }
            _ => Err(misfit(span, &name, ty, value)),
        }
    }

    /// `"k" in m`.
    fn has(&self, path: &Spanned<model::Path>) -> Result<Condition, Wrong> {
        let not_a_map = || {
            Wrong::new(
                path.span,
                "what stands behind `in` is neither a list of values nor a map",
                "write `x in [1, 2]`, or the key of a map: `\"k\" in m`",
            )
        };
        let (side, target) = self.reach(&path.value, path.span)?;
        let Target::Value(located) = target else {
            return Err(not_a_map());
        };
        let place = located.element_place().ok_or_else(not_a_map)?;
        let test = Test {
            text: self.written(path.span),
            left: Operand::Place {
                place,
                size: 8,
                kind: OperandKind::Unsigned,
                nil_is_zero: false,
            },
            test: TestKind::Found,
            right: Operand::Constant(0),
        };
        Ok(Condition::Test(test, side, None))
    }

    fn text_test(
        &self,
        span: Span,
        test: TextTest,
        operand: &Spanned<model::Operand>,
        fixed: &Spanned<String>,
    ) -> Result<Condition, Wrong> {
        let kind = match test {
            TextTest::StartsWith => TestKind::StartsWith,
            TextTest::EndsWith => TestKind::EndsWith,
            TextTest::Contains => TestKind::Contains,
        };
        match self.value(operand)? {
            Typed::Place {
                operand,
                side,
                ty: TypeClass::Text,
                ..
            } => {
                let right = fixed_text(&fixed.value, fixed.span)?;
                let test = Test {
                    text: self.written(span),
                    left: operand,
                    test: kind,
                    right,
                };
                Ok(Condition::Test(test, side, None))
            }
            _ => Err(Wrong::new(
                operand.span,
                "this is not a string",
                "`startsWith`, `endsWith` and `contains` apply to strings only",
            )),
        }
    }

    fn written(&self, span: Span) -> String {
        self.text.get(span.start..span.end).unwrap_or_default().to_owned()
    }
}

/// A literal alone: it is its own operand.
fn constant(text: String, value: bool) -> Condition {
    let test = Test {
        text,
        left: Operand::Constant(u64::from(value)),
        test: TestKind::True,
        right: Operand::Constant(0),
    };
    Condition::Test(test, None, None)
}

fn fixed_text(text: &str, span: Span) -> Result<Operand, Wrong> {
    if text.len() > CONDITION_TEXT {
        return Err(Wrong::new(
            span,
            format!(
                "the text has {} bytes, and conditions compare at most {CONDITION_TEXT}",
                text.len()
            ),
            "compare its beginning with `startsWith`",
        ));
    }
    Ok(Operand::Text(text.as_bytes().to_vec()))
}

fn only_equality(span: Span, comparison: Comparison, orders: bool) -> Result<(), Wrong> {
    if orders || matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        return Ok(());
    }
    Err(Wrong::new(
        span,
        "only numbers and texts have an order",
        "use `==` or `!=`",
    ))
}

fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}

fn test_kind(comparison: Comparison) -> TestKind {
    match comparison {
        Comparison::Equal => TestKind::Equal,
        Comparison::NotEqual => TestKind::NotEqual,
        Comparison::Less => TestKind::Less,
        Comparison::LessOrEqual => TestKind::LessOrEqual,
        Comparison::Greater => TestKind::Greater,
        Comparison::GreaterOrEqual => TestKind::GreaterOrEqual,
    }
}

fn misfit(span: Span, name: &str, ty: TypeClass, value: &model::Operand) -> Wrong {
    let (what, help) = match ty {
        TypeClass::Bool => ("a bool", "write it alone, or compare it with `true` or `false`"),
        TypeClass::Integer { .. } => (
            "an integer",
            "compare it with a whole number; a duration is `duration(\"50ms\")`",
        ),
        TypeClass::Float { .. } => ("a float", "compare it with a number"),
        TypeClass::Text => ("a string", "compare it with a text in quotes"),
        TypeClass::Nilable => (
            "a pointer, interface, slice, map, channel or func",
            "compare it with `null`",
        ),
    };
    let value = match value {
        model::Operand::Integer(number) => number.to_string(),
        model::Operand::Float(number) => format!("{number:?}"),
        model::Operand::Text(text) => format!("\"{text}\""),
        model::Operand::Bool(value) => value.to_string(),
        model::Operand::Null => "null".to_owned(),
        model::Operand::Path(_) | model::Operand::Size(_) | model::Operand::Type(_) => "this".to_owned(),
    };
    Wrong::new(
        span,
        format!("`{name}` is {what}, which is not compared with {value}"),
        help,
    )
}
