//! How a handle ends, and a server: nothing that was begun stays, nothing that was set is there for the next.

use std::time::Duration;

use wasmbay_tests::{
    databases::{Engine, Server},
    house::{House, Plugin},
};

use super::{CLIENTS, ask, client, clients, ground, q, with};

/// Sessions of the host that do something.
const BUSY: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wasmbay' AND state <> 'idle' AND datname = current_database()";

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_ends_with_its_request_in_whatever_way_that_ends() {
    let (server, database, folder) = ground().await;
    let plugins: Vec<_> = (0..)
        .zip(CLIENTS)
        .map(|(n, (guest, lane)): (u32, _)| {
            let lines = "[limits]\ncpu = \"100ms\"\ntimeout = \"3s\"\n[grants]\nsql = [\"main\"]";
            Plugin::new(&format!("p{n}"), lane, guest).with(lines)
        })
        .collect();
    let settings = with(&database.url, "connections = 2", folder.path());
    let house = House::with(settings, &plugins).await;
    server.sql(&database.name, "CREATE TABLE t (a int); GRANT ALL ON t TO PUBLIC").await.expect("a table");
    for number in 0..CLIENTS.len() {
        for (how, last, status) in
            [("return", "", 200), ("trap", "", 500), ("spin", "", 500), ("timeout", ";; SELECT pg_sleep(30)", 504)]
        {
            let begin = q(&format!("BEGIN;; INSERT INTO t VALUES (1){last}"));
            let left = house.get(&format!("/p{number}/pg-leave?db=main&how={how}&q={begin}")).await;
            assert_eq!(left.status, status, "{number} {how}: {}", left.text());
            let next = ask("SELECT count(*) AS n FROM t");
            let next = house.get(&format!("/p{number}/{next}")).await.text().to_owned();
            assert!(next.contains("Int64(0)"), "{number} {how}: {next}");
            server.until(&database.name, BUSY, "0").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_on_a_connection_is_not_there_for_the_next() {
    let (server, database, folder) = ground().await;
    let house = House::with(with(&database.url, "connections = 1", folder.path()), &clients()).await;
    let get = async |what: String| house.get(&what).await.text().to_owned();
    let look = "SELECT current_setting('TimeZone'), current_setting('search_path'), current_setting('statement_timeout'), \
                (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), \
                (SELECT count(*) FROM pg_listening_channels()), \
                (SELECT count(*) FROM pg_prepared_statements WHERE name = 'own'), \
                (SELECT count(*) FROM pg_class WHERE relname = 'mine'), nullif(current_setting('my.own', true), '')";
    let first = get(format!("/p0/{}", ask(look))).await;
    let pid = get(format!("/p0/{}", ask("SELECT pg_backend_pid()"))).await;
    for number in 0..CLIENTS.len() {
        let soil = "SET TimeZone = 'Asia/Tokyo';; SET search_path = pg_catalog;; SET statement_timeout = 0;; \
                    SELECT pg_advisory_lock(7);; LISTEN news;; PREPARE own AS SELECT 1;; CREATE TEMP TABLE mine (a int);; \
                    SET my.own = 'x';; SELECT 1";
        let soiled = get(format!("/p{number}/{}", ask(soil))).await;
        assert!(soiled.contains("Int32(1)"), "{soiled}");
        assert_eq!(
            get(format!("/p{number}/{}", ask(look))).await.replace("DbValue::", ""),
            first.replace("DbValue::", "")
        );
        // And it is the very same connection.
        assert_eq!(get(format!("/p{number}/{}", ask("SELECT pg_backend_pid()"))).await, pid);
    }
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'wasmbay' AND datname = current_database()";
    assert_eq!(server.sql(&database.name, sessions).await.expect("an answer"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_the_middle_is_told_and_asked_again_when_it_is_back() {
    let mut server = Server::own(Engine::PostgreSql).await;
    let database = server.database().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let settings = with(&database.url, "statement = \"20s\"", folder.path());
    let house = House::with(settings, &[client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")]).await;
    for name in ["a", "b"] {
        let get = async |what: String| house.get(&what).await.text().to_owned();
        assert_eq!(get(format!("/{name}/{}", ask("CREATE TABLE IF NOT EXISTS t (a int)"))).await, "");
        let transaction =
            q("BEGIN;; INSERT INTO t VALUES (1);; SELECT pg_sleep(15);; INSERT INTO t VALUES (2);; ROLLBACK;; \
                             SELECT count(*) AS n FROM t");
        let asked = house.ask(&format!("/{name}/pg-each?db=main&q={transaction}"));
        server
            .until(&database.name, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(15)'", "1")
            .await;
        server.kill();
        // The handle outlives its connection: what was to be in its transaction is not done outside of it.
        server.restart().await;
        let answer = asked.await.expect("no panic").expect("an answer").text().to_owned();
        let parts: Vec<_> = answer.split("\n;;\n").collect();
        assert!(parts[2].contains("ConnectionFailed") && parts[2].contains("may have been done or not"), "{answer}");
        assert!(parts[3].contains("ROLLBACK before the next statement"), "{answer}");
        assert_eq!(parts[4], "", "{answer}");
        // Whether it is up again by then or not.
        assert!(parts[5].contains("Int64(0)") || parts[5].contains("ConnectionFailed"), "{answer}");
        let again = get(format!("/{name}/{}", ask("SELECT count(*) AS n FROM t"))).await;
        assert!(again.contains("Int64(0)"), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_as_it_rested_is_replaced_unseen() {
    let (server, database, folder) = ground().await;
    let house =
        House::with(with(&database.url, "connections = 1", folder.path()), &[client("p", "io", "spin03.wasm")]).await;
    for _ in 0..5 {
        let read = house.get(&format!("/p/{}", ask("SELECT 1::int4 AS n"))).await.text().to_owned();
        assert!(read.contains("Int32(1)"), "{read}");
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'wasmbay' AND datname = current_database()";
        server.sql(&database.name, end).await.expect("an answer");
    }
    // One that is ended under a handle is told of, and its next statement has another.
    let suicide = "SELECT pg_terminate_backend(pg_backend_pid());; SELECT 2::int4 AS n";
    let told = house.get(&format!("/p/pg-each?db=main&q={}", q(suicide))).await.text().to_owned();
    let (first, second) = told.split_once("\n;;\n").expect("two answers");
    assert!(first.contains("ConnectionFailed") && first.contains("57P01"), "{told}");
    assert!(second.contains("Int32(2)"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_in_time() {
    let (_, database, folder) = ground().await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nowhere.local_addr().expect("bound").port();
    let silent = format!("postgres://me:pass@127.0.0.1:{port}/x");
    let house =
        House::with(with(&silent, "statement = \"300ms\"", folder.path()), &[client("p", "io", "spin02.wasm")]).await;
    let told = house.get(&format!("/p/{}", ask("SELECT 1"))).await.text().to_owned();
    assert!(told.contains("ConnectionFailed") && told.contains("did not answer in time"), "{told}");
    drop((house, nowhere));
    let house = House::with(with(&silent, "", folder.path()), &[client("p", "io", "spin02.wasm")]).await;
    let told = house.get(&format!("/p/{}", ask("SELECT 1"))).await.text().to_owned();
    assert!(told.contains("ConnectionFailed") && told.contains("refused"), "{told}");
    drop(house);
    let wrong = database.url.replace(&database.password, "wrong");
    let house = House::with(with(&wrong, "", folder.path()), &[client("p", "io", "spin02.wasm")]).await;
    let told = house.get(&format!("/p/{}", ask("SELECT 1"))).await.text().to_owned();
    assert!(told.contains("it does not accept the password (28P01)"), "{told}");
    let metrics = house.metrics();
    assert!(
        metrics.contains("wasmbay_sql_calls_total{plugin=\"p\",result=\"broken\",tenant=\"default\"} 1"),
        "{metrics}"
    );
    tokio::time::timeout(Duration::from_secs(1), async { drop(house) }).await.expect("nothing is waited for");
}
