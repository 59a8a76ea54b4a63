//! Guests that mean harm by what they ask a database.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use wasmbay_tests::{client::encoded, serving::bin};

use crate::{
    scene::{Scene, each},
    stage::POOLS,
};

/// Every guest that asks databases, and the lanes it runs in.
const CLIENTS: [(&str, &str); 4] =
    [("spin02.wasm", "io"), ("spin02.wasm", "compute"), ("spin03.wasm", "io"), ("spin03.wasm", "compute")];

/// Counts without an end; what is done with each number stands in its place.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT";

/// Held by the row that has the tenant's databases.
static ALONE: Mutex<()> = Mutex::const_new(());

async fn scene() -> Scene {
    // What an earlier run has left behind.
    let _ = fs::remove_dir_all(bin().parent().expect("the binary lies in a folder").join("tests-data/sql/a"));
    let settings = format!(
        "{POOLS}[sql]\ndatabases = 1\nbytes = \"4MiB\"\nconnections = 4\nstatement = \"1s\"\nrows = 1000\nresult = \"1MiB\"\n"
    );
    let lines = "[limits]\ntimeout = \"1m\"\ncpu = \"1s\"\nfuel = \"900G\"\n[grants]\nsql = [\"main\", \"second\"]";
    let plugins = CLIENTS.iter().zip(each(&CLIENTS, "")).map(|((_, lane), plugin)| {
        let fits = |line: &&str| *lane == "compute" || !line.starts_with("fuel");
        plugin.with(&lines.lines().filter(fits).collect::<Vec<_>>().join("\n"))
    });
    let scene = Scene::apart(&settings, plugins.collect()).await;
    let faults = scene.faults().await;
    assert!(faults.values().all(Vec::is_empty), "{faults:#?}");
    scene
}

fn ask(statements: &str) -> String {
    format!("sqlite-ask?db=main&q={}", encoded(statements))
}

pub(crate) async fn g_38_statements_that_reach_out_or_have_no_end() {
    let _alone = ALONE.lock().await;
    let scene = scene().await;
    let data = bin().parent().expect("the binary lies in a folder").join("tests-data/sql");
    for (number, client) in CLIENTS.iter().enumerate() {
        let get = async |what: &str| scene.get(&format!("/p{number}/{what}")).await.text().to_owned();
        assert_eq!(get(&ask("CREATE TABLE IF NOT EXISTS t (a)")).await, "", "{client:?}");
        let terms = format!("SELECT 1{}", "+1".repeat(400));
        for (statement, words) in [
            ("ATTACH '../c/main.sqlite' AS other", "not allowed here"),
            ("ATTACH 'file:/etc/passwd?mode=ro' AS other", "not allowed here"),
            ("VACUUM INTO '/tmp/wasmbay-g-38'", "not allowed here"),
            ("SELECT load_extension('/lib/x86_64-linux-gnu/libc.so.6')", "not allowed here"),
            ("SELECT writefile('/tmp/wasmbay-g-38', 'x')", "no such function"),
            ("PRAGMA writable_schema = ON", "not allowed here"),
            ("PRAGMA temp_store_directory = '/'", "not allowed here"),
            ("PRAGMA hard_heap_limit = 1", "not allowed here"),
            ("PRAGMA max_page_count = 4000000000", "not allowed here"),
            ("PRAGMA journal_mode = OFF", "not allowed here"),
            ("PRAGMA database_list", "not allowed here"),
            ("UPDATE sqlite_schema SET sql = 'x'", "may not be modified"),
            ("CREATE VIRTUAL TABLE v USING fts3tokenize(x)", "not allowed here"),
            ("SELECT zeroblob(2000000000)", "may have 1MiB"),
            ("SELECT printf('%.*c', 2000000000, 'x')", "may have 1MiB"),
            ("SELECT replace(hex(zeroblob(100000)), '0', hex(zeroblob(100000)))", "may have 1MiB"),
            (&terms, "too large"),
            (&format!("{ENDLESS} count(*) FROM n"), "ran for 1s without an end"),
            (&format!("{ENDLESS} max(randomblob(1000000)) FROM n"), "ran for 1s without an end"),
            (&format!("{ENDLESS} i FROM n"), "a result may have 1000 rows"),
            (&format!("{ENDLESS} randomblob(100000) FROM n"), "a result may have 1MiB"),
            (&format!("INSERT INTO t {ENDLESS} randomblob(100000) FROM n"), "DatabaseFull"),
            (&format!("{ENDLESS} count(*) FROM (SELECT i FROM n ORDER BY randomblob(500000))"), "without an end"),
        ] {
            let begun = Instant::now();
            let answer = get(&ask(statement)).await;
            let shown = statement.get(..80).unwrap_or(statement);
            let ends = answer.contains(words) || (words == "without an end" && answer.contains("no more memory"));
            assert!(ends, "{client:?} {shown}: {answer}");
            assert!(begun.elapsed() < Duration::from_secs(10), "{client:?} {shown}: {:?}", begun.elapsed());
        }
        let second = get("sqlite-ask?db=second&q=SELECT%201").await;
        assert!(second.contains("1 SQLite databases already"), "{client:?}: {second}");
        // Many at once hold no more connections than there may be, and the others are told.
        let flood: Vec<_> =
            (0..12).map(|_| scene.ask(&format!("/p{number}/{}", ask(&format!("{ENDLESS} count(*) FROM n"))))).collect();
        for one in flood {
            let answer = one.await.expect("no panic").expect("an answer").text().to_owned();
            assert!(answer.contains("without an end") || answer.contains("all 4 connections"), "{client:?}: {answer}");
        }
        assert_eq!(get(&ask("SELECT count(*) AS n FROM t")).await, "n\ni:0", "{client:?}: it goes on");
    }
    assert!(fs::metadata("/tmp/wasmbay-g-38").is_err(), "nothing was written outside");
    let mut files: Vec<_> = fs::read_dir(data.join("a"))
        .expect("it is there")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert!(files.iter().all(|name| name.starts_with("main.sqlite")), "{files:?}");
    assert!(!data.join("c").exists(), "the other tenant has none");
    scene.end().await;
}

pub(crate) async fn g_39_transactions_that_are_left_open() {
    let _alone = ALONE.lock().await;
    let scene = scene().await;
    assert_eq!(scene.get(&format!("/p0/{}", ask("CREATE TABLE t (a)"))).await.text(), "");
    let begin = encoded("BEGIN IMMEDIATE;; INSERT INTO t VALUES (1)");
    for (number, client) in CLIENTS.iter().enumerate() {
        for how in ["return", "trap", "spin"] {
            let left = scene.get(&format!("/p{number}/sqlite-leave?db=main&how={how}&q={begin}")).await;
            assert_eq!(left.status == 200, how == "return", "{client:?} {how}: {}", left.text());
            let begun = Instant::now();
            let next = ask("INSERT INTO t VALUES (2);; SELECT count(*) AS n FROM t WHERE a = 1");
            assert_eq!(scene.get(&format!("/p{number}/{next}")).await.text(), "n\ni:0", "{client:?} {how}");
            assert!(begun.elapsed() < Duration::from_secs(1), "{client:?} {how}: {:?}", begun.elapsed());
        }
    }
    scene.end().await;
}
