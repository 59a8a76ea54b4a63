//! A Go plugin that is a component: the handler of net/http that it was, and calls out.

use std::path::Path;

use http::Request;
use serde_json::Value;
use tempfile::TempDir;
use wasmbay::host::Mode;
use wasmbay_tests::{
    client::{empty, full},
    house::{House, Plugin},
    upstream::Upstream,
};

use super::author::{Author, Host};
use crate::python;

/// What turns the template into a component, as its manifest says in a comment.
const COMPONENT: &str = "go build -buildmode=c-shared -trimpath -ldflags=-w -o plugin.wasm .";

/// A Go plugin that may call `echo` beside it and this server, and serves many requests in one instance.
async fn caller(server: &Upstream) -> anyhow::Result<(Author, Host)> {
    let author = Author::begins("go", "caller").await?;
    author.edits(("plugin.toml", "go build -trimpath -ldflags=-w -o plugin.wasm .", COMPONENT))?;
    let grants = format!(
        "[limits]\ncpu = \"10s\"\ntimeout = \"60s\"\n[instances]\nmax_requests = 1000\n\
         [grants]\nplugins = [\"echo\"]\nhttp = [\"{}\"]\n\n[build]",
        server.url()
    );
    author.edits(("plugin.toml", "[build]", &grants))?;
    author.writes("main.go", include_str!("caller.go"))?;
    author.builds().await?;
    author.puts_beside(&Plugin::new("echo", "io", "http02.wasm").with("[limits]\nrequest_body = \"8MiB\""))?;
    let host = author.serves().await?;
    Ok((author, host))
}

async fn text(host: &Host, path: &str) -> anyhow::Result<(u16, String)> {
    let answer = host.connect().await?.send(Request::get(path).body(empty())?).await?;
    Ok((answer.status.as_u16(), answer.text().to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_go_plugin_calls_servers_and_plugins() -> anyhow::Result<()> {
    let server = Upstream::with_text("ok").await;
    let (_author, mut host) = caller(&server).await?;
    let echo = "http://echo.plugin.internal/echo";
    for _ in 0..3 {
        assert_eq!(text(&host, &format!("/caller/call?url={echo}/hello")).await?, (200, "hello from 0.2\n".into()));
        assert_eq!(text(&host, &format!("/caller/call?url={}/a", server.url())).await?, (200, "ok".into()));
    }
    let head = server.heads().pop().expect("a request");
    assert!(head.starts_with("GET /a HTTP/1.1\r\n") && head.contains("x-from: go\r\n"), "{head}");
    assert!(head.contains("user-agent: Go-http-client/1.1\r\n"), "{head}");

    let body: Vec<u8> = (0..900_000_u32).map(|index| (index / 7) as u8).collect();
    let post = |path: &str| Request::post(path).header("content-type", "image/x-mine").body(full(body.clone()));
    let answer = host.connect().await?.send(post("/caller/echo")?).await?;
    assert_eq!((answer.status.as_u16(), answer.headers["content-type"].as_bytes()), (200, &b"image/x-mine"[..]));
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
    let answer = host.connect().await?.send(post(&format!("/caller/relay?url={echo}/sink"))?).await?;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "900000\n"));
    assert_eq!(text(&host, "/caller/stream").await?.1, "piece 0\npiece 1\npiece 2\n");

    let (status, denied) = text(&host, "/caller/call?url=https://not-granted.example/").await?;
    assert!(status == 502 && denied.contains("http = [\"https://not-granted.example\"]"), "{denied}");
    let late = text(&host, &format!("/caller/call?ms=1&url={echo}/wait%3Fms=5000")).await?;
    assert!(late.0 == 502 && late.1.contains("true \""), "{late:?}");

    assert_eq!(text(&host, "/caller/fail").await?.0, 500);
    host.logs(&["panic: nobody catches this", "main.fail("]).await?;
    host.ends().await
}

/// Between the module and the host stands an adapter that keeps its state in the module's memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_go_plugin_fills_its_memory_and_writes_over_nothing() -> anyhow::Result<()> {
    let server = Upstream::with_text("ok").await;
    let (_author, host) = caller(&server).await?;
    // Several times what Go's memory has when it starts.
    let filled = text(&host, "/caller/memory?mib=64&url=http://echo.plugin.internal/echo/big").await?;
    assert_eq!(filled, (200, "64 MiB are whole".into()));
    host.ends().await
}

/// Serves the example beside these.
async fn status_beside(names: &[&str]) -> House {
    let plugins = std::env::var_os("WASMBAY_PLUGINS").expect("WASMBAY_PLUGINS is set: eval \"$(cargo xtask guests)\"");
    let dir = TempDir::new().expect("a folder");
    for name in [&["status"], names].concat() {
        crate::examples::copy(&Path::new(&plugins).join(name), &dir.path().join(name)).expect("the examples are built");
    }
    python::open(python::roomy(), Mode::Serve, dir).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_asks_other_plugins_and_shows_what_they_said() {
    let house = status_beside(&["hello", "primes"]).await;
    let told: Value = serde_json::from_str(house.get("/status.json").await.text()).expect("JSON");
    let said = |index: usize| (told[index]["plugin"].clone(), told[index]["well"].clone(), told[index]["says"].clone());
    assert_eq!(said(0), ("hello".into(), true.into(), "hello from wasmbay!".into()), "{:?}", house.faults());
    assert_eq!(said(1), ("primes".into(), true.into(), "{\"n\":1000,\"primes\":168}".into()));
    let page = house.get("/status").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text().contains("<tr><td>hello<td>well<td>"), "{page:?}");
    assert_eq!(house.get("/status/hello").await.text(), "hello from wasmbay!\n");
    assert_eq!(house.get("/status/nobody").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_tells_of_a_plugin_that_is_not_there() {
    let house = status_beside(&["primes"]).await;
    let told: Value = serde_json::from_str(house.get("/status.json").await.text()).expect("JSON");
    assert_eq!((&told[0]["well"], &told[1]["well"]), (&false.into(), &true.into()), "{told}");
    assert_eq!(house.get("/status/hello").await.status, 502);
}
