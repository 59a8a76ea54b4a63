//! The accept loop's source: connections, and nothing but connections.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};

use super::Proxies;
use crate::telemetry::ListenerMetrics;

/// Connections the kernel keeps for us while all permits are taken; it caps this by `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// The first pause after an error that is the process's own, such as too many open files. It doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// A bound listener.
pub struct Acceptor {
    listener: TcpListener,
    addr: SocketAddr,
    pub(super) proxies: Proxies,
}

impl Acceptor {
    /// Binds and listens. To be called on the runtime that will serve.
    ///
    /// # Errors
    /// When the address is taken, not ours, or not allowed.
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let listener = socket.listen(BACKLOG)?;
        let addr = listener.local_addr()?;
        Ok(Self { listener, addr, proxies: Proxies::default() })
    }

    /// Believes what these proxies say about their clients.
    #[must_use]
    pub fn trusting(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// The address that was bound: with port 0, the one that was given.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next connection. Errors are counted, logged at the first of a run and waited out: an accept loop that
    /// could end would be a server that stops serving.
    ///
    /// Cancel safe: no connection is lost.
    pub async fn accept(&self, metrics: &ListenerMetrics) -> (TcpStream, SocketAddr) {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.listener.accept().await {
                Ok(connection) => return connection,
                Err(error) => error,
            };
            metrics.accept_errors.inc();
            if is_the_peers(&error) {
                continue;
            }
            if pause == FIRST_PAUSE {
                tracing::error!(listen = %self.addr, %error, "connections cannot be accepted; trying again");
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// Errors of the one connection that was to be accepted; the next may be fine at once.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
