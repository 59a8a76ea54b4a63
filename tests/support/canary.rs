//! Another tenant's small plugin, asked at a low fixed rate while something else goes on: it must not notice.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::client::{Connection, Protocol};

/// Between two requests.
const PACE: Duration = Duration::from_millis(25);

/// Asks until it is told to stop.
pub struct Canary {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<anyhow::Result<u32>>,
}

impl Canary {
    /// Begins to ask for `path`, each time over a connection of its own.
    pub fn begin(addr: SocketAddr, path: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let asking = tokio::spawn(async move {
            let (mut pace, mut answers) = (interval(PACE), 0);
            pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
            // Once more after it was told to stop: an attack of a moment has met it as well.
            loop {
                let last = told.load(Ordering::Acquire);
                pace.tick().await;
                let mut connection = Connection::open(addr, Protocol::Http1).await?;
                let answer = connection.get(path).await.with_context(|| format!("request {answers}"))?;
                ensure!(answer.status == 200, "request {answers}: {} {}", answer.status, answer.text());
                answers += 1;
                if last {
                    return Ok(answers);
                }
            }
        });
        Self { stop, asking }
    }

    /// Stops asking.
    ///
    /// # Panics
    /// When a request had no good answer.
    pub async fn unharmed(self) {
        self.stop.store(true, Ordering::Release);
        let answers = self.asking.await.expect("no panic").expect("every request of the other tenant is answered");
        assert!(answers > 0);
    }
}
