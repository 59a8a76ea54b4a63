//! Whom the host believes to be who they say: Mozilla's authorities, and the operator's own beside them.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Host;

use super::Trouble;

/// What is offered, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Sessions remembered for one tenant, to be resumed without a whole handshake.
const SESSIONS: usize = 64;

/// How the host speaks TLS to other servers.
#[derive(Clone)]
pub(super) struct Tls(ClientConfig);

impl Tls {
    /// Reads the operator's authorities, if there are any, in PEM form.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub(super) fn new(authorities: Option<&Path>) -> anyhow::Result<Self> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = authorities {
            let name = file.display();
            let pem = fs::read(file).with_context(|| format!("outbound_authorities = {name} cannot be read"))?;
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.with_context(|| format!("{name} is not in PEM form"))?;
                roots.add(certificate).with_context(|| format!("{name} holds a certificate of no authority"))?;
            }
            ensure!(roots.len() > before, "{name} holds no certificate: one begins with -----BEGIN CERTIFICATE-----");
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows the versions that are on by default")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Self(config))
    }

    /// The same for one tenant: no session of another is resumed.
    pub(super) fn for_tenant(&self) -> Client {
        let mut config = self.0.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Client(TlsConnector::from(Arc::new(config)))
    }
}

/// One tenant's side of TLS.
#[derive(Clone)]
pub(super) struct Client(TlsConnector);

impl Client {
    /// The client's part of a handshake; whether HTTP/2 was agreed on. Has no deadline of its own.
    pub(super) async fn connect<T>(&self, host: &Host<String>, wire: T) -> Result<(TlsStream<T>, bool), Trouble>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| Trouble::BadTarget(format!("{name} is no name that a certificate can have")))?,
            Host::Ipv4(ip) => ServerName::IpAddress((*ip).into()),
            Host::Ipv6(ip) => ServerName::IpAddress((*ip).into()),
        };
        let stream = self.0.connect(name, wire).await.map_err(|error| {
            let of_certificate = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match of_certificate {
                Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                    Trouble::Certificate(host.to_string(), error.to_string())
                }
                _ => Trouble::Tls(host.to_string(), error.to_string()),
            }
        })?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(PROTOCOLS[0]);
        Ok((stream, is_http2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_authorities_are_certificates_in_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("authorities.pem");
        let fault = || Tls::new(Some(&file)).err().map(|fault| format!("{fault:#}")).unwrap_or_default();
        assert!(fault().contains("cannot be read"), "{}", fault());
        fs::write(&file, "no certificate").expect("written");
        assert!(fault().contains("holds no certificate"), "{}", fault());
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate");
        fs::write(&file, made.cert.pem()).expect("written");
        assert_eq!(fault(), "");
    }
}
