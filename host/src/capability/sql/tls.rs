//! How a connection to a database server is protected: by whom the host lets itself be convinced.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::server::Refusal;
use crate::config::TlsMode;

/// The host's side of TLS with one server. It is all made of the mode and the authorities, which say whether two are one.
#[derive(Clone)]
pub(super) struct Client(TlsConnector);

impl Client {
    /// For this mode; the authorities, in PEM form, stand in place of Mozilla's.
    ///
    /// # Errors
    /// When there is no certificate in them.
    pub(super) fn new(mode: TlsMode, authorities: Option<&[u8]>) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows the versions that are on by default");
        let roots = Arc::new(roots(authorities)?);
        // As libpq has it: with authorities of the operator's own, `require` is no weaker than `verify-ca`.
        let mode = if mode == TlsMode::Require && authorities.is_some() { TlsMode::VerifyCa } else { mode };
        let config = if mode == TlsMode::VerifyFull {
            builder.with_root_certificates(roots).with_no_client_auth()
        } else {
            let chain = (mode == TlsMode::VerifyCa).then(|| {
                let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                builder.build().expect("there are roots, and no revocation lists that could be wrong")
            });
            let verifier = Arc::new(Lenient { chain, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// The client's part of a handshake. Has no deadline of its own.
    ///
    /// # Errors
    /// When it fails, and why.
    pub(super) async fn connect(&self, host: &str, socket: TcpStream) -> Result<Socket, Refusal> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Refusal::Unreachable("its name is none that a certificate can have".to_owned()))?;
        match self.0.connect(name, socket).await {
            Ok(stream) => Ok(Socket::Tls(Box::new(stream))),
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                let why = match inner {
                    // What a certificate is for is the operator's to know.
                    Some(Error::InvalidCertificate(
                        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                    )) => "its certificate is for another name".to_owned(),
                    // The latter of one that has the same name as one that is trusted.
                    Some(Error::InvalidCertificate(
                        CertificateError::UnknownIssuer | CertificateError::BadSignature,
                    )) => "its certificate is of no authority that is trusted".to_owned(),
                    _ => format!("TLS failed: {error}"),
                };
                Err(Refusal::Unreachable(why))
            }
        }
    }
}

fn roots(authorities: Option<&[u8]>) -> Result<RootCertStore, String> {
    let Some(pem) = authorities else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "authorities are not in PEM form".to_owned())?;
        roots.add(certificate).map_err(|_| "authorities hold a certificate of no authority".to_owned())?;
    }
    match roots.is_empty() {
        true => Err("authorities hold no certificate: one begins with -----BEGIN CERTIFICATE-----".to_owned()),
        false => Ok(roots),
    }
}

impl PartialEq for Client {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Client {}

/// Believes more than a certificate for the name: any that an authority has signed, or, without those, any at all.
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Lenient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lenient").field("by_authority", &self.chain.is_some()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end, between, name, ocsp, now) {
            // The name is looked at last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What bytes go over.
pub(super) enum Socket {
    /// As they are.
    Plain(TcpStream),
    /// By TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, to),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, to),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
