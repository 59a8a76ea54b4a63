//! In dev mode a browser sees what broke, where, and the line to change; anywhere else nobody does.

use http::Request;
use tempfile::TempDir;
use wasmbay::host::Mode;
use wasmbay_tests::{
    client::{Answer, empty},
    house::{House, Plugin, settings},
};

/// What a browser sends.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Plugins that fail in ways an author has to look into.
async fn serve(mode: Mode) -> House {
    let dir = TempDir::new().expect("a folder");
    let plugins = [
        Plugin::new("p", "io", "http02.wasm").with("[limits]\ncpu = \"30ms\"\nmemory = \"4MiB\""),
        Plugin::new("default", "compute", "http02.wasm"),
    ];
    plugins.iter().for_each(|plugin| plugin.write(dir.path()).expect("the plugin can be written"));
    House::in_mode(mode, settings(), dir).await
}

async fn ask(house: &House, path: &str, accept: &str) -> Answer {
    let request = Request::get(path).header("accept", accept).body(empty()).expect("a request");
    house.connect().await.send(request).await.expect("an answer")
}

fn assert_shows(answer: &Answer, parts: &[&str]) {
    for part in parts {
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_sees_the_limit_and_the_line_to_change() {
    let house = serve(Mode::Dev).await;
    let answer = ask(&house, "/p/spin", BROWSER).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (500, &"text/html; charset=utf-8".parse().unwrap())
    );
    let policy = answer.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
    let manifest = std::fs::read_to_string(house.dir.path().join("p/plugin.toml")).expect("it is there");
    let line = 1 + manifest.lines().position(|line| line == "cpu = \"30ms\"").expect("it is written");
    let id = answer.headers["wasmbay-request-id"].to_str().expect("text");
    let place = format!("p/plugin.toml:{line}<");
    assert_shows(
        &answer,
        &["cpu-exhausted", &place, "- cpu = &quot;30ms&quot;", "+ cpu = &quot;60ms&quot;", id, "http02"],
    );

    let answer = ask(&house, "/p/alloc?mib=32", BROWSER).await;
    // What the guest's own allocator said before it gave up.
    assert_shows(
        &answer,
        &["memory-exhausted", "+ memory = &quot;8MiB&quot;", "memory allocation of 33554432 bytes failed"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_is_shown_where_it_would_be_written() {
    let house = serve(Mode::Dev).await;
    let answer = ask(&house, "/default/spin", BROWSER).await;
    assert_shows(&answer, &["exhausted", "[limits]", "it is the default"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_sees_the_frames_by_the_names_of_the_source() {
    let house = serve(Mode::Dev).await;
    let answer = ask(&house, "/p/trap", BROWSER).await;
    assert_shows(&answer, &["<code", "http02.wasm!&lt;http02::Handler as ", "unreachable"]);
    let answer = ask(&house, "/p/panic", BROWSER).await;
    assert_shows(&answer, &["asked to panic", "core::panicking::panic_fmt"]);
    // A path that no plugin serves has a page as well.
    assert_shows(&ask(&house, "/nobody", BROWSER).await, &["no-route", "</html>"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_the_same_as_json() {
    let house = serve(Mode::Dev).await;
    let problem = ask(&house, "/p/spin", "*/*").await.problem();
    assert_eq!(
        (&problem["limit"]["key"], &problem["limit"]["write"]),
        (&"limits.cpu".into(), &"cpu = \"60ms\"".into())
    );
    assert!(problem["limit"]["line"].as_u64().is_some(), "{problem}");
    let problem = ask(&house, "/p/panic", "*/*").await.problem();
    let log = problem["log"].as_array().expect("lines");
    assert!(log.iter().any(|line| line.as_str().is_some_and(|line| line.contains("asked to panic"))), "{problem}");
    assert!(problem["frames"].as_array().is_some_and(|frames| frames.len() > 3), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_host_that_serves_learn_nothing_of_the_inside() {
    let house = serve(Mode::Serve).await;
    for path in ["/p/spin", "/p/trap", "/p/panic", "/p/alloc?mib=32"] {
        let answer = ask(&house, path, BROWSER).await;
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
        let problem = answer.problem();
        let members: Vec<_> = problem.as_object().expect("an object").keys().map(String::as_str).collect();
        let known = ["code", "detail", "plugin", "remedy", "request_id", "status", "title", "type"];
        assert!(members.iter().all(|member| known.contains(member)), "{path}: {members:?}");
        for inside in ["plugin.toml", "faults", "0x", "wasm"] {
            assert!(!answer.text().contains(inside), "{path}: {inside}: {}", answer.text());
        }
    }
}
