//! The C and Rust sides of the tables, compared field by field.

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
            until,
            padding,
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
        Lookup = "gi_lookup" {
            layout,
            text,
            key_size,
            group_size,
            keys,
            key_stride,
            elements,
            element_stride,
            indirect,
            padding,
            number,
            key,
        }
        Until = "gi_until" {
            context,
            canceled,
            exceeded,
            types,
            padding,
            unused,
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
            copies_limit,
            copies_scanned,
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
            dropped_events,
            lost_hits,
            members,
            untold,
            numbers,
            lease,
            event_limit,
            padding,
            faults,
            padding2,
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
            whole,
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
            flags,
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
            search,
            element,
            error,
            ended,
            padding,
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
            lanes,
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
