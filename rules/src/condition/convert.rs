//! From CEL's syntax tree to a [`Condition`].

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::Problem;
use super::mask::Masked;
use super::operand::{Operands, is_function, unknown_function};
use crate::model::{Comparison, Condition, Operand, TextTest};
use crate::source::Spanned;

/// Converts a parsed condition, or says what in it the tables can't express.
pub(super) fn convert(
    masked: &Masked<'_>,
    places: &SourceInfo,
    expression: &IdedExpr,
) -> Result<Spanned<Condition>, Vec<Problem>> {
    let mut converter = Converter {
        operands: Operands { masked, places },
        problems: Vec::new(),
    };
    match converter.condition(expression) {
        Some(condition) if converter.problems.is_empty() => Ok(condition),
        _ => Err(converter.problems),
    }
}

struct Converter<'m> {
    operands: Operands<'m>,
    problems: Vec<Problem>,
}

impl Converter<'_> {
    fn condition(&mut self, node: &IdedExpr) -> Option<Spanned<Condition>> {
        let condition = match &node.expr {
            Expr::Call(call) => self.call(node, call)?,
            Expr::Literal(LiteralValue::Boolean(value)) => Condition::Truth(Spanned::new(
                Operand::Bool(*value.inner()),
                self.operands.span(node),
            )),
            Expr::Literal(_) => {
                let help = "compare it with something: `x == …`";
                return self.refuse(Problem::new(
                    self.operands.extent(node),
                    "a value alone is neither true nor false",
                    help,
                ));
            }
            _ => self.truth(node)?,
        };
        Some(Spanned::new(condition, self.operands.span(node)))
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Condition> {
        if let Some(comparison) = comparison(&call.func_name) {
            return self.compare(node, call, comparison);
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, [left, right]) => {
                let (left, right) = (self.condition(left), self.condition(right));
                Some(Condition::And(Box::new(left?), Box::new(right?)))
            }
            (operators::LOGICAL_OR, [left, right]) => {
                let (left, right) = (self.condition(left), self.condition(right));
                Some(Condition::Or(Box::new(left?), Box::new(right?)))
            }
            (operators::LOGICAL_NOT, [inner]) => Some(Condition::Not(Box::new(self.condition(inner)?))),
            (operators::IN, [left, right]) => self.member(node, left, right),
            (operators::INDEX, _) => self.truth(node),
            _ if is_function(call, self.operands.function(node)) => self.test(node, call),
            _ => {
                let problem = refuse(&self.operands, node);
                self.problems.extend(problem);
                None
            }
        }
    }

    fn truth(&mut self, node: &IdedExpr) -> Option<Condition> {
        let path = self
            .operands
            .path(node)
            .map_err(|problem| self.problems.push(problem))
            .ok()?;
        Some(Condition::Truth(Spanned::new(
            Operand::Path(path),
            self.operands.span(node),
        )))
    }

    /// `x in [1, 2]`: equal to one of them. `"k" in m`: a map has such a key.
    fn member(&mut self, node: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Option<Condition> {
        let extent = self.operands.extent(node);
        let Expr::List(list) = &right.expr else {
            if matches!(&left.expr, Expr::Literal(_)) {
                return self.has(node, left, right);
            }
            let help = "write the values in brackets: `x in [1, 2]`; for one, `x == 1`; for a map, its key: `\"k\" in m`";
            return self.refuse(Problem::new(extent, "`in` takes a list of values", help));
        };
        if list.elements.is_empty() {
            let help = "write the values: `x in [1, 2]`";
            return self.refuse(Problem::new(extent, "nothing is in an empty list", help));
        }
        let span = self.operands.span(node);
        let mut whole: Option<Condition> = None;
        for element in &list.elements {
            let sides = [left, element].map(|side| {
                self.operands
                    .operand(side)
                    .map_err(|problem| self.problems.push(problem))
                    .ok()
            });
            let [Some(left), Some(element)] = sides else {
                return None;
            };
            if let Some(problem) = senseless(&left, Comparison::Equal, &element, extent.clone()) {
                return self.refuse(problem);
            }
            let equal = Condition::Compare(left, Comparison::Equal, element);
            whole = Some(match whole {
                None => equal,
                Some(before) => Condition::Or(
                    Box::new(Spanned::new(before, span)),
                    Box::new(Spanned::new(equal, span)),
                ),
            });
        }
        whole
    }

    /// `"k" in m`.
    fn has(&mut self, node: &IdedExpr, key: &IdedExpr, map: &IdedExpr) -> Option<Condition> {
        let path = self.operands.path(map).and_then(|mut path| {
            path.steps.push(self.operands.index(key)?);
            Ok(path)
        });
        match path {
            Ok(path) => Some(Condition::Has(Spanned::new(path, self.operands.span(node)))),
            Err(problem) => self.refuse(problem),
        }
    }

    /// `errors.Is(err, io.EOF)`.
    fn is(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Condition> {
        let [error, other] = call.args.as_slice() else {
            let help = "write `errors.Is(err, io.EOF)`";
            return self.refuse(Problem::new(
                self.operands.extent(node),
                "`errors.Is` takes two errors",
                help,
            ));
        };
        let sides = [error, other].map(|side| {
            self.operands
                .path(side)
                .map(|path| Spanned::new(Operand::Path(path), self.operands.span(side)))
                .map_err(|problem| self.problems.push(problem))
                .ok()
        });
        let [Some(error), Some(other)] = sides else {
            return None;
        };
        Some(Condition::Is(error, other))
    }

    /// `s.startsWith("…")` and its like.
    fn test(&mut self, node: &IdedExpr, call: &CallExpr) -> Option<Condition> {
        let name = self.operands.function(node);
        let of_errors = call
            .target
            .as_deref()
            .is_some_and(|target| &self.operands.masked.original()[self.operands.extent(target)] == "errors");
        let test = match name {
            "Is" if of_errors => return self.is(node, call),
            "startsWith" => TextTest::StartsWith,
            "endsWith" => TextTest::EndsWith,
            "contains" => TextTest::Contains,
            "type" => {
                let message = "a type is neither true nor false";
                let help = "compare it with its name: `type(err) == \"*os.PathError\"`";
                return self.refuse(Problem::new(self.operands.extent(node), message, help));
            }
            "size" | "duration" => {
                let help = format!(
                    "compare it: `{} > 0`",
                    &self.operands.masked.original()[self.operands.extent(node)]
                );
                let message = format!("`{name}` is a number, neither true nor false");
                return self.refuse(Problem::new(self.operands.extent(node), message, help));
            }
            _ => return self.refuse(unknown_function(name, self.operands.extent(node))),
        };
        let Some(target) = call.target.as_deref() else {
            return self.refuse(unknown_function(name, self.operands.extent(node)));
        };
        let [
            IdedExpr {
                expr: Expr::Literal(LiteralValue::String(text)),
                ..
            },
        ] = call.args.as_slice()
        else {
            let help = format!("write `s.{name}(\"…\")`");
            let message = format!("`{name}` takes one text in quotes");
            return self.refuse(Problem::new(self.operands.extent(node), message, help));
        };
        let operand = match self.operands.path(target) {
            Ok(path) => Spanned::new(Operand::Path(path), self.operands.span(target)),
            Err(problem) => return self.refuse(problem),
        };
        let text = Spanned::new(text.inner().to_owned(), self.operands.span(&call.args[0]));
        Some(Condition::Text(test, operand, text))
    }

    fn compare(&mut self, node: &IdedExpr, call: &CallExpr, comparison: Comparison) -> Option<Condition> {
        let [left, right] = call.args.as_slice() else {
            return None;
        };
        for side in [left, right] {
            if matches!(&side.expr, Expr::Call(inner) if self::comparison(&inner.func_name).is_some()) {
                let help = "write `a < b && b < c` instead of `a < b < c`";
                return self.refuse(Problem::new(
                    self.operands.extent(node),
                    "comparisons can't be chained",
                    help,
                ));
            }
            if matches!(&side.expr, Expr::Call(inner) if is_logical(&inner.func_name)) {
                let help = "write conditions themselves, without comparing them with `true` or `false`";
                return self.refuse(Problem::new(
                    self.operands.extent(side),
                    "a condition can't be compared",
                    help,
                ));
            }
        }
        let sides = [left, right].map(|side| {
            self.operands
                .operand(side)
                .map_err(|problem| self.problems.push(problem))
                .ok()
        });
        let [Some(left), Some(right)] = sides else {
            return None;
        };
        if let Some(problem) = senseless(&left, comparison, &right, self.operands.extent(node)) {
            return self.refuse(problem);
        }
        Some(Condition::Compare(left, comparison, right))
    }

    fn refuse<T>(&mut self, problem: Problem) -> Option<T> {
        self.problems.push(problem);
        None
    }
}

/// What is wrong with a comparison, as far as it can be told without the types.
fn senseless(
    left: &Spanned<Operand>,
    comparison: Comparison,
    right: &Spanned<Operand>,
    whole: std::ops::Range<usize>,
) -> Option<Problem> {
    let is_variable =
        |operand: &Operand| matches!(operand, Operand::Path(_) | Operand::Size(_) | Operand::Type(_));
    if !is_variable(left) && !is_variable(right) {
        let help = "compare a parameter, a result or a field with a value";
        return Some(Problem::new(
            whole,
            "this compares two values that never change",
            help,
        ));
    }
    let (variable, constant) = if is_variable(left) {
        (left, right)
    } else {
        (right, left)
    };
    let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    let place = constant.span.start..constant.span.end;
    let kind = match constant.value {
        Operand::Text(_) => "text",
        Operand::Bool(_) => "`true` and `false`",
        Operand::Null => "`null`",
        _ => "",
    };
    // Texts have an order, and types have none.
    let of_texts = matches!(constant.value, Operand::Text(_)) && !matches!(variable.value, Operand::Type(_));
    if ordered && !kind.is_empty() && !of_texts {
        let message = format!("{kind} can be compared with `==` and `!=` only");
        return Some(Problem::new(place, message, "only numbers have an order here"));
    }
    if matches!(variable.value, Operand::Size(_))
        && (!kind.is_empty() || matches!(constant.value, Operand::Float(_)))
    {
        return Some(Problem::new(
            place,
            "a size is a whole number",
            "compare it with one: `size(x) > 0`",
        ));
    }
    None
}

fn comparison(operator: &str) -> Option<Comparison> {
    Some(match operator {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn is_logical(operator: &str) -> bool {
    matches!(
        operator,
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT
    )
}

/// What of CEL a condition lacks, by its name.
pub(super) fn refuse(operands: &Operands<'_>, node: &IdedExpr) -> Option<Problem> {
    let problem = |message: &str, help: &str| Some(Problem::new(operands.extent(node), message, help));
    match &node.expr {
        Expr::Call(call) => match call.func_name.as_str() {
            operators::IN => problem("`in` can't stand here", "write `x in [1, 2]`"),
            operators::CONDITIONAL => problem("a condition has no `? :`", "write `a && b || !a && c`"),
            operators::ADD
            | operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO => {
                problem("a condition has no arithmetic", "compare with the computed value")
            }
            operators::NEGATE => problem(
                "a `-` can stand before a number only",
                "write the comparison the other way round",
            ),
            operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT => problem(
                "a condition can't stand here",
                "write a parameter, a result or a field",
            ),
            _ => Some(unknown_function(operands.function(node), operands.extent(node))),
        },
        Expr::List(_) => problem("a list stands behind `in` only", "write `x in [1, 2]`"),
        Expr::Map(_) | Expr::Struct(_) => problem(
            "a condition has no `{…}`",
            "compare field by field: `x.a == 1 && x.b == 2`",
        ),
        Expr::Literal(_) => problem(
            "a value has no fields and no elements",
            "write a parameter, a result or a field",
        ),
        Expr::Ident(_) => problem("a name can't begin with `.`", "write the name alone"),
        Expr::Select(_) | Expr::Comprehension(_) | Expr::Unspecified => None,
    }
}
