//! Guests of Spin's packages for JavaScript, built without anything of this project's, run as they are.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use wasmbay::{config::Settings, host::Mode, registry::State};
use wasmbay_tests::{
    databases::{Database, Engine, Server},
    house::House,
    upstream::Upstream,
};

use crate::python::{open, roomy};

/// Serves a guest as two plugins, `spin` with these grants and `bare` without any, beside databases that the operator has by these
/// names.
async fn serve(guest: &str, grants: &str, databases: &[(&str, &Database)], data: &Path) -> House {
    let built = std::env::var_os("WASMBAY_JAVASCRIPT").map(PathBuf::from);
    let built = built.expect("WASMBAY_JAVASCRIPT is not set: eval \"$(cargo xtask guests)\"").join(guest);
    let dir = TempDir::new().expect("a folder");
    for (name, grants) in [("spin", grants), ("bare", "")] {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::copy(&built, folder.join("plugin.wasm")).expect("it is built: cargo xtask guests");
        let manifest = format!(
            "manifest = 1\nname = \"{name}\"\nversion = \"1\"\ncomponent = \"plugin.wasm\"\nlane = \"io\"\n\
             [[route]]\npath = \"/{name}/{{behaviour}}\"\n[limits]\ncpu = \"5s\"\ntimeout = \"60s\"\n{grants}"
        );
        fs::write(folder.join("plugin.toml"), manifest).expect("the manifest can be written");
    }
    let mut operators = "private_networks = [\"127.0.0.1\"]\n".to_owned();
    for (name, database) in databases {
        let file = data.join(name);
        fs::write(&file, &database.url).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("its own file");
        let secret = name.to_uppercase();
        let _ = write!(
            operators,
            "[secrets]\n{secret} = {{ file = {file:?} }}\n[databases.{name}]\nurl = {{ secret = \"{secret}\" }}\n"
        );
    }
    let Settings { private_networks, supplies, databases, .. } =
        Settings::parse(&operators, "wasmbay.toml").expect("good settings");
    let settings = Settings { private_networks, supplies, databases, data: Some(data.to_owned()), ..roomy() };
    let house = open(settings, Mode::Serve, dir).await;
    let status = house.host.behind().registry().status();
    assert!(status.plugins.iter().all(|plugin| plugin.state == State::Live), "{status:#?}");
    house
}

async fn get(house: &House, what: &str) -> (u16, String) {
    let answer = house.get(what).await;
    (answer.status.as_u16(), answer.text().to_owned())
}

async fn told(house: &House, what: &str) -> Value {
    let (status, text) = get(house, what).await;
    assert_eq!(status, 200, "{what}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{what}: {error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_guest_of_spins_javascript_sdk_runs() {
    let (data, server) = (TempDir::new().expect("a folder"), Upstream::with_text("from outside").await);
    let database = Server::shared(Engine::PostgreSql).await.database().await;
    let grants = format!(
        "[grants]\nkv = [\"s\"]\nsql = [\"file\", \"main\"]\nhttp = [\"{}\"]\n[grants.config]\ngreeting = \"hello\"\n",
        server.url()
    );
    let house = serve("sdk.wasm", &grants, &[("main", &database)], data.path()).await;
    assert_eq!(told(&house, "/spin/variable?name=greeting").await, "hello");
    for _ in 0..2 {
        assert_eq!(told(&house, "/spin/keys?store=s").await, json!([{ "name": "JavaScript" }, false, ["language"]]));
        let towns = json!([{ "name": "Basel", "height": 260.5 }, { "name": "Sion", "height": 491 }]);
        assert_eq!(told(&house, "/spin/sqlite?db=file").await, towns);
        let towns = json!([{ "name": "Basel", "height": 260.5, "people": 173_000 }]);
        assert_eq!(told(&house, "/spin/postgres?db=main").await, towns);
    }
    let called = told(&house, &format!("/spin/call?url={}/a", server.url())).await;
    assert_eq!(called, json!([200, "from outside"]));

    // What is not granted is an error of its interface; a variable is none, as this package has it.
    assert_eq!(told(&house, "/bare/variable?name=greeting").await, Value::Null);
    for (what, error) in [
        ("keys?store=s", "access-denied"),
        ("sqlite?db=file", "access-denied"),
        ("postgres?db=main", "connection-failed"),
    ] {
        assert_eq!(get(&house, &format!("/bare/{what}")).await, (502, error.to_owned()), "{what}");
    }
    let (status, _) = get(&house, "/bare/call?url=http://192.0.2.1/").await;
    assert_eq!(status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_guest_of_spins_javascript_package_for_mysql_runs() {
    let data = TempDir::new().expect("a folder");
    let database = Server::shared(Engine::MariaDb).await.database().await;
    let house = serve("packages.wasm", "[grants]\nsql = [\"main\"]\n", &[("main", &database)], data.path()).await;
    for _ in 0..2 {
        let towns = json!([{ "name": "Basel", "height": 260.5, "people": 173_000 }]);
        assert_eq!(told(&house, "/spin/towns?db=main").await, towns);
    }
    assert_eq!(get(&house, "/bare/towns?db=main").await, (502, "connection-failed".to_owned()));
}
