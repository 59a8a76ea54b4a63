//! What a statement may take: time that ends on the server too, rows, bytes, connections.

use wasmbay_tests::house::House;

use super::{ask, client, ground, q, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_too_slow_is_ended_on_the_server_as_well() {
    let (server, database, folder) = ground().await;
    let plugins = [client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")];
    let house =
        House::with(with(&database.url, "statement = \"300ms\"\nconnections = 1", folder.path()), &plugins).await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
    for name in ["a", "b"] {
        // A guest that takes the server's own limit away is held to the host's.
        let slow = "SET statement_timeout = 0;; SELECT pg_sleep(60);; SELECT 1::int4 AS n";
        let told = house.get(&format!("/{name}/pg-each?db=main&q={}", q(slow))).await.text().to_owned();
        let parts: Vec<_> = told.split("\n;;\n").collect();
        assert!(parts[1].contains("ran for 300ms without an end"), "{told}");
        assert!(parts[2].contains("Int32(1)"), "the handle goes on: {told}");
        server.until(&database.name, running, "0").await;
        // In a transaction it is the end of that.
        let inside = "BEGIN;; SELECT pg_sleep(60);; SELECT 1;; ROLLBACK;; SELECT 3::int4 AS n";
        let told = house.get(&format!("/{name}/pg-each?db=main&q={}", q(inside))).await.text().to_owned();
        let parts: Vec<_> = told.split("\n;;\n").collect();
        assert!(parts[2].contains("ROLLBACK before the next statement"), "{told}");
        assert!(parts[4].contains("Int32(3)"), "{told}");
        let series = format!("wasmbay_sql_calls_total{{plugin=\"{name}\",result=\"timeout\",tenant=\"default\"}} 2");
        assert!(house.metrics().contains(&series), "{}", house.metrics());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_an_error_that_says_how_much_there_may_be() {
    let (_, database, folder) = ground().await;
    let more = "rows = 10\nresult = \"100KiB\"\nvalue = \"64KiB\"";
    let plugins = [client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")];
    let house = House::with(with(&database.url, more, folder.path()), &plugins).await;
    for name in ["a", "b"] {
        let each = async |sql: &str| {
            let sql = format!("{sql};; SELECT 1::int4 AS n");
            house.get(&format!("/{name}/pg-each?db=main&q={}", q(&sql))).await.text().to_owned()
        };
        for (sql, why) in [
            ("SELECT generate_series(1, 11)", "a result may have 10 rows"),
            ("SELECT repeat('x', 20000) FROM generate_series(1, 10)", "a result may have 100KiB"),
            ("SELECT repeat('x', 65537)", "a value may have 64KiB"),
            // It is not even read.
            ("SELECT repeat('x', 50000000)", "a result may have 100KiB"),
            ("COPY (SELECT 1) TO STDOUT", "COPY FROM STDIN and TO STDOUT are not possible here"),
            ("CREATE TEMP TABLE c (a int);; COPY c FROM STDIN", "COPY FROM STDIN and TO STDOUT are not possible here"),
            ("SELECT 1; SELECT 2", "cannot insert multiple commands"),
        ] {
            let told = each(sql).await;
            assert!(told.contains(why), "{name} {sql}: {told}");
            assert!(
                told.ends_with("Int32(1)") || told.ends_with("Int32(1))"),
                "the handle goes on: {name} {sql}: {told}"
            );
        }
        let open = house.get(&format!("/{name}/pg-open?db=main&n=65")).await.text().to_owned();
        assert!(open.contains("64 databases are open"), "{open}");
        let long = format!("SELECT 1 --{}", "x".repeat(200));
        assert!(house.get(&format!("/{name}/{}", ask(&long))).await.text().contains("Int32(1)"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_ends_the_statement() {
    let (server, database, folder) = ground().await;
    let settings = with(&database.url, "rows = \"1G\"\nresult = \"512MiB\"\nstatement = \"20s\"", folder.path());
    let house = House::with(settings, &[client("p", "io", "spin03.wasm")]).await;
    let endless = q("SELECT generate_series(1, 100000000), repeat('x', 1000)");
    let some = house.get(&format!("/p/pg-some?db=main&n=10&q={endless}")).await;
    assert_eq!(some.text(), "some");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series%' AND pid <> pg_backend_pid()";
    server.until(&database.name, running, "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_connection_gets_one_or_is_told_in_time() {
    let (_, database, folder) = ground().await;
    let plugins = || [client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")];
    let patient =
        House::with(with(&database.url, "connections = 1\nstatement = \"30s\"", folder.path()), &plugins()).await;
    let all: Vec<_> = (0..20)
        .map(|n| patient.ask(&format!("/{}/{}", ["a", "b"][n % 2], ask("SELECT pg_sleep(0.01) IS NULL, 1::int4"))))
        .collect();
    for one in all {
        let answer = one.await.expect("no panic").expect("an answer");
        assert!(answer.text().contains("Int32(1)"), "{}", answer.text());
    }
    drop(patient);
    let hasty =
        House::with(with(&database.url, "connections = 1\nstatement = \"500ms\"", folder.path()), &plugins()).await;
    // A handle that keeps its connection for longer than anybody waits: each statement of it is short enough.
    let slow = ["SELECT pg_sleep(0.4)"; 4].join(";; ");
    let holds = hasty.ask(&format!("/a/{}", ask(&slow)));
    hasty
        .until("it runs", |house| house.metrics().contains("wasmbay_sql_calls_total{plugin=\"a\",result=\"ok\""))
        .await;
    let told = hasty.get(&format!("/b/{}", ask("SELECT 1"))).await.text().to_owned();
    assert!(told.contains("all 1 connections that the database may have"), "{told}");
    assert!(hasty.metrics().contains("wasmbay_sql_calls_total{plugin=\"b\",result=\"busy\",tenant=\"default\"} 1"));
    let held = holds.await.expect("no panic").expect("an answer");
    assert_eq!(held.status, 200);
}
