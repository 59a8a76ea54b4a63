//! Servers that are not who they say.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::TlsAcceptor;
use wasmbay_tests::upstream::Upstream;

use super::{CALLERS, allowing, asking, call, error, granting, names_at, scene};

/// The name that the good certificate is for.
const NAME: &str = "secure.example";

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// An authority of the test's own.
fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A certificate for this name by this authority, changed before it is signed.
fn certified(issuer: &Issuer, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Chain {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
    change(&mut params);
    let made = params.signed_by(&key, issuer).expect("a certificate");
    (vec![made.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
}

/// A server with this certificate that speaks what is agreed on of these protocols, and says which it was.
async fn server((chain, key): Chain, protocols: &[&str]) -> Upstream {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).expect("a certificate and its key");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Upstream::scripted(move |_, stream: TcpStream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let say = |request: Request<Incoming>| async move {
                let host = request.uri().host().map(str::to_owned);
                let host = host.or_else(|| Some(request.headers().get("host")?.to_str().ok()?.to_owned()));
                let text = format!("{:?} {}", request.version(), host.unwrap_or_default());
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(text))))
            };
            let _ =
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service_fn(say)).await;
        }
    })
    .await
}

pub(crate) async fn u_12_certificates_that_prove_nothing() {
    let (trusted, stranger) = (authority(), authority());
    let both = ["h2", "http/1.1"];
    let huge = {
        let (mut chain, key) = certified(&trusted, NAME, |_| ());
        chain.extend((0..200).map(|_| certified(&trusted, NAME, |_| ()).0.swap_remove(0)));
        (chain, key)
    };
    let expired = certified(&trusted, NAME, |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    });
    let bad = [
        ("another authority", server(certified(&stranger, NAME, |_| ()), &both).await, "TlsCertificateError"),
        ("another name", server(certified(&trusted, "other.example", |_| ()), &both).await, "TlsCertificateError"),
        ("expired", server(expired, &both).await, "TlsCertificateError"),
        ("a huge chain", server(huge, &both).await, "Tls"),
        ("an alert: TLS 1.0 or nothing", raw(b"\x15\x03\x01\x00\x02\x02\x46").await, "TlsProtocolError"),
        ("no TLS at all", raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await, "TlsProtocolError"),
    ];
    let h2 = server(certified(&trusted, NAME, |_| ()), &both).await;
    let http1 = server(certified(&trusted, NAME, |_| ()), &both[1..]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, trusted.pem()).expect("written");
    let names = names_at([127, 0, 0, 1]).await;
    let at = |upstream: &Upstream| format!("https://{NAME}:{}", upstream.addr.port());
    let lines = granting(bad.iter().map(|(_, upstream, _)| at(upstream)).chain([at(&h2), at(&http1)]));
    let settings = asking(&names, allowing(&["127.0.0.1"])) + &format!("outbound_authorities = {file:?}\n");
    let scene = scene(settings, &CALLERS, &lines).await;
    for plugin in 0..CALLERS.len() {
        for (what, upstream, code) in &bad {
            let answer = scene.get(&call(plugin, &at(upstream))).await;
            assert!(error(&answer).starts_with(code), "{what}: {answer:?}");
        }
        for _ in 0..3 {
            assert_eq!(scene.get(&call(plugin, &at(&h2))).await.text(), format!("HTTP/2.0 {NAME}"));
            let said = format!("HTTP/1.1 {NAME}:{}", http1.addr.port());
            assert_eq!(scene.get(&call(plugin, &at(&http1))).await.text(), said);
        }
    }
    // One connection each for all of these, by whichever plugin of the tenant.
    assert_eq!((h2.connections(), http1.connections()), (1, 1));
    scene.end().await;
}

/// A server that says these bytes to whoever connects.
async fn raw(bytes: &'static [u8]) -> Upstream {
    Upstream::scripted(move |_, mut stream, _| async move {
        if stream.write_all(bytes).await.is_ok() {
            let mut sink = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut sink).await;
        }
    })
    .await
}
