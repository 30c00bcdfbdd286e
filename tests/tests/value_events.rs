//! What events tell of values, before and after; and that both engines tell the same.

use std::fmt::Write;
use std::fs;

use goinject_tests::goinject::{self, Running};
use goinject_tests::{Build, Outcome, Writer};
use regex::Regex;
use serde_json::Value;

const RULES: &str = r#"
version: 1
seed: 42
rules:
- {function: main.text, inject: {set: {s: new, "results[0]": {xor: 0x20}, "results[1]": {random: [1, 1000]}}}}
- {function: main.raw, inject: {set: {p: hello, "results[0]": {len: 2}}}}
- {name: list, function: main.list, inject: {set: {p: [-1, 2], "words[1]": x}}}
- {name: no such element, function: main.list, expect: {failed: 1}, inject: {set: {"words[2]": x}}}
- {function: main.fail, inject: {set: {n: -1, err: {errno: ENOSPC}}}}
- {function: main.handle, inject: {set: {err: {message: disk full}, after: {add: 1}}}}
- {function: main.recovered, inject: {set: {err: io.EOF}}}
- {function: main.anything, inject: {set: {v: main.Anything, "results[0]": null}}}
- {function: main.shape, inject: {set: {s: null, "results[0]": main.Area}}}
- {function: main.node, inject: {set: {n: main.Spare, raw: null, address: 16}}}
- {function: main.pair, inject: {set: {p: {Name: other, Count: {add: 2}}, "results[0].Count": 1}}}
- name: config
  mode: observe
  function: main.config
  inject:
    set: {c: {ID: 6, Host: replaced, Port: 8080, Ratio: 0.25, Err: main.ErrQuota, Next: null, Seq: [8, 9]}, "results[0].Tags": null}
- {function: main.behind, inject: {set: {c.Host: {len: 2}, c.Err: io.EOF, c.Tags: null, c.Ratio: .inf}}}
- {name: arrays, mode: observe, function: main.arrays, inject: {set: {a: [1, -2, 3], b: [x], c: {bytes: "ff00ff00"}}}}
- {function: main.complexes, inject: {set: {c: "1-2i", "results[1]": 7}}}
- {function: main.references, inject: {set: {m: null, c: main.Pipe, f: main.triple}}}
- {function: main.numbers, inject: {set: {a: {add: -128}, b: {xor: 1}, d: true, e: {random: [0, 1]}, f: {add: 0.1}, g: {add: 50ms}}}}
- {function: main.straddle, inject: {set: {late: a text that is longer than the event has room for by far, last: 0, p: null, err: {message: no}}}}
- name: assembly
  function: main.sum
  mode: observe
  signature: "func(a int64, s string, b float64) (n int64, r float64, t string)"
  inject: {set: {s: {len: 2}, b: 0.5, n: 5}}
- {name: whole, mode: observe, function: main.large, inject: {set: {l: {A: 1, Name: {len: 1}, Err: null}, after: ""}}}
- {function: "main.(*server).serve", inject: {set: {"s.cfg.limits[2].max": 5, s.cfg.address.Path: /new, status: 404}}}
- {function: main.logf, inject: {set: {"args[1][0]": main.ErrQuota, args.len: 1}}}
- {function: main.closures.func1, inject: {set: {s: other}}}
"#;

const SECTIONS: &[&str] = &[
    "text",
    "raw",
    "list",
    "fail",
    "handle",
    "recovered",
    "anything",
    "shape",
    "node",
    "pair",
    "config",
    "behind",
    "arrays",
    "complexes",
    "references",
    "numbers",
    "straddle",
    "assembly",
    "large",
    "serve",
    "logf",
    "closures",
];

fn run(build: Build, writer: Writer) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, json) = (folder.path().join("rules.yaml"), folder.path().join("json"));
    fs::write(&rules, RULES).expect("written");
    let mut command = goinject::command(["run", "--quiet", "--writer", writer.name()]);
    command.arg(&rules).arg("--json").arg(&json).arg("--");
    command.arg(build.of("values")).args(SECTIONS);
    let mut outcome = Running::start(&mut command).end();
    outcome.json = Outcome::lines(&fs::read_to_string(json).unwrap_or_default());
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    outcome
}

/// Events in words, without what differs from run to run.
fn told(outcome: &Outcome) -> String {
    let address = Regex::new("0x[0-9a-f]{5,}").expect("a pattern");
    let mut text = String::new();
    for event in outcome.of_type("fired") {
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let (rule, site, outcome) = (word("rule"), word("site"), word("outcome"));
        let _ = writeln!(text, "{rule} {site} {outcome} {}", word("reason"));
        for value in event["values"].as_array().into_iter().flatten() {
            let path = value["path"].as_str().unwrap_or_default();
            let ty = value["type"].as_str().unwrap_or_default();
            let before = value
                .get("before")
                .map_or_else(|| "?".to_owned(), Value::to_string);
            let _ = writeln!(text, "    {path} {ty}: {before} -> {}", value["after"]);
        }
    }
    address.replace_all(&text, "0x…").into_owned()
}

#[test]
fn both_engines_tell_the_same_of_values() {
    for version in ["1.15", "1.19", "1.27"] {
        let [tracer, others @ ..] = &Writer::ANYWHERE.map(|writer| run(Build::plain(version), writer));
        let of_tracer = told(tracer);
        for other in others {
            assert_eq!(tracer.stdout, other.stdout, "{version}");
            assert_eq!(tracer.counts(), other.counts(), "{version}");
            assert_eq!(of_tracer, told(other), "{version}");
        }
        insta::assert_snapshot!(format!("events-of-values-{version}"), of_tracer);
    }
}
