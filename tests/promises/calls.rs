//! A plugin calls a plugin of its tenant, in process, and nobody else.

use std::time::{Duration, Instant};

use wasmbay_tests::house::{House, Plugin, settings};

fn may_call(name: &str, lane: &str, callee: &str) -> Plugin {
    Plugin::new(name, lane, "http02.wasm").with(&format!("[grants]\nplugins = [\"{callee}\"]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_io_plugin_awaits_a_compute_plugin() {
    for caller in ["http02.wasm", "http03.wasm"] {
        let callers = Plugin::new("caller", "io", caller).with("[grants]\nplugins = [\"callee\"]");
        let house = House::serve(&[callers, Plugin::new("callee", "compute", "http02.wasm")]).await;
        let answer = house.get("/caller/call?url=http://callee.plugin.internal/callee/headers").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let told: serde_json::Value = serde_json::from_slice(&answer.body).expect("what the callee was told");
        let header = |name: &str| {
            let headers = told["headers"].as_array().expect("a list").iter();
            headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(header("wasmbay-trigger"), ["plugin"], "{told}");
        assert_eq!(header("wasmbay-hop"), ["1"], "{told}");
        let id = answer.headers["wasmbay-request-id"].to_str().unwrap();
        assert_eq!(header("wasmbay-request-id"), [id], "a nested request carries the id on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_denied() {
    let house = House::serve(&[Plugin::new("a", "io", "http02.wasm"), Plugin::new("b", "io", "http02.wasm")]).await;
    for url in ["http://b.plugin.internal/b/hello", "http://127.0.0.1:1/", "https://example.com/"] {
        let answer = house.get(&format!("/a/call?url={url}")).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(answer.text().contains("HttpRequestDenied"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_waits_no_longer_than_it_says() {
    let house = House::serve(&[may_call("a", "io", "b"), Plugin::new("b", "io", "http02.wasm")]).await;
    // Less than the request's own deadline of ten seconds, by far.
    let late = house.get("/a/call?first_ns=50000000&url=http://b.plugin.internal/b/wait%3Fms=600000").await;
    assert_eq!((late.status.as_u16(), late.text()), (502, "ErrorCode::HttpResponseTimeout\n"));
    house.until("the callee is gone", |house| house.metric("wasmbay_in_flight", "b") == 0.0).await;
    let stalls = "/a/call?between_ns=50000000&url=http://b.plugin.internal/b/sse%3Fn=2%26ms=600000";
    assert!(house.try_get(stalls).await.is_err(), "what breaks off there breaks off here");
    house.until("the callee is gone", |house| house.metric("wasmbay_in_flight", "b") == 0.0).await;
    let in_time = "/a/call?first_ns=9000000000&between_ns=9000000000&url=http://b.plugin.internal/b/sse%3Fn=3%26ms=5";
    assert_eq!(house.get(in_time).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_follows_the_callees_own_routes() {
    let house = House::serve(&[may_call("a", "io", "b"), Plugin::new("b", "io", "http02.wasm")]).await;
    let answer = house.get("/a/call?url=http://b.plugin.internal/elsewhere").await;
    assert!(answer.text().contains("DestinationNotFound"), "{answer:?}");
}

/// The path of a call of `a` to `b` to `a` … this many deep, percent-encoded at each level.
fn chain(depth: usize) -> String {
    let mut path = "/b/hello".to_owned();
    let mut names = ["a", "b"].iter().cycle();
    for _ in 0..depth {
        let name = names.next().expect("a cycle");
        let callee = path.split('/').nth(1).expect("a plugin's path");
        let url = format!("http://{callee}.plugin.internal{path}");
        path = format!("/{name}/call?url={}", url.replace('%', "%25").replace('&', "%26").replace('?', "%3F"));
    }
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_calls_is_cut_after_eight() {
    let house = House::serve(&[may_call("a", "io", "b"), may_call("b", "io", "a")]).await;
    let allowed = house.get(&chain(8)).await;
    assert_eq!((allowed.status.as_u16(), allowed.text()), (200, "hello from 0.2\n"));
    let cut = house.get(&chain(9)).await;
    assert_eq!(cut.status, 502);
    assert!(cut.text().contains("LoopDetected"), "{cut:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_gate_at_one_to_four_nothing_waits_for_ever() {
    let limits = "[limits]\nmax_concurrent = 1\nqueue = 16\nqueue_timeout = \"300ms\"\ntimeout = \"20s\"";
    for gate in 1..=4 {
        let mut settings = settings();
        settings.max_concurrent = gate;
        settings.io_instances = gate;
        let limits = limits.replace("max_concurrent = 1", &format!("max_concurrent = {gate}"));
        let plugins = [may_call("a", "io", "b").with(&limits), may_call("b", "io", "a").with(&limits)];
        let house = House::with(settings, &plugins).await;
        let begun = Instant::now();
        let asked: Vec<_> = (0..8).map(|_| house.ask(&chain(2))).collect();
        for asked in asked {
            let answer = asked.await.expect("no panic").expect("an answer");
            // A whole answer, a refusal by one of its own gates, or by one of the gates of a call it made.
            assert!(matches!(answer.status.as_u16(), 200 | 502 | 503), "{gate}: {answer:?}");
        }
        let fan = house.get("/a/fan?n=8&url=http://b.plugin.internal/b/hello").await;
        assert_eq!(fan.status, 200, "{gate}: {fan:?}");
        // Three queues at most lie behind an answer; a circle of waiters would last until `limits.timeout`.
        assert!(begun.elapsed() < Duration::from_secs(10), "{gate}: {:?}", begun.elapsed());
    }
}
