//! C-01, C-03 and C-06: clients that say nothing, or next to nothing.

use std::time::Instant;

use rustls::pki_types::CertificateDer;
use wasmbay_attacks::{
    Mark,
    slow::{self, HALF_RECORD},
};
use wasmbay_tests::{
    client::Protocol,
    tls::{Authority, connect},
};

use super::{beside, ms, neighbour::Neighbour};
use crate::{
    figure::{Spec, at_most, shown},
    rounds::Sample,
    stand::{Bench, Host, Plugin},
    stats,
};

/// Clients at once that fall silent.
const SILENT: usize = 1000;

/// Handshakes behind each of the two figures that are compared.
const HANDSHAKES: usize = 200;

const SILENCE: &str = "C-01, 1 000 at once: the last silent connection is closed after";
const SILENCE_NEIGHBOUR: &str = "C-01: a neighbour's p99 meanwhile";
const HEAD: &str = "C-03: a head byte by byte is cut off after";
const SHAKEN: &str = "C-06: others' handshake and request beside 1 000 stalled ones, p99 / alone";
const SHAKEN_ALONE: &str = "C-06: the same alone, p99";

pub(super) const FIGURES: &[Spec] = &[
    // The deadlines are 10 s, and ten looks a second see that one has passed.
    at_most(SILENCE, "ms", 10_500.0),
    shown(SILENCE_NEIGHBOUR, "ms"),
    at_most(HEAD, "ms", 10_500.0),
    at_most(SHAKEN, "×", 1.3),
    shown(SHAKEN_ALONE, "ms"),
];

pub(super) async fn measure(bench: &Bench, sample: &mut Sample) -> anyhow::Result<()> {
    let plugin = Plugin::io("p0", bench.places.guest("http02")).route("/p0/{*rest}");
    let host = beside(bench, "", &[plugin]).await?;
    let mark = Mark { addr: host.listen, plugin: "/a/p0" };
    let neighbour = Neighbour::of(&host);
    let begun = Instant::now();
    let silence = async {
        slow::silence(&mark, "", SILENT).await?;
        anyhow::Ok(ms(begun))
    };
    let head = async {
        slow::head(&mark).await?;
        anyhow::Ok(ms(begun))
    };
    let (silence, head) = tokio::try_join!(silence, head)?;
    sample.insert(SILENCE, silence);
    sample.insert(HEAD, head);
    sample.insert(SILENCE_NEIGHBOUR, neighbour.noticed().await?.p99);
    host.stop().await;
    handshakes(bench, sample).await
}

async fn handshakes(bench: &Bench, sample: &mut Sample) -> anyhow::Result<()> {
    let (authority, certificate) = Authority::new()?;
    let files = authority.files();
    let tls = format!("[tls]\ncertificate = {:?}\nkey = {:?}", files.certificate.as_path(), files.key.as_path());
    let host = beside(bench, &tls, &[]).await?;
    let alone = shake(&host, &certificate).await?;
    let mark = Mark { addr: host.listen, plugin: "/a" };
    let stalled = slow::hold(&mark, HALF_RECORD, SILENT).await?;
    let beside = shake(&host, &certificate).await?;
    drop(stalled);
    host.stop().await;
    sample.insert(SHAKEN, beside / alone);
    sample.insert(SHAKEN_ALONE, alone);
    Ok(())
}

/// The p99 of connections, handshakes and requests, one after another.
async fn shake(host: &Host, trusted: &CertificateDer<'static>) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..HANDSHAKES {
        let begun = Instant::now();
        let mut connection = connect(host.listen, trusted, Protocol::Http1).await?;
        let answer = connection.get("/b/hello").await?;
        times.push(ms(begun));
        anyhow::ensure!(answer.status == 200, "the neighbour was answered {}", answer.status);
    }
    Ok(stats::quantile(&times, 0.99).unwrap_or(f64::NAN))
}
