//! Every scalar type as parameter and as result, at both ends of its range.

use goinject_tests::{Case, case, set};

/// A section and type, its function, and two values: as a rule file has them, and as Go prints them.
type Row = (&'static str, &'static str, [(&'static str, &'static str); 2]);

const ROWS: [Row; 19] = [
    ("bool", "Bool", [("true", "true"), ("false", "false")]),
    ("int8", "Int8", [("-128", "-128"), ("127", "127")]),
    ("int16", "Int16", [("-32768", "-32768"), ("32_767", "32767")]),
    (
        "int32",
        "Int32",
        [("-2147483648", "-2147483648"), ("0x7fff_ffff", "2147483647")],
    ),
    (
        "int64",
        "Int64",
        [
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775807", "9223372036854775807"),
        ],
    ),
    (
        "int",
        "Int",
        [
            ("-9_223_372_036_854_775_808", "-9223372036854775808"),
            ("0x7fffffffffffffff", "9223372036854775807"),
        ],
    ),
    ("uint8", "Uint8", [("0", "0"), ("255", "255")]),
    ("uint16", "Uint16", [("0", "0"), ("0xffff", "65535")]),
    ("uint32", "Uint32", [("0", "0"), ("4294967295", "4294967295")]),
    (
        "uint64",
        "Uint64",
        [("0", "0"), ("18446744073709551615", "18446744073709551615")],
    ),
    (
        "uint",
        "Uint",
        [("0", "0"), ("0xffff_ffff_ffff_ffff", "18446744073709551615")],
    ),
    (
        "uintptr",
        "Uintptr",
        [("0", "0"), ("0xffffffffffffffff", "18446744073709551615")],
    ),
    (
        "float32",
        "Float32",
        [("-3.4028234663852886e38", "-3.4028235e+38"), ("1e-45", "1e-45")],
    ),
    (
        "float64",
        "Float64",
        [
            ("-1.7976931348623157e308", "-1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
        ],
    ),
    ("Level", "Level", [("-128", "-128"), ("127", "127")]),
    ("Port", "Port", [("0", "0"), ("65535", "65535")]),
    (
        "Celsius",
        "Celsius",
        [("-273.15", "-273.15"), ("1e300", "1e+300")],
    ),
    ("Ratio", "Ratio", [("0.1", "0.1"), ("-3", "-3")]),
    ("Flag", "Flag", [("true", "true"), ("false", "false")]),
];

pub(crate) fn rows() -> Vec<Case> {
    let mut rows = Vec::new();
    for (section, function, [low, high]) in ROWS {
        rows.push(scalar(section, function, low, high).when("lowest in, highest out"));
        rows.push(scalar(section, function, high, low).when("highest in, lowest out"));
    }
    rows.push(scalar(
        "time.Duration",
        "Duration",
        ("1m30s", "1m30s"),
        ("-2h", "-2h0m0s"),
    ));
    rows.extend([special_floats(), durations()]);
    rows
}

/// What floats have besides numbers, a zero that differs from zero only in its sign, and the smallest of each type.
fn special_floats() -> Case {
    let values =
        "a: -0.0, b: .nan, c: .inf, d: -.inf, e: 5e-324, f: -0.0, g: .nan, h: .inf, i: -.inf, j: 1e-45";
    let results = "r: -.inf, s: -0.0, t: 1e3, u: 16777217, v: -.inf, w: -0.0, x: 16777217, y: .nan";
    case(
        "special floats",
        set("takeFloats", &format!("{{{values}, {results}}}")),
    )
    .prints([
        "-0 NaN +Inf -Inf 5e-324 -0 NaN +Inf -Inf 1e-45",
        "-Inf -0 1000 1.6777217e+07 -Inf -0 1.6777216e+07 NaN",
    ])
}

fn durations() -> Case {
    let values = "{a: 1500, b: 2562047h47m16.854775807s, c: 1.5h, r: 0s, s: 1ns, t: -1}";
    case("durations", set("takeDurations", values))
        .prints(["1.5µs 2562047h47m16.854775807s 1h30m0s", "0s 1ns -1ns"])
}

fn scalar(section: &'static str, function: &str, given: (&str, &str), back: (&str, &str)) -> Case {
    let rule = set(
        &format!("take{function}"),
        &format!("{{a: {}, r: {}}}", given.0, back.0),
    );
    case(section, rule).prints([
        &format!("left {} {{1 2}} [3 4] right", given.1),
        &format!("left {} [3 4]", back.1),
    ])
}
