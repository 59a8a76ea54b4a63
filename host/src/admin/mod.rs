//! The operator's listener, on a thread and a runtime of its own: a saturated front never hides the host.

mod answers;
mod jobs;

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::sync::oneshot;

pub use answers::{Readiness, View};

use crate::{
    server::{Acceptor, Limits, Server},
    telemetry::Metrics,
};

/// Connections at once: operators and scrapers are few, and a leak among them must not cost the host.
pub(crate) const CONNECTIONS: usize = 256;

/// The operator's listener. Dropping it stops it at once.
pub struct Admin {
    addr: SocketAddr,
    stop: oneshot::Sender<Duration>,
    stopped: oneshot::Receiver<()>,
}

impl Admin {
    /// Binds and serves on a thread of its own.
    ///
    /// # Errors
    /// When the address cannot be bound or the thread cannot be made.
    pub fn start(addr: SocketAddr, metrics: Arc<Metrics>, view: Arc<dyn View>) -> io::Result<Self> {
        let (stop, stopping) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        let (bound, binding) = std::sync::mpsc::sync_channel(1);
        let life = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(bound.send(Err(error))),
            };
            runtime.block_on(async move {
                let acceptor = match Acceptor::bind(addr) {
                    Ok(acceptor) => acceptor,
                    Err(error) => return drop(bound.send(Err(error))),
                };
                let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
                let service = move |arrived| answers::answer(view.clone(), arrived);
                let server = Server::start(acceptor, "admin", limits, metrics, service);
                let _ = bound.send(Ok(server.addr()));
                if let Ok(deadline) = stopping.await {
                    server.drain(deadline).await;
                }
            });
            let _ = ended.send(());
        };
        thread::Builder::new().name("admin".into()).spawn(life)?;
        let addr = binding.recv().map_err(|_| io::Error::other("the admin thread ended before it was bound"))??;
        Ok(Self { addr, stop, stopped })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops: answers what was asked within `deadline`, then ends the thread.
    pub async fn stop(self, deadline: Duration) {
        // A thread that ended by a panic has stopped too.
        if self.stop.send(deadline).is_ok() {
            let _ = self.stopped.await;
        }
    }
}

#[cfg(test)]
mod tests;
