//! Prints what goinject reads of Go programs: a summary for each, or one function in full.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use goinject::go::{Binary, abi, sites};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: facts PROGRAM [FUNCTION…]");
        eprintln!("       facts PROGRAM --time FUNCTION|COUNT…");
        eprintln!("       facts PROGRAM --fits (FUNCTION SIGNATURE)…");
        return;
    };
    let mut names: Vec<String> = arguments.collect();
    if names.first().is_some_and(|n| n == "--time") {
        names.remove(0);
        return time(Path::new(&path), &names);
    }
    if names.first().is_some_and(|n| n == "--fits") {
        let binary = Binary::open(Path::new(&path)).expect("a Go program");
        for pair in names[1..].chunks_exact(2) {
            for function in binary.functions().find(&pair[0]) {
                println!(
                    "{} {:?}",
                    pair[0],
                    binary
                        .parse_signature(&function, &pair[1])
                        .map(|s| binary.layout(&function, &s))
                );
            }
        }
        return;
    }
    let start = Instant::now();
    let binary = match Binary::open(Path::new(&path)) {
        Ok(binary) => binary,
        Err(error) => return println!("{error}"),
    };
    println!("{path}: {} {:?}", binary.version(), start.elapsed());
    println!(
        "tls {:?} g {:?} barrier {:?} base {} pie {} module {:?}",
        binary.tls_g_offset(),
        binary.goroutine_layout(),
        binary.write_barrier(),
        binary.base(),
        binary.is_pie(),
        binary.module()
    );
    println!("{:?}", binary.build());
    println!("{:?}", binary.identity());
    for name in &names {
        if let Ok(Some(variable)) = binary.variable(name) {
            println!("{variable:?} {:?}", variable.ty.map(|ty| binary.types().get(ty)));
        }
        for call in binary
            .inlined_calls(name)
            .unwrap_or_default()
            .iter()
            .take(100_000)
        {
            println!("  {call:?}");
        }
        for function in binary.functions().find(name) {
            println!("{function:?} {:?}", binary.functions().location(&function));
            match binary.signature(&function) {
                Ok(Some(signature)) => {
                    let describe = |v: &goinject::go::types::Variable| {
                        format!(
                            "{} {}",
                            v.name.as_deref().unwrap_or("_"),
                            binary.types().get(v.ty).name
                        )
                    };
                    println!("  receiver {:?}", signature.receiver.as_ref().map(describe));
                    println!(
                        "  parameters {:?}",
                        signature.parameters.iter().map(describe).collect::<Vec<_>>()
                    );
                    println!(
                        "  results {:?}",
                        signature.results.iter().map(describe).collect::<Vec<_>>()
                    );
                    println!(
                        "  dictionary {} uncertain {}",
                        signature.dictionary,
                        signature.positions_uncertain.is_some()
                    );
                    println!("  {:?}", binary.layout(&function, &signature));
                }
                other => println!("  {other:?}"),
            }
            println!("  {:#?}", sites::sites(&binary, &function));
        }
    }
    if names.is_empty() {
        summary(&binary);
    }
    println!("{:?}", start.elapsed());
}

/// What it takes to plan some functions, step by step; with a number, that many functions.
fn time(path: &Path, names: &[String]) {
    let start = Instant::now();
    let binary = Binary::open(path).expect("a Go program");
    println!("open       {:?}", start.elapsed());
    let mut functions = Vec::new();
    for name in names {
        match name.parse::<usize>() {
            Ok(count) => {
                let all = binary
                    .functions()
                    .iter()
                    .filter(|f| !f.is_assembly && !f.is_foreign);
                functions.extend(all.step_by(binary.functions().len() / count));
            }
            Err(_) => functions.extend(binary.functions().find(name)),
        }
    }
    println!("find       {:?} {} functions", start.elapsed(), functions.len());
    let signatures: Vec<_> = functions
        .iter()
        .filter_map(|f| Some((f, binary.signature(f).ok()??)))
        .collect();
    println!("signature  {:?} {}", start.elapsed(), signatures.len());
    let layouts: Vec<_> = signatures.iter().map(|(f, s)| binary.layout(f, s)).collect();
    println!("layout     {:?} {}", start.elapsed(), layouts.len());
    let found = functions
        .iter()
        .filter(|f| sites::sites(&binary, f).is_ok())
        .count();
    println!("sites      {:?} {found}", start.elapsed());
    if functions.len() < 10 {
        let inlined: usize = functions
            .iter()
            .map(|f| binary.inlined_calls(&f.name).map_or(0, |c| c.len()))
            .sum();
        println!("inlined    {:?} {inlined}", start.elapsed());
        println!(
            "variable   {:?} {:?}",
            binary.variable("io.EOF").map(|v| v.is_some()),
            start.elapsed()
        );
        println!(
            "g          {:?} {:?} {:?}",
            binary.tls_g_offset(),
            binary.write_barrier(),
            start.elapsed()
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status
        .lines()
        .filter(|l| l.starts_with("VmHWM") || l.starts_with("RssAnon") || l.starts_with("RssFile"))
    {
        println!("{line}");
    }
}

fn summary(binary: &Binary) {
    let mut counts: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
    let mut note = |key: String, function: &str| {
        let entry = counts.entry(key).or_default();
        entry.0 += 1;
        if entry.1.len() < 12 {
            entry.1.push(function.to_owned());
        }
    };
    for function in binary.functions().iter() {
        let kind = if function.is_assembly {
            "asm"
        } else if function.is_wrapper {
            "wrapper"
        } else {
            "go"
        };
        let convention = match function.convention() {
            abi::Convention::Stack => "stack",
            abi::Convention::Register => "register",
        };
        note(format!("function {kind} {convention}"), &function.name);
        match binary.signature(&function) {
            Ok(Some(s)) if s.positions_uncertain.is_some() => {
                note(format!("signature {kind} uncertain"), &function.name)
            }
            Ok(Some(_)) => note(format!("signature {kind}"), &function.name),
            Ok(None) => note(format!("signature {kind} none"), &function.name),
            Err(e) => note(
                format!(
                    "signature {kind} error {}",
                    e.to_string().split(": ").nth(1).unwrap_or("")
                ),
                &function.name,
            ),
        }
        match sites::sites(binary, &function) {
            Ok(s) => {
                let entry = format!("{:?}", s.entry.kind);
                note(
                    format!("site {kind} {entry} {:?}", s.entry.site.execution),
                    &function.name,
                );
                if s.returns.is_empty() && s.tail_calls.is_empty() {
                    note(format!("site {kind} no way out"), &function.name);
                }
                if s.returns.iter().any(|r| r.stack_depth != Some(0)) {
                    note(format!("site {kind} return at depth"), &function.name);
                }
                if s.entry.site.stack_depth != Some(0) {
                    note(format!("site {kind} entry at depth"), &function.name);
                }
            }
            Err(e) => note(
                format!(
                    "site {kind} error {}",
                    e.to_string().split(": ").nth(1).unwrap_or("")
                ),
                &function.name,
            ),
        }
    }
    for (key, (count, examples)) in counts {
        println!("{count:7} {key}   {}", examples.join(" "));
    }
}
