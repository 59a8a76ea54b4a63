//! Servers that do not mean well, or are none: what they send is never more than the host can hold, and is waited for no
//! longer than a statement may take.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use wasmbay_tests::house::House;

use super::{ask, client, with};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![tag];
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(body);
    message
}

/// What a server says that lets everybody in and is ready.
fn greeting() -> Vec<u8> {
    let mut all = message(b'R', &[0; 4]);
    all.extend(message(b'K', &[0; 8]));
    all.extend(message(b'Z', b"I"));
    all
}

/// A server that answers each connection with a greeting, and what is said after it with `answer`, over and over if
/// `endless`. Answers its address.
async fn server(greeting: Vec<u8>, answer: Vec<u8>, endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, greeting.clone(), answer.clone(), endless));
        }
    });
    format!("postgres://me:pass@127.0.0.1:{port}/x")
}

async fn serve(mut socket: TcpStream, greeting: Vec<u8>, answer: Vec<u8>, endless: bool) -> Option<()> {
    let mut heard = [0; 4096];
    // First it is asked for TLS, then told who comes.
    socket.read_exact(&mut heard[..8]).await.ok()?;
    socket.write_all(b"N").await.ok()?;
    hear(&mut socket, &mut heard).await?;
    socket.write_all(&greeting).await.ok()?;
    hear(&mut socket, &mut heard).await?;
    loop {
        socket.write_all(&answer).await.ok()?;
        if !endless {
            // Until the other end has had enough.
            while socket.read(&mut heard).await.ok()? > 0 {}
            return None;
        }
    }
}

/// Waits for the other end to say something.
async fn hear(socket: &mut TcpStream, heard: &mut [u8]) -> Option<()> {
    (socket.read(heard).await.ok()? > 0).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_sends_that_none_should_is_an_error_in_time() {
    let notices = message(b'N', format!("SNOTICE\0C00000\0M{}\0\0", "x".repeat(1000)).as_bytes());
    let cases = [
        (
            "a row of a gibibyte",
            greeting(),
            [b"D\x40\0\0\0".to_vec(), vec![0; 4096]].concat(),
            true,
            "a result may have 8MiB",
        ),
        ("silence", greeting(), Vec::new(), false, "ran for 500ms without an end"),
        (
            "a greeting of another protocol",
            greeting(),
            [b"J\0\0\0\x0a".to_vec(), vec![0; 64]].concat(),
            false,
            "was lost",
        ),
        ("no length", greeting(), b"D\0\0\0\0".to_vec(), false, "does not keep to the protocol"),
        ("notices without an end", greeting(), notices.clone(), true, "ran for 500ms without an end"),
        ("notices before all else", notices.repeat(400), Vec::new(), false, "cannot be used now"),
        ("no greeting", Vec::new(), Vec::new(), false, "did not answer in time"),
    ];
    for (what, greeting, answer, endless, why) in cases {
        let folder = tempfile::TempDir::new().expect("a folder");
        let url = server(greeting, answer, endless).await;
        let plugins = [client("a", "io", "spin02.wasm"), client("b", "io", "spin03.wasm")];
        let house = House::with(with(&url, "statement = \"500ms\"", folder.path()), &plugins).await;
        for name in ["a", "b"] {
            let begun = Instant::now();
            let told = house.get(&format!("/{name}/{}", ask("SELECT 1"))).await.text().to_owned();
            assert!(told.contains(why), "{what}: {told}");
            assert!(begun.elapsed() < Duration::from_secs(10), "{what}: {:?}", begun.elapsed());
        }
    }
}
