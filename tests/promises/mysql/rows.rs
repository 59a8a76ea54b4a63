//! Rows: they stream, within caps.

use wasmbay_tests::house::House;

use super::{RUNNING, ask, client, place, q, with};

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_streamed_within_caps_and_whoever_leaves_early_leaves_a_good_connection() {
    let (server, database, folder) = place().await;
    server.sql(&database.name, "CREATE TABLE n (i INT, s VARCHAR(100))").await.expect("a table");
    server.sql(&database.name, "INSERT INTO n SELECT seq, repeat('x', 100) FROM seq_1_to_30000").await.expect("rows");
    let more = "rows = 40000\nresult = \"8MiB\"\nvalue = \"1KiB\"\nconnections = 2";
    let house = House::with(with(&database, more, folder.path()), &[client("p", "io", "spin03.wasm")]).await;
    let get = async |what: &str| house.get(&format!("/p/{what}")).await.text().to_owned();
    let all = "SELECT i, s FROM n ORDER BY i";
    assert_eq!(get(&format!("mysql-sum?db=main&q={}", q(all))).await, "450015000 30000 1");
    assert_eq!(get(&format!("mysql-nest?db=main&q={}", q(all))).await, "450015000 30");
    assert_eq!(get(&format!("mysql-sum?db=main&most=10&q={}", q(all))).await, "55 10 1");
    for (statement, why) in [
        ("SELECT a.i FROM n a, n b", "a result may have 40000 rows"),
        ("SELECT a.s, b.s, c.s FROM n a, n b, n c LIMIT 39000", "a result may have 8MiB"),
        ("SELECT repeat('x', 1025)", "a value may have 1KiB"),
        ("SELECT repeat('x', 12000000)", "a result may have 8MiB"),
    ] {
        let told = get(&ask(statement)).await;
        assert!(told.contains(why), "{statement}: {told}");
        assert_eq!(get(&ask("SELECT 1 AS n")).await, "n:int32\ni32:1", "{statement}");
    }
    server.until(&database.name, &format!("{RUNNING} '%FROM n%' AND info NOT LIKE '%processlist%'"), "0").await;
}
