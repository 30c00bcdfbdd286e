//! What runs that go on for long have beside a report at their end: metrics, and files of events that take turns.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use goinject_lab::{Cache, Published};
use goinject_tests::goinject::Running;
use goinject_tests::long_run::LongRun;
use goinject_tests::patience::{is_stopped, is_traced, wait_for};
use goinject_tests::{Build, Outcome, Writer, busy, goinject, readers};
use serde_json::Value;

/// goinject on `busy`, which ends with its standard input.
fn start(writer: Writer, rules: &str, options: &[&str]) -> LongRun {
    let target = ["--", "./busy", "-only", "leaf", "-input"];
    LongRun::start(writer, "busy", rules, options, &target)
}

/// The address that it says metrics are at.
fn address(run: &LongRun) -> String {
    run.waits_for("metrics are nowhere", || {
        let said = run.text("err");
        let (_, rest) = said.split_once("goinject: metrics at http://")?;
        Some(rest.split_once("/metrics\n")?.0.to_owned())
    })
}

/// The head and the body of an answer.
fn ask(address: &str, request: &str) -> (String, String) {
    ask_for(address, &format!("{request} HTTP/1.1"), "*/*")
}

/// The same for somebody who takes these types.
fn ask_for(address: &str, request: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("{request}\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// Samples by name and labels, as Prometheus' own library reads them.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text");
    fs::write(&path, text).expect("written");
    let read = readers::metrics(&path);
    let named = |sample: &Value| {
        let labels = sample[1].as_object().expect("labels").values();
        let labels: Vec<&str> = labels.filter_map(Value::as_str).collect();
        let name = sample[0].as_str().expect("a name");
        (
            format!("{name} {}", labels.join(" ")).trim_end().to_owned(),
            sample[2].as_f64().expect("a number"),
        )
    };
    read.as_array().expect("samples").iter().map(named).collect()
}

#[test]
fn metrics_are_what_the_run_counts() {
    for writer in Writer::ANYWHERE {
        let rules = busy::rules(&["leaf"], "when: {every: 100}, ");
        let options = ["--metrics-listen", "0", "--metrics-file", "goinject.prom"];
        let run = start(writer, &rules, &options);
        let address = address(&run);
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        let pid = wait_for(|| {
            // As Prometheus asks.
            let accept =
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
            let (head, body) = ask_for(&address, "GET /metrics HTTP/1.1", accept);
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert!(
                head.contains("Content-Type: application/openmetrics-text; version=1.0.0"),
                "{head}"
            );
            assert!(body.ends_with("# EOF\n"), "{body}");
            let samples = samples(&body);
            (samples.get("goinject_rule_applied_total leaf")? > &10.0).then_some(())?;
            assert_eq!(samples["goinject_armed"], 1.0);
            assert_eq!(samples["goinject_processes"], 1.0);
            let version = format!("goinject_build_info {}", env!("CARGO_PKG_VERSION"));
            assert!(samples.contains_key(&version), "{body}");
            let of_process = samples
                .keys()
                .find(|name| name.starts_with("goinject_process_faults_total "));
            Some(of_process.expect("as events tell").clone())
        });
        let pid = pid.unwrap_or_else(|| panic!("no rule acts: {}", run.text("err")));
        assert!(pid.contains("applied"), "{pid}");
        let (head, body) = ask(&address, "GET /metrics");
        assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
        assert_eq!(samples(&body)["goinject_processes_armed_total"], 1.0);
        assert!(ask(&address, "GET /").0.starts_with("HTTP/1.1 404 "));
        assert!(ask(&address, "POST /metrics").0.starts_with("HTTP/1.1 405 "));
        let (outcome, folder) = run.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let total = busy::total(&outcome.stdout).expect("no call is wrong");
        let text = fs::read_to_string(folder.path().join("goinject.prom")).expect("written");
        let samples = samples(&text);
        assert_eq!(samples["goinject_rule_applied_total leaf"], total.replaced as f64);
        assert_eq!(samples["goinject_rule_calls_total leaf"], total.calls as f64);
        assert_eq!(samples["goinject_armed"], 0.0);
        let others = fs::read_dir(folder.path()).expect("readable");
        let left = others
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| name.ends_with(".tmp"));
        assert_eq!(left, None, "a part of the file is left");
    }
}

/// What node_exporter tells of the files of a folder.
fn node_exporter(folder: &Path) -> String {
    let program = Published::find("node_exporter").expect("in the table");
    let program = program
        .program(&Cache::from_env())
        .unwrap_or_else(|error| panic!("{error}"));
    let log = folder.join("log");
    let mut command = Command::new(program);
    command
        .args(["--collector.disable-defaults", "--collector.textfile"])
        .arg(format!("--collector.textfile.directory={}", folder.display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).expect("a file"));
    let mut running = command.spawn().expect("it starts");
    let address = wait_for(|| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let (_, rest) = said.split_once("msg=\"Listening on\" address=")?;
        Some(rest.lines().next()?.trim().to_owned())
    });
    // In one piece: the later version of the protocol would cut it up.
    let told = address.map(|address| ask_for(&address, "GET /metrics HTTP/1.0", "text/plain").1);
    let _ = running.kill();
    let _ = running.wait();
    told.unwrap_or_else(|| panic!("{}", fs::read_to_string(&log).unwrap_or_default()))
}

/// A process with other rules is the same process, for metrics and reports; what node_exporter reads of it is what goinject counted.
#[test]
fn node_exporter_reads_of_one_process_whatever_rules_it_has() {
    let options = [
        "--json",
        "events",
        "--metrics-file",
        "run.prom",
        "--markdown",
        "report",
    ];
    let run = start(Writer::Breakpoints, &busy::rules(&["leaf"], ""), &options);
    run.has_fired("leaf", 1);
    for generation in [2, 3] {
        let every = format!("when: {{every: {generation}}}, ");
        assert_eq!(
            run.reload(&busy::rules(&["leaf"], &every))["generation"],
            generation
        );
        run.has_fired("leaf", generation);
    }
    let (outcome, folder) = run.end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    let again: Vec<bool> = outcome
        .of_type("process")
        .filter_map(|line| line["again"].as_bool())
        .collect();
    assert_eq!(again, [false, true, true], "{}", outcome.describe());
    let report = fs::read_to_string(folder.path().join("report")).expect("written");
    assert!(report.contains(" in 1 process"), "{report}");
    let told = node_exporter(folder.path());
    let has = |line: &str| assert!(told.lines().any(|other| other == line), "{line}\n{told}");
    has("node_textfile_scrape_error 0");
    has("# TYPE goinject_rule_applied_total counter");
    has("goinject_processes_armed_total 1");
    has("goinject_rules_generation 3");
    has("goinject_reloads_total{outcome=\"applied\"} 2");
    let replaced = busy::counted(&outcome.stdout)["leaf"].replaced;
    has(&format!(
        "goinject_rule_applied_total{{rule=\"leaf\"}} {replaced}"
    ));
}

#[test]
fn what_metrics_can_not_be_had_for_is_told_before_anything_runs() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it has one").port().to_string();
    for (options, words) in [
        (["--metrics-listen", port.as_str()], "cannot serve metrics at"),
        (["--metrics-listen", "nothing"], "HOST:PORT"),
        (
            ["--metrics-file", "no/folder/goinject.prom"],
            "cannot write no/folder/goinject.prom",
        ),
    ] {
        let run = start(Writer::Breakpoints, &busy::rules(&["leaf"], ""), &options);
        let (outcome, _) = run.end();
        assert_eq!(outcome.code, Some(2), "{}", outcome.describe());
        assert!(outcome.stderr.contains(words), "{}", outcome.describe());
        assert_eq!(outcome.stdout, "");
    }
}

/// Every line of the files of a run, the oldest file first, and the number of files.
fn rotated(folder: &Path) -> (Vec<Value>, usize) {
    let name = |number: usize| match number {
        0 => folder.join("events"),
        number => folder.join(format!("events.{number}")),
    };
    let count = (0..).take_while(|number| name(*number).exists()).count();
    let mut lines = Vec::new();
    for number in (0..count).rev() {
        let text = fs::read_to_string(name(number)).expect("readable");
        assert!(text.ends_with('\n') && text.len() <= 64 << 10, "{number}");
        lines.extend(Outcome::lines(&text));
    }
    (lines, count)
}

#[test]
fn files_of_events_take_turns_and_lose_none() {
    for writer in Writer::ANYWHERE {
        let rules = format!("{}limits: {{faults: 500}}\n", busy::rules(&["leaf"], ""));
        let options = ["--json", "events", "--json-max-size", "64K", "--until-limit"];
        let run = start(writer, &rules, &options);
        // Not by its event: that may be in any of the files by now.
        run.waits_for("no limit is reached", || {
            run.text("err").contains("limit reached").then_some(())
        });
        let (outcome, folder) = run.end();
        assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
        let (lines, files) = rotated(folder.path());
        assert!(files > 3, "{files}");
        assert_eq!(lines.iter().filter(|line| line["type"] == "fired").count(), 500);
        assert_eq!(lines.iter().filter(|line| line["type"] == "limit").count(), 1);
        assert_eq!(lines[0]["type"], "armed");
        assert_eq!(lines.last().expect("lines")["type"], "end");
    }
}

#[test]
fn standard_output_and_descriptors_take_events() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rules.yaml"), busy::rules(&["leaf"], "")).expect("written");
    for path in ["/dev/stdout", "/dev/fd/1"] {
        let mut command = goinject::command(["run", "--quiet", "--json", path, "rules.yaml", "--"]);
        command
            .arg(Build::plain("1.27").of("busy"))
            .args(["-only", "leaf", "-calls", "50"]);
        let outcome = Running::start(command.current_dir(folder.path())).end();
        let lines = outcome.stdout.lines().filter(|line| line.starts_with('{'));
        let fired = lines.filter(|line| line.contains(r#""type":"fired""#)).count();
        assert!(fired >= 50, "{path}: {}", outcome.describe());
    }
}

#[test]
fn a_reader_that_goes_away_holds_nothing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let rules = busy::rules(&["leaf"], "");
    let run = start(
        Writer::Breakpoints,
        &rules,
        &["--json", pipe.to_str().expect("a path")],
    );
    let mut reader = fs::File::open(&pipe).expect("opened");
    reader.read_exact(&mut [0; 10_000]).expect("events come");
    drop(reader);
    thread::sleep(Duration::from_millis(500));
    // The next one goes on where that one ended.
    let mut reader = fs::File::open(&pipe).expect("opened");
    let mut text = vec![0; 200_000];
    reader.read_exact(&mut text).expect("events come");
    let text = String::from_utf8_lossy(&text);
    let whole: Vec<&str> = text.lines().skip(1).collect();
    let events = Outcome::lines(&whole[..whole.len() - 1].join("\n"));
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["call"].as_u64()).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    drop(reader);
    thread::sleep(Duration::from_millis(500));
    let (outcome, _) = run.end();
    assert_eq!(outcome.code, Some(1), "{}", outcome.describe());
    assert!(outcome.stderr.contains("the events in"), "{}", outcome.describe());
    let total = busy::total(&outcome.stdout).expect("no call is wrong");
    assert!(total.replaced > 0 && total.kept == 0, "{total:?}");
}

/// A goinject that somebody has stopped can neither end faults nor let a thread go: the watchdog ends it.
#[test]
fn a_goinject_that_does_not_go_on_is_ended_and_the_program_goes_on() {
    thread::scope(|scope| {
        for writer in Writer::ANYWHERE {
            scope.spawn(move || {
                let options = ["--lease", "2s", "--json", "events"];
                let mut run = start(writer, &busy::rules(&["leaf"], ""), &options);
                let pid = run.target();
                let acted = wait_for(|| (run.text("events").len() > 64 << 10).then_some(()));
                assert!(acted.is_some(), "{}: {}", writer.name(), run.text("err"));
                // It holds for rules that were read again, too.
                let told = run.reload(&busy::rules(&["leaf"], ""));
                assert!(told["refused"].is_null(), "{}: {told}", writer.name());
                // The watchdog comes when a run has lasted for a while.
                thread::sleep(Duration::from_millis(2500));
                run.running.signal(libc::SIGSTOP);
                let ended = wait_for(|| (!run.running.runs()).then_some(()));
                assert!(ended.is_some(), "{}: it is still there", writer.name());
                let words = "goinject has not gone on for 2s";
                assert!(
                    run.text("err").contains(words),
                    "{}: {}",
                    writer.name(),
                    run.text("err")
                );
                let released = wait_for(|| (!is_traced(pid)).then_some(()));
                assert!(released.is_some(), "{}", writer.name());
                // What it calls from now on is as it was written.
                thread::sleep(Duration::from_millis(1500));
                let (outcome, folder) = run.end();
                assert_eq!(outcome.code, Some(128 + libc::SIGKILL), "{}", writer.name());
                let told = wait_for(|| {
                    let out = fs::read_to_string(folder.path().join("out")).ok()?;
                    out.contains(" wrong ").then_some(out)
                });
                let total = busy::total(&told.unwrap_or_default());
                let total = total.unwrap_or_else(|error| panic!("{}: {error}", writer.name()));
                assert!(
                    total.replaced > 0 && total.kept > 100,
                    "{}: {total:?}",
                    writer.name()
                );
                assert!(total.halfway <= 1, "{}: {total:?}", writer.name());
            });
        }
    });
}

/// A job that is stopped, and one that is only slow, are left alone.
#[test]
fn a_job_that_was_stopped_is_no_failure() {
    let options = ["--lease", "2s", "--json", "events"];
    let run = start(Writer::Breakpoints, &busy::rules(&["leaf"], ""), &options);
    let _ = run.target();
    thread::sleep(Duration::from_millis(2500));
    run.running.signal(libc::SIGTSTP);
    run.waits_for("it is not stopped", || {
        is_stopped(run.running.pid()).then_some(())
    });
    thread::sleep(Duration::from_secs(4));
    run.running.signal(libc::SIGCONT);
    let before = run.text("events").len();
    let goes_on = wait_for(|| (run.text("events").len() > before).then_some(()));
    assert!(goes_on.is_some(), "{}", run.text("err"));
    let (outcome, _) = run.end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.describe());
    busy::total(&outcome.stdout).expect("no call is wrong");
}
