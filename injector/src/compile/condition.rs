//! Conditions as rows that work on a stack of truths.

use crate::plan::{Operand, OperandKind, Term, Test};
use crate::resolve::condition::Condition;
use crate::resolve::path::Side;

/// The rows of a condition that is decided where all its operands are in place.
pub(super) fn rows(condition: &Condition) -> Vec<Term> {
    let mut rows = Vec::new();
    push(condition, &mut rows, &mut |test, _, _| tested(test.clone()));
    rows
}

/// The rows of a condition that is decided at return, and what is recorded for it at entry.
pub(super) fn rows_at_return(condition: &Condition) -> (Vec<Term>, Vec<Term>) {
    let mut recorded = Vec::new();
    let mut truths = 0;
    let mut captures = 0;
    let mut rows = Vec::new();
    push(condition, &mut rows, &mut |test, left, right| {
        let of_entry = |side: Option<Side>| side == Some(Side::Entry);
        let of_return = |side: Option<Side>| side == Some(Side::Return);
        if !of_entry(left) && !of_entry(right) {
            return tested(test.clone());
        }
        if !of_return(left) && !of_return(right) {
            recorded.extend(test.finds());
            recorded.push(Term::Record(truths, test.clone()));
            truths += 1;
            return vec![Term::Recall(truths - 1)];
        }
        let mut test = test.clone();
        let early = if of_entry(left) {
            &mut test.left
        } else {
            &mut test.right
        };
        let kind = kind(early);
        let operand = std::mem::replace(early, Operand::Recorded(captures, kind));
        recorded.extend(operand.finds(0));
        recorded.push(Term::Capture(captures, operand));
        captures += 1;
        tested(test)
    });
    (recorded, rows)
}

/// A test, behind what is to be found for it.
fn tested(test: Test) -> Vec<Term> {
    let mut rows = test.finds();
    rows.push(Term::Test(test));
    rows
}

fn kind(operand: &Operand) -> OperandKind {
    match operand {
        Operand::Place { kind, .. } | Operand::Recorded(_, kind) => *kind,
        Operand::Constant(_) | Operand::Text(_) | Operand::Address(_) | Operand::Error { .. } => {
            OperandKind::Unsigned
        }
    }
}

fn push(
    condition: &Condition,
    rows: &mut Vec<Term>,
    leaf: &mut impl FnMut(&Test, Option<Side>, Option<Side>) -> Vec<Term>,
) {
    match condition {
        Condition::Test(test, left, right) => rows.extend(leaf(test, *left, *right)),
        Condition::Not(inner) => {
            push(inner, rows, leaf);
            rows.push(Term::Not);
        }
        Condition::And(left, right) => join(left, right, rows, leaf, Term::SkipIfFalse, Term::And),
        Condition::Or(left, right) => join(left, right, rows, leaf, Term::SkipIfTrue, Term::Or),
    }
}

/// Left, a skip over the rest if that decides already, right, and the join.
fn join(
    left: &Condition,
    right: &Condition,
    rows: &mut Vec<Term>,
    leaf: &mut impl FnMut(&Test, Option<Side>, Option<Side>) -> Vec<Term>,
    skip: fn(u16) -> Term,
    join: Term,
) {
    push(left, rows, leaf);
    let at = rows.len();
    push(right, rows, leaf);
    rows.push(join);
    let rest = u16::try_from(rows.len() - at).expect("conditions have few rows");
    rows.insert(at, skip(rest));
}

#[cfg(test)]
mod tests {
    use super::*;
    use goinject_probes::table::TestKind;

    fn test(text: &str, left: Option<Side>, right: Option<Side>) -> Condition {
        let operand = |side: Option<Side>| match side {
            None => Operand::Constant(0),
            Some(_) => Operand::Recorded(99, OperandKind::Signed),
        };
        let test = Test {
            text: text.to_owned(),
            left: operand(left),
            test: TestKind::Less,
            right: operand(right),
        };
        Condition::Test(test, left, right)
    }

    fn shown(rows: &[Term]) -> Vec<String> {
        rows.iter()
            .map(|row| match row {
                Term::Test(test) => test.text.clone(),
                Term::Record(slot, test) => format!("record {slot} {}", test.text),
                Term::Capture(slot, _) => format!("capture {slot}"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn what_decides_alone_skips_the_rest() {
        let a = || Box::new(test("a", Some(Side::Entry), None));
        let b = || Box::new(test("b", Some(Side::Entry), None));
        let and = Condition::And(a(), Box::new(Condition::Not(b())));
        assert_eq!(shown(&rows(&and)), ["a", "SkipIfFalse(3)", "b", "Not", "And"]);
        let or = Condition::Or(Box::new(and), a());
        assert_eq!(
            shown(&rows(&or)),
            [
                "a",
                "SkipIfFalse(3)",
                "b",
                "Not",
                "And",
                "SkipIfTrue(2)",
                "a",
                "Or"
            ]
        );
    }

    #[test]
    fn the_return_recalls_what_the_entry_recorded() {
        let entry = Box::new(test("p", Some(Side::Entry), None));
        let result = Box::new(test("r", Some(Side::Return), None));
        let mixed = Box::new(test("p < r", Some(Side::Entry), Some(Side::Return)));
        let all = Condition::And(entry, Box::new(Condition::Or(result, mixed)));
        let (recorded, rows) = rows_at_return(&all);
        assert_eq!(shown(&recorded), ["record 0 p", "capture 0"]);
        assert_eq!(
            shown(&rows),
            [
                "Recall(0)",
                "SkipIfFalse(5)",
                "r",
                "SkipIfTrue(2)",
                "p < r",
                "Or",
                "And"
            ]
        );
    }
}
