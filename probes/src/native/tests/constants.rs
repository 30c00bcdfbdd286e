//! The C and Rust sides of the tables, compared constant by constant.

use std::collections::BTreeMap;

use crate::table::*;

/// The numbers that `bpf/abi.h`, `bpf/kept.h` and `bpf/hit.h` define, by name.
fn constants_in_c() -> BTreeMap<String, u64> {
    /// What only the core looks at.
    const ITS_OWN: [&str; 12] = [
        "GI_IS_DONE",
        "GI_HAS_FAILED",
        "GI_MEMBERS",
        "GI_SCOPE_GOROUTINE",
        "GI_SCOPE_TEST",
        "GI_SCOPE_PROCESS",
        "GI_SCOPE_PLACE",
        "GI_RANGE_STEPS",
        "GI_FRAMES",
        "GI_G_STACK_LOW",
        "GI_G_STACK_HIGH",
        "GI_G_STACK_GUARD",
    ];
    let text = [
        include_str!("../../../bpf/abi.h"),
        include_str!("../../../bpf/kept.h"),
        include_str!("../../../bpf/hit.h"),
    ]
    .concat();
    let text = text
        .split("enum gi_scratch_state")
        .next()
        .expect("the first part");
    text.lines()
        .filter_map(|line| {
            let (name, value) = match line.strip_prefix("#define ") {
                Some(define) => define.split_once(' ')?,
                None => line.strip_prefix("\t")?.split_once(" = ")?,
            };
            let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
            Some((name.to_owned(), digits.parse().ok()?))
        })
        .filter(|(name, _)| {
            name.starts_with("GI_") && !name.contains('(') && !ITS_OWN.contains(&name.as_str())
        })
        .collect()
}

macro_rules! constants {
    ($($name:literal = $value:expr,)*) => {
        [$(($name, u64::from($value as u32))),*]
    };
}

#[test]
fn constants_have_the_same_values() {
    let rust = constants! {
        "GI_BASE_INTEGER" = Base::Integer,
        "GI_BASE_FLOAT" = Base::Float,
        "GI_BASE_STACK" = Base::Stack,
        "GI_BASE_ABSOLUTE" = Base::Absolute,
        "GI_BASE_COPY" = Base::Copy,
        "GI_PUT" = Source::Put,
        "GI_COPY" = Source::Copy,
        "GI_KEEP" = Source::Keep,
        "GI_CLEAR" = Source::Clear,
        "GI_ADD" = Source::Add,
        "GI_XOR" = Source::Xor,
        "GI_RANDOM" = Source::Random,
        "GI_CUT" = Source::Cut,
        "GI_SHRINK" = Source::Shrink,
        "GI_COPY_TYPE" = Source::CopyType,
        "GI_FRESH" = Source::Fresh,
        "GI_FLIP" = Source::Flip,
        "GI_REPEAT" = Source::Repeat,
        "GI_TIME" = Source::Time,
        "GI_TIME_REST" = Source::TimeRest,
        "GI_KIND_UNSIGNED" = ValueKind::Unsigned,
        "GI_KIND_SIGNED" = ValueKind::Signed,
        "GI_KIND_FLOAT" = ValueKind::Float,
        "GI_KIND_TEXT" = ValueKind::Text,
        "GI_OP_TEST" = Op::Test,
        "GI_OP_NOT" = Op::Not,
        "GI_OP_AND" = Op::And,
        "GI_OP_OR" = Op::Or,
        "GI_OP_SKIP_IF_FALSE" = Op::SkipIfFalse,
        "GI_OP_SKIP_IF_TRUE" = Op::SkipIfTrue,
        "GI_OP_RECALL" = Op::Recall,
        "GI_OP_CAPTURE" = Op::Capture,
        "GI_TEST_TRUE" = TestKind::True,
        "GI_TEST_EQUAL" = TestKind::Equal,
        "GI_TEST_NOT_EQUAL" = TestKind::NotEqual,
        "GI_TEST_LESS" = TestKind::Less,
        "GI_TEST_LESS_OR_EQUAL" = TestKind::LessOrEqual,
        "GI_TEST_GREATER" = TestKind::Greater,
        "GI_TEST_GREATER_OR_EQUAL" = TestKind::GreaterOrEqual,
        "GI_TEST_STARTS_WITH" = TestKind::StartsWith,
        "GI_TEST_ENDS_WITH" = TestKind::EndsWith,
        "GI_TEST_CONTAINS" = TestKind::Contains,
        "GI_TEST_IS" = TestKind::Is,
        "GI_WRAPS_ONE" = Wraps::One,
        "GI_WRAPS_LIST" = Wraps::List,
        "GI_WRAPS_ERRNO" = Wraps::Errno,
        "GI_OPERAND_CONSTANT" = OperandSource::Constant,
        "GI_OPERAND_PLACE" = OperandSource::Place,
        "GI_OPERAND_CAPTURE" = OperandSource::Capture,
        "GI_OK" = Reason::Ok,
        "GI_NIL" = Reason::Nil,
        "GI_RANGE" = Reason::Range,
        "GI_READ_FAULT" = Reason::ReadFault,
        "GI_WRITE_FAULT" = Reason::WriteFault,
        "GI_BARRIER" = Reason::Barrier,
        "GI_NO_FLOATS" = Reason::NoFloats,
        "GI_WRONG_PC" = Reason::WrongPc,
        "GI_NO_SIGNAL" = Reason::NoSignal,
        "GI_NO_ROOM" = Reason::NoRoom,
        "GI_LOST" = Reason::Lost,
        "GI_TOO_MANY" = Reason::TooMany,
        "GI_NO_ROW" = Reason::NoRow,
        "GI_NO_ENTRY" = Reason::NoEntry,
        "GI_TOO_LONG" = Reason::TooLong,
        "GI_NOT_HERE" = Reason::NotHere,
        "GI_WRONG_TYPE" = Reason::WrongType,
        "GI_NO_COPIES" = Reason::NoCopies,
        "GI_UNSCANNED" = Reason::Unscanned,
        "GI_HELD_CALLS" = Held::Calls,
        "GI_HELD_WINDOW" = Held::Window,
        "GI_HELD_CHANCE" = Held::Chance,
        "GI_HELD_RATE" = Held::Rate,
        "GI_HELD_TIMES" = Held::Times,
        "GI_HELD_LIMIT" = Held::Limit,
        "GI_HELD_WITHIN" = Held::Within,
        "GI_HELD_UNREADABLE" = Held::Unreadable,
        "GI_HELD_MARKING" = Held::Marking,
        "GI_SITE_ENTRY" = SiteKind::Entry,
        "GI_SITE_RETURN" = SiteKind::Return,
        "GI_SITE_SIGNAL" = SiteKind::Signal,
        "GI_SITE_SLOT" = SiteKind::Slot,
        "GI_WRITER_NONE" = WriterKind::None,
        "GI_WRITER_MEMORY" = WriterKind::Memory,
        "GI_WRITER_CONTEXT" = WriterKind::Context,
        "GI_WRITER_FRAME" = WriterKind::Frame,
        "GI_WRITER_TRACER" = WriterKind::Tracer,
        "GI_WRITER_DIRECT" = WriterKind::Direct,
        "GI_LEAD_NEXT" = Lead::Next,
        "GI_LEAD_BRANCH" = Lead::Branch,
        "GI_LEAD_TARGET" = Lead::Target,
        "GI_LEAD_RETURN" = Lead::Return,
        "GI_DISARMED" = Armed::Disarmed,
        "GI_ARMED" = Armed::Armed,
        "GI_EXECUTED" = Armed::Executed,
        "GI_NEED_CONDITIONS" = Needs::CONDITIONS.0,
        "GI_NEED_TEXTS" = Needs::TEXTS.0,
        "GI_NEED_CALLERS" = Needs::CALLERS.0,
        "GI_NEED_CALLS" = Needs::CALLS.0,
        "GI_NEED_DELAYS" = Needs::DELAYS.0,
        "GI_NEED_GOROUTINES" = Needs::GOROUTINES.0,
        "GI_NEED_TRIGGERS" = Needs::TRIGGERS.0,
        "GI_NEED_EDITS" = Needs::EDITS.0,
        "GI_NEED_ARITHMETIC" = Needs::ARITHMETIC.0,
        "GI_NEED_COPIES" = Needs::COPIES.0,
        "GI_NEED_FRAMES" = Needs::FRAMES.0,
        "GI_NEED_FLOATS" = Needs::FLOATS.0,
        "GI_NEED_TESTS" = Needs::TESTS.0,
        "GI_NEED_NUMBERS" = Needs::NUMBERS.0,
        "GI_STEPS" = STEPS,
        "GI_BINDINGS" = BINDINGS,
        "GI_FIRED" = FIRED,
        "GI_CLEARED" = CLEARED,
        "GI_DELAYED" = DELAYED,
        "GI_TERMS" = TERMS,
        "GI_CAPTURES" = CAPTURES,
        "GI_RANGES" = RANGES,
        "GI_LEVELS" = LEVELS,
        "GI_CONDITION_TEXT" = CONDITION_TEXT,
        "GI_EVENT_WORDS" = EVENT_WORDS,
        "GI_EVENT_TEXTS" = EVENT_TEXTS,
        "GI_TEXT" = TEXT,
        "GI_REASONS" = REASONS,
        "GI_STACK" = STACK,
        "GI_TEST_NAME" = TEST_NAME,
        "GI_TEST_GLOBS" = TEST_GLOBS,
        "GI_COPIED" = COPIED,
        "GI_PIECE" = PIECE,
        "GI_HELDS" = HELDS,
        "GI_EDIT_POINTER" = EDIT_POINTER,
        "GI_EDIT_TEXT" = EDIT_TEXT,
        "GI_EDIT_ERROR" = EDIT_ERROR,
        "GI_EDIT_KEPT" = EDIT_KEPT,
        "GI_EDIT_MAKES" = EDIT_MAKES,
        "GI_EDIT_MADE" = EDIT_MADE,
        "GI_EDIT_SCANNED" = EDIT_SCANNED,
        "GI_WRAPPERS" = WRAPPERS,
        "GI_WRAPPER_ROWS" = WRAPPER_ROWS,
        "GI_ERRORS" = ERRORS,
        "GI_BINDING_COUNTS" = BINDING_COUNTS,
        "GI_BINDING_COMPLETES" = BINDING_COMPLETES,
        "GI_BINDING_PAIRS" = BINDING_PAIRS,
        "GI_BINDING_FOLLOWS" = BINDING_FOLLOWS,
        "GI_BINDING_RECORDS" = BINDING_RECORDS,
        "GI_BINDING_RECALLS" = BINDING_RECALLS,
        "GI_BINDING_RETURNS" = BINDING_RETURNS,
        "GI_BINDING_PANICS" = BINDING_PANICS,
        "GI_BINDING_DELAYS" = BINDING_DELAYS,
        "GI_BINDING_PANIC_VALUE" = BINDING_PANIC_VALUE,
        "GI_TERM_NIL_IS_ZERO_LEFT" = TERM_NIL_IS_ZERO_LEFT,
        "GI_TERM_NIL_IS_ZERO_RIGHT" = TERM_NIL_IS_ZERO_RIGHT,
        "GI_RULE_OBSERVE" = RULE_OBSERVE,
        "GI_RULE_NTH" = RULE_NTH,
        "GI_RULE_EVERY" = RULE_EVERY,
        "GI_RULE_FIRST" = RULE_FIRST,
        "GI_RULE_AFTER_CALLS" = RULE_AFTER_CALLS,
        "GI_RULE_UNTIL_CALLS" = RULE_UNTIL_CALLS,
        "GI_RULE_AFTER_TIME" = RULE_AFTER_TIME,
        "GI_RULE_UNTIL_TIME" = RULE_UNTIL_TIME,
        "GI_RULE_PROBABILITY" = RULE_PROBABILITY,
        "GI_RULE_TIMES" = RULE_TIMES,
        "GI_RULE_RATE" = RULE_RATE,
        "GI_RULE_PER_GOROUTINE" = RULE_PER_GOROUTINE,
        "GI_RULE_PER_TEST" = RULE_PER_TEST,
        "GI_RULE_PER_PROCESS" = RULE_PER_PROCESS,
        "GI_SITE_REGISTER_G" = SITE_REGISTER_G,
        "GI_SITE_RESTART" = SITE_RESTART,
        "GI_SITE_FLOATS" = SITE_FLOATS,
        "GI_SITE_DELAYS" = SITE_DELAYS,
        "GI_SITE_SLEEPS" = SITE_SLEEPS,
        "GI_SITE_TEST" = SITE_TEST,
        "GI_SITE_SPAWN" = SITE_SPAWN,
        "GI_EVENT_OBSERVED" = EVENT_OBSERVED,
        "GI_REGISTERS" = REGISTERS,
        "GI_EDITS" = EDITS,
    };
    let rust = rust
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
    let c = constants_in_c();
    assert_eq!(c, rust, "left C, right Rust");
}
