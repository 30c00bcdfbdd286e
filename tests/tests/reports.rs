//! Reports, each read back by a program that is not ours.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ::goinject::event::line::Line;
use ::goinject::report::github::Runner;
use ::goinject::report::html::html;
use ::goinject::report::junit::junit;
use ::goinject::report::markdown::markdown;
use ::goinject::report::record::Record;
use goinject_tests::{Build, Flags, Writer, busy, fixture, goinject, readers};
use serde_json::{Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports")
}

/// A recorded run: three processes, five tests, a rule that failed once, one that never fired, and texts that
/// mean something to terminals, XML, Markdown and HTML.
fn recorded() -> Record {
    let text = fs::read_to_string(fixtures().join("shop.jsonl")).expect("committed");
    let mut record = Record::default();
    for line in text.lines() {
        record.line(&serde_json::from_str::<Line>(line).expect("a line of goinject"));
    }
    record
}

fn names(read: &Value) -> Vec<(&str, &str)> {
    let cases = read["cases"].as_array().expect("cases").iter();
    cases
        .map(|case| {
            (
                case[0].as_str().expect("a class"),
                case[1].as_str().expect("a name"),
            )
        })
        .collect()
}

#[test]
fn every_rule_and_every_test_is_a_junit_test_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("junit.xml");
    fs::write(&path, junit(&recorded())).expect("written");
    let read = readers::junit(&path);
    assert_eq!(read["suites"], json!(["checkout <survives> & \"a flaky\" store"]));
    assert_eq!(
        names(&read),
        [
            ("store.rules", "put-fails"),
            ("store.rules", "slow <script>alert(1)</script> | read"),
            ("store.rules", "never"),
            ("store.tests", "example.com/shop/api.FuzzPrice/seed#0"),
            ("store.tests", "example.com/shop/api.TestCheckout"),
            ("store.tests", "example.com/shop/store.TestCheckout/small"),
            ("store.tests", "example.com/shop/store.TestPut"),
            // The target's own status is not what any rule is about.
            ("store.run", "run"),
        ]
    );
    let results: Vec<&Value> = (0..8).map(|n| &read["cases"][n][2][0]).collect();
    assert_eq!(
        (&results[0][0], &results[0][2]),
        (&json!("Failure"), &json!("failed 1, expected 0"))
    );
    assert_eq!(results[1], &Value::Null);
    assert_eq!(
        (&results[2][1], &results[2][2]),
        (&json!("never-fired"), &json!("fired 0, expected >=1"))
    );
    assert_eq!(results[6][1], json!("fault-failed"));
    assert_eq!(results[7][0], json!("Error"));
    assert_eq!(read["counts"], json!([[8, 3, 1]]));
    assert_eq!(
        read["properties"]["command"],
        json!("goinject run --seed 42 chaos/store.yaml -- go test -run 'Checkout|Put' ./...")
    );
    let out = read["cases"][0][3].as_str().expect("what it did");
    assert!(out.contains("31 calls, 31 matched, 31 fired"), "{out}");
    assert!(
        out.contains("store/checkout.go:17 (example.com/shop/store.checkout)"),
        "{out}"
    );
}

#[test]
fn markdown_fits_a_comment_and_nothing_in_it_is_markup() {
    let text = markdown(&recorded());
    insta::assert_snapshot!(text);
    assert!(text.len() < 65_536, "{}", text.len());
    let mut long = recorded();
    let event = long.events[0].clone();
    for n in 0..5000 {
        let mut event = event.clone();
        event.test = Some(format!("TestLong{}/{n}", "x".repeat(300)));
        event.stack[1].line = n;
        long.line(&Line::Fired(event));
    }
    let text = markdown(&long);
    assert!(text.len() < 65_536, "{}", text.len());
    assert!(
        text.contains("more tests") && text.contains("more places"),
        "{text}"
    );
}

#[test]
fn github_shows_the_worst_ten_in_the_users_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "before\n").expect("written");
    let runner = Runner {
        workspace: Some("/home/you".into()),
        summary: Some(summary.clone()),
    };
    insta::assert_snapshot!(runner.annotations(&recorded()).join("\n"));
    runner.append_summary(&recorded()).expect("appended");
    let text = fs::read_to_string(&summary).expect("there");
    assert!(text.starts_with("before\n## ❌ goinject"), "{text}");
}

#[test]
fn a_run_writes_the_reports_that_are_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let path = folder.path().join("junit.xml");
    let text = "version: 1\nseed: 3\nrules:\n- function: main.scale\n  inject: {set: {by: 1.5}}\n";
    fs::write(&rules, text).expect("written");
    let [summary, comment] = ["summary.md", "comment.md"].map(|name| folder.path().join(name));
    let mut command = goinject::command(["run", "--engine", "ptrace", "--junit"]);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary);
    command
        .arg(&path)
        .arg("--markdown")
        .arg(&comment)
        .arg(&rules)
        .arg("--")
        .arg(fixture("catalog", "1.27", Flags::default()));
    let outcome = goinject::Running::start(&mut command).end();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let read = readers::junit(&path);
    assert_eq!(names(&read), [("rules.rules", "scale")]);
    assert_eq!(read["counts"], json!([[1, 0, 0]]));
    assert_eq!(read["properties"]["seed"], json!("3"));
    let summary = fs::read_to_string(summary).expect("a summary");
    assert!(summary.contains("| ✅ | <code>scale</code> |"), "{summary}");
    let comment = fs::read_to_string(comment).expect("a comment");
    assert_eq!(summary.trim_end(), comment.trim_end());
    assert!(
        outcome
            .stderr
            .contains("goinject: to repeat: goinject run --seed 3 "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let text = "version: 1\nrules:\n- function: main.scale\n  inject: {set: {by: 1.5}}\n";
    fs::write(&rules, text).expect("written");
    let marker = folder.path().join("ran");
    for (path, words) in [
        (folder.path().join("missing/junit.xml"), "No such file"),
        (folder.path().to_owned(), "Is a directory"),
        (rules.clone(), "rule file"),
    ] {
        let mut command = goinject::command(["run", "--engine", "ptrace", "--junit"]);
        command.arg(&path).arg(&rules).arg("--");
        command
            .arg(fixture("catalog", "1.27", Flags::default()))
            .arg(&marker);
        let outcome = goinject::Running::start(&mut command).end();
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("armed"), "{}", outcome.stderr);
        assert_eq!(fs::read_to_string(&rules).expect("still there"), text);
    }
}

#[test]
fn reports_that_are_lost_are_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.yaml");
    let text = "version: 1\nrules:\n- function: main.scale\n  inject: {set: {by: 1.5}}\n";
    fs::write(&rules, text).expect("written");
    for report in ["--json", "--junit"] {
        let mut command = goinject::command(["run", "--engine", "ptrace", report, "/dev/full"]);
        command
            .arg(&rules)
            .arg("--")
            .arg(fixture("catalog", "1.27", Flags::default()));
        let outcome = goinject::Running::start(&mut command).end();
        assert_eq!(outcome.code, Some(1), "{report}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("/dev/full"), "{}", outcome.stderr);
    }
    // A file that may not grow is an error like others, not the end of goinject.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 1; exec \"$@\"", "sh"]);
    command
        .arg(goinject::program())
        .args(["run", "--engine", "ptrace", "--json"]);
    command
        .arg(folder.path().join("events.jsonl"))
        .arg(&rules)
        .arg("--");
    command.arg(fixture("catalog", "1.27", Flags::default()));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let outcome = goinject::Running::start(&mut command).end();
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("File too large"), "{}", outcome.stderr);
}

/// Chromium without a window, with a profile of its own; what it prints.
fn chromium(arguments: &[&str], page: &Path) -> String {
    let program = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
        .expect("run `cargo xtask setup --only readers`");
    let profile = tempfile::tempdir().expect("a folder");
    let output = Command::new(program)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args(["--disable-dev-shm-usage", "--allow-file-access-from-files"])
        .args(["--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_browser_shows_the_html_page_as_a_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("report.html");
    let text = html(&recorded());
    fs::write(&page, &text).expect("written");
    // Nothing is fetched and nothing runs, whatever the target's texts are.
    for word in ["<script", "src=", "url(", "@import", "<link", "<img", "\u{1b}"] {
        assert!(!text.contains(word), "{word}");
    }
    let dom = chromium(&["--dump-dom"], &page);
    for words in [
        "✗ Failed",
        "<code>slow &lt;script&gt;alert(1)&lt;/script&gt; | read</code>",
        "example.com/shop/store.TestCheckout/small",
        "goinject run --seed 42 chaos/store.yaml -- go test -run 'Checkout|Put' ./...",
        "store/checkout.go:17 in example.com/shop/store.checkout",
        "fired 0, expected &gt;=1",
    ] {
        assert!(dom.contains(words), "{words}");
    }
    // The browser found no more elements than the template has: one row for each of its rules, places and events.
    assert_eq!(dom.matches("<tr>").count(), 3 + 3 + 19 + 50);
    for size in ["1100,1400", "390,1800"] {
        let picture = folder.path().join(format!("{size}.png"));
        let screenshot = format!("--screenshot={}", picture.display());
        chromium(&[&screenshot, &format!("--window-size={size}")], &page);
        assert!(fs::metadata(&picture).expect("a picture").len() > 20_000);
        if let Some(keep) = std::env::var_os("GOINJECT_KEEP_PICTURES") {
            let name = picture.file_name().expect("a name");
            fs::copy(&picture, Path::new(&keep).join(name)).expect("kept");
        }
    }
}

#[test]
fn the_html_page_is_no_wider_than_a_phone() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("report.html"), html(&recorded())).expect("written");
    let outer = folder.path().join("outer.html");
    let text = "<iframe id=f src=report.html width=360 height=800 onload=\"const e = \
                f.contentDocument.documentElement; t.textContent = `${e.scrollWidth} of ${e.clientWidth}`\"></iframe>\
                <p id=t></p>";
    fs::write(&outer, text).expect("written");
    let dom = chromium(&["--dump-dom"], &outer);
    assert!(dom.contains("<p id=\"t\">360 of 360</p>"), "{dom}");
}

/// The busy program under rules, with goinject's own words going to `stderr`, until its input ends.
fn busy_run(folder: &Path, stderr: Stdio) -> goinject::Running {
    let build = Build::plain("1.27");
    let writer = Writer::Breakpoints;
    let rules = folder.join("rules.yaml");
    let text = busy::rules(&busy::functions(writer, build.version), "");
    fs::write(&rules, text).expect("written");
    let mut command = goinject::command(["run", "--engine", "ptrace"]);
    command
        .env("TERM", "xterm")
        .arg(&rules)
        .arg("--")
        .arg(build.of("busy"))
        .arg("-input");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr);
    goinject::Running::start(&mut command)
}

#[test]
fn a_run_says_how_it_stands_when_it_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = folder.path().join("said");
    let mut run = busy_run(folder.path(), fs::File::create(&said).expect("a file").into());
    let contains = |words: &str| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            let text = fs::read_to_string(&said).unwrap_or_default();
            if text.contains(words) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("no {words:?}: {}", fs::read_to_string(&said).unwrap_or_default());
    };
    contains("further events are counted");
    run.signal(libc::SIGUSR1);
    contains(" s ago, main.");
    let text = fs::read_to_string(&said).expect("read");
    let head = text.lines().find(|line| line.contains("last")).expect("a table");
    let words: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(words, ["goinject:", "rule", "calls", "fired", "failed", "last"]);
    assert!(run.runs(), "it went on");
    drop(run.stdin());
    run.end();
    contains("the target exited");
}

#[test]
fn a_terminal_shows_a_line_for_each_rule_and_is_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut ours, theirs) = terminal();
    let mut run = busy_run(folder.path(), theirs.into());
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // The end of a terminal that nobody holds any more is an error.
        let _ = ours.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    thread::sleep(Duration::from_secs(3));
    assert!(run.runs());
    drop(run.stdin());
    run.end();
    let text = reader.join().expect("read");
    let region = text.find("\x1b[1;").expect("rows at the bottom are kept");
    let back = text.rfind("\x1b[r").expect("they are given back");
    assert!(region < back, "{text:?}");
    assert!(text[region..back].contains(" s ago, main."), "{text:?}");
    assert!(!text[back..].contains("\x1b[1;"), "{text:?}");
    assert!(
        text[back..].contains("to repeat: goinject run --seed "),
        "{text:?}"
    );
}

#[test]
fn standard_error_that_nobody_reads_holds_nothing_up() {
    for writer in Writer::ANYWHERE {
        let folder = tempfile::tempdir().expect("a folder");
        let said = folder.path().join("said");
        let rules = folder.path().join("rules.yaml");
        fs::write(&rules, busy::rules(&["number"], "")).expect("written");
        let (reader, full) = full_pipe();
        let mut command = goinject::command(["run", "--writer", writer.name()]);
        command.arg(&rules).arg("--").arg(Build::plain("1.27").of("busy"));
        command.args(["-only", "number", "-for", "300ms"]);
        command
            .stdout(fs::File::create(&said).expect("a file"))
            .stderr(full);
        let started = Instant::now();
        let outcome = goinject::Running::start(&mut command).end();
        assert_eq!(outcome.code, Some(0), "{}", writer.name());
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{:?}",
            started.elapsed()
        );
        let said = fs::read_to_string(&said).expect("read");
        let calls = busy::counted(&said)["number"];
        assert!(calls.calls > 0 && calls.calls == calls.replaced, "{said}");
        drop(reader);
    }
}

/// A pipe with no room left, and its reader.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    set_flags(&writer, libc::O_NONBLOCK);
    while writer.write(&[b'x'; 4096]).is_ok() {}
    set_flags(&writer, 0);
    (reader, writer)
}

fn set_flags(of: &impl AsRawFd, flags: i32) {
    // SAFETY: only flags of our own pipe are changed.
    assert_eq!(unsafe { libc::fcntl(of.as_raw_fd(), libc::F_SETFL, flags) }, 0);
}

/// A terminal of 24 lines: our end, and the one for a program.
fn terminal() -> (fs::File, fs::File) {
    let size = libc::winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (mut ours, mut theirs) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: both numbers are written, the size is read, and nothing else is asked for.
    let result = unsafe { libc::openpty(&mut ours, &mut theirs, none, none.cast(), &size) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    // The program must not hold our end: its terminal would never hang up.
    // SAFETY: the number was just given; only a flag of it is changed.
    assert_eq!(unsafe { libc::fcntl(ours, libc::F_SETFD, libc::FD_CLOEXEC) }, 0);
    // SAFETY: they were just opened, and nobody else has them.
    let file = |fd| fs::File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    (file(ours), file(theirs))
}
