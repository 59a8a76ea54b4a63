//! Statements that wait or run for long, and servers that go.

use tempfile::TempDir;
use wasmbay_tests::{
    databases::{Engine, Server},
    house::{House, Plugin},
};

use super::{RUNNING, SETTLED, ask, client, place, with};

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_connection_gets_one_or_is_told_in_time() {
    let (_, database, folder) = place().await;
    let plugins = [client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")];
    let house = async |statement: &str| {
        let more = format!("connections = 1\nstatement = {statement:?}");
        House::with(with(&database, &more, folder.path()), &plugins).await
    };
    let (patient, hasty) = (house("30s").await, house("1500ms").await);
    // One connection is enough for many who take turns.
    let all: Vec<_> =
        (0..20).map(|n| patient.ask(&format!("/{}/{}", ["a", "b"][n % 2], ask("SELECT 7 AS n")))).collect();
    for one in all {
        assert_eq!(one.await.expect("no panic").expect("an answer").text(), "n:int32\ni32:7");
    }
    let (long, other) = (
        hasty.ask(&format!("/a/{}", ask("SELECT sleep(600)"))),
        hasty.ask(&format!("/b/{}", ask("SELECT sleep(600)"))),
    );
    let answers =
        [long.await, other.await].map(|answer| answer.expect("no panic").expect("an answer").text().to_owned());
    assert!(answers.iter().any(|answer| answer.contains("ran for 1500ms")), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_runs_too_long_is_ended_on_the_server_and_so_is_one_whose_guest_is_gone() {
    let (server, database, folder) = place().await;
    let plugins = [
        client("a", "io", "spin02.wasm"),
        client("b", "compute", "spin03.wasm"),
        Plugin::new("c", "io", "spin03.wasm").with("[limits]\ntimeout = \"2s\"\n[grants]\nsql = [\"main\"]"),
    ];
    let house = House::with(with(&database, "statement = \"4s\"", folder.path()), &plugins).await;
    for plugin in ["a", "b"] {
        let told = house.get(&format!("/{plugin}/{}", ask("SELECT sleep(601)"))).await.text().to_owned();
        assert!(told.contains("ran for 4s"), "{told}");
        server.until(&database.name, &format!("{RUNNING} '%sleep(601)' AND info NOT LIKE '%processlist%'"), "0").await;
    }
    // One that computes, and whose request has less time than it.
    let heavy = "SELECT count(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c, \
                 information_schema.columns d WHERE sha2(concat(a.column_name, b.column_name, c.column_name, d.column_name), 512) = 'heavy'";
    assert_eq!(house.get(&format!("/c/{}", ask(heavy))).await.status, 504);
    server.until(&database.name, &format!("{RUNNING} '%heavy%' AND info NOT LIKE '%processlist%'"), "0").await;
    // In a transaction: what it did is undone, and nothing else is done outside of it.
    let told = house
        .get(&format!(
            "/a/{}",
            ask("CREATE TABLE t (a INT) ENGINE=InnoDB;; START TRANSACTION;; INSERT INTO t VALUES (1);; SELECT sleep(602)")
        ))
        .await;
    assert!(told.text().contains("ran for 4s"), "{}", told.text());
    assert_eq!(server.sql(&database.name, SETTLED).await.expect("no lock is left"), "0");
    assert_eq!(house.get(&format!("/a/{}", ask("SELECT count(*) AS n FROM t"))).await.text(), "n:int64\ni64:0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_is_used_again() {
    let mut server = Server::own(Engine::MariaDb).await;
    let (database, folder) = (server.database().await, TempDir::new().expect("a folder"));
    let plugins = [client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")];
    let house = House::with(with(&database, "", folder.path()), &plugins).await;
    let made = house.get(&format!("/a/{}", ask("CREATE TABLE t (a INT);; INSERT INTO t VALUES (7)"))).await;
    assert_eq!(made.text(), "");
    let waiting = [
        house.ask(&format!("/a/{}", ask("SELECT sleep(600)"))),
        house.ask(&format!("/b/{}", ask("SELECT sleep(600)"))),
    ];
    server.until(&database.name, &format!("{RUNNING} 'SELECT sleep(600)'"), "2").await;
    server.kill();
    for one in waiting {
        let told = one.await.expect("no panic").expect("an answer").text().to_owned();
        assert!(told.contains("ConnectionFailed(\"the connection to the database server was lost"), "{told}");
    }
    let told = house.get(&format!("/b/{}", ask("SELECT a FROM t"))).await.text().to_owned();
    assert!(told.contains("ConnectionFailed(\"the database server cannot be used now"), "{told}");
    server.restart().await;
    for plugin in ["a", "b"] {
        assert_eq!(house.get(&format!("/{plugin}/{}", ask("SELECT a FROM t"))).await.text(), "a:int32\ni32:7");
    }
    // Connections that rested while it was gone and back are not noticed.
    server.kill();
    server.restart().await;
    for plugin in ["a", "b"] {
        assert_eq!(house.get(&format!("/{plugin}/{}", ask("SELECT a FROM t"))).await.text(), "a:int32\ni32:7");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_shared_instance_only_functions_that_are_async_wait() {
    let (_, database, folder) = place().await;
    let shared = "[instances]\nmax_requests = 1000\nmax_concurrent = 16";
    let plugin = client("p", "io", "spin03.wasm").with(shared);
    let house = House::with(with(&database, "connections = 4", folder.path()), &[plugin]).await;
    let all: Vec<_> =
        (0..16).map(|n| house.ask(&format!("/p/{}", ask(&format!("SELECT sleep(0.01), {n} AS n"))))).collect();
    for (n, one) in all.into_iter().enumerate() {
        let told = one.await.expect("no panic").expect("an answer").text().to_owned();
        assert!(told.ends_with(&format!("|i32:{n}")), "{told}");
    }
    drop(house);
    let sync = client("q", "io", "spin02.wasm").with(shared);
    let faults = House::unchecked(with(&database, "", folder.path()), &[sync]).await.faults();
    assert!(
        faults["q"].iter().any(|fault| fault.contains("reaches its databases (grants.sql) only by functions")),
        "{faults:?}"
    );
}
