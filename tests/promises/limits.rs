//! Every limit of the manifest holds, in both lanes and for every kind, and the answer names it and the key to raise.

use http::{Method, Request};
use wasmbay_tests::{
    client::{Answer, full},
    house::{EVERYWHERE, House, Plugin, settings},
};

/// One row: what makes a guest hit a limit, and what it is told.
struct Row {
    file: &'static str,
    lane: &'static str,
    limits: &'static str,
    path: &'static str,
    code: &'static str,
    key: &'static str,
}

const fn row(
    file: &'static str,
    lane: &'static str,
    limits: &'static str,
    path: &'static str,
    code: &'static str,
    key: &'static str,
) -> Row {
    Row { file, lane, limits, path, code, key }
}

const ROWS: &[Row] = &[
    row("http02.wasm", "io", "cpu = \"30ms\"", "spin", "cpu-exhausted", "limits.cpu"),
    row("http02.wasm", "compute", "cpu = \"30ms\"\nfuel = \"900G\"", "spin", "cpu-exhausted", "limits.cpu"),
    row("http02.wasm", "io", "cpu = \"30ms\"", "hostcalls?ms=5000", "cpu-exhausted", "limits.cpu"),
    row("http03.wasm", "io", "cpu = \"30ms\"", "spin", "cpu-exhausted", "limits.cpu"),
    row("http03.wasm", "compute", "cpu = \"30ms\"\nfuel = \"900G\"", "spin", "cpu-exhausted", "limits.cpu"),
    row("cgi01.wasm", "io", "cpu = \"30ms\"", "spin", "cpu-exhausted", "limits.cpu"),
    row("cgi02.wasm", "compute", "cpu = \"30ms\"\nfuel = \"900G\"", "spin", "cpu-exhausted", "limits.cpu"),
    row("http02.wasm", "compute", "fuel = \"5M\"", "spin", "fuel-exhausted", "limits.fuel"),
    row("http03.wasm", "compute", "fuel = \"5M\"", "spin", "fuel-exhausted", "limits.fuel"),
    row("cgi02.wasm", "compute", "fuel = \"5M\"", "spin", "fuel-exhausted", "limits.fuel"),
    row("http02.wasm", "io", "timeout = \"50ms\"", "wait?ms=20000", "timeout", "limits.timeout"),
    row("http02.wasm", "compute", "timeout = \"50ms\"", "wait?ms=20000", "timeout", "limits.timeout"),
    row("http03.wasm", "io", "timeout = \"50ms\"", "wait?ms=20000", "timeout", "limits.timeout"),
    row("http03.wasm", "compute", "timeout = \"50ms\"", "wait?ms=20000", "timeout", "limits.timeout"),
    row("cgi01.wasm", "io", "timeout = \"50ms\"", "wait?ms=20000", "timeout", "limits.timeout"),
    row("cgi02.wasm", "compute", "timeout = \"50ms\"", "wait?ms=20000", "timeout", "limits.timeout"),
    row("http02.wasm", "io", "memory = \"4MiB\"", "alloc?mib=32", "memory-exhausted", "limits.memory"),
    row("http02.wasm", "compute", "memory = \"4MiB\"", "alloc?mib=32", "memory-exhausted", "limits.memory"),
    row("http03.wasm", "io", "memory = \"4MiB\"", "alloc?mib=32", "memory-exhausted", "limits.memory"),
    row("http03.wasm", "compute", "memory = \"4MiB\"", "alloc?mib=32", "memory-exhausted", "limits.memory"),
    row("cgi01.wasm", "io", "memory = \"4MiB\"", "alloc?mib=32", "memory-exhausted", "limits.memory"),
    row("cgi02.wasm", "compute", "memory = \"4MiB\"", "alloc?mib=32", "memory-exhausted", "limits.memory"),
];

fn assert_names(answer: &Answer, code: &str, key: &str, what: &str) {
    let problem = answer.problem();
    assert_eq!(problem["code"], code, "{what}: {problem}");
    assert!(problem["remedy"].as_str().is_some_and(|remedy| remedy.contains(key)), "{what}: {problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_goes_too_far_is_told_how_far_it_may_go() {
    let plugins: Vec<_> = ROWS
        .iter()
        .enumerate()
        .map(|(number, row)| Plugin::new(&format!("r{number}"), row.lane, row.file).with("[limits]").with(row.limits))
        .collect();
    let house = House::serve(&plugins).await;
    for (number, row) in ROWS.iter().enumerate() {
        let what = format!("{} {} {}", row.file, row.lane, row.path);
        assert_names(&house.get(&format!("/r{number}/{}", row.path)).await, row.code, row.key, &what);
        // The next request finds the plugin unharmed.
        assert_eq!(house.get(&format!("/r{number}/hello")).await.status, 200, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    for (file, lane) in EVERYWHERE {
        let plugin = Plugin::new("p", lane, file).with("[limits]\nrequest_body = \"64KiB\"");
        let house = House::serve(&[plugin]).await;
        for chunked in [false, true] {
            let mut request = Request::builder().method(Method::POST).uri("/p/sink");
            if chunked {
                request = request.header("transfer-encoding", "chunked");
            }
            let answer = house.connect().await.send(request.body(full(vec![0; 200_000])).unwrap()).await.unwrap();
            assert_names(
                &answer,
                "body-too-large",
                "limits.request_body",
                &format!("{file} {lane} chunked: {chunked}"),
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_too_large_breaks_off() {
    for (file, lane) in EVERYWHERE {
        let plugin = Plugin::new("p", lane, file).with("[limits]\nresponse_body = \"64KiB\"");
        let house = House::serve(&[plugin]).await;
        assert!(house.try_get("/p/big?mib=1").await.is_err(), "{file} {lane}");
        house.until("the failure is counted", |house| counted(house, "response-too-large")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_a_response_breaks_it_off() {
    for (file, lane) in EVERYWHERE {
        let plugin = Plugin::new("p", lane, file).with("[limits]\nstream_idle = \"50ms\"");
        let house = House::serve(&[plugin]).await;
        assert!(house.try_get("/p/sse?n=2&ms=20000").await.is_err(), "{file} {lane}");
        house.until("the failure is counted", |house| counted(house, "timeout")).await;
    }
}

/// Whether a request of the plugin `p` failed with this code.
fn counted(house: &House, code: &str) -> bool {
    let text = house.metrics();
    text.contains(&format!("wasmbay_requests_total{{code=\"{code}\",plugin=\"p\",tenant=\"default\"}} 1"))
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_queue_requests_are_refused_at_once_and_in_it_they_wait_no_longer_than_said() {
    let limits = "[limits]\nmax_concurrent = 1\nqueue = 1\nqueue_timeout = \"150ms\"\ntimeout = \"20s\"";
    let house = House::serve(&[Plugin::new("p", "io", "http02.wasm").with(limits)]).await;
    let held = house.ask("/p/wait?ms=1500");
    house.until("one is in flight", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
    let waiting = house.ask("/p/hello");
    house.until("one waits", |house| house.metric("wasmbay_waiting", "p") == 1.0).await;

    let refused = house.get("/p/hello").await;
    assert_names(&refused, "queue-full", "limits.queue", "the third");
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key("retry-after"));
    let waited = waiting.await.unwrap().unwrap();
    assert_eq!(waited.problem()["code"], "queue-timeout");
    assert_eq!(held.await.unwrap().unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_slot_is_a_gate_like_any_other() {
    let mut settings = settings();
    settings.io_instances = 1;
    let limits = "[limits]\nqueue = 0\ntimeout = \"20s\"";
    let house = House::with(settings, &[Plugin::new("p", "io", "http02.wasm").with(limits)]).await;
    let held = house.ask("/p/wait?ms=700");
    house.until("one is in flight", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
    let refused = house.get("/p/hello").await;
    assert_names(&refused, "queue-full", "io_instances", "the second");
    assert_eq!(held.await.unwrap().unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_after_the_response_ends_when_its_time_is_up() {
    for (limit, how) in [("50ms", "deadline"), ("0s", "no-permit")] {
        let limits = format!("[limits]\nafter_response = \"{limit}\"");
        let plugins: Vec<_> = EVERYWHERE
            .iter()
            .enumerate()
            .map(|(number, (file, lane))| Plugin::new(&format!("r{number}"), lane, file).with(&limits))
            .collect();
        let house = House::serve(&plugins).await;
        for (number, (file, lane)) in EVERYWHERE.iter().enumerate() {
            let behaviour = if file.starts_with("cgi") { "length-then-wait" } else { "after" };
            // Far longer than a test waits: it is only ever cut off.
            let answer = house.get(&format!("/r{number}/{behaviour}?ms=3600000")).await;
            assert_eq!(answer.status, 200, "{file} {lane}");
            let cut =
                format!("wasmbay_background_ends_total{{how=\"{how}\",plugin=\"r{number}\",tenant=\"default\"}} 1");
            house
                .until(&format!("{file} in {lane} is cut off at {limit}"), |house| house.metrics().contains(&cut))
                .await;
        }
    }
}
