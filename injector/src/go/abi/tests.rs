//! Layouts worked out by hand from `abi-internal.md`.

use super::{Convention, Layout, Placement, Register, frame, layout};
use crate::go::arch::Architecture;
use crate::go::signature::parse;
use crate::go::types::Types;
use crate::go::version::GoVersion;

/// A layout in short: `I0` and `F0` for registers, `@8` for a place on the stack.
fn short(placement: &Placement) -> String {
    match placement {
        Placement::Stack { offset } => format!("@{offset}"),
        Placement::Registers(parts) => {
            let part = |p: &super::Part| match p.register {
                Register::Integer(n) => format!("I{n}+{}:{}", p.offset, p.size),
                Register::Float(n) => format!("F{n}+{}:{}", p.offset, p.size),
            };
            parts.iter().map(part).collect::<Vec<_>>().join(" ")
        }
    }
}

fn laid_out(text: &str, convention: Convention) -> (Vec<String>, Vec<String>) {
    let types = Types::default();
    let signature = parse(text, false, &types).unwrap();
    let layout: Layout = layout(
        Architecture::Amd64,
        &types,
        &signature,
        convention,
        &GoVersion::release(27),
    );
    (
        layout.parameters.iter().map(short).collect(),
        layout.results.iter().map(short).collect(),
    )
}

fn registers(text: &str) -> (Vec<String>, Vec<String>) {
    laid_out(text, Convention::Register)
}

fn stack(text: &str) -> (Vec<String>, Vec<String>) {
    laid_out(text, Convention::Stack)
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

#[test]
fn the_example_of_the_specification() {
    let (parameters, results) =
        registers("func(a1 uint8, a2 [2]uintptr, a3 uint8) (r1 struct{x uintptr; y [2]uintptr}, r2 string)");
    assert_eq!(parameters, strings(&["I0+0:1", "@8", "I1+0:1"]));
    assert_eq!(results, strings(&["@24", "I0+0:8 I1+8:8"]));
}

#[test]
fn integers_floats_and_compounds_take_registers_in_order() {
    let (parameters, results) =
        registers("func(a int8, b float32, c string, d []int, e any) (error, complex64, bool)");
    let expected = [
        "I0+0:1",
        "F0+0:4",
        "I1+0:8 I2+8:8",
        "I3+0:8 I4+8:8 I5+16:8",
        "I6+0:8 I7+8:8",
    ];
    assert_eq!(parameters, strings(&expected));
    assert_eq!(results, strings(&["I0+0:8 I1+8:8", "F0+0:4 F1+4:4", "I2+0:1"]));
}

#[test]
fn what_does_not_fit_goes_to_the_stack_whole_and_smaller_ones_still_fit() {
    // Seven words, a string, then a slice that finds no three registers, an int and a bool that find none.
    let (parameters, _) = registers("func(a, b, c, d, e, f, g int, h string, i []byte, j int, k bool)");
    assert_eq!(
        parameters[6..],
        strings(&["I6+0:8", "I7+0:8 I8+8:8", "@8", "@32", "@40"])
    );
    let (parameters, _) = registers("func(a, b, c, d, e, f, g int, i []byte, j string, k bool)");
    assert_eq!(parameters[7..], strings(&["@8", "I7+0:8 I8+8:8", "@32"]));
    // Floats are counted apart.
    let (parameters, _) = registers("func(a, b, c, d, e, f, g, h, i int, x float64, y int)");
    assert_eq!(parameters[8..], strings(&["I8+0:8", "F0+0:8", "@8"]));
}

#[test]
fn the_sixteenth_float_goes_to_the_stack() {
    let (parameters, _) =
        registers("func(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p float64, q float32)");
    assert_eq!(parameters[14..], strings(&["F14+0:8", "@8", "@16"]));
    let (parameters, _) = registers("func(a, b, c, d, e, f, g complex128, h complex128, i float64)");
    assert_eq!(parameters[6..], strings(&["F12+0:8 F13+8:8", "@8", "F14+0:8"]));
}

#[test]
fn structs_are_taken_apart() {
    let (parameters, _) =
        registers("func(s struct{a uint8; _ int16; f float64; t struct{x, y int32}; z struct{}})");
    assert_eq!(parameters, strings(&["I0+0:1 I1+2:2 F0+8:8 I2+16:4 I3+20:4"]));
    let (parameters, _) = registers("func(s struct{a, b, c, d, e, f, g, h, i, j int}, x int)");
    assert_eq!(parameters, strings(&["@8", "I0+0:8"]));
}

#[test]
fn arrays_of_none_and_one() {
    let (parameters, results) =
        registers("func(a [0]int64, b [1]string, c [2]int8, d struct{a [0]int; b int}) [1][1]float32");
    assert_eq!(parameters, strings(&["@8", "I0+0:8 I1+8:8", "@8", "I2+0:8"]));
    assert_eq!(results, strings(&["F0+0:4"]));
    // Elements without a size do not help: more than one means stack.
    let (parameters, _) = registers("func(a struct{a [2]struct{}; b int})");
    assert_eq!(parameters, strings(&["@8"]));
}

#[test]
fn what_has_no_size_joins_the_stack_sequence_and_aligns_it() {
    let (parameters, results) =
        registers("func(a struct{}, b [2]int8, c [0]int64, d [2]int8) (struct{}, [2]int8)");
    assert_eq!(parameters, strings(&["@8", "@8", "@16", "@16"]));
    assert_eq!(results, strings(&["@24", "@24"]));
}

#[test]
fn on_the_stack_everything_has_its_natural_place() {
    let (parameters, results) =
        stack("func(a int8, b int16, c string, d bool, e float64) (x uint8, y error)");
    assert_eq!(parameters, strings(&["@8", "@10", "@16", "@32", "@40"]));
    assert_eq!(results, strings(&["@48", "@56"]));
    assert_eq!(stack("func(a int8) (bool, int8)").1, strings(&["@16", "@17"]));
    assert_eq!(stack("func() int").1, strings(&["@8"]));
}

#[test]
fn the_dictionary_moved_behind_the_receiver() {
    let types = Types::default();
    let mut signature = parse("func(s string, x int)", true, &types).unwrap();
    signature.dictionary = true;
    let place = |minor| {
        let layout = layout(
            Architecture::Amd64,
            &types,
            &signature,
            Convention::Register,
            &GoVersion::release(minor),
        );
        let all = [
            layout.receiver,
            layout.dictionary,
            layout.parameters.into_iter().next(),
        ];
        all.map(|p| short(&p.unwrap()))
    };
    assert_eq!(place(19), ["I1+0:8 I2+8:8", "I0+0:8", "I3+0:8"]);
    assert_eq!(place(20), ["I0+0:8 I1+8:8", "I2+0:8", "I3+0:8"]);
    signature.receiver = None;
    let without = layout(
        Architecture::Amd64,
        &types,
        &signature,
        Convention::Register,
        &GoVersion::release(27),
    );
    assert_eq!(short(&without.dictionary.unwrap()), "I0+0:8");
}

#[test]
fn frames_end_with_the_homes_of_register_parameters() {
    let types = Types::default();
    let size = |text: &str, convention| {
        let signature = parse(text, false, &types).unwrap();
        let frame = frame(
            Architecture::Amd64,
            &types,
            &signature,
            convention,
            &GoVersion::release(27),
        );
        (
            frame.size,
            frame.homes.iter().map(|&(_, home)| home).collect::<Vec<_>>(),
        )
    };
    // A stack parameter of 16 bytes, a stack result of 24, then two homes.
    let text = "func(a1 uint8, a2 [2]uintptr, a3 uint8) (r1 struct{x uintptr; y [2]uintptr}, r2 string)";
    assert_eq!(size(text, Convention::Register), (48, vec![40, 0, 41]));
    assert_eq!(
        size("func(a int8, b string) error", Convention::Register),
        (24, vec![0, 8])
    );
    assert_eq!(
        size("func(a int8, b string) error", Convention::Stack),
        (40, vec![0, 8])
    );
    assert_eq!(size("func()", Convention::Register), (0, vec![]));
}
