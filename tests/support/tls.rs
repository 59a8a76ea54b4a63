//! A listener's certificate, and clients that trust it alone.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, sync::Arc};

use anyhow::Context as _;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use wasmbay::server::CertificateFiles;

use crate::client::{Connection, HANG, Protocol};

/// A certificate in two files of a folder, and what its clients trust.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    /// With its first certificate.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn new() -> anyhow::Result<(Self, CertificateDer<'static>)> {
        let authority = Self { folder: TempDir::new()? };
        let certificate = authority.renew()?;
        Ok((authority, certificate))
    }

    /// Where they are.
    pub fn files(&self) -> CertificateFiles {
        let folder = self.folder.path();
        CertificateFiles { certificate: folder.join("chain.pem"), key: folder.join("key.pem") }
    }

    /// Writes a new certificate with a new key.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn renew(&self) -> anyhow::Result<CertificateDer<'static>> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(self.files().certificate, made.cert.pem())?;
        fs::write(self.files().key, made.signing_key.serialize_pem())?;
        fs::set_permissions(self.files().key, fs::Permissions::from_mode(0o600))?;
        Ok(made.cert.der().clone())
    }
}

/// Connects as a client that trusts this certificate alone.
///
/// # Errors
/// When the handshake fails, or does not end.
pub async fn connect(
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
