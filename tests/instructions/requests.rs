//! The requests that are counted: over a socket, through the door, on the thread of their client.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wasmbay_tests::house::{House, Plugin, settings};

use crate::steps::counted;

/// Requests before the one that counts: pools are filled, code is mapped, what is made once is made.
const BEFORE: usize = 100;

/// A guest and how it is served.
pub(crate) struct Kind {
    /// Its name in the budget.
    pub(crate) name: &'static str,
    guest: &'static str,
    manifest: &'static str,
    says: &'static str,
}

const REUSED: &str = "[instances]\nmax_requests = 1000000";

/// What is counted: a fresh instance for each request, reuse, both versions of wasi:http, and WebAssembly that does the least.
pub(crate) const KINDS: [Kind; 4] = [
    Kind { name: "text-fresh", guest: "hello.wat", manifest: "", says: "hello from text" },
    Kind { name: "rust-fresh", guest: "hello.wasm", manifest: "", says: "hello from rust\n" },
    Kind { name: "rust-reused", guest: "hello.wasm", manifest: REUSED, says: "hello from rust\n" },
    Kind { name: "service-reused", guest: "http03.wasm", manifest: REUSED, says: "hello from 0.3\n" },
];

/// Serves a kind and asks for it; `ready` is called when the request that counts is about to come.
pub(crate) fn run(kind: &Kind, ready: impl Fn()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (house, mut client) = runtime.block_on(async {
        let plugin = Plugin::new("bench", "io", kind.guest).with(kind.manifest);
        let mut settings = settings();
        settings.wasi_http_03 = Some(kind.guest == "http03.wasm");
        let house = House::with(settings, &[plugin]).await;
        let stream = TcpStream::connect(house.host.public()).await.expect("a connection");
        (house, Client { stream, answer: vec![0; 4096] })
    });
    let mut ask = || runtime.block_on(client.ask(kind.says));
    (0..BEFORE).for_each(|_| ask());
    ready();
    // A request takes seconds when it is counted: timers that fire meanwhile are no part of it.
    runtime.block_on(async { tokio::time::pause() });
    counted(&mut ask);
    runtime.block_on(async { tokio::time::resume() });
    drop(house);
}

struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    /// One request and its whole answer, by as little code as will do.
    async fn ask(&mut self, says: &str) {
        self.stream
            .write_all(b"GET /bench/hello HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .expect("a request is sent");
        let mut length = 0;
        loop {
            let read = self.stream.read(&mut self.answer[length..]).await.expect("an answer comes");
            assert_ne!(read, 0, "the host closed the connection");
            length += read;
            let answer = &self.answer[..length];
            if answer.ends_with(says.as_bytes()) || answer.ends_with(b"\r\n0\r\n\r\n") {
                assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(answer));
                return;
            }
        }
    }
}
