//! What a guest leaves behind: nothing of it is there for the next.

use wasmbay_tests::house::{House, Plugin};

use super::{CLIENTS, SETTLED, ask, client, place, q, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_ends_with_its_request_in_whatever_way_that_ends() {
    let (server, database, folder) = place().await;
    let lines =
        "[limits]\ncpu = \"300ms\"\ntimeout = \"5s\"\n[instances]\nmax_requests = 100\n[grants]\nsql = [\"main\"]";
    let plugins: Vec<_> = (0..)
        .zip(CLIENTS)
        .map(|(n, (guest, lane)): (u32, _)| Plugin::new(&format!("p{n}"), lane, guest).with(lines))
        .collect();
    let house = House::with(with(&database, "connections = 2", folder.path()), &plugins).await;
    assert_eq!(house.get(&format!("/p0/{}", ask("CREATE TABLE t (a INT) ENGINE=InnoDB"))).await.text(), "");
    for (number, (guest, _)) in CLIENTS.iter().enumerate() {
        for how in ["trap", "spin", "hang"] {
            if how == "hang" && *guest == "spin02.wasm" {
                continue;
            }
            let begin = q("START TRANSACTION;; INSERT INTO t VALUES (1)");
            let left = house.get(&format!("/p{number}/mysql-leave?db=main&how={how}&q={begin}")).await;
            assert!(left.status.is_server_error(), "{how}: {}", left.text());
            assert_eq!(server.sql(&database.name, SETTLED).await.expect("no lock is left"), "0", "{guest} {how}");
        }
    }
    let whole = ask(
        "START TRANSACTION;; INSERT INTO t VALUES (1);; ROLLBACK;; START TRANSACTION;; INSERT INTO t VALUES (2);; COMMIT;; SELECT a FROM t",
    );
    assert_eq!(house.get(&format!("/p2/{whole}")).await.text(), "a:int32\ni32:2");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_set_on_a_connection_is_there_for_the_next_request() {
    let (_, database, folder) = place().await;
    let plugins = [client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")];
    let house = House::with(with(&database, "connections = 1", folder.path()), &plugins).await;
    let get = async |plugin: &str, what: &str| house.get(&format!("/{plugin}/{}", ask(what))).await.text().to_owned();
    let first = get("a", "SELECT connection_id() AS n").await;
    let soil = "SET @secret = 'of another';; SET SESSION sql_mode = 'ANSI_QUOTES';; SET NAMES latin1;; SET autocommit = 0;; \
                CREATE TEMPORARY TABLE temp (a INT);; SELECT get_lock('lock', 0);; USE information_schema;; SELECT 1";
    for plugin in ["a", "b"] {
        get(plugin, soil).await;
        let next = get(
            plugin,
            "SELECT @secret AS s, @@sql_mode LIKE '%ANSI_QUOTES%' AS m, @@character_set_client AS c, @@autocommit AS k, \
             is_free_lock('lock') AS f, database() AS d",
        )
        .await;
        let values = next.lines().nth(1).expect("a row");
        let name = &database.name;
        assert_eq!(values.replace("i64:", "i32:"), format!("n|i32:0|t:utf8mb4|i32:1|i32:1|t:{name}"), "{next}");
        assert!(get(plugin, "SELECT * FROM temp").await.contains("ERROR 1146"), "a temporary table is gone");
    }
    // And it was the same connection all the time.
    assert_eq!(get("b", "SELECT connection_id() AS n").await, first);
}
