//! The C and Rust sides of the tables, compared field by field and constant by constant.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::mem::offset_of;

use super::super::host::Host;
use super::super::scratch::{Hit, Planned, Scratch};
use crate::table::*;

/// `struct gi_field` of `bpf/layout.c`.
#[repr(C)]
struct Field {
    row: *const c_char,
    name: *const c_char,
    offset: u64,
    size: u64,
}

unsafe extern "C" {
    static goinject_fields: [Field; 0];
    static goinject_field_count: u64;
}

/// Row, field, offset, size.
type Line = (String, String, u64, u64);

fn fields_in_c() -> Vec<Line> {
    let text = |text: *const c_char| {
        // SAFETY: string literals of the linked C object.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    };
    // SAFETY: constants of the linked C object, the second the length of the first.
    let fields = unsafe {
        std::slice::from_raw_parts(
            (&raw const goinject_fields).cast::<Field>(),
            goinject_field_count as usize,
        )
    };
    fields
        .iter()
        .map(|field| (text(field.row), text(field.name), field.offset, field.size))
        .collect()
}

fn size_of_field<T, F>(_: fn(&T) -> &F) -> u64 {
    size_of::<F>() as u64
}

/// The fields of Rust declarations, by the names that C has for them.
macro_rules! fields {
    ($($row:ident = $c_row:literal { $($field:tt $(= $c:literal)?),* $(,)? })*) => {{
        let mut lines: Vec<Line> = Vec::new();
        $(
            $(
                let name = [$($c,)? stringify!($field)][0];
                let size = size_of_field::<$row, _>(|row| &row.$field);
                lines.push(($c_row.to_owned(), name.to_owned(), offset_of!($row, $field) as u64, size));
            )*
            lines.push(($c_row.to_owned(), String::new(), size_of::<$row>() as u64, 0));
        )*
        lines
    }};
}

fn fields_in_rust() -> Vec<Line> {
    fields! {
        Step = "gi_step" {
            offset,
            bound,
        }
        Place = "gi_place" {
            base,
            index,
            size,
            steps,
            offset,
            address,
            step,
        }
        Edit = "gi_edit" {
            place,
            operand,
            extra,
            source,
            kind,
            flags,
            padding,
        }
        Binding = "gi_binding" {
            rule,
            flags,
            first_edit,
            edits,
            first_term,
            terms,
            first_range,
            ranges,
            first_caller,
            callers,
            levels,
            test,
            delay,
            jitter,
        }
        Term = "gi_term" {
            left,
            right,
            constant,
            text,
            op,
            test,
            left_source,
            right_source,
            left_kind,
            right_kind,
            slot,
            flags,
            skip,
            padding,
        }
        Wrapper = "gi_wrapper" {
            ty = "type",
            offset,
            kind,
            number,
        }
        FixedText = "gi_fixed_text" {
            0 = "bytes",
        }
        TermCounters = "gi_term_counters" {
            held,
            failed,
            unreadable,
        }
        Range = "gi_range" {
            low,
            high,
            next,
        }
        Rule = "gi_rule" {
            flags,
            padding,
            nth,
            every,
            first,
            after_calls,
            until_calls,
            after_time,
            until_time,
            probability,
            times,
            interval,
        }
        Counters = "gi_counters" {
            calls,
            matched,
            fired,
            applied,
            failed,
            held,
            taken,
            next_time,
            owed,
        }
        Site = "gi_site" {
            address,
            slot,
            first_binding,
            bindings,
            displacement,
            kind,
            flags,
            writer,
            lead,
            length,
            check_flags,
            padding,
            process,
        }
        Process = "gi_process" {
            armed,
            serial,
            pid,
            padding,
            tls_g,
            goid_offset,
            m_offset,
            curg_offset,
            write_barrier,
            sleep,
            frame_return,
            error_string = "error_string_table",
            errno = "errno_table",
            copies_next,
            copies_end,
            gopanic,
            panic_return,
            parent_offset,
            test_name,
            tests,
            globs,
            first_state,
            first_printing,
            printing,
            forced,
            build,
            bias,
        }
        Control = "gi_control" {
            armed,
            forced,
            seed,
            armed_at,
            deadline,
            fault_limit,
            faults,
            dropped_events,
            lost_hits,
            members,
            untold,
            numbers,
        }
        State = "gi_state" {
            next,
            accepts,
            padding,
        }
        MemberKey = "gi_member_key" {
            goid,
            process,
        }
        Member = "gi_member" {
            test,
            globs,
        }
        GoTest = "gi_go_test" {
            length,
            padding,
            name,
        }
        Word = "gi_word" {
            before,
            after,
        }
        Event = "gi_event" {
            time,
            call,
            goid,
            tid,
            rule,
            site,
            binding,
            reason,
            flags,
            known,
            texts,
            text_length,
            process,
            frames,
            padding,
            delay,
            place,
            number,
            word,
            text,
            stack,
            test,
        }
        Fired = "gi_fired" {
            binding,
            settled,
            call,
            delay,
            place,
            number,
        }
        CallKey = "gi_call_key" {
            g,
            depth,
            rule,
            process,
        }
        Call = "gi_call" {
            call,
            truths,
            capture,
            captured,
            fired,
        }
        GKey = "gi_g_key" {
            g,
            process,
            padding,
        }
        Delay = "gi_delay" {
            deadline,
            duration,
            depth,
            site,
            fired_count,
            sent,
            asleep,
            fired,
        }
        GoroutineKey = "gi_goroutine_key" {
            g,
            rule,
            process,
        }
        Goroutine = "gi_goroutine" {
            goid,
            calls,
            taken,
        }
        Hit = "gi_hit" {
            registers = "reg",
            pc,
            flags,
            g,
            host = "floats",
            to,
            redirected,
            dirty,
            edited,
            site,
            tid,
            process,
            serial,
            padding,
        }
        Planned = "gi_planned" {
            address = "where.address",
            base = "where.base",
            index = "where.index",
            before,
            after,
            extra,
            size,
            kind,
            source,
            known,
            padding,
        }
        Scratch = "gi_scratch" {
            state,
            stage,
            fired_count,
            writes,
            slept,
            next_row,
            hit,
            found = "where",
            word,
            applying,
            level,
            low,
            high,
            operand,
            truths,
            depth,
            length,
            text,
            other_text,
            g_key,
            call_key,
            call,
            goroutine_key,
            place,
            number,
            member_key,
            member,
            delay,
            fired,
            planned,
            event,
        }
        Host = "gi_host" {
            sites,
            bindings,
            rules,
            edits,
            terms,
            texts,
            ranges,
            states,
            counters,
            term_counters,
            control,
            processes,
            forced,
            site_count,
            binding_count,
            rule_count,
            edit_count,
            term_count,
            text_count,
            range_count,
            process_count,
            state_count,
            forced_count,
            thread_pointer,
            context,
            read,
            write,
            float_read,
            float_write,
            remember,
            emit,
        }
    }
}

#[test]
fn rows_have_the_same_fields_at_the_same_places() {
    let c = fields_in_c();
    assert_eq!(fields_in_rust(), c);
    let mut next = 0;
    for (row, name, offset, size) in &c {
        assert_eq!(
            *offset, next,
            "{row}.{name} comes right behind the field before: none is left out, and none padded"
        );
        next = if name.is_empty() { 0 } else { offset + size };
    }
}

/// The numbers that `bpf/abi.h` and `bpf/hit.h` define, by name.
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
        "GI_TEST_TRUE" = Test::True,
        "GI_TEST_EQUAL" = Test::Equal,
        "GI_TEST_NOT_EQUAL" = Test::NotEqual,
        "GI_TEST_LESS" = Test::Less,
        "GI_TEST_LESS_OR_EQUAL" = Test::LessOrEqual,
        "GI_TEST_GREATER" = Test::Greater,
        "GI_TEST_GREATER_OR_EQUAL" = Test::GreaterOrEqual,
        "GI_TEST_STARTS_WITH" = Test::StartsWith,
        "GI_TEST_ENDS_WITH" = Test::EndsWith,
        "GI_TEST_CONTAINS" = Test::Contains,
        "GI_TEST_IS" = Test::Is,
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
        "GI_HELDS" = HELDS,
        "GI_EDIT_POINTER" = EDIT_POINTER,
        "GI_EDIT_TEXT" = EDIT_TEXT,
        "GI_EDIT_ERROR" = EDIT_ERROR,
        "GI_EDIT_KEPT" = EDIT_KEPT,
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
