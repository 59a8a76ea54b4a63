//! A fetch handler in an engine that serves many requests: all that it does once it does again, and what failed is not used again.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use wasmbay::host::Mode;
use wasmbay_tests::{
    client::{Answer, Sent, empty, full, pieces},
    house::{House, Plugin},
    upstream::Upstream,
};

use super::author::Author;
use crate::python;

/// As the template's, for every path, with room for a busy machine.
const MANIFEST: &str = r#"
manifest = 1
name = "js"
version = "1"
component = "plugin.wasm"
lane = "io"
[[route]]
path = "/js/{*rest}"
[limits]
cpu = "5s"
timeout = "60s"
request_body = "8MiB"
[instances]
max_requests = 1000
[grants]
plugins = ["echo"]
http = ["SERVER"]
[build]
command = "node wasmbay/build.mjs src/index.js plugin.wasm"
"#;

/// The tests' handler, which may call `echo` beside it and this server.
async fn handler(server: &Upstream) -> anyhow::Result<House> {
    let author = Author::begins("javascript", "js").await?;
    author.writes("plugin.toml", &MANIFEST.replace("SERVER", &server.url()))?;
    author.writes("src/index.js", include_str!("handler.js"))?;
    author.builds().await?;
    author.puts_beside(&Plugin::new("echo", "io", "http02.wasm").with("[limits]\nrequest_body = \"8MiB\""))?;
    let mut settings = python::roomy();
    settings.private_networks = vec!["127.0.0.1/32".parse()?];
    Ok(python::open(settings, Mode::Serve, author.leaves()).await)
}

/// Waits until the last request is over: the next one finds its engine idle.
async fn rested(house: &House) {
    let at_rest = |house: &House| {
        house.metric("wasmbay_in_flight", "js") == 0.0 && house.host.behind().invoker().background().count() == 0
    };
    house.until("it is over", at_rest).await;
}

async fn get(house: &House, path: &str) -> Answer {
    rested(house).await;
    house.get(&format!("/js/{path}")).await
}

async fn post(house: &House, path: &str, body: Sent) -> Answer {
    rested(house).await;
    let request = Request::post(format!("/js/{path}")).body(body).expect("a request");
    house.connect().await.send(request).await.expect("an answer")
}

/// How many requests were served by the engine that the next one meets.
async fn count(house: &House) -> u64 {
    get(house, "count").await.text().trim().parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_engine_serves_many_requests() -> anyhow::Result<()> {
    let server = Upstream::with_text("ok").await;
    let house = handler(&server).await?;
    let created = |house: &House| house.metric("wasmbay_instances_created_total", "js");
    for turn in 1..=3 {
        assert_eq!(count(&house).await, 2 * turn - 1, "{:?}", house.faults());
        assert_eq!(count(&house).await, 2 * turn);
        events_come_one_by_one(&house).await?;
        bodies_pass(&house).await;
        heads_pass(&house).await?;
        calls_pass(&house, &server).await;
        failures_are_told(&house).await?;
        work_goes_on_while_a_body_comes(&house, &server).await?;
    }
    assert_eq!(created(&house), 1.0, "all of it in one engine");

    assert_eq!(get(&house, "after").await.text(), "answered\n");
    assert_eq!(count(&house).await, 107, "what comes after a response is waited for");

    for (turn, wrong) in ["timer", "spin"].into_iter().enumerate() {
        let failed = get(&house, wrong).await;
        assert!(failed.status.is_server_error(), "{failed:?}");
        assert_eq!(count(&house).await, 1, "an engine that failed is not used again: {wrong}");
        assert_eq!(created(&house), turn as f64 + 2.0);
    }
    let broken = house.try_get("/js/broken").await;
    assert!(broken.is_err(), "it never ends as if it were whole: {broken:?}");
    Ok(())
}

async fn events_come_one_by_one(house: &House) -> anyhow::Result<()> {
    rested(house).await;
    let mut connection = house.connect().await;
    let mut response = connection.begin(Request::get("/js/events").body(empty())?).await?;
    let begun = Instant::now();
    let first = response.body_mut().frame().await.expect("an event")?.into_data();
    assert_eq!(first.expect("data"), "data: 0\n\n");
    let rest = response.into_body().collect().await?.to_bytes();
    assert_eq!(rest, "data: 1\n\ndata: 2\n\n");
    assert!(begun.elapsed() >= Duration::from_millis(150), "all came at once");
    Ok(())
}

async fn bodies_pass(house: &House) {
    let body: Vec<u8> = (0..1_000_000_u32).map(|index| (index / 7) as u8).collect();
    let answer = post(house, "echo", full(body.clone())).await;
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
    let called = "call?method=POST&url=http://echo.plugin.internal/echo/sink";
    assert_eq!(post(house, called, full(body.clone())).await.text(), "1000000\n");
    assert_eq!(post(house, "twice", full("ab")).await.text(), "abab");
    assert_eq!(post(house, "echo", full("")).await.text(), "");
    let nothing = get(house, "nothing").await;
    assert_eq!((nothing.status.as_u16(), nothing.body.len()), (204, 0));
    assert_eq!(post(house, "unread", full(body)).await.text(), "unread\n");
}

async fn heads_pass(house: &House) -> anyhow::Result<()> {
    rested(house).await;
    let request = Request::put("/js/head?a=%20b").header("x-told", "so").body(full("x"))?;
    let answer = house.connect().await.send(request).await?;
    let told: Value = serde_json::from_slice(&answer.body)?;
    let url = format!("http://{}/js/head?a=%20b", house.host.public());
    assert_eq!(told, json!({ "method": "PUT", "url": url, "told": "so" }));
    assert_eq!((answer.status.as_u16(), answer.headers["x-mine"].as_bytes()), (201, &b"caf\xe9"[..]));
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert!(!answer.headers.contains_key("connection"), "the host's own: {answer:?}");
    Ok(())
}

async fn calls_pass(house: &House, server: &Upstream) {
    for _ in 0..2 {
        let answer = get(house, "call?url=http://echo.plugin.internal/echo/hello").await;
        assert_eq!(answer.text(), "hello from 0.2\n");
        assert_eq!(get(house, &format!("call?url={}/a", server.url())).await.text(), "ok");
    }
    let denied = get(house, "call?url=https://not-granted.example/").await;
    assert_eq!(denied.status, 502, "{denied:?}");
}

async fn failures_are_told(house: &House) -> anyhow::Result<()> {
    for wrong in ["used", "text", "nowhere"] {
        let answer = get(house, wrong).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["content-type"]),
            (500, &"application/problem+json".parse()?)
        );
    }
    Ok(())
}

/// The engine's own loop does not know of the body, and is not to stand still for it.
async fn work_goes_on_while_a_body_comes(house: &House, server: &Upstream) -> anyhow::Result<()> {
    rested(house).await;
    let (sender, body) = pieces();
    sender.send("slow".into())?;
    let calls = || server.heads().iter().filter(|head| head.starts_with("GET /meanwhile ")).count();
    let before = calls();
    let mut connection = house.connect().await;
    let path = format!("/js/both?url={}/meanwhile", server.url());
    let asked = tokio::spawn(async move { connection.send(Request::post(path).body(body)?).await });
    house.until("it calls before the body's end", |_| calls() > before).await;
    sender.send(" body".into())?;
    drop(sender);
    let told: Value = serde_json::from_slice(&asked.await??.body)?;
    assert_eq!(told, json!({ "text": "slow body", "meanwhile": "ok" }));
    Ok(())
}

/// The same source is the same component, so that its compiled code is found again; and yet no two instances draw the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_becomes_the_same_component_wherever_it_is_built() -> anyhow::Result<()> {
    let source = "const map = new Map([[Symbol(), {}]]);\n\
                  export default { fetch: () => new Response(`${map.size} ${Math.random()}`) };\n";
    let mut built = Vec::new();
    for _ in 0..2 {
        let author = Author::begins("javascript", "js").await?;
        author.writes("plugin.toml", &MANIFEST.replace("max_requests = 1000", "").replace("\"SERVER\"", ""))?;
        author.writes("src/index.js", source)?;
        author.builds().await?;
        built.push((author.reads("plugin.wasm")?, author.leaves()));
    }
    let (first, dir) = built.remove(0);
    assert!(first == built[0].0, "{} and {} bytes, or the same number of others", first.len(), built[0].0.len());
    for place in [dir.path(), Path::new(env!("CARGO_MANIFEST_DIR"))] {
        let place = place.as_os_str().as_encoded_bytes();
        assert!(!first.windows(place.len()).any(|bytes| bytes == place), "it says where it was built");
    }
    let house = python::open(python::roomy(), Mode::Serve, dir).await;
    let drawn = [house.get("/js/a").await, house.get("/js/a").await];
    assert!(drawn[0].text().starts_with("1 0.") && drawn[0].text() != drawn[1].text(), "{drawn:?}");
    Ok(())
}
