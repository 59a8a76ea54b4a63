//! What is not told, not read and not believed: addresses, files, certificates.

use std::fs;

use tempfile::TempDir;
use wasmbay_tests::{
    client::{Connection, Protocol},
    databases::{Database, Engine, Server},
    house::House,
    serving::serve_with,
};

use super::{ask, client, place, q, text, with};

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_files_and_the_hosts_are_not_read() {
    let server = Server::set_up(Engine::MariaDb).setting("local-infile=1").start().await;
    let (database, folder) = (server.database().await, TempDir::new().expect("a folder"));
    let house = House::with(with(&database, "", folder.path()), &[client("p", "io", "spin03.wasm")]).await;
    assert_eq!(house.get(&format!("/p/{}", ask("CREATE TABLE t (a TEXT)"))).await.text(), "");
    for (statement, why) in [
        ("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t", "LOAD DATA LOCAL is not allowed here"),
        ("LOAD DATA INFILE '/etc/hostname' INTO TABLE t", "ERROR 1045"),
        ("SELECT 1 INTO OUTFILE '/tmp/canary'", "ERROR 1227"),
    ] {
        let told = house.get(&format!("/p/mysql-do?db=main&q={}", q(statement))).await.text().to_owned();
        assert!(told.contains(why), "{statement}: {told}");
    }
    assert_eq!(server.sql(&database.name, "SELECT count(*) FROM t").await.expect("an answer"), "0");
}

/// Everything that the host says is searched.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_in_no_answer_log_status_or_metric_and_what_is_not_granted_is_denied() -> anyhow::Result<()> {
    let (server, database, folder) = place().await;
    let (dir, log) = (TempDir::new()?, folder.path().join("log"));
    for (name, guest) in [("a", "spin02.wasm"), ("b", "spin03.wasm")] {
        client(name, "io", guest).write(dir.path())?;
    }
    let refused = Database { url: database.url.replacen(&database.password, "another-canary", 1), ..database.clone() };
    let mut said = String::new();
    for database in [&database, &refused] {
        let settings = folder.path().join("wasmbay.toml");
        fs::write(&settings, text(database, "statement = \"1s\"", folder.path()))?;
        let stderr = fs::File::create(&log)?;
        let serving = serve_with(dir.path(), |command| {
            command.arg("--config").arg(&settings).stderr(stderr).env("WASMBAY_LOG", "trace");
        })
        .await?;
        for name in ["a", "b"] {
            let mut connection = Connection::open(serving.listen(), Protocol::Http1).await?;
            for what in [
                ask("SELECT 1 AS n"),
                ask("SELECT sleep(600)"),
                ask("SELEC"),
                "mysql-ask?db=other&q=SELECT%201".to_owned(),
                format!("mysql-ask?db={}&q=SELECT%201", q("mysql://root@127.0.0.1/mysql")),
                "sqlite-ask?db=main&q=SELECT%201".to_owned(),
            ] {
                said += &format!("{what}: {}\n", connection.get(&format!("/{name}/{what}")).await?.text());
            }
        }
        for page in ["/metrics", "/plugins", "/status"] {
            said += serving.ask_admin(page).await?.text();
        }
        serving.signal("TERM").await?;
        serving.ended().await?;
        said += &fs::read_to_string(&log)?;
    }
    for denied in [
        "a may not open the database other: add",
        "b may not open the database other: add",
        "it refuses the user or the password",
        "by the names that grants.sql has for them",
        "is MySQL, which is asked by other functions than those for SQLite",
    ] {
        assert!(said.contains(denied), "{denied}: {said}");
    }
    for secret in
        [&*database.password, "another-canary", &format!("127.0.0.1:{}", server.port()), &format!("{}@", database.name)]
    {
        assert!(!said.contains(secret), "{secret} is told: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_asked_by_tls_as_the_settings_say() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let setup = Server::set_up(Engine::MariaDb);
    let certificate = setup.file("server.pem", &made.cert.pem());
    let key = setup.file("server.key", &made.signing_key.serialize_pem());
    let server = setup
        .setting(&format!("ssl-cert={}", certificate.display()))
        .setting(&format!("ssl-key={}", key.display()))
        .start()
        .await;
    let (database, good, bad) =
        (server.database().await, folder.path().join("good.pem"), folder.path().join("bad.pem"));
    fs::write(&good, made.cert.pem())?;
    fs::write(&bad, other.cert.pem())?;
    for (more, by_tls) in [
        ("tls = \"disable\"".to_owned(), Some(false)),
        ("tls = \"prefer\"".to_owned(), Some(true)),
        ("tls = \"require\"".to_owned(), Some(true)),
        (format!("tls = \"verify-full\"\nauthorities = {good:?}"), Some(true)),
        (format!("tls = \"verify-full\"\nauthorities = {bad:?}"), None),
        ("tls = \"verify-full\"".to_owned(), None),
    ] {
        let house = House::with(with(&database, &more, folder.path()), &[client("p", "io", "spin03.wasm")]).await;
        let asked =
            "SELECT variable_value AS v FROM information_schema.session_status WHERE variable_name = 'SSL_CIPHER'";
        let told = house.get(&format!("/p/{}", ask(asked))).await.text().to_owned();
        match by_tls {
            Some(by_tls) => assert_eq!(told != "v:str\nt:", by_tls, "{more}: {told}"),
            None => assert!(told.contains("certificate is not one that an authority has given"), "{more}: {told}"),
        }
    }
    let (plain, folder) = (Server::shared(Engine::MariaDb).await.database().await, TempDir::new()?);
    for (mode, works) in [("prefer", true), ("require", false)] {
        let settings = with(&plain, &format!("tls = {mode:?}"), folder.path());
        let house = House::with(settings, &[client("p", "io", "spin03.wasm")]).await;
        let told = house.get(&format!("/p/{}", ask("SELECT 1 AS n"))).await.text().to_owned();
        assert_eq!(told == "n:int32\ni32:1", works, "{told}");
        assert!(works || told.contains("it has no TLS"), "{told}");
    }
    Ok(())
}
