//! How a connection is protected: each mode means what it means to libpq.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use wasmbay_tests::{
    databases::{Engine, Server},
    house::House,
};

use super::{ask, client, with};

/// A server that speaks TLS with a certificate for this name, and the authority that signed it.
async fn server(name: &str) -> (Server, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let setup = Server::set_up(Engine::PostgreSql);
    let certificate = setup.file("tls.crt", &certificate.pem());
    let key = setup.file("tls.key", &key.serialize_pem());
    let setting = |name: &str, file: &Path| format!("{name}={}", file.display());
    let setup = setup
        .setting("ssl=on")
        .setting(&setting("ssl_cert_file", &certificate))
        .setting(&setting("ssl_key_file", &key));
    (setup.start().await, authority.pem())
}

/// What comes of a question under these settings.
async fn asked(url: &str, more: &str) -> String {
    let folder = TempDir::new().expect("a folder");
    let house = House::with(with(url, more, folder.path()), &[client("p", "io", "spin02.wasm")]).await;
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let text = house.get(&format!("/p/{}", ask(sql))).await.text().to_owned();
    text.trim_start_matches("ssl\n").replace("DbValue::", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_trusts_whom_it_says() {
    let folder = TempDir::new().expect("a folder");
    let (right, authority) = server("127.0.0.1").await;
    let (other, other_authority) = server("other.example").await;
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).expect("written");
        format!("authorities = {path:?}\n")
    };
    let (authority, other_authority) = (file("a", &authority), file("b", &other_authority));
    let (right, other) = (right.database().await.url, other.database().await.url);
    let plain = Server::shared(Engine::PostgreSql).await.database().await.url;
    let (untrusted, another) = ("of no authority that is trusted", "its certificate is for another name");
    for (url, tls, authorities, expected) in [
        (&plain, "disable", "", "Boolean(false)"),
        (&plain, "prefer", "", "Boolean(false)"),
        (&plain, "require", "", "it has no TLS"),
        (&right, "disable", "", "Boolean(false)"),
        (&right, "prefer", "", "Boolean(true)"),
        (&right, "require", "", "Boolean(true)"),
        (&right, "verify-ca", "", untrusted),
        (&right, "verify-full", "", untrusted),
        (&right, "verify-full", &authority, "Boolean(true)"),
        (&right, "verify-full", &other_authority, untrusted),
        (&right, "require", &other_authority, untrusted),
        (&other, "verify-ca", &other_authority, "Boolean(true)"),
        (&other, "verify-full", &other_authority, another),
    ] {
        let told = asked(url, &format!("tls = {tls:?}\n{authorities}")).await;
        assert!(told.contains(expected), "{tls} {authorities}: {told}");
        let separator = if url.contains('?') { '&' } else { '?' };
        let told = asked(&format!("{url}{separator}sslmode={tls}"), authorities).await;
        assert!(told.contains(expected), "sslmode={tls} {authorities}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_ended_on_a_server_that_speaks_tls_too() {
    let (server, _) = server("127.0.0.1").await;
    let database = server.database().await;
    let folder = TempDir::new().expect("a folder");
    let more = "tls = \"require\"\nstatement = \"300ms\"";
    let house = House::with(with(&database.url, more, folder.path()), &[client("p", "io", "spin03.wasm")]).await;
    let slow = "SET statement_timeout = 0;; SELECT pg_sleep(60)";
    let told = house.get(&format!("/p/{}", ask(slow))).await.text().to_owned();
    assert!(told.contains("ran for 300ms without an end"), "{told}");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()";
    server.until(&database.name, running, "0").await;
}
