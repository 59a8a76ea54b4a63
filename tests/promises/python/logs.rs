//! What an application prints, logs and fails with is in the plugin's log.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{interval, timeout},
};
use wasmbay_tests::client::{Connection, HANG, Protocol};

use super::{REUSED, serve, write};

/// Longer than a start that compiles nothing, on a busy machine.
const START: Duration = Duration::from_secs(120);

/// Starts the host with the cache of compiled code that tests share. Answers it and where it listens.
async fn start(dir: &Path) -> (Child, SocketAddr) {
    let bin = std::env::var_os("WASMBAY_BIN").expect("WASMBAY_BIN names the built binary");
    let mut command = Command::new(bin);
    command.arg("serve").arg(dir).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"]);
    command.arg(super::roomy().data.expect("tests name their data folder"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = timeout(START, out.next_line()).await.expect("it is ready").expect("a line").expect("a line");
    let address = ready.split(' ').find_map(|word| word.strip_prefix("listen="));
    (child, address.and_then(|address| address.parse().ok()).expect("an address"))
}

/// Asks `paths` of a host of its own, and reads its log until it has all of `wanted`, in any order.
async fn logged(application: &str, lane: &str, paths: &[&str], wanted: &[&str]) {
    // Compiled beforehand, where others wait their turn for it.
    drop(serve(application, lane, REUSED).await);
    let dir = TempDir::new().expect("a folder");
    write(&dir, application, lane, REUSED);
    let (mut child, address) = start(dir.path()).await;
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    let asking = async {
        for path in paths {
            let mut looks = interval(Duration::from_millis(20));
            let mut connection = Connection::open(address, Protocol::Http1).await.expect("a connection");
            while connection.get(path).await.is_ok_and(|answer| answer.status == 503) {
                looks.tick().await;
            }
        }
    };
    let mut missing = wanted.to_vec();
    let mut seen = String::new();
    let reading = async {
        while !missing.is_empty() {
            let line = log.next_line().await.expect("a log").unwrap_or_else(|| panic!("it ended:\n{seen}"));
            missing.retain(|wanted| !line.contains(wanted));
            seen += &line;
            seen.push('\n');
        }
    };
    let both = async { tokio::join!(asking, reading) };
    let done = timeout(START + HANG, both).await;
    assert!(done.is_ok(), "not in the log: {missing:?}\n{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_fastapi_application_says_and_fails_with_is_in_the_plugins_log() {
    let wanted = [
        "printed hello",
        "WARNING everything: warned hello",
        "INFO deep.down: informed hello",
        "INFO everything: lifespan begins",
        "INFO everything: in the background: done",
        // The traceback, with the application's own line.
        "return unseen[\\\"the key that is not there\\\"]",
        "KeyError: 'the key that is not there'",
        "threads do not exist inside of a component",
        "sockets do not exist inside of a component",
    ];
    let paths = ["/instance/log?word=hello", "/background", "/fail", "/instance/thread", "/instance/socket"];
    logged("fastapi", "io", &paths, &wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_flask_application_says_and_fails_with_is_in_the_plugins_log() {
    let wanted = ["INFO wsgi: about to fail", "RuntimeError: unhandled", "RuntimeError: before the head"];
    logged("wsgi", "compute", &["/fail", "/bare/before"], &wanted).await;
}
