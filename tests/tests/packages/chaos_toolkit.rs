//! The experiment of `examples/chaos-toolkit`, run by Chaos Toolkit on the shop: its verdict is goinject's.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use goinject_tests::{Flags, fixture};
use serde_json::Value;

use crate::{folder, output, python, text};

/// Says that it is over, also where an experiment can't be begun.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A shop that serves, and a copy of the experiment for it.
struct Experiment {
    folder: tempfile::TempDir,
    shop: Child,
    port: u16,
}

impl Experiment {
    fn new() -> Experiment {
        let folder = tempfile::tempdir().expect("a folder");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/chaos-toolkit");
        for entry in fs::read_dir(example).expect("committed") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it has one").port();
        drop(listener);
        let shop = Command::new(fixture(
            "examples/shop",
            "1.27",
            Flags {
                trimpath: true,
                ..Flags::default()
            },
        ))
        .args(["-addr", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
        let experiment = Experiment { folder, shop, port };
        until("the shop serves", || experiment.price("first").is_some());
        experiment
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the shop answers to a customer who wants an apple.
    fn price(&self, customer: &str) -> Option<String> {
        ask(self.port, customer)
    }

    fn chaos(&self) -> Command {
        let mut chaos = python();
        let path = std::env::var("PATH").unwrap_or_default();
        chaos
            .args([
                "-m",
                "chaostoolkit",
                "--no-version-check",
                "run",
                "--hypothesis-strategy",
                "after-method-only",
            ])
            .args(["--rollback-strategy", "always", "experiment.json"])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", folder().display()))
            .env("SHOP_PID", self.shop.id().to_string())
            .env("SHOP_URL", format!("http://127.0.0.1:{}", self.port));
        chaos
    }

    fn journal(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("journal.json")).expect("kept")).expect("JSON")
    }
}

impl Drop for Experiment {
    fn drop(&mut self) {
        let _ = self.shop.kill();
        let _ = self.shop.wait();
    }
}

fn ask(port: u16, customer: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    write!(
        stream,
        "GET /price?customer={customer}&item=apple&count=1 HTTP/1.0\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{what}: not within a minute"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_experiment_succeeds_when_goinject_does() {
    let experiment = Experiment::new();
    let over = AtomicBool::new(false);
    let (chaos, failed) = thread::scope(|scope| {
        let customers = scope.spawn(|| {
            let mut failed = 0;
            for n in 0.. {
                let answer = ask(experiment.port, &format!("c{n}")).unwrap_or_default();
                failed += usize::from(answer.contains("price service is down"));
                if over.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_millis(100));
            }
            failed
        });
        let chaos = {
            let _sends_them_home = Over(&over);
            output(&mut experiment.chaos())
        };
        (chaos, customers.join().expect("no panic"))
    });
    assert_eq!(chaos.status.code(), Some(0), "{}", text(&chaos.stderr));
    assert_eq!(failed, 5);
    let journal = experiment.journal();
    assert_eq!(
        (&journal["status"], &journal["deviated"]),
        (&"completed".into(), &false.into())
    );
    assert_eq!(
        journal["steady_states"]["after"]["steady_state_met"], true,
        "{journal}"
    );
    // The method's own exit status is not 0, which Chaos Toolkit takes for a success all the same.
    assert_eq!(journal["run"][0]["output"]["status"], 5, "{journal}");
    assert_eq!(journal["run"][0]["status"], "succeeded");
}

/// Nobody buys, so that no fault comes up: the experiment has tested nothing.
#[test]
fn an_experiment_deviates_when_no_fault_came_up() {
    let experiment = Experiment::new();
    let rules = fs::read_to_string(experiment.path("chaos.yaml")).expect("copied");
    assert!(rules.contains("duration: 1m"));
    fs::write(
        experiment.path("chaos.yaml"),
        rules.replace("duration: 1m", "duration: 1s"),
    )
    .expect("written");
    let chaos = output(&mut experiment.chaos());
    assert_eq!(chaos.status.code(), Some(1), "{}", text(&chaos.stderr));
    let journal = experiment.journal();
    assert_eq!(journal["deviated"], true, "{journal}");
    // All that the method has to say of it.
    assert_eq!(journal["run"][0]["status"], "succeeded");
    assert_eq!(journal["run"][0]["output"]["status"], 4, "{journal}");
}

#[test]
fn an_interrupted_experiment_takes_the_faults_back() {
    let experiment = Experiment::new();
    let mut command = experiment.chaos();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: only sets how a signal is taken, which a shell in the background may have changed.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
    let mut chaos = command.spawn().expect("it starts");
    let log = experiment.path("goinject.log");
    until("goinject has armed its rule", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("armed 1 rule"))
    });
    let goinject = fs::read_to_string(experiment.path("goinject.pid")).expect("it runs");
    let id = i32::try_from(chaos.id()).expect("process ids are small");
    // SAFETY: it is our child and has not been waited for.
    unsafe { libc::kill(id, libc::SIGINT) };
    let mut said = String::new();
    let stderr = chaos.stderr.as_mut().expect("piped");
    stderr.read_to_string(&mut said).expect("text");
    chaos.wait().expect("our child");
    let journal = experiment.journal();
    assert_eq!(journal["status"], "interrupted", "{said}");
    let rollback = &journal["rollbacks"][0]["output"]["stdout"];
    assert!(
        rollback.as_str().is_some_and(|log| log.contains("interrupted")),
        "{journal}"
    );
    assert!(
        !Path::new("/proc").join(goinject.trim()).exists(),
        "goinject still runs"
    );
    let answer = experiment.price("last").expect("the shop serves");
    assert!(answer.contains("0.45"), "{answer}");
}
