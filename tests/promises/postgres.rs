//! PostgreSQL: databases on servers that the operator names, asked by unmodified guests; each handle's connection is its
//! own and comes back clean, and no address ever reaches a guest.

mod ends;
mod hostile;
mod limits;
mod secrets;
mod tls;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use tempfile::TempDir;
use wasmbay::config::Settings;
use wasmbay_tests::{
    databases::{Database, Engine, Server},
    house::{House, Plugin, settings},
};

/// Every guest that asks databases, and the lanes it runs in.
const CLIENTS: [(&str, &str); 4] =
    [("spin02.wasm", "io"), ("spin02.wasm", "compute"), ("spin03.wasm", "io"), ("spin03.wasm", "compute")];

/// Settings for tests with a database `main` on a server, whose address is a secret in `folder`.
fn with(url: &str, more: &str, folder: &Path) -> Settings {
    let file = folder.join("url");
    fs::write(&file, url).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("changed");
    let text = format!("[secrets]\nDB = {{ file = {file:?} }}\n[databases.main]\nurl = {{ secret = \"DB\" }}\n{more}");
    let written = Settings::parse(&text, "wasmbay.toml").expect("good settings");
    Settings {
        databases: written.databases,
        supplies: written.supplies,
        tenants: written.tenants,
        wasi_http_03: Some(true),
        data: Some(folder.join("data")),
        ..settings()
    }
}

fn client(name: &str, lane: &str, guest: &str) -> Plugin {
    Plugin::new(name, lane, guest).with("[limits]\ntimeout = \"30s\"\ncpu = \"20s\"\n[grants]\nsql = [\"main\"]")
}

/// All clients, as `p0` and so on.
fn clients() -> Vec<Plugin> {
    (0..).zip(CLIENTS).map(|(n, (guest, lane)): (u32, _)| client(&format!("p{n}"), lane, guest)).collect()
}

/// What a query's `q` holds, for this text.
fn q(statements: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    statements.bytes().map(encode).collect()
}

fn ask(statements: &str) -> String {
    format!("pg-ask?db=main&q={}", q(statements))
}

/// A server that others use too, with a database for one test, and a folder.
async fn ground() -> (&'static Server, Database, TempDir) {
    let server = Server::shared(Engine::PostgreSql).await;
    (server, server.database().await, TempDir::new().expect("a folder"))
}

#[tokio::test(flavor = "multi_thread")]
async fn unmodified_guests_of_spins_sdks_share_a_database_by_every_version_of_the_interface() {
    let (_, database, folder) = ground().await;
    let house = House::with(with(&database.url, "", folder.path()), &clients()).await;
    let get = async |what: &str| house.get(&format!("/{what}")).await.text().to_owned();
    for writer in 0..CLIENTS.len() {
        let reader = (writer + 2) % CLIENTS.len();
        let table =
            get(&format!("p{writer}/{}", ask("DROP TABLE IF EXISTS t;; CREATE TABLE t (a int8, b text)"))).await;
        assert_eq!(table, "");
        for version in [2, 3, 4] {
            let insert = format!("p{writer}/pg-count?db=main&v={version}&q={}", q("INSERT INTO t VALUES ($1, $2)"));
            assert_eq!(get(&format!("{insert}&p=i:{version},t:%C3%A9")).await, "1", "{writer} {version}");
            let select = format!("{}&v={version}", ask("SELECT a, b AS again FROM t ORDER BY a DESC LIMIT 1"));
            let read = get(&format!("p{reader}/{select}")).await;
            assert!(read.starts_with("a|again\n") && read.contains(&format!("Int64({version})")), "{read}");
            assert!(read.contains("Str(\"é\")"), "{read}");
            let changed = format!("p{reader}/pg-count?db=main&v={version}&q={}", q("UPDATE t SET b = b"));
            assert_eq!(get(&changed).await, (version - 1).to_string());
            let wrong = get(&format!("p{writer}/{}&v={version}", ask("SELECT * FROM nowhere"))).await;
            assert!(
                wrong.contains("QueryFailed") && wrong.contains("relation \\\"nowhere\\\" does not exist"),
                "{wrong}"
            );
            let few = get(&format!("p{writer}/{}&v={version}", ask("SELECT $1::int8"))).await;
            assert!(few.contains("BadParameter") && few.contains("has 1 parameters and 0 were given"), "{few}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_earlier_interfaces_are_served_whether_wasi_03_is_on_or_not() {
    let (_, database, folder) = ground().await;
    for on in [true, false] {
        let settings = Settings { wasi_http_03: Some(on), ..with(&database.url, "", folder.path()) };
        let house = House::with(settings, &[client("p", "io", "spin02.wasm")]).await;
        for version in [2, 3, 4] {
            let read = house.get(&format!("/p/{}&v={version}", ask("SELECT 7::int4 AS n"))).await.text().to_owned();
            assert!(read.starts_with("n\n") && read.contains("Int32(7)"), "{on} {version}: {read}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_every_kind_comes_back_as_it_was_given() {
    let (_, database, folder) = ground().await;
    let house = House::with(with(&database.url, "", folder.path()), &[client("p", "io", "spin03.wasm")]).await;
    let types = house.get("/p/pg-types?db=main").await.text().to_owned();
    assert_eq!(types.trim_start_matches("DbValue::"), "Datetime((1969, 12, 31, 23, 59, 59, 0))");
    let get = async |sql: &str| house.get(&format!("/p/{}", ask(sql))).await.text().to_owned();
    // What none of the kinds can hold comes as it is, and no row is lost by it.
    for (value, shown) in [
        ("'10.0.0.1'::inet", "Unsupported([2, 32, 0, 4, 10, 0, 0, 1])"),
        ("'infinity'::date", "Unsupported([127, 255, 255, 255])"),
        ("'empty'::int4range", "Unsupported([1])"),
        ("NULL::inet", "DbNull"),
        ("'x'::name", "Str(\"x\")"),
    ] {
        let read = get(&format!("SELECT {value} AS v")).await;
        assert!(read.contains(shown), "{value}: {read}");
    }
    // And it goes back as it came.
    let inet = house.get(&format!("/p/{}&p=b:022000040a000001", ask("SELECT ($1::inet)::text"))).await;
    assert!(inet.text().contains("Str(\"10.0.0.1/32\")"), "{}", inet.text());
    // A text stands for a value of a kind that has no other way in.
    assert_eq!(get("CREATE TYPE mood AS ENUM ('glad', 'sad');; CREATE TABLE m (mood mood)").await, "");
    let insert = house.get(&format!("/p/pg-count?db=main&q={}&p=t:glad", q("INSERT INTO m VALUES ($1)"))).await;
    assert_eq!(insert.text(), "1");
    for (sql, p, why) in [
        ("SELECT $1::int4", "t:x", "invalid input syntax for type integer"),
        ("SELECT $1::int2", "i:40000", "out of range"),
        ("SELECT $1::text", "b:ff", "invalid byte sequence"),
    ] {
        let wrong = house.get(&format!("/p/{}&p={p}", ask(sql))).await;
        assert!(wrong.text().contains(why), "{sql}: {}", wrong.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_streamed_with_other_statements_between_them() {
    let (_, database, folder) = ground().await;
    let house = House::with(with(&database.url, "", folder.path()), &[client("p", "io", "spin03.wasm")]).await;
    assert_eq!(house.get("/p/pg-nest?db=main&n=30000").await.text(), "450015000 30");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_kept_prepared_never_stands_in_the_way_of_its_table() {
    let (server, database, folder) = ground().await;
    let house = House::with(with(&database.url, "", folder.path()), &[client("p", "io", "spin03.wasm")]).await;
    let get = async |sql: &str| house.get(&format!("/p/pg-each?db=main&q={}", q(sql))).await.text().to_owned();
    assert_eq!(get("CREATE TABLE t (a int4);; INSERT INTO t VALUES (1)").await, "\n;;\n");
    let own = get("SELECT * FROM t;; ALTER TABLE t ADD b int4 DEFAULT 2;; SELECT * FROM t").await;
    assert!(own.ends_with("a|b\nInt32(1)|Int32(2)") || own.contains("a|b\n"), "{own}");
    let taken = get("SELECT * FROM t;; DEALLOCATE ALL;; SELECT * FROM t").await;
    assert!(!taken.contains("Failed"), "{taken}");
    // By a function, which nobody sees from outside.
    let hidden = "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'ALTER TABLE t ADD c int4 DEFAULT 3'";
    server.sql(&database.name, hidden).await.expect("a function");
    let by_function = get("SELECT * FROM t;; SELECT f() IS NULL;; SELECT * FROM t").await;
    assert!(!by_function.contains("cached plan"), "{by_function}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_shared_instance_only_functions_that_are_async_wait() {
    let (_, database, folder) = ground().await;
    let shared = "[instances]\nmax_requests = 1000\nmax_concurrent = 16";
    let house =
        House::with(with(&database.url, "", folder.path()), &[client("p", "io", "spin03.wasm").with(shared)]).await;
    let all: Vec<_> = (0..16).map(|_| house.ask("/p/pg-nest?db=main&n=3000")).collect();
    for one in all {
        assert_eq!(one.await.expect("no panic").expect("an answer").text(), "4501500 3");
    }
    drop(house);
    let sync = client("q", "io", "spin02.wasm").with(shared);
    let faults = House::unchecked(with(&database.url, "", folder.path()), &[sync]).await.faults();
    assert!(
        faults["q"].iter().any(|fault| fault.contains("reaches its databases (grants.sql) only by functions")),
        "{faults:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_its_tenants_alone_and_is_asked_as_what_it_is() {
    let (server, one, folder) = ground().await;
    let two = server.database().await;
    let mut text = String::new();
    for (tenant, database) in [("one", &one), ("two", &two)] {
        let file = folder.path().join(tenant);
        fs::write(&file, &database.url).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("changed");
        text += &format!(
            "[tenant.{tenant}]\nfolder = \"{tenant}\"\nprefix = \"/{tenant}\"\n[tenant.{tenant}.secrets]\n\
             DB = {{ file = {file:?} }}\n[tenant.{tenant}.databases.main]\nurl = {{ secret = \"DB\" }}\n"
        );
    }
    let written = Settings::parse(&text, "wasmbay.toml").expect("good settings");
    let data = Some(folder.path().join("data"));
    let settings = Settings { tenants: written.tenants, wasi_http_03: Some(true), data, ..settings() };
    let plugin =
        |tenant| Plugin::new("p", "io", "spin02.wasm").with("[grants]\nsql = [\"main\", \"notes\"]").of(tenant);
    let house = House::with(settings, &["one", "two"].map(plugin)).await;
    let get = async |what: &str| house.get(what).await.text().to_owned();
    assert_eq!(get(&format!("/one/p/{}", ask("CREATE TABLE t (a int)"))).await, "");
    assert!(get(&format!("/two/p/{}", ask("SELECT * FROM t"))).await.contains("does not exist"));
    let other = get("/one/p/sqlite-ask?db=main&q=SELECT%201").await;
    assert!(
        other.contains("the database main is PostgreSQL, which is asked by other functions than those for SQLite"),
        "{other}"
    );
    let other = get("/one/p/pg-ask?db=notes&q=SELECT%201").await;
    assert!(other.contains("the database notes is SQLite"), "{other}");
    assert_eq!(get("/one/p/sqlite-ask?db=notes&q=SELECT%201%20AS%20n").await, "n\ni:1");
}
