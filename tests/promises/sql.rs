//! SQL: databases that a tenant's plugins share, kept for good once answered, within quotas, each tenant's its own.

use std::{fs, path::Path};

use tempfile::TempDir;
use wasmbay::config::Settings;
use wasmbay_tests::{
    client::{Connection, Protocol},
    house::{House, Plugin, settings},
    serving::serve_with,
};

/// Every guest that asks databases, and the lanes it runs in.
const CLIENTS: [(&str, &str); 4] =
    [("spin02.wasm", "io"), ("spin02.wasm", "compute"), ("spin03.wasm", "io"), ("spin03.wasm", "compute")];

/// Settings for tests with this text of an operator's, over a data folder of the test's own.
fn with(text: &str, data: &Path) -> Settings {
    let written = Settings::parse(text, "wasmbay.toml").expect("good settings");
    let data = Some(data.to_owned());
    Settings { sql: written.sql, tenants: written.tenants, wasi_http_03: Some(true), data, ..settings() }
}

fn client(name: &str, lane: &str, guest: &str) -> Plugin {
    Plugin::new(name, lane, guest).with("[limits]\ntimeout = \"30s\"\ncpu = \"20s\"\n[grants]\nsql = [\"main\"]")
}

/// A path's query that asks this.
fn q(statements: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    statements.bytes().map(encode).collect()
}

fn ask(statements: &str) -> String {
    format!("sqlite-ask?db=main&q={}", q(statements))
}

#[tokio::test(flavor = "multi_thread")]
async fn unmodified_guests_of_spins_sdks_share_their_tenants_databases() {
    let data = TempDir::new().expect("a folder");
    let plugins: Vec<_> =
        (0..).zip(CLIENTS).map(|(n, (guest, lane)): (u32, _)| client(&format!("p{n}"), lane, guest)).collect();
    let house = House::with(with("", data.path()), &plugins).await;
    for (writer, (guest, lane)) in (0..).zip(CLIENTS) {
        let get = async |plugin: usize, what: &str| house.get(&format!("/p{plugin}/{what}")).await.text().to_owned();
        let reader = (writer + 2) % CLIENTS.len();
        assert_eq!(get(writer, &ask("DROP TABLE IF EXISTS t;; CREATE TABLE t (a, b)")).await, "", "{guest} {lane}");
        for (given, kept) in [
            ("n", "n"),
            ("i:-9223372036854775808", "i:-9223372036854775808"),
            ("r:0.1", "r:0.1"),
            ("t:%C3%A9%27%00x", "t:é'\0x"),
            ("b:00ff", "b:00ff"),
        ] {
            let inserted = get(writer, &format!("{}&p={given}", ask("INSERT INTO t VALUES (?1, ?1)"))).await;
            assert_eq!(inserted, "", "{guest} {lane} {given}");
            let read = get(reader, &ask("SELECT a, b AS again FROM t ORDER BY rowid DESC LIMIT 1")).await;
            assert_eq!(read, format!("a|again\n{kept}|{kept}"), "{guest} {lane} {given}");
        }
        let counted = get(reader, &ask("SELECT count(*) AS n FROM t")).await;
        assert_eq!(counted, "n\ni:5");
        let transaction =
            "BEGIN;; INSERT INTO t VALUES (1, 2);; DELETE FROM t;; ROLLBACK;; SELECT count(*) AS n FROM t";
        assert_eq!(get(writer, &ask(transaction)).await, "n\ni:5");
        let wrong = get(writer, &ask("INSERT INTO nowhere VALUES (1)")).await;
        assert!(wrong.contains("no such table: nowhere"), "{guest} {lane}: {wrong}");
        let returning = get(writer, &ask("INSERT INTO t VALUES (1, 2), (3, 4) RETURNING a")).await;
        assert_eq!(returning, "a\ni:1\ni:3", "{guest} {lane}");
    }
    let told =
        house.get(&format!("/p2/{}&tell=changes", ask("INSERT INTO t VALUES (1, 2), (3, 4)"))).await.text().to_owned();
    assert_eq!(told, "2 9");
    assert_eq!(house.get(&format!("/p2/{}&tell=changes", ask("SELECT 1"))).await.text(), "0 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_modules_of_spins_earlier_sdk_are_served_whether_wasi_03_is_on_or_not() {
    for on in [true, false] {
        let data = TempDir::new().expect("a folder");
        let settings = Settings { wasi_http_03: Some(on), ..with("", data.path()) };
        let house = House::with(settings, &[client("p", "io", "spin02.wasm")]).await;
        assert_eq!(house.get("/p/sqlite3?db=main").await.text(), "2 2 Some(14)", "{on}");
        assert_eq!(house.get(&format!("/p/{}", ask("SELECT count(*) AS n FROM third"))).await.text(), "n\ni:2", "{on}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_granted_is_denied_and_the_log_says_what_grants_it() -> anyhow::Result<()> {
    let (dir, folder) = (TempDir::new()?, TempDir::new()?);
    for (name, guest) in [("a", "spin02.wasm"), ("b", "spin03.wasm")] {
        client(name, "io", guest).write(dir.path())?;
    }
    let log = folder.path().join("log");
    let stderr = fs::File::create(&log)?;
    let serving = serve_with(dir.path(), |command| {
        command.stderr(stderr);
    })
    .await?;
    for name in ["a", "b"] {
        let mut connection = Connection::open(serving.listen(), Protocol::Http1).await?;
        let answer = connection.get(&format!("/{name}/sqlite-ask?db=other&q=SELECT%201")).await?;
        assert!(answer.text().contains("AccessDenied"), "{}", answer.text());
    }
    serving.signal("TERM").await?;
    serving.ended().await?;
    let log = fs::read_to_string(&log)?;
    for name in ["a", "b"] {
        let line = format!("{name} may not open the database other: add \"other\" to grants.sql in plugin.toml");
        assert!(log.replace("\\\"", "\"").contains(&line), "{line}: {log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_an_error_that_says_how_much_there_may_be() {
    let data = TempDir::new().expect("a folder");
    let text = "[sql]\ndatabases = 1\nbytes = \"256KiB\"\nrows = 10\nresult = \"100KiB\"\nvalue = \"64KiB\"\nstatement = \"300ms\"";
    let plugins = [("a", "spin02.wasm"), ("b", "spin03.wasm")]
        .map(|(name, guest)| Plugin::new(name, "io", guest).with("[grants]\nsql = [\"main\", \"second\"]"));
    let house = House::with(with(text, data.path()), &plugins).await;
    for name in ["a", "b"] {
        let get = async |what: &str| house.get(&format!("/{name}/{what}")).await.text().to_owned();
        let refused = async |what: &str, words: &str| {
            let answer = get(what).await;
            assert!(answer.contains(words), "{name} {what}: {answer}");
        };
        assert_eq!(get(&ask("CREATE TABLE IF NOT EXISTS t (a)")).await, "");
        let count = |n| format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) SELECT");
        refused(&ask(&format!("{} i FROM n", count(11))), "a result may have 10 rows").await;
        refused(&ask(&format!("{} randomblob(20000) FROM n", count(10))), "a result may have 100KiB").await;
        refused(&ask(&format!("{} count(*) FROM n", count(1_000_000_000))), "ran for 300ms without an end").await;
        refused(&ask("SELECT randomblob(65537)"), "a value, and a row, may have 64KiB").await;
        let fill = format!("INSERT INTO t {} randomblob(60000) FROM n", count(10));
        refused(&ask(&fill), "DatabaseFull").await;
        refused("sqlite-ask?db=second&q=SELECT%201", "the tenant has 1 SQLite databases already").await;
        refused("sqlite-open?db=main&n=65", "64 databases are open").await;
        refused(&ask("ATTACH 'x' AS y"), "not allowed here").await;
        let metrics = house.metrics();
        for result in ["ok", "quota", "too-large", "timeout", "denied"] {
            let series = format!("wasmbay_sql_calls_total{{plugin=\"{name}\",result=\"{result}\",tenant=\"default\"}}");
            assert!(metrics.contains(&series), "{series}: {metrics}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_same_name_is_another_one_for_another_tenant() {
    let data = TempDir::new().expect("a folder");
    let tenant = |name: &str| format!("[tenant.{name}]\nfolder = \"{name}\"\nprefix = \"/{name}\"\n");
    let settings = with(&(tenant("one") + &tenant("two") + "sql = { databases = 1 }"), data.path());
    let plugins = ["one", "two"].map(|tenant| client("p", "io", "spin02.wasm").of(tenant));
    let house = House::with(settings, &plugins).await;
    assert_eq!(house.get(&format!("/one/p/{}", ask("CREATE TABLE t (a)"))).await.text(), "");
    let other = house.get(&format!("/two/p/{}", ask("SELECT * FROM t"))).await.text().to_owned();
    assert!(other.contains("no such table: t"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_ends_with_its_request_in_whatever_way_that_ends() {
    let data = TempDir::new().expect("a folder");
    let plugins: Vec<_> = (0..)
        .zip(CLIENTS)
        .map(|(n, (guest, lane)): (u32, _)| {
            let lines = "[limits]\ncpu = \"300ms\"\n[instances]\nmax_requests = 100\n[grants]\nsql = [\"main\"]";
            Plugin::new(&format!("p{n}"), lane, guest).with(lines)
        })
        .collect();
    let house = House::with(with("[sql]\nconnections = 2", data.path()), &plugins).await;
    assert_eq!(house.get(&format!("/p0/{}", ask("CREATE TABLE t (a)"))).await.text(), "");
    for number in 0..CLIENTS.len() {
        for (how, status) in [("trap", 500), ("spin", 500)] {
            let begin = q("BEGIN IMMEDIATE;; INSERT INTO t VALUES (1)");
            let left = house.get(&format!("/p{number}/sqlite-leave?db=main&how={how}&q={begin}")).await;
            assert_eq!(left.status, status, "{how}: {}", left.text());
            let next = house
                .get(&format!(
                    "/p{number}/{}",
                    ask("INSERT INTO t VALUES (2);; SELECT count(*) AS n FROM t WHERE a = 1")
                ))
                .await;
            assert_eq!(next.text(), "n\ni:0", "{how}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_connection_gets_one_or_is_told_in_time() {
    let data = TempDir::new().expect("a folder");
    let house = async |statement: &str| {
        let settings = with(&format!("[sql]\nconnections = 1\nstatement = {statement:?}"), data.path());
        House::with(settings, &[client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")]).await
    };
    let (patient, hasty) = (house("30s").await, house("300ms").await);
    let slow =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT count(*) AS n FROM n";
    // One connection is enough for many who take turns.
    let all: Vec<_> = (0..20).map(|n| patient.ask(&format!("/{}/{}", ["a", "b"][n % 2], ask(slow)))).collect();
    for one in all {
        assert_eq!(one.await.expect("no panic").expect("an answer").text(), "n\ni:10000");
    }
    // The handle that waits for the other one's connection is of the same request.
    let endless = slow.replace("10000", "1000000000");
    let (long, other) = (hasty.ask(&format!("/a/{}", ask(&endless))), hasty.ask(&format!("/b/{}", ask(&endless))));
    let mut answers =
        [long.await, other.await].map(|answer| answer.expect("no panic").expect("an answer").text().to_owned());
    answers.sort();
    assert!(answers.iter().any(|answer| answer.contains("ran for 300ms")), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_streamed_with_other_statements_between_them() {
    let data = TempDir::new().expect("a folder");
    let house = House::with(with("", data.path()), &[client("p", "io", "spin03.wasm")]).await;
    assert_eq!(house.get("/p/sqlite-nest?db=main&n=30000").await.text(), "450015000 30");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_shared_instance_only_functions_that_are_async_wait() {
    let data = TempDir::new().expect("a folder");
    let shared = "[instances]\nmax_requests = 1000\nmax_concurrent = 16";
    let house = House::with(with("", data.path()), &[client("p", "io", "spin03.wasm").with(shared)]).await;
    let all: Vec<_> = (0..16).map(|_| house.ask("/p/sqlite-nest?db=main&n=3000")).collect();
    for one in all {
        assert_eq!(one.await.expect("no panic").expect("an answer").text(), "4501500 3");
    }
    drop(house);

    let sync = client("q", "io", "spin02.wasm").with(shared);
    let faults = House::unchecked(with("", data.path()), &[sync]).await.faults();
    assert!(
        faults["q"].iter().any(|fault| fault.contains("reaches its databases (grants.sql) only by functions")),
        "{faults:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_cannot_be_granted_databases() {
    let house = House::unchecked(settings(), &[client("c", "io", "cgi01.wasm")]).await;
    assert!(house.faults()["c"].iter().any(|fault| fault.contains("grants.sql: a CGI command asks no databases")));
}
