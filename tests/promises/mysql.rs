//! MySQL: databases on servers, asked by unmodified guests of Spin's SDKs; what a guest leaves behind is undone, and what it
//! asks for without end is ended.

mod ends;
mod fences;
mod leavings;
mod rows;
mod types;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use tempfile::TempDir;
use wasmbay::config::Settings;
use wasmbay_tests::{
    databases::{Database, Engine, Server},
    house::{Plugin, settings},
};

/// Every guest that asks databases, and the lanes it runs in.
const CLIENTS: [(&str, &str); 4] =
    [("spin02.wasm", "io"), ("spin02.wasm", "compute"), ("spin03.wasm", "io"), ("spin03.wasm", "compute")];

/// What runs now in a database, for the administrator.
const RUNNING: &str = "SELECT count(*) FROM information_schema.processlist WHERE command <> 'Sleep' AND info LIKE";

/// How many rows of a table `t` there are once no transaction that wrote to it is under way: it waits for their locks.
///
/// `information_schema.innodb_trx` is no condition to wait for: it shows what it showed before for as long as somebody
/// asks it more often than ten times a second.
const SETTLED: &str = "SELECT count(*) FROM t LOCK IN SHARE MODE";

/// An operator's text that names this database `main`, with more lines for it.
fn text(database: &Database, more: &str, folder: &Path) -> String {
    let path = folder.join("url");
    fs::write(&path, &database.url).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its own file");
    format!("[secrets]\nDB = {{ file = {path:?} }}\n[databases.main]\nurl = {{ secret = \"DB\" }}\n{more}\n")
}

/// The settings of that text, over a data folder of the test's own.
fn with(database: &Database, more: &str, folder: &Path) -> Settings {
    let written = Settings::parse(&text(database, more, folder), "wasmbay.toml").expect("good settings");
    Settings {
        databases: written.databases,
        supplies: written.supplies,
        wasi_http_03: Some(true),
        data: Some(folder.to_owned()),
        ..settings()
    }
}

fn client(name: &str, lane: &str, guest: &str) -> Plugin {
    Plugin::new(name, lane, guest).with("[limits]\ntimeout = \"30s\"\ncpu = \"20s\"\n[grants]\nsql = [\"main\"]")
}

/// A path that asks for this.
fn ask(statements: &str) -> String {
    format!("mysql-ask?db=main&q={}", q(statements))
}

fn q(statements: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    statements.bytes().map(encode).collect()
}

/// A server that others use as well, a database on it, and a folder.
async fn place() -> (&'static Server, Database, TempDir) {
    let server = Server::shared(Engine::MariaDb).await;
    (server, server.database().await, TempDir::new().expect("a folder"))
}
