//! Another tenant's small plugin, asked at a low fixed rate while something else goes on: it must not notice.

use std::{
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::client::{Connection, Protocol};

/// Between two requests.
const PACE: Duration = Duration::from_millis(25);

/// Opens a connection, each time it is called.
type Open = Box<dyn Fn() -> Pin<Box<dyn Future<Output = anyhow::Result<Connection>> + Send>> + Send>;

/// Asks until it is told to stop.
pub struct Canary {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<anyhow::Result<Song>>,
}

/// What the canary saw.
pub struct Song {
    /// How long each answer took from when its request was due.
    took: Vec<Duration>,
}

impl fmt::Display for Song {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        let at = |share: f64| sorted[((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1];
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| at(share).as_secs_f64() * 1000.0);
        write!(to, "{} answers, 0 errors, p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms", sorted.len())
    }
}

impl Canary {
    /// Begins to ask for `path`, each time over a connection of its own.
    pub fn begin(addr: SocketAddr, path: &'static str) -> Self {
        Self::through(path, move || Connection::open(addr, Protocol::Http1))
    }

    /// The same over connections that are opened so.
    pub fn through<F>(path: &'static str, open: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<Connection>> + Send + 'static,
    {
        Self::start(path, Box::new(move || Box::pin(open())), false)
    }

    /// The same over one connection that is kept.
    pub fn kept<F>(path: &'static str, open: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<Connection>> + Send + 'static,
    {
        Self::start(path, Box::new(move || Box::pin(open())), true)
    }

    fn start(path: &'static str, open: Open, keep: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn(sing(open, keep, path, Arc::clone(&stop)));
        Self { stop, asking }
    }

    /// Stops asking.
    ///
    /// # Panics
    /// When a request had no good answer.
    pub async fn unharmed(self) -> Song {
        self.stop.store(true, Ordering::Release);
        self.asking.await.expect("no panic").expect("every request of the other tenant is answered")
    }
}

async fn sing(open: Open, keep: bool, path: &str, told: Arc<AtomicBool>) -> anyhow::Result<Song> {
    let (mut due, mut took, mut kept) = (Instant::now(), Vec::new(), None);
    // Once more after it was told to stop: an attack of a moment has met it as well.
    loop {
        let last = told.load(Ordering::Acquire);
        sleep_until(due).await;
        let number = took.len();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => open().await.with_context(|| format!("connection {number}"))?,
        };
        let answer = connection.get(path).await.with_context(|| format!("request {number}"))?;
        let good = answer.status == 200 && answer.text() == "hello from 0.2\n";
        ensure!(good, "request {number}: {} {}", answer.status, answer.text());
        // From when it was due: who waits for a host that stalls asks less, and would hide the stall.
        took.push(due.elapsed());
        // A host under load ends a connection with an answer that says so, and a client comes back.
        let ends = answer.headers.get("connection").is_some_and(|value| value == "close");
        kept = (keep && !ends).then_some(connection);
        due += PACE;
        if last {
            return Ok(Song { took });
        }
    }
}
