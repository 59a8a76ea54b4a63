//! A plugin calls other servers: what they are told, what is counted, and what is left when the caller goes.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Barrier, oneshot},
    time::timeout,
};
use wasmbay::config::Settings;
use wasmbay_tests::{
    client::{HANG, empty},
    house::{House, Plugin, settings},
    upstream::{self, Upstream},
};

/// Settings under which guests may reach servers on loopback.
fn loopback() -> Settings {
    loopback_and("")
}

/// The same with further tables.
fn loopback_and(more: &str) -> Settings {
    let text = format!("private_networks = [\"127.0.0.1\"]\n{more}");
    let written = Settings::parse(&text, "wasmbay.toml").expect("good settings");
    Settings { private_networks: written.private_networks, outbound: written.outbound, ..settings() }
}

/// A server that answers nobody before `together` have asked, and the most that have waited at once.
async fn patient(together: usize) -> (Upstream, Arc<AtomicUsize>) {
    let (all, most) = (Arc::new(Barrier::new(together)), Arc::<AtomicUsize>::default());
    let (seen_at_most, waiting) = (Arc::clone(&most), Arc::<AtomicUsize>::default());
    let upstream = Upstream::scripted(move |_, mut stream, seen| {
        let (all, most, waiting) = (Arc::clone(&all), Arc::clone(&seen_at_most), Arc::clone(&waiting));
        async move {
            while upstream::head(&mut stream, &seen).await.is_some() {
                most.fetch_max(waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                all.wait().await;
                waiting.fetch_sub(1, Ordering::SeqCst);
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                    return;
                }
            }
        }
    });
    (upstream.await, most)
}

fn caller(name: &str, lane: &str, guest: &str, upstream: &Upstream) -> Plugin {
    Plugin::new(name, lane, guest).with(&format!("[grants]\nhttp = [\"{}\"]", upstream.url()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_told_the_host_the_trace_and_the_hop() {
    let upstream = Upstream::with_text("ok").await;
    for guest in ["http02.wasm", "http03.wasm"] {
        let house = House::with(loopback(), &[caller("a", "io", guest, &upstream)]).await;
        let before = upstream.heads().len();
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let request = http::Request::get(format!("/a/call?url={}/b%3Fc", upstream.url()))
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
            .header("cdn-loop", "wasmbay; hop=2")
            .body(empty())
            .expect("a request");
        let answer = house.connect().await.send(request).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok"));
        let head = upstream.heads()[before].clone();
        assert!(head.starts_with("GET /b?c HTTP/1.1\r\n"), "{head}");
        let values = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(values("host"), [upstream.addr.to_string()]);
        assert_eq!(values("cdn-loop"), ["wasmbay; hop=3"]);
        let [parent] = &values("traceparent")[..] else { panic!("one trace: {head}") };
        assert!(parent.starts_with(&format!("00-{trace}-")) && parent.ends_with("-01"), "{parent}");
        assert!(!parent.contains("00f067aa0ba902b7"), "{parent}");
        assert!(!head.contains("wasmbay-"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_come_round_too_often_is_refused_at_the_door() {
    let house = House::serve(&[Plugin::new("a", "io", "http02.wasm")]).await;
    for (hops, code) in [(8, None), (9, Some("loop"))] {
        let request = http::Request::get("/a/hello").header("cdn-loop", format!("other, wasmbay; hop={hops}"));
        let answer = house.connect().await.send(request.body(empty()).expect("a request")).await.expect("an answer");
        let found = (answer.status != 200).then(|| answer.problem()["code"].as_str().map(str::to_owned)).flatten();
        assert_eq!(found.as_deref(), code, "{hops}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_share_a_connection_and_are_counted_by_result() {
    let upstream = Upstream::with_text("ok").await;
    let plugins = [
        caller("a", "io", "http02.wasm", &upstream),
        caller("b", "compute", "http02.wasm", &upstream),
        Plugin::new("c", "io", "http02.wasm"),
    ];
    let house = House::with(loopback(), &plugins).await;
    for name in ["a", "b", "a", "b"] {
        let answer = house.get(&format!("/{name}/repeat?n=25&url={}", upstream.url())).await;
        assert_eq!(answer.text(), "{\"200\":25}");
    }
    assert_eq!((upstream.heads().len(), upstream.connections()), (100, 1));
    let denied = house.get(&format!("/c/call?url={}", upstream.url())).await;
    assert_eq!(denied.text(), "ErrorCode::HttpRequestDenied\n");
    let text = house.metrics();
    let counted = |plugin: &str, result: &str, count: u32| {
        let line = format!(
            "wasmbay_outbound_requests_total{{plugin=\"{plugin}\",result=\"{result}\",tenant=\"default\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    };
    counted("a", "ok", 50);
    counted("b", "ok", 50);
    counted("c", "denied", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_connections_are_kept_as_were_in_use_at_once() {
    const AT_ONCE: usize = 16;
    let (upstream, most) = patient(AT_ONCE).await;
    let house = House::with(loopback(), &[caller("a", "io", "http02.wasm", &upstream)]).await;
    let statuses = format!("[{}]", ["200"; AT_ONCE].join(","));
    for _ in 0..3 {
        let answer = house.get(&format!("/a/fan?n={AT_ONCE}&url={}", upstream.url())).await;
        assert_eq!(answer.text(), statuses);
    }
    assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
    assert_eq!((upstream.heads().len(), upstream.connections()), (3 * AT_ONCE, AT_ONCE));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_says_how_many_calls_may_be_under_way() {
    for (tables, at_once) in [("per_origin = 2", 2), ("requests = 4", 4), ("requests = 80\nper_origin = 80", 80)] {
        let (upstream, most) = patient(at_once).await;
        let settings = loopback_and(&format!("[outbound]\n{tables}\n"));
        let house = House::with(settings, &[caller("a", "io", "http02.wasm", &upstream)]).await;
        // No request of a plugin has more than sixteen at once.
        let asked: Vec<_> = (0..10).map(|_| house.ask(&format!("/a/fan?n=16&url={}", upstream.url()))).collect();
        for one in asked {
            let answer = one.await.expect("no panic").expect("an answer");
            assert_eq!(answer.text(), format!("[{}]", ["200"; 16].join(",")), "{tables}");
        }
        assert_eq!(most.load(Ordering::SeqCst), at_once, "{tables}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_with_the_request_that_makes_it() {
    let (ended, end) = oneshot::channel();
    let ended = Arc::new(Mutex::new(Some(ended)));
    let upstream = Upstream::scripted(move |_, mut stream, seen| {
        let ended = Arc::clone(&ended);
        async move {
            upstream::head(&mut stream, &seen).await;
            // Nothing is answered; the connection's end is waited for.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            if let Some(ended) = ended.lock().expect("not poisoned").take() {
                let _ = ended.send(());
            }
        }
    })
    .await;
    let house = House::with(loopback(), &[caller("a", "io", "http02.wasm", &upstream)]).await;
    let asked = house.ask(&format!("/a/call?url={}", upstream.url()));
    house.until("the server has the request", |_| upstream.heads().len() == 1).await;
    asked.abort();
    timeout(HANG, end).await.expect("the call ends with its client").expect("the server tells");
    house.until("the guest is gone", |house| house.metric("wasmbay_in_flight", "a") == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_cannot_be_granted_calls() {
    let upstream = Upstream::with_text("ok").await;
    let house = House::unchecked(loopback(), &[caller("a", "io", "cgi01.wasm", &upstream)]).await;
    let faults = house.faults();
    assert!(faults["a"].iter().any(|fault| fault.contains("grants.http: a CGI command cannot call out")), "{faults:?}");
}

/// The engine gives a task's id to the next one when its call is over, and the body of what it answered may still be on its way:
/// the end of the one is not the other's.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_in_one_instance_each_is_answered() {
    const ROUNDS: usize = 150;
    let upstream = Upstream::with_text("ok").await;
    let shared = "[instances]\nmax_requests = 1000000\nmax_concurrent = 50";
    let plugin = caller("a", "io", "http03.wasm", &upstream).with(shared);
    let house = House::with(Settings { wasi_http_03: Some(true), ..loopback() }, &[plugin]).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut connection, target) = (house.connect().await, format!("/a/fan?n=3&url={}", upstream.url()));
        clients.spawn(async move {
            for _ in 0..ROUNDS {
                let answer = connection.get(&target).await.expect("an answer");
                assert_eq!((answer.status.as_u16(), answer.text()), (200, "[200,200,200]"));
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("each was answered");
    }
}
