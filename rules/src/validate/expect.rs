//! `expect` of a rule: what its counters must show in the end.

use crate::document::{Fields, Meaning, Node, Reader};
use crate::model::{CountRange, Expect};
use crate::source::{Span, Spanned};
use crate::units::parse_count_range;
use crate::validate::keys;

const AT_LEAST_ONE: CountRange = CountRange {
    min: 1,
    max: u64::MAX,
};
const NONE: CountRange = CountRange { min: 0, max: 0 };

/// What is expected of a rule that can fire `most` times at most, whatever the program does. Where
/// the file says nothing, `rule` is the place of the expectation.
///
/// A rule that a 0 has switched off is expected not to fire: nobody who writes `times: 0` wants
/// to hear that it never fired.
pub(super) fn expect(reader: &mut Reader<'_>, node: Option<&Node>, most: u64, rule: Span) -> Option<Expect> {
    let default_fired = if most == 0 { NONE } else { AT_LEAST_ONE };
    let fields = match node {
        Some(node) => Some(reader.fields(node, &keys::EXPECT)?),
        None => None,
    };
    let mut range = |key: &str| {
        let node = fields.as_ref().and_then(|fields| fields.get(key))?;
        let range = count_range(reader, node, &format!("`{key}`"))?;
        Some(Spanned::new(range, node.span))
    };
    let (fired, calls, matched, failed) = (range("fired"), range("calls"), range("matched"), range("failed"));
    let place = fields.as_ref().map_or(rule, Fields::head);
    let expect = Expect {
        fired: fired.unwrap_or(Spanned::new(default_fired, place)),
        calls,
        matched,
        failed: failed.unwrap_or(Spanned::new(NONE, place)),
    };
    if let Some(fields) = &fields {
        refuse_impossible(reader, &expect, fields, most);
    }
    Some(expect)
}

/// Reads `N`, `">=N"`, `"<=N"` or `"A..B"`.
pub(super) fn count_range(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<CountRange> {
    match node.scalar().map(|scalar| &scalar.meaning) {
        Some(Meaning::Integer(_)) if node.tag.is_none() => reader.count(node, what).map(|exact| CountRange {
            min: exact,
            max: exact,
        }),
        _ => {
            let example = "write `3`, `\">=3\"`, `\"<=3\"` or `\"3..5\"`";
            reader.with_unit(node, what, "a number of calls", example, parse_count_range)
        }
    }
}

fn refuse_impossible(reader: &mut Reader<'_>, expect: &Expect, fields: &Fields<'_>, most: u64) {
    if let Some(node) = fields.get("fired")
        && expect.fired.min > most
    {
        let message = match most {
            0 => "this rule never fires, but is expected to".to_owned(),
            _ => format!("this rule fires at most {most} times, but is expected to fire more often"),
        };
        let help = if most == 0 {
            "write `fired: 0`".to_owned()
        } else {
            format!("write `fired: {most}`, or change `when`")
        };
        reader.report(node.error(message).label("can't be met").help(help));
    }
    // Each of these counts a part of the next.
    let matched = expect.matched.as_ref();
    let pairs = [
        ("fired", Some(&expect.fired), "matched", matched),
        ("matched", matched, "calls", expect.calls.as_ref()),
        ("fired", Some(&expect.fired), "calls", expect.calls.as_ref()),
    ];
    for (part_key, part, whole_key, whole) in pairs {
        if let (Some(part), Some(whole)) = (part, whole)
            && part.min > whole.max
            && let (Some(part_node), Some(whole_node)) = (fields.get(part_key), fields.get(whole_key))
        {
            let finding = whole_node.error(format!("`{part_key}` can't be more than `{whole_key}`"));
            let finding = finding.label(format!("at most {}", whole.max));
            reader.report(
                finding
                    .also(part_node.span, format!("at least {}", part.min))
                    .help("change one of them"),
            );
            return;
        }
    }
}
