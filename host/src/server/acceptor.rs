//! The accept loop's source: connections, and nothing but connections.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::sleep,
};

use super::{Level, Proxies, Tls};
use crate::telemetry::ListenerMetrics;

/// Connections the kernel keeps for us while all permits are taken; it caps this by `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// The first pause after an error that is the process's own, such as too little memory. It doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// How often it is logged that connections cannot be accepted. The metrics count each.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// A bound listener.
pub struct Acceptor {
    listener: TcpListener,
    addr: SocketAddr,
    pub(super) proxies: Proxies,
    pub(super) tls: Option<Tls>,
    pub(super) level: Level,
    /// An open file to be closed when there is no descriptor left: what it frees takes a connection in to close it.
    /// In the kernel's queue its client would wait for ever, and the listener would report it without end.
    spare: Option<File>,
    /// When an error was last logged.
    said: Option<Instant>,
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
        Ok(Self {
            listener,
            addr,
            proxies: Proxies::default(),
            tls: None,
            level: Level::default(),
            spare: spare(),
            said: None,
        })
    }

    /// Believes what these proxies say about their clients.
    #[must_use]
    pub fn trusting(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Speaks TLS and nothing else.
    #[must_use]
    pub fn secured(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Gives way as this level says. Without it, under no load.
    #[must_use]
    pub fn giving_way(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The address that was bound: with port 0, the one that was given.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next connection. Errors are counted, logged now and then, and waited out: an accept loop that could end
    /// would be a server that stops serving. Without a descriptor, connections are taken in and closed.
    ///
    /// Cancel safe: no connection is lost.
    pub async fn accept(&mut self, metrics: &ListenerMetrics) -> (TcpStream, SocketAddr) {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.listener.accept().await {
                Ok(connection) => return connection,
                Err(error) => error,
            };
            let turned_away = if is_no_descriptor(&error) { self.turn_away() } else { Some(false) };
            // The kernel looks for a descriptor before it looks for a connection.
            let Some(turned_away) = turned_away else { continue };
            metrics.accept_errors.inc();
            if is_the_peers(&error) {
                continue;
            }
            self.say(&error);
            if turned_away {
                metrics.cut("no-descriptor");
                continue;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Takes one connection in and closes it; `false` when not even that is possible, `None` when nobody waits.
    fn turn_away(&mut self) -> Option<bool> {
        self.spare = None;
        let turned_away = self.listener.accept().now_or_never().map(|accepted| accepted.is_ok());
        self.spare = spare();
        turned_away
    }

    fn say(&mut self, error: &io::Error) {
        if self.said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
            self.said = Some(Instant::now());
            tracing::error!(listen = %self.addr, %error, "connections cannot be accepted; trying on");
        }
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// Errors of the one connection that was to be accepted; the next may be fine at once.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// This process, or the whole system, has as many files open as it may.
fn is_no_descriptor(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
