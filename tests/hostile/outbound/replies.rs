//! Servers that answer with what is no answer, or with too much of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wasmbay_tests::upstream::{self, Upstream};

use super::{CALLERS, allowing, call, encoded, error, granting, scene};

/// A server that writes its first bytes once and the others for as long as they are taken; and how many of those were.
async fn endless(first: &'static [u8], rest: Vec<u8>) -> (Upstream, Arc<AtomicU64>) {
    let (taken, rest) = (Arc::<AtomicU64>::default(), Arc::new(rest));
    let counted = Arc::clone(&taken);
    let serve = move |_, mut stream: TcpStream, seen: Arc<upstream::Seen>| {
        let (counted, rest) = (Arc::clone(&counted), Arc::clone(&rest));
        async move {
            let Some(_) = upstream::answer(&mut stream, &seen, first).await else { return };
            while stream.write_all(&rest).await.is_ok() {
                counted.fetch_add(rest.len() as u64, Ordering::Relaxed);
            }
        }
    };
    (Upstream::scripted(serve).await, taken)
}

pub(crate) async fn u_09_heads_and_bodies_without_end() {
    let ok = b"HTTP/1.1 200 OK\r\n";
    let (headers, read_of_headers) = endless(ok, b"x-more: and more\r\n".repeat(100)).await;
    let (hints, read_of_hints) = endless(b"", b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n".repeat(100)).await;
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let (body, read_of_body) = endless(chunked, [&b"10000\r\n"[..], &[b'x'; 1 << 16], b"\r\n"].concat()).await;
    let one_chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n40000000\r\n";
    let (chunk, read_of_chunk) = endless(one_chunk, vec![b'x'; 1 << 16]).await;
    let servers = [&headers, &hints, &body, &chunk].map(Upstream::url);
    let lines = granting(&servers).replace("[limits]", "[limits]\nresponse_body = \"1MiB\"");
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS, &lines).await;
    for plugin in 0..CALLERS.len() {
        for url in &servers[..2] {
            let answer = scene.get(&call(plugin, url)).await;
            assert!(error(&answer).starts_with("HttpResponseHeaderSectionSize"), "{answer:?}");
        }
        for url in &servers[2..] {
            // The plugin passes on what comes, up to its own limit.
            assert!(scene.try_get(&call(plugin, url)).await.is_err(), "{url}");
        }
    }
    scene.end().await;
    // What fits into the buffers of both ends of a connection is taken, and no more.
    for (what, taken) in
        [("headers", read_of_headers), ("hints", read_of_hints), ("body", read_of_body), ("chunk", read_of_chunk)]
    {
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < 64 << 20, "{what}: {taken}");
    }
}

pub(crate) async fn u_09_a_body_that_its_guest_does_not_read_is_not_read_for_it() {
    // Compressed or not, what comes is handed on as it is: nothing here makes more of it.
    let packed = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00".to_vec();
    let (gzip, (body, taken)) = (
        Upstream::saying(packed).await,
        endless(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n", vec![0; 1 << 16]).await,
    );
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS, &granting([gzip.url(), body.url()])).await;
    for plugin in 0..CALLERS.len() {
        assert_eq!(&scene.get(&call(plugin, &gzip.url())).await.body[..], b"\x1f\x8b\x08\x00");
    }
    // The answer is one that nobody reads: the guest has read what it may keep for it, and the server waits.
    let mut reader = scene.connect().await;
    let request = http::Request::get(format!("/a{}", call(0, &body.url()))).body(wasmbay_tests::client::empty());
    let response = reader.begin(request.expect("a request")).await.expect("a head");
    drop(response);
    drop(reader);
    scene.end().await;
    assert!(taken.load(Ordering::Relaxed) < 64 << 20, "{taken:?}");
}

pub(crate) async fn u_10_replies_that_can_be_read_in_two_ways_or_in_none() {
    let bad_heads: [&[u8]; 9] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nx-null: a\0b\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\n folded: a\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"hello, this is no HTTP\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ];
    let bad_bodies: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
    ];
    let mut servers = Vec::new();
    for reply in bad_heads.iter().chain(&bad_bodies) {
        servers.push(Upstream::saying(*reply).await);
    }
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS, &granting(servers.iter().map(Upstream::url))).await;
    for (number, upstream) in servers.iter().enumerate() {
        for plugin in 0..CALLERS.len() {
            let path = call(plugin, &upstream.url());
            match scene.try_get(&path).await {
                Ok(answer) => {
                    assert!(
                        ["HttpProtocolError", "HttpResponseIncomplete"].contains(&error(&answer)),
                        "{number}: {answer:?}"
                    );
                    assert!(number < bad_heads.len(), "{number}: {answer:?}");
                }
                Err(_) => assert!(number >= bad_heads.len(), "{number}: the head was believed"),
            }
        }
        // No connection that spoke like this is spoken over again.
        assert_eq!(upstream.connections(), upstream.heads().len(), "{number}");
        assert_eq!(upstream.connections(), CALLERS.len(), "{number}");
    }
    scene.end().await;
}

pub(crate) async fn u_10_what_comes_after_a_response_is_not_the_next_one() {
    let two = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\noneHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo";
    let upstream = Upstream::saying(*two).await;
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS, &granting([upstream.url()])).await;
    for _ in 0..5 {
        assert_eq!(scene.get(&call(0, &upstream.url())).await.text(), "one");
    }
    scene.end().await;
}

/// A server that answers the first request of its first connection, and hangs up on the second as it arrives.
async fn hangs_up() -> Upstream {
    let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    Upstream::scripted(move |number, mut stream, seen| async move {
        upstream::answer(&mut stream, &seen, reply).await;
        while number > 0 && upstream::answer(&mut stream, &seen, reply).await.is_some() {}
        upstream::head(&mut stream, &seen).await;
    })
    .await
}

pub(crate) async fn u_11_connections_that_close_as_a_request_is_sent() {
    let (of_get, of_post) = (hangs_up().await, hangs_up().await);
    let lines = granting([of_get.url(), of_post.url()]);
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS[..1], &lines).await;
    // Both over one connection, which dies under the second: that is sent again, since it may be.
    for _ in 0..2 {
        assert_eq!(scene.get(&call(0, &of_get.url())).await.text(), "ok");
    }
    assert_eq!((of_get.connections(), of_get.heads().len()), (2, 3));
    let plain = |head: &String| !head.contains("transfer-encoding") && !head.contains("content-length");
    assert!(of_get.heads().iter().all(plain), "a GET without a body says nothing of one: {:?}", of_get.heads());
    // The same for a request that may not be done twice.
    assert_eq!(scene.get(&call(0, &of_post.url())).await.text(), "ok");
    let post = format!("/p0/call?method=POST&bytes=10&url={}", encoded(&of_post.url()));
    assert_eq!(error(&scene.get(&post).await), "HttpResponseIncomplete");
    let posts = of_post.heads().iter().filter(|head| head.starts_with("POST")).count();
    assert_eq!((of_post.connections(), posts), (1, 1));
    scene.end().await;
}

pub(crate) async fn u_11_half_a_request_is_never_taken_for_a_whole_one() {
    let (ended, was_whole) = tokio::sync::oneshot::channel();
    let ended = Arc::new(std::sync::Mutex::new(Some(ended)));
    let upstream = Upstream::scripted(move |_, mut stream, seen| {
        let ended = Arc::clone(&ended);
        async move {
            let Some(head) = upstream::head(&mut stream, &seen).await else { return };
            let mut rest = head.into_bytes();
            // The end of the connection, clean or not.
            let _ = stream.read_to_end(&mut rest).await;
            let whole = rest.ends_with(b"0\r\n\r\n");
            if let Some(ended) = ended.lock().expect("not poisoned").take() {
                let _ = ended.send((whole, String::from_utf8_lossy(&rest).into_owned()));
            }
        }
    })
    .await;
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS[..1], &granting([upstream.url()])).await;
    let code = scene.code(&format!("/p0/half-a-post?url={}", encoded(&upstream.url()))).await;
    assert_eq!(code, "trap");
    let (whole, sent) = was_whole.await.expect("the connection ends");
    assert!(sent.contains("the first half"), "{sent}");
    assert!(!whole, "{sent}");
    scene.end().await;
}
