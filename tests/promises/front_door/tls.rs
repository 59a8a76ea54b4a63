//! TLS: both protocols, a handshake that holds up nobody, and a certificate that changes while it serves.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use anyhow::Context;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wasmbay::server::{CertificateFiles, Limits, Tls};
use wasmbay_tests::{
    client::{Connection, HANG, Protocol},
    serving::serve_with,
    tls::{Authority, connect},
};

use super::Door;

fn secured(authority: &Authority, limits: Limits) -> anyhow::Result<Door> {
    // Looked at so often that a change is taken up in no time.
    let tls = Tls::load(authority.files())?.looking_every(Duration::from_millis(5));
    Ok(Door::over(Door::acceptor().secured(tls), limits, false))
}

#[tokio::test]
async fn both_protocols_are_served_and_the_plugin_sees_https() -> anyhow::Result<()> {
    let (authority, certificate) = Authority::new()?;
    let door = secured(&authority, Limits::default())?;
    for protocol in Protocol::BOTH {
        let mut connection = connect(door.addr, &certificate, protocol).await?;
        for _ in 0..2 {
            assert_eq!(connection.get("/hello").await?.text(), "hello");
        }
        let seen = connection.get("/seen").await?;
        assert!(seen.text().starts_with(&format!("GET https://{}/seen ", door.addr)), "{}", seen.text());
        let large = vec![b'x'; 3 << 20];
        let request = http::Request::post("/echo").body(wasmbay_tests::client::full(large.clone()))?;
        assert!(connection.send(request).await?.body == large, "{protocol:?}");
        assert!(connection.get("/break/length").await.is_err(), "{protocol:?}: a broken response looks whole");
    }
    Ok(())
}

#[tokio::test]
async fn plain_text_is_turned_away() -> anyhow::Result<()> {
    let (authority, _) = Authority::new()?;
    let door = secured(&authority, Limits::default())?;
    let mut socket = TcpStream::connect(door.addr).await?;
    socket.write_all(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let mut answer = Vec::new();
    // An alert, or the end of the connection; nothing that was asked for.
    let _ = timeout(HANG, socket.read_to_end(&mut answer)).await.context("it hangs")?;
    assert!(!String::from_utf8_lossy(&answer).contains("hello"));
    door.shows(r#"wasmbay_connections_cut_total{listener="public",reason="tls"} 1"#).await;
    Ok(())
}

#[tokio::test]
async fn a_changed_certificate_is_shown_and_a_bad_one_is_not() -> anyhow::Result<()> {
    let (authority, first) = Authority::new()?;
    let door = secured(&authority, Limits::default())?;
    let mut early = connect(door.addr, &first, Protocol::Http1).await?;
    assert_eq!(early.get("/hello").await?.text(), "hello");

    fs::write(authority.files().certificate, "no certificate")?;
    door.shows(r#"wasmbay_certificate_reads_total{listener="public",result="refused"} 1"#).await;
    assert_eq!(connect(door.addr, &first, Protocol::Http2).await?.get("/hello").await?.text(), "hello");

    let second = authority.renew()?;
    door.shows(r#"wasmbay_certificate_reads_total{listener="public",result="ok"} 1"#).await;
    assert_eq!(connect(door.addr, &second, Protocol::Http2).await?.get("/hello").await?.text(), "hello");
    assert!(connect(door.addr, &first, Protocol::Http1).await.is_err(), "the former certificate is still shown");
    assert_eq!(early.get("/hello").await?.text(), "hello", "who is inside stays inside");
    door.shows(r#"wasmbay_certificate_reads_total{listener="public",result="refused"} 1"#).await;
    Ok(())
}

#[tokio::test]
async fn the_binary_serves_tls_and_refuses_to_start_with_an_open_key() -> anyhow::Result<()> {
    let (authority, certificate) = Authority::new()?;
    let folder = TempDir::new()?;
    let CertificateFiles { certificate: chain, key } = authority.files();
    let secured = |command: &mut tokio::process::Command| {
        command.env("WASMBAY_TLS_CERTIFICATE", &chain).env("WASMBAY_TLS_KEY", &key);
    };
    let serving = serve_with(folder.path(), secured).await?;
    let mut connection = connect(serving.says("listen").parse()?, &certificate, Protocol::Http2).await?;
    assert_eq!(connection.get("/").await?.problem()["code"], "no-route");
    // The operator's listener is on loopback: it speaks plain HTTP.
    let mut admin = Connection::open(serving.says("admin").parse()?, Protocol::Http1).await?;
    assert_eq!(admin.get("/healthz").await?.status, 200);

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    assert!(serve_with(folder.path(), secured).await.is_err(), "a key that everybody can read is taken");
    Ok(())
}
