//! Conditions, as the decision core evaluates them.

use goinject_probes::table::TestKind;
use serde::Serialize;

use super::{Element, Global, Place};
use crate::go::abi::Register;

/// One row of a condition; rows work on a stack of truths (true, false, unreadable).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Pushes the outcome of a test.
    Test(Test),
    /// Turns the topmost.
    Not,
    /// Joins the two topmost.
    And,
    /// Joins the two topmost.
    Or,
    /// Leaves out as many rows if the topmost is false.
    SkipIfFalse(u16),
    /// Leaves out as many rows if the topmost is true.
    SkipIfTrue(u16),
    /// Pushes the truth that was recorded under this number at entry.
    Recall(u8),
    /// At entry: records the outcome of a test under this number.
    Record(u8, Test),
    /// At entry: records an operand under this number.
    Capture(u8, Operand),
    /// Finds an element of a map: for the left operand of the next test 0, for the right one 1.
    Find(u8, Box<Element>),
}

/// A test of a condition.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Test {
    /// As the rule file says it.
    pub text: String,
    /// Left operand.
    pub left: Operand,
    /// Which.
    pub test: TestKind,
    /// Right operand; of no meaning for [`TestKind::True`].
    pub right: Operand,
}

/// An operand of a test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    /// 64 bits, of the same kind as the other operand.
    Constant(u64),
    /// A fixed text.
    Text(Vec<u8>),
    /// Where this is.
    Address(Global),
    /// An error, and the types whose errors wrap others; of [`TestKind::Is`] only.
    Error {
        /// The error's first word, with its second behind it; none where only the numbers count.
        place: Option<Place>,
        /// The types.
        wrappers: Vec<Wrapper>,
    },
    /// A value in the call.
    Place {
        /// Where.
        place: Place,
        /// Bytes: 1, 2, 4 or 8. Of a string 8: its pointer, with its length behind it.
        size: u8,
        /// How to understand them.
        kind: OperandKind,
        /// A nil pointer on the way makes it 0: the length of a nil map.
        nil_is_zero: bool,
    },
    /// The operand that was recorded under this number at entry.
    Recorded(u8, OperandKind),
}

/// A type whose errors wrap others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wrapper {
    /// Its description.
    pub ty: Global,
    /// Where the others are.
    pub wraps: Wraps,
}

/// How the errors of a type wrap others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wraps {
    /// One, so many bytes into it.
    One(u32),
    /// A slice of them, so many bytes into it.
    List(u32),
    /// None: it is a number, and these count as the other error; 0 none.
    Errno([u8; 2]),
}

/// How the bits of an operand are to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the kinds say themselves")]
pub enum OperandKind {
    Unsigned,
    Signed,
    Float,
    Text,
}

impl Test {
    /// What is to be found before the test can be made: elements of maps, in this order.
    pub fn finds(&self) -> Vec<Term> {
        [self.left.finds(0), self.right.finds(1)].concat()
    }
}

impl Operand {
    /// What is to be found before the operand can be read, as the left one (0) or the right one (1).
    pub fn finds(&self, side: u8) -> Vec<Term> {
        let place = match self {
            Operand::Place { place, .. }
            | Operand::Error {
                place: Some(place), ..
            } => place,
            _ => return Vec::new(),
        };
        let element = place.element.as_deref();
        let chain = element.map(Element::chain).unwrap_or_default();
        let find = |element: &Element| Term::Find(side, Box::new(element.clone()));
        chain.into_iter().map(find).collect()
    }
}

impl Term {
    pub(super) fn reads_floats(&self) -> bool {
        let float = |operand: &Operand| matches!(operand, Operand::Place { place, .. } if matches!(place.register(), Some(Register::Float(_))));
        match self {
            Term::Test(test) | Term::Record(_, test) => float(&test.left) || float(&test.right),
            Term::Capture(_, operand) => float(operand),
            _ => false,
        }
    }
}
