//! TLS: both protocols, a handshake that holds up nobody, and a certificate that changes while it serves.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use anyhow::Context;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use wasmbay::server::{CertificateFiles, Limits, Tls};
use wasmbay_tests::client::{Connection, HANG, Protocol};

use super::{Door, SHORT};
use crate::command_line::serve_with;

/// A certificate in two files of a folder, and what its clients trust.
struct Authority {
    folder: TempDir,
}

impl Authority {
    fn new() -> anyhow::Result<(Self, CertificateDer<'static>)> {
        let authority = Self { folder: TempDir::new()? };
        let certificate = authority.renew()?;
        Ok((authority, certificate))
    }

    fn files(&self) -> CertificateFiles {
        let folder = self.folder.path();
        CertificateFiles { certificate: folder.join("chain.pem"), key: folder.join("key.pem") }
    }

    /// Writes a new certificate with a new key.
    fn renew(&self) -> anyhow::Result<CertificateDer<'static>> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(self.files().certificate, made.cert.pem())?;
        fs::write(self.files().key, made.signing_key.serialize_pem())?;
        fs::set_permissions(self.files().key, fs::Permissions::from_mode(0o600))?;
        Ok(made.cert.der().clone())
    }

    fn door(&self, limits: Limits) -> anyhow::Result<Door> {
        // Looked at so often that a change is taken up in no time.
        let tls = Tls::load(self.files())?.looking_every(Duration::from_millis(5));
        Ok(Door::over(Door::acceptor().secured(tls), limits, false))
    }
}

/// Connects as a client that trusts this certificate alone.
async fn connect(
    addr: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: Protocol,
) -> anyhow::Result<Connection> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone())?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name: &[u8] = if protocol == Protocol::Http2 { b"h2" } else { b"http/1.1" };
    config.alpn_protocols = vec![name.to_vec()];
    let socket = TcpStream::connect(addr).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?, socket);
    let stream = timeout(HANG, stream).await.context("the handshake hangs")??;
    anyhow::ensure!(stream.get_ref().1.alpn_protocol() == Some(name), "another protocol was agreed on");
    Connection::over(stream, protocol, addr.to_string()).await
}

#[tokio::test]
async fn both_protocols_are_served_and_the_plugin_sees_https() -> anyhow::Result<()> {
    let (authority, certificate) = Authority::new()?;
    let door = authority.door(Limits::default())?;
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
async fn a_stalled_handshake_holds_up_nobody_and_is_cut_off() -> anyhow::Result<()> {
    let (authority, certificate) = Authority::new()?;
    let door = authority.door(Limits { handshake: Duration::from_secs(5), ..Limits::default() })?;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(door.raw().await);
    }
    door.shows(r#"wasmbay_connections{listener="public"} 64"#).await;
    let mut connection = connect(door.addr, &certificate, Protocol::Http1).await?;
    assert_eq!(connection.get("/hello").await?.text(), "hello");
    // A record that begins and does not go on.
    let door = authority.door(Limits { handshake: SHORT, ..Limits::default() })?;
    for said in ["", "\x16\x03\x01\x02"] {
        let mut raw = door.raw().await;
        raw.write(said).await;
        assert_eq!(raw.rest().await?, "", "{said:?}");
    }
    door.shows(r#"wasmbay_connections_cut_total{listener="public",reason="handshake"} 2"#).await;
    Ok(())
}

#[tokio::test]
async fn silence_after_the_handshake_is_cut_off_too() -> anyhow::Result<()> {
    let (authority, certificate) = Authority::new()?;
    let door = authority.door(Limits { first_byte: SHORT, ..Limits::default() })?;
    let connection = connect(door.addr, &certificate, Protocol::Http1).await?;
    connection.ended().await?.ok();
    door.shows(r#"wasmbay_connections_cut_total{listener="public",reason="first-byte"} 1"#).await;
    Ok(())
}

#[tokio::test]
async fn plain_text_is_turned_away() -> anyhow::Result<()> {
    let (authority, _) = Authority::new()?;
    let door = authority.door(Limits::default())?;
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
    let door = authority.door(Limits::default())?;
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
