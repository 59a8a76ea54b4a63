//! Shows a program the requests that a host meets, while it counts which way they go through it.
//!
//! The counts tell `cargo xtask dist` which code stands together in what is shipped. They weigh the ways of the host, not what
//! guests compute: each kind of guest, each lane, waiting and bodies get a share of the time.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};

use crate::{
    load::Group,
    stand::{Generator, Host, Plugin, Progress, Served, Times},
};

/// What trains, and with what.
#[derive(Debug)]
pub(crate) struct Training {
    /// The program as it was linked. It compiles the guests: behind the walls of a compile child nothing can be written, counts neither.
    pub(crate) host: PathBuf,
    /// The same program made to count. It writes its counts as it ends.
    pub(crate) counting: PathBuf,
    /// The folder of built test guests.
    pub(crate) guests: PathBuf,
    /// How long each kind of request is sent.
    pub(crate) each: Duration,
}

/// As many as one core can serve at a tenth of its speed.
const CONNECTIONS: usize = 32;

const REUSED: &str = "[instances]\nmax_requests = 100000000\n";
const SHARED: &str = "[instances]\nmax_requests = 100000000\nmax_concurrent = 16\n";
const MAY_CALL: &str = "[grants]\nplugins = [\"fresh\"]\n";

/// A kind of request: the plugin's name, its guest, what is asked for, and how many bytes go with it.
struct Kind {
    name: &'static str,
    guest: &'static str,
    make: fn(&str, PathBuf) -> Plugin,
    more: &'static str,
    asks: &'static str,
    upload: usize,
}

const fn kind(name: &'static str, guest: &'static str, make: fn(&str, PathBuf) -> Plugin) -> Kind {
    Kind { name, guest, make, more: "", asks: "hello", upload: 0 }
}

/// With the 0.3 switch off, as hosts of several tenants have it.
const HANDLERS: [Kind; 11] = [
    kind("fresh", "hello.wasm", Plugin::io),
    kind("text", "hello.wat", Plugin::io),
    kind("grows", "hello-grows.wasm", Plugin::io),
    kind("computes", "hello-compute.wasm", Plugin::compute),
    kind("command", "cgi02.wasm", Plugin::io),
    Kind { more: REUSED, ..kind("kept", "hello.wasm", Plugin::io) },
    Kind {
        more: MAY_CALL,
        asks: "call?url=http://fresh.plugin.internal/fresh/hello",
        ..kind("calls", "http02.wasm", Plugin::io)
    },
    Kind { asks: "wait?ms=2", ..kind("waits", "http02.wasm", Plugin::io) },
    Kind { asks: "sink", upload: 1 << 18, ..kind("takes", "http02.wasm", Plugin::io) },
    Kind { asks: "big?mib=1", ..kind("gives", "http02.wasm", Plugin::io) },
    Kind { asks: "echo", upload: 1 << 14, ..kind("returns", "http02.wasm", Plugin::io) },
];

/// With it on.
const SERVICES: [Kind; 6] = [
    kind("fresh", "http03.wasm", Plugin::service),
    Kind { more: REUSED, ..kind("kept", "http03.wasm", Plugin::service) },
    Kind { more: SHARED, ..kind("shared", "http03.wasm", Plugin::service) },
    Kind { more: SHARED, asks: "wait?ms=2", ..kind("waits", "http03.wasm", Plugin::service) },
    Kind { asks: "echo", upload: 1 << 14, ..kind("returns", "http03.wasm", Plugin::service) },
    kind("handler", "hello.wasm", Plugin::io),
];

/// Runs all of it.
///
/// # Errors
///
/// A host that does not start, or that answers anything but 2xx.
pub(crate) async fn run(training: &Training, progress: &Progress) -> anyhow::Result<()> {
    for kinds in [&HANDLERS[..], &SERVICES] {
        progress.say("compiling what is asked for");
        let served = serve(&training.guests, kinds)?;
        let served = Host::start(&training.host, served).await?.end().await;
        let host = Host::start(&training.counting, served).await?;
        for kind in kinds {
            progress.say(&format!("{}: {} of {}", kind.name, kind.asks, kind.guest));
            ask(training, &host, kind).await.with_context(|| format!("{} ({})", kind.name, kind.guest))?;
        }
        host.stop().await;
    }
    Ok(())
}

fn serve(guests: &Path, kinds: &[Kind]) -> anyhow::Result<Served> {
    kinds.iter().try_fold(Served::new()?, |served, kind| {
        let plugin = (kind.make)(kind.name, guests.join(kind.guest));
        served.plugin("", &plugin.route(&format!("/{}/{{*rest}}", kind.name)).more(kind.more))
    })
}

async fn ask(training: &Training, host: &Host, kind: &Kind) -> anyhow::Result<()> {
    let target = format!("/{}/{}", kind.name, kind.asks);
    let group = Group::closed(kind.name, host.listen, &target, CONNECTIONS).upload(kind.upload);
    let times = Times { warmup: Duration::ZERO, measure: Some(training.each) };
    let report = Generator::start(vec![group], times).await?.finish().await?;
    let group = report.group(kind.name)?;
    ensure!(group.replies > 0 && group.faulty() == 0, "it answered wrongly: {group:?}");
    Ok(())
}
