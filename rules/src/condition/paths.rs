//! What a condition looks at.

use crate::model::{Condition, Operand, Path};
use crate::source::{Span, Spanned};

impl Condition {
    /// Where it first names something that is wanted.
    pub fn find_path(&self, wanted: &dyn Fn(&Path) -> bool) -> Option<Span> {
        let of_operand = |operand: &Spanned<Operand>| match &operand.value {
            Operand::Path(path) | Operand::Size(path) | Operand::Type(path) => {
                wanted(path).then_some(operand.span)
            }
            Operand::Integer(_) | Operand::Float(_) | Operand::Text(_) | Operand::Bool(_) | Operand::Null => {
                None
            }
        };
        match self {
            Condition::And(left, right) | Condition::Or(left, right) => left
                .value
                .find_path(wanted)
                .or_else(|| right.value.find_path(wanted)),
            Condition::Not(inner) => inner.value.find_path(wanted),
            Condition::Truth(operand) | Condition::Text(_, operand, _) => of_operand(operand),
            Condition::Is(error, _) => of_operand(error),
            Condition::Has(path) => wanted(&path.value).then_some(path.span),
            Condition::Compare(left, _, right) => of_operand(left).or_else(|| of_operand(right)),
        }
    }
}
