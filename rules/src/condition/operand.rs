//! The sides of comparisons: paths, sizes, constants.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::Problem;
use super::mask::Masked;
use crate::model::{Operand, Path, Step};
use crate::path;
use crate::source::{Span, Spanned};
use crate::units::number::{self, Number};
use crate::units::parse_signed_duration;

/// Reads the parts of a parsed condition at their places.
pub(super) struct Operands<'m> {
    pub(super) masked: &'m Masked<'m>,
    pub(super) places: &'m SourceInfo,
}

impl Operands<'_> {
    /// Where a node's own token is: an operator, a bracket, a name, a value.
    pub(super) fn token(&self, node: &IdedExpr) -> Range<usize> {
        let length = self.masked.original().len();
        match self.places.offset_for(node.id) {
            // The parser's ends are of the last byte.
            Some((start, last)) => (start as usize).min(length)..(last as usize + 1).min(length),
            None => 0..length,
        }
    }

    /// All that belongs to a node, from its first operand to its last.
    pub(super) fn extent(&self, node: &IdedExpr) -> Range<usize> {
        let token = self.token(node);
        match &node.expr {
            Expr::Select(select) => {
                let end = self
                    .masked
                    .word_from(token.end)
                    .map_or(token.end, |word| word.end);
                self.extent(&select.operand).start..end
            }
            Expr::Call(call) => self.call_extent(call, token),
            Expr::Literal(LiteralValue::Int(_) | LiteralValue::Double(_)) if self.is_negative(node) => {
                self.masked.sign_before(token.start).unwrap_or(token.start)..token.end
            }
            Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => token.start..self.masked.close_of(token.start),
            _ => token,
        }
    }

    fn call_extent(&self, call: &CallExpr, token: Range<usize>) -> Range<usize> {
        let grouped = |node: &IdedExpr| self.masked.grouped(self.extent(node));
        let is_call = self.masked.original()[token.clone()].starts_with('(');
        let left = match (&call.target, call.args.as_slice()) {
            (Some(target), _) => Some(target.as_ref()),
            (None, [left, _, ..]) if !is_call => Some(left),
            _ => None,
        };
        let start = match left {
            Some(left) => grouped(left).start,
            None if is_call => self
                .masked
                .word_before(token.start)
                .map_or(token.start, |word| word.start),
            None => token.start,
        };
        let end = if is_call || call.func_name == operators::INDEX {
            self.masked.close_of(token.start)
        } else {
            call.args.last().map_or(token.end, |last| grouped(last).end)
        };
        start..end.max(start)
    }

    pub(super) fn span(&self, node: &IdedExpr) -> Span {
        let extent = self.extent(node);
        Span {
            start: extent.start,
            end: extent.end,
        }
    }

    /// The name of a called function, which stands before the bracket.
    pub(super) fn function(&self, node: &IdedExpr) -> &str {
        let bracket = self.token(node).start;
        self.masked
            .word_before(bracket)
            .map_or("", |word| &self.masked.original()[word])
    }

    /// Reads a side of a comparison.
    pub(super) fn operand(&self, node: &IdedExpr) -> Result<Spanned<Operand>, Problem> {
        let operand = match &node.expr {
            Expr::Literal(literal) => self.literal(node, literal)?,
            Expr::Call(call) if is_function(call, self.function(node)) => self.function_value(node, call)?,
            _ => Operand::Path(self.path(node)?),
        };
        Ok(Spanned::new(operand, self.span(node)))
    }

    fn literal(&self, node: &IdedExpr, literal: &LiteralValue) -> Result<Operand, Problem> {
        Ok(match literal {
            LiteralValue::Boolean(value) => Operand::Bool(*value.inner()),
            LiteralValue::Null => Operand::Null,
            LiteralValue::String(value) => Operand::Text(value.inner().to_owned()),
            LiteralValue::Bytes(_) => {
                let help = "compare with text: `\"…\"`";
                return Err(Problem::new(self.extent(node), "a condition has no bytes", help));
            }
            LiteralValue::Int(_) | LiteralValue::Double(_) | LiteralValue::UInt(_) => self.number(node)?,
        })
    }

    fn is_negative(&self, node: &IdedExpr) -> bool {
        matches!(&node.expr, Expr::Literal(LiteralValue::Int(value)) if *value.inner() < 0)
    }

    fn number(&self, node: &IdedExpr) -> Result<Operand, Problem> {
        let range = self.token(node);
        let written = &self.masked.original()[range.clone()];
        let digits = written.strip_suffix(['u', 'U']).unwrap_or(written);
        let sign = if self.is_negative(node) { -1 } else { 1 };
        match number::read(digits) {
            Some(Ok(Number::Integer(value))) => Ok(Operand::Integer(value * sign)),
            Some(Ok(Number::Float(value))) => Ok(Operand::Float(value * sign as f64)),
            Some(Err(malformed)) => Err(Problem::new(range, malformed.reason, malformed.help)),
            None => {
                let help = match parse_signed_duration(digits) {
                    Ok(_) => format!("write `duration(\"{digits}\")`"),
                    Err(_) => "write a number, such as `10`, `-3`, `0xff` or `1.5`".to_owned(),
                };
                Err(Problem::new(range, format!("`{written}` is not a number"), help))
            }
        }
    }

    /// `size(path)`, `path.size()`, `duration("50ms")`.
    fn function_value(&self, node: &IdedExpr, call: &CallExpr) -> Result<Operand, Problem> {
        match (self.function(node), call.target.as_deref(), call.args.as_slice()) {
            ("size", None, [of]) | ("size", Some(of), []) => Ok(Operand::Size(self.path(of)?)),
            ("type", None, [of]) => Ok(Operand::Type(self.path(of)?)),
            ("type", ..) => {
                let help = "write `type(err)`";
                Err(Problem::new(
                    self.extent(node),
                    "`type` takes one interface",
                    help,
                ))
            }
            ("size", ..) => {
                let help = "write `size(x)`";
                Err(Problem::new(
                    self.extent(node),
                    "`size` takes one string, slice or map",
                    help,
                ))
            }
            (
                "duration",
                None,
                [
                    IdedExpr {
                        expr: Expr::Literal(LiteralValue::String(text)),
                        ..
                    },
                ],
            ) => match parse_signed_duration(text.inner()) {
                Ok(nanoseconds) => Ok(Operand::Integer(i128::from(nanoseconds))),
                Err(error) => Err(Problem::new(self.extent(node), error.message, error.help)),
            },
            ("duration", ..) => {
                let help = "write `duration(\"50ms\")`";
                Err(Problem::new(self.extent(node), "`duration` takes one text", help))
            }
            (name, ..) => Err(unknown_function(name, self.extent(node))),
        }
    }

    /// Reads a parameter, a result, or what is reached through one.
    pub(super) fn path(&self, node: &IdedExpr) -> Result<Path, Problem> {
        let mut steps = Vec::new();
        let root = self.steps(node, &mut steps)?;
        let name = &self.masked.original()[root.clone()];
        match name {
            "nil" => return Err(Problem::new(root, "CEL has no `nil`", "write `null`")),
            "True" | "False" | "TRUE" | "FALSE" => {
                let help = format!("write `{}`", name.to_lowercase());
                return Err(Problem::new(root, format!("CEL has no `{name}`"), help));
            }
            _ => {}
        }
        path::build(name, steps).map_err(|error| Problem::new(root, error.message, error.help))
    }

    /// Collects the steps of a path, and gives the place of its first name.
    fn steps(&self, node: &IdedExpr, steps: &mut Vec<Step>) -> Result<Range<usize>, Problem> {
        match &node.expr {
            Expr::Ident(name) if !name.starts_with('.') => Ok(self.token(node)),
            Expr::Select(select) if !select.test => {
                let root = self.steps(&select.operand, steps)?;
                let field = self
                    .masked
                    .word_from(self.token(node).end)
                    .unwrap_or(root.clone());
                let name = &self.masked.original()[field.clone()];
                steps.push(
                    match name.strip_prefix('(').and_then(|name| name.strip_suffix(')')) {
                        Some(ty) => self.assertion(ty.trim(), field)?,
                        None => Step::Field(name.to_owned()),
                    },
                );
                Ok(root)
            }
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [indexed, index] = call.args.as_slice() else {
                    return Err(self.not_a_path(node));
                };
                let root = self.steps(indexed, steps)?;
                steps.push(self.index(index)?);
                Ok(root)
            }
            _ => Err(self.not_a_path(node)),
        }
    }

    /// `.(*os.PathError)`.
    fn assertion(&self, ty: &str, range: Range<usize>) -> Result<Step, Problem> {
        if ty.is_empty() || ty == "type" {
            let help = "write `.(*os.PathError)`, or ask for the type: `type(err) == \"*os.PathError\"`";
            return Err(Problem::new(range, "the name of a type is missing", help));
        }
        Ok(Step::Assert(ty.to_owned()))
    }

    /// What stands between `[` and `]`.
    pub(super) fn index(&self, node: &IdedExpr) -> Result<Step, Problem> {
        let range = self.extent(node);
        match &node.expr {
            Expr::Literal(LiteralValue::Int(_) | LiteralValue::UInt(_)) => match self.number(node)? {
                Operand::Integer(value) if value < 0 => Err(Problem::new(
                    range,
                    "an index can't be negative",
                    "count from 0, from the front",
                )),
                Operand::Integer(value) => u64::try_from(value)
                    .map(Step::Index)
                    .map_err(|_| Problem::new(range, "this is too large for an index", "count from 0")),
                _ => Err(Problem::new(
                    range,
                    "an index is a whole number",
                    "count from 0: `[0]`",
                )),
            },
            Expr::Literal(LiteralValue::String(key)) => Ok(Step::Key(key.inner().to_owned())),
            _ => Err(Problem::new(
                range,
                "an index must be a number, or the key of a map in quotes",
                "write a number, counted from 0, or a text: `xs[0]`, `header[\"X-Trace\"]`",
            )),
        }
    }

    fn not_a_path(&self, node: &IdedExpr) -> Problem {
        super::convert::refuse(self, node).unwrap_or_else(|| {
            let help = "write a parameter, a result, or a field of one";
            Problem::new(self.extent(node), "this is neither a name nor a value", help)
        })
    }
}

/// Whether a call is one of a function, and not an operator or index.
pub(super) fn is_function(call: &CallExpr, name: &str) -> bool {
    !name.is_empty() && call.func_name.starts_with('x')
}

/// Functions of CEL and Go that a condition lacks.
pub(super) fn unknown_function(name: &str, range: Range<usize>) -> Problem {
    let help = match name {
        "len" | "length" => "write `size(x)`",
        "matches" => "there are no regular expressions: write `startsWith`, `endsWith` or `contains`",
        "HasPrefix" | "hasPrefix" | "starts_with" | "startswith" | "StartsWith" => {
            "write `s.startsWith(\"…\")`"
        }
        "HasSuffix" | "hasSuffix" | "ends_with" | "endswith" | "EndsWith" => "write `s.endsWith(\"…\")`",
        "Contains" | "includes" => "write `s.contains(\"…\")`",
        "not" => "write `!(…)`",
        "has" => "compare with `null`: `x != null`",
        "all" | "exists" | "exists_one" | "map" | "filter" => {
            "write out the elements: `xs[0] == 1 || xs[1] == 1`"
        }
        "int" | "uint" | "double" | "string" | "bytes" | "bool" | "dyn" => {
            "compare the value as it is: Go's types are known"
        }
        "startsWith" | "endsWith" | "contains" => "call it on a text: `s.startsWith(\"…\")`",
        _ => {
            "functions are `size(x)`, `type(x)`, `errors.Is(err, io.EOF)`, `duration(\"…\")`, `s.startsWith(\"…\")`, `s.endsWith(\"…\")` and `s.contains(\"…\")`"
        }
    };
    Problem::new(range, format!("a condition has no `{name}`"), help)
}
