//! TLS: the handshake, and a certificate that is replaced while it serves (`decisions/0025-tls.md`).

use std::{
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Phase,
    certificate::{CertificateFault, CertificateFiles},
    wire::Wire,
};
use crate::telemetry::ListenerMetrics;

/// How often the files are looked at: two small reads. A change is taken up at the second look that finds it.
const LOOK: Duration = Duration::from_secs(2);

/// What clients may choose to speak, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What a listener needs to speak TLS. Clones share the certificate.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    provider: Arc<CryptoProvider>,
    files: CertificateFiles,
    look: Duration,
    /// What `shown` was made of.
    digest: blake3::Hash,
}

/// The certificate that clients are shown.
struct Shown(RwLock<Arc<CertifiedKey>>);

impl Tls {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn load(files: CertificateFiles) -> Result<Self, CertificateFault> {
        let provider = Arc::new(ring::default_provider());
        let pair = files.read()?;
        let shown = Arc::new(Shown(RwLock::new(files.certified(&pair, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider knows the versions that are on by default")
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, shown, provider, files, look: LOOK, digest: pair.digest() })
    }

    /// Looks at the files so often. For tests: every two seconds is often enough.
    #[must_use]
    pub fn looking_every(mut self, look: Duration) -> Self {
        self.look = look;
        self
    }

    /// The server's part of a handshake. Has no deadline of its own.
    pub(super) async fn accept(&self, wire: Wire) -> io::Result<TlsStream<Wire>> {
        self.acceptor.accept(wire).await
    }

    /// Takes up what the files hold whenever that has changed, as long as the listener serves. What cannot be used
    /// leaves the former certificate, and is told once.
    pub(super) async fn follow(self, listener: ListenerMetrics, mut phase: watch::Receiver<Phase>) {
        let mut judged = Ok(self.digest);
        let mut before = judged.clone();
        loop {
            tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
                () = sleep(self.look) => {}
            }
            let files = self.files.clone();
            let Ok(read) = spawn_blocking(move || files.read()).await else { return };
            let seen = read.as_ref().map(|pair| pair.digest()).map_err(Clone::clone);
            // Two files are not written in one step: what has just changed may still change.
            let quiet = seen == before;
            before.clone_from(&seen);
            if quiet && seen != judged {
                judged = seen;
                let certified = read.and_then(|pair| self.files.certified(&pair, &self.provider));
                self.take_up(certified, &listener);
            }
        }
    }

    fn take_up(&self, certified: Result<Arc<CertifiedKey>, CertificateFault>, listener: &ListenerMetrics) {
        listener.certificate_read(certified.is_ok());
        let certificate = self.files.certificate.display();
        match certified {
            Ok(certified) => {
                *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
                tracing::info!(%certificate, "a new certificate is shown");
            }
            Err(fault) => tracing::error!(%fault, "the former certificate is still shown"),
        }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A write is one assignment: whatever is there is whole.
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}
