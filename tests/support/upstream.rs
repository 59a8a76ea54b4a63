//! Servers that guests call: real ones on loopback, which count who comes and say what a test wants, byte by byte.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A server. It ends, and its connections with it, when this is dropped.
pub struct Upstream {
    /// Where it listens.
    pub addr: SocketAddr,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// What came to a server.
#[derive(Default)]
pub struct Seen {
    connections: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

impl Seen {
    fn note(&self, head: String) {
        self.heads.lock().expect("not poisoned").push(head);
    }
}

impl Upstream {
    /// A server that does with each connection what `serve` does; it is handed the connection's number, from 0.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn scripted<F>(serve: impl Fn(usize, TcpStream, Arc<Seen>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::scripted_at("127.0.0.1:0", serve).await.expect("a port")
    }

    /// The same at this address; `None` when it is taken.
    async fn scripted_at<F>(
        addr: &str,
        serve: impl Fn(usize, TcpStream, Arc<Seen>) -> F + Send + Sync + 'static,
    ) -> Option<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(addr).await.ok()?;
        let addr = listener.local_addr().expect("bound");
        let seen = Arc::<Seen>::default();
        let noted = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = noted.connections.fetch_add(1, Ordering::Relaxed);
                open.spawn(serve(number, stream, Arc::clone(&noted)));
            }
        });
        Some(Self { addr, seen, accepting })
    }

    /// A server at this address that answers one request of each connection with these bytes and closes it; `None`
    /// when the address is taken.
    pub async fn saying_once(addr: &str, reply: &'static str) -> Option<Self> {
        Self::scripted_at(addr, move |_, mut stream, seen| async move {
            answer(&mut stream, &seen, reply.as_bytes()).await;
        })
        .await
    }

    /// A server that answers each request with these bytes and keeps the connection.
    pub async fn saying(reply: impl Into<Vec<u8>>) -> Self {
        let reply = Arc::new(reply.into());
        Self::scripted(move |_, mut stream, seen| {
            let reply = Arc::clone(&reply);
            async move { while answer(&mut stream, &seen, &reply).await.is_some() {} }
        })
        .await
    }

    /// A server that answers each request with this text.
    pub async fn with_text(text: &str) -> Self {
        Self::saying(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len())).await
    }

    /// Connections that were opened.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// The requests' heads, and what of their bodies came with them.
    ///
    /// # Panics
    /// When a server panicked.
    pub fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().expect("not poisoned").clone()
    }

    /// Its origin by address.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Reads one request's head and notes it; `None` when the client is gone.
pub async fn head<T: AsyncRead + Unpin>(stream: &mut T, seen: &Seen) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    seen.note(head.clone());
    Some(head)
}

/// Reads one request's head and answers it with these bytes; `None` when the client is gone.
pub async fn answer(stream: &mut TcpStream, seen: &Seen, reply: &[u8]) -> Option<String> {
    let head = head(stream, seen).await?;
    stream.write_all(reply).await.ok()?;
    Some(head)
}
