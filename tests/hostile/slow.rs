//! Clients that take their time. The deadlines are the host's own: each of these rows waits one out, beside the others.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wasmbay_attacks::{
    End, HANG, Mark, frames,
    slow::{self, HALF_PREFACES, HALF_RECORD},
};
use wasmbay_tests::{
    canary::Canary,
    client::{Connection, Protocol},
    house::Plugin,
    tls::{Authority, connect},
};

use crate::{
    rows::soak,
    scene::Scene,
    stage::{CANARY, of},
};

/// A slow client's plugin, named so that other rows' are not in its way.
fn plugin(name: &str) -> Plugin {
    Plugin::new(name, "io", "http02.wasm").with("[limits]\ntimeout = \"2m\"\nstream_idle = \"2m\"\nmax_concurrent = 16")
}

/// Connections that were cut for this reason.
async fn cut(scene: &Scene, reason: &str) -> f64 {
    scene.page().await.sum("wasmbay_connections_cut_total", &[("listener", "public"), ("reason", reason)])
}

/// Every one of these connections was ended without an answer.
fn assert_unanswered(ends: &[End], what: &str) {
    assert!(ends.iter().all(|end| end.text().is_empty()), "{what:?}: {ends:?}");
}

pub(crate) async fn c_01_silence() {
    let scene = Scene::beside(vec![plugin("silence")]).await;
    let (count, before) = (if soak() { 5000 } else { 200 }, cut(&scene, "first-byte").await);
    assert_unanswered(&slow::silence(&scene.mark(), "", count).await.expect("connections"), "");
    assert!(cut(&scene, "first-byte").await >= before + count as f64, "they are counted");
    scene.end().await;
}

pub(crate) async fn c_02_half_a_preface() {
    let scene = Scene::beside(vec![plugin("preface")]).await;
    let mark = scene.mark();
    let said = HALF_PREFACES.map(|said| tokio::spawn(async move { slow::silence(&mark, said, 20).await }));
    for (said, half) in said.into_iter().zip(HALF_PREFACES) {
        assert_unanswered(&said.await.expect("no panic").expect("connections"), half);
    }
    scene.end().await;
}

pub(crate) async fn c_03_a_head_byte_by_byte() {
    let scene = Scene::beside(vec![plugin("head")]).await;
    let end = slow::head(&scene.mark_of("/a/head")).await.expect("a connection");
    assert!(!end.text().contains(" 200 "), "{end:?}");
    assert_eq!(of(&scene.page().await, "wasmbay_requests_total", "head"), 0.0, "no request began");
    scene.end().await;
}

pub(crate) async fn c_04_a_body_byte_by_byte_or_not_at_all() {
    let scene = Scene::beside(vec![plugin("body")]).await;
    let mark = scene.mark_of("/a/body");
    let trickling = tokio::spawn(async move { slow::body(&mark).await });
    let stalled = slow::stall_after_continue(&mark).await.expect("a connection");
    assert!(stalled.text().starts_with("HTTP/1.1 100 "), "{stalled:?}");
    for end in [stalled, trickling.await.expect("no panic").expect("a connection")] {
        assert!(end.text().contains("HTTP/1.1 408 ") && end.text().contains("\"request-timeout\""), "{end:?}");
    }
    scene.end().await;
}

/// What a connection that is not read may make the host hold, in bytes.
const UNREAD: u64 = 64 << 10;

/// Guests at once, which hold what they hold by their manifest.
const GUESTS: usize = 16;

pub(crate) async fn c_05_a_large_response_that_is_not_read() {
    // Its own host: what others hold meanwhile would be taken for this row's.
    let scene = Scene::apart("", vec![plugin("unread")]).await;
    let mark = scene.mark_of("/a/unread");
    let at_work: Vec<_> = (0..GUESTS).map(|_| scene.ask("/unread/big?mib=1&ms=300")).collect();
    for asked in at_work {
        assert_eq!(asked.await.expect("no panic").expect("an answer").status, 200);
    }
    let rss = || scene.serving.rss().expect("the host lives");
    let before = rss();
    let count = if soak() { 1000 } else { 64 };
    let held = slow::unread(&mark, "big?mib=50", count).await.expect("connections");
    let windows: Vec<_> = (0..count)
        .map(|_| tokio::spawn(async move { frames::small_window(&mark, "big?mib=50", 0, 1).await }))
        .collect();
    scene.until("some are being answered", |page| of(page, "wasmbay_in_flight", "unread") > 0.0).await;
    let most = AtomicU64::new(0);
    // The clients are still there: it is the host that has had enough of them.
    scene
        .until("no guest is held", |page| {
            most.fetch_max(rss(), Relaxed);
            of(page, "wasmbay_in_flight", "unread") == 0.0
        })
        .await;
    for window in windows {
        let said = window.await.expect("no panic").expect("a connection");
        assert!(said.data == 0 && said.closed, "{said:?}");
    }
    let grown = most.into_inner().saturating_sub(before);
    assert!(grown <= UNREAD * 2 * count as u64, "{grown} bytes held for {count} connections of each protocol");
    drop(held);
    scene.end().await;
}

pub(crate) async fn c_06_stalled_handshakes() {
    let (authority, certificate) = Authority::new().expect("a certificate");
    let files = authority.files();
    let settings = format!("[tls]\ncertificate = {:?}\nkey = {:?}\n", files.certificate.as_path(), files.key.as_path());
    let scene = Scene::secured(&settings, certificate.clone()).await;
    let count = if soak() { 1000 } else { 100 };
    let mark = Mark { addr: scene.addr(), plugin: "/a" };
    let half = tokio::spawn(async move { slow::silence(&mark, HALF_RECORD, count).await });
    let silent = tokio::spawn(async move { slow::silence(&mark, "", count).await });
    // One that shakes hands and then says nothing.
    let mute = connect(scene.addr(), &certificate, Protocol::Http1).await.expect("a handshake");
    for ends in [half, silent] {
        let ends = ends.await.expect("no panic").expect("connections");
        assert!(ends.iter().all(|end| !end.text().contains("HTTP")), "{ends:?}");
    }
    let _ = tokio::time::timeout(HANG, mute.ended()).await.expect("it is cut off as well");
    assert_eq!((cut(&scene, "handshake").await, cut(&scene, "first-byte").await), (2.0 * count as f64, 1.0));
    scene.end().await;
}

/// A canary over TLS, for a client that trusts this certificate.
pub(crate) fn secure_canary(addr: std::net::SocketAddr, trusted: rustls::pki_types::CertificateDer<'static>) -> Canary {
    Canary::through(CANARY, move || {
        let trusted = trusted.clone();
        async move { connect(addr, &trusted, Protocol::Http1).await as anyhow::Result<Connection> }
    })
}
