//! Programs that other people wrote and built, most of them stripped, with the rules of `examples/real-programs`: what
//! they do changes as the rules say, on both engines.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use goinject::go::Binary;
use goinject_lab::{Cache, Published, Toolchain};
use goinject_tests::Outcome;
use goinject_tests::goinject::{LIMIT, Running, command};

const ENGINES: [&str; 2] = ["bpf", "ptrace"];

fn published(name: &str) -> PathBuf {
    let program = Published::find(name).expect("it is in the table");
    program
        .program(&Cache::from_env())
        .unwrap_or_else(|missing| panic!("{missing}"))
}

fn rules(name: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/real-programs");
    examples.join(name).with_extension("yaml")
}

/// goinject on a program, with the rules of that name.
fn injected(engine: &str, name: &str, program: &Path, arguments: &[&str]) -> Command {
    let mut command = command(["run", "--quiet", "--engine", engine]);
    command.arg(rules(name)).arg("--").arg(program).args(arguments);
    command
}

/// Runs to the end with a text on standard input.
fn with_input(mut command: Command, input: &str) -> Outcome {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.stdin().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads its input");
    drop(stdin);
    running.end()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it has an address").port()
}

/// Tries until there is an answer, as long as the server runs.
fn wait_for<T>(server: &mut Running, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < LIMIT && server.runs() {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        thread::sleep(Duration::from_millis(50));
    }
    None
}

fn stripped(program: &Path, version: &str) {
    let binary = Binary::open(program).unwrap_or_else(|error| panic!("{error}"));
    assert!(!binary.build().has_dwarf, "{}", program.display());
    let found = &binary.version().text;
    assert!(found.starts_with(version), "{}: {found}", program.display());
}

#[test]
fn a_filter_finds_nothing() {
    let fzf = published("fzf");
    stripped(&fzf, "go1.19");
    for engine in ENGINES {
        let outcome = with_input(
            injected(engine, "fzf", &fzf, &["--filter", "apl"]),
            "apple\npear\npineapple\n",
        );
        assert_eq!(outcome.code, Some(0), "{engine}: {}", outcome.describe());
        assert_eq!(outcome.stdout, "", "{engine}: {}", outcome.describe());
        assert!(
            outcome.stderr.contains("exited with status 1"),
            "{}",
            outcome.describe()
        );
    }
}

#[test]
fn a_command_of_go_reads_less_than_there_is() {
    let gofmt = Toolchain::newest()
        .folder(&Cache::from_env())
        .join("go/bin/gofmt");
    for engine in ENGINES {
        let source = "package main\n\nfunc main() { println(1) }\n";
        let outcome = with_input(injected(engine, "gofmt", &gofmt, &[]), source);
        assert_eq!(outcome.code, Some(0), "{engine}: {}", outcome.describe());
        let complaint = "<standard input>:3:7: expected '(', found newline";
        assert!(
            outcome.stderr.contains(complaint),
            "{engine}: {}",
            outcome.describe()
        );
    }
}

#[test]
fn a_bundler_cannot_read_a_file() {
    let esbuild = published("esbuild");
    // Its authors remove the build information.
    stripped(&esbuild, "go1.26");
    let folder = tempfile::tempdir().expect("a folder");
    let main = "import {price} from './price.js'; console.log(price)";
    fs::write(folder.path().join("main.js"), main).expect("a file");
    fs::write(folder.path().join("price.js"), "export const price = 5").expect("a file");
    for engine in ENGINES {
        let mut command = injected(engine, "esbuild", &esbuild, &["--bundle", "main.js"]);
        let outcome = Running::start(command.current_dir(folder.path())).end();
        assert_eq!(outcome.code, Some(0), "{engine}: {}", outcome.describe());
        let complaint = "Cannot read file \"price.js\": permission denied";
        assert!(
            outcome.stderr.contains(complaint),
            "{engine}: {}",
            outcome.describe()
        );
    }
}

#[test]
fn every_third_answer_of_a_web_server_is_an_error() {
    let caddy = published("caddy");
    stripped(&caddy, "go1.19");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("page.txt"), "hello").expect("a file");
    for engine in ENGINES {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = injected(
            engine,
            "caddy",
            &caddy,
            &["file-server", "--listen", &address, "--root", "."],
        );
        command.current_dir(folder.path());
        command
            .env("XDG_DATA_HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path());
        let mut server = Running::start(&mut command);
        // The first answer tells that it is up, and is the first of three.
        let mut answers: Vec<u16> = wait_for(&mut server, || status_of(&address))
            .into_iter()
            .collect();
        if !answers.is_empty() {
            answers.extend((0..5).filter_map(|_| status_of(&address)));
        }
        server.signal(libc::SIGINT);
        let outcome = server.end();
        assert_eq!(
            answers,
            [200, 200, 503, 200, 200, 503],
            "{engine}: {}",
            outcome.describe()
        );
        assert_eq!(outcome.code, Some(130), "{engine}: {}", outcome.describe());
    }
}

/// The status with which a web server answers.
fn status_of(address: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = "GET /page.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_key_value_server_and_its_client() {
    let (etcd, etcdctl) = (published("etcd"), published("etcdctl"));
    stripped(&etcd, "go1.19");
    stripped(&etcdctl, "go1.19");
    for engine in ENGINES {
        let folder = tempfile::tempdir().expect("a folder");
        let (client, peer) = (free_port(), free_port());
        let (client, peer) = (
            format!("http://127.0.0.1:{client}"),
            format!("http://127.0.0.1:{peer}"),
        );
        let options = [
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ];
        let mut command = injected(engine, "etcd", &etcd, &options);
        command
            .args(["--listen-peer-urls", &peer, "--data-dir"])
            .arg(folder.path());
        let mut server = Running::start(&mut command);
        let ask = |arguments: &[&str]| {
            let mut command = Command::new(&etcdctl);
            command
                .env("ETCDCTL_API", "3")
                .args(["--endpoints", &client])
                .args(arguments);
            command.output().expect("the client starts")
        };
        let put = || ask(&["put", "plain", "1"]).status.success().then_some(());
        let is_up = wait_for(&mut server, put).is_some();
        // The server fails one write.
        let refused = ask(&["put", "orders/1", "x"]);
        // A text in an object is not written while the collector marks; the next call is garbled instead.
        let garble = || {
            let put = ask(&["put", "prices/1", "5"]).status.success();
            let price = ask(&["get", "--print-value-only", "prices/1"]).stdout;
            put.then_some(price).filter(|price| price != b"5\n")
        };
        let price = (0..20).find_map(|_| garble());
        let untouched = ask(&["get", "--print-value-only", "plain"]).stdout;
        // The client asks for another key than it was told.
        let stored = ask(&["put", "stock/apples", "3"]).status.success()
            && ask(&["put", "stock/pears", "8"]).status.success();
        let get = [
            "--endpoints",
            &client,
            "get",
            "--print-value-only",
            "stock/apples",
        ];
        let mut other = injected(engine, "etcdctl", &etcdctl, &get);
        let other = Running::start(other.env("ETCDCTL_API", "3")).end();
        server.signal(libc::SIGTERM);
        let outcome = server.end();
        assert!(is_up && stored, "{engine}: {}", outcome.describe());
        let complaint = String::from_utf8_lossy(&refused.stderr);
        assert!(
            complaint.contains("etcdserver: no space"),
            "{engine}: {complaint}"
        );
        assert_eq!(
            price.as_deref(),
            Some(&b"999\n"[..]),
            "{engine}: {}",
            outcome.describe()
        );
        assert_eq!(untouched, b"1\n", "{engine}: {}", outcome.describe());
        assert_eq!(other.stdout, "8\n", "{engine}: {}", other.describe());
        assert_eq!(other.code, Some(0), "{engine}: {}", other.describe());
    }
}
