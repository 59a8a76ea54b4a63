//! The address of a database is the operator's: it is in no log, no answer, no metric, no status, and no guest has it.

use std::fs;

use tempfile::TempDir;
use wasmbay::config::Settings;
use wasmbay_tests::{
    client::{Connection, Protocol},
    databases::{Engine, Server},
    house::{House, Plugin},
    serving::serve_with,
};

use super::{ask, client, ground, q, with};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_seen_nowhere_and_what_is_not_granted_is_denied_with_what_grants_it() -> anyhow::Result<()> {
    let server = Server::shared(Engine::PostgreSql).await;
    let database = server.database().await;
    let (dir, folder) = (TempDir::new()?, TempDir::new()?);
    for (name, guest) in [("a", "spin02.wasm"), ("b", "spin03.wasm")] {
        client(name, "io", guest).write(dir.path())?;
    }
    let (log, config) = (folder.path().join("log"), folder.path().join("wasmbay.toml"));
    let wrong = format!("{}-wrong", database.password);
    let broken = database.url.replace(&database.password, &wrong);
    let text = "wasi_http_03 = true\n[secrets]\nDB = { env = \"MAIN_DB\" }\nBAD = { env = \"BAD_DB\" }\n\
                [databases.main]\nurl = { secret = \"DB\" }\n[databases.bad]\nurl = { secret = \"BAD\" }\n";
    fs::write(&config, text)?;
    Plugin::new("d", "io", "spin02.wasm").with("[grants]\nsql = [\"bad\"]").write(dir.path())?;
    let stderr = fs::File::create(&log)?;
    let serving = serve_with(dir.path(), |command| {
        command.env("MAIN_DB", &database.url).env("BAD_DB", &broken).env("RUST_LOG", "debug").stderr(stderr);
        command.arg("--config").arg(&config);
    })
    .await?;
    let mut seen = String::new();
    let mut connection = Connection::open(serving.listen(), Protocol::Http1).await?;
    for name in ["a", "b"] {
        for what in [
            ask("SELECT 1"),
            ask("SELECT * FROM nowhere"),
            ask("SELECT 1").replace("db=main", "db=other"),
            ask("SELECT 1").replace("db=main", &format!("db={}", q(&database.url))),
        ] {
            let answer = connection.get(&format!("/{name}/{what}")).await?;
            seen += answer.text();
            seen.push('\n');
        }
    }
    let denied = "add \\\"other\\\" to grants.sql in plugin.toml";
    assert!(seen.contains(denied), "{seen}");
    assert!(seen.contains("by the names that grants.sql has for them"), "{seen}");
    let bad = connection.get(&format!("/d/{}", ask("SELECT 1").replace("db=main", "db=bad"))).await?;
    assert!(bad.text().contains("it does not accept the password"), "{}", bad.text());
    seen += bad.text();
    seen += serving.ask_admin("/metrics").await?.text();
    seen += serving.ask_admin("/status").await?.text();
    serving.signal("TERM").await?;
    serving.ended().await?;
    let log = fs::read_to_string(&log)?;
    assert!(log.contains("a database server cannot be used"), "{log}");
    seen += &log;
    for secret in [&database.password, &database.url, &wrong] {
        assert!(!seen.contains(secret.as_str()), "{secret} is seen: {seen}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plugin_is_told_the_secret_that_is_an_address() {
    let (_, database, folder) = ground().await;
    let nosy = Plugin::new("nosy", "io", "spin02.wasm").with("[grants.config]\nurl = { secret = \"DB\" }");
    let faults = House::unchecked(with(&database.url, "", folder.path()), &[nosy]).await.faults();
    assert!(
        faults["nosy"][0].contains("the secret DB is the address of a database, which no plugin is told"),
        "{faults:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_a_fault_of_the_plugin_that_is_granted_it() {
    let folder = TempDir::new().expect("a folder");
    let settings: Settings = with("postgres://canary@/nowhere", "", folder.path());
    let faults = House::unchecked(settings, &[client("p", "io", "spin02.wasm")]).await.faults();
    let fault = &faults["p"][0];
    assert!(fault.contains("grants.sql: the database main: the secret DB ") && !fault.contains("canary"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_host_trusts_is_not_a_guests_to_say() {
    let (_, database, folder) = ground().await;
    let house = House::with(with(&database.url, "", folder.path()), &[client("p", "io", "spin03.wasm")]).await;
    let by_name = house.get(&format!("/p/pg-build?db=main&q={}", q("SELECT 1::int4 AS n"))).await;
    assert!(by_name.text().contains("Int32(1)"), "{}", by_name.text());
    let own = house.get(&format!("/p/pg-build?db=main&ca=x&q={}", q("SELECT 1"))).await;
    assert!(own.text().contains("whom the host trusts is the operator's to say"), "{}", own.text());
}
