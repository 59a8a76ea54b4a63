//! A client that leaves takes its guest along, unless the guest is to finish; a host that leaves waits for work. That a guest
//! goes with its client, whatever it does, is row G-23 of `../hostile`.

use std::time::Duration;

use tokio::time::timeout;
use wasmbay_tests::{
    client::HANG,
    house::{House, Plugin},
};

/// Limits that none of these tests reaches: what ends is ended by the departure.
fn patient(lane: &str) -> String {
    let fuel = if lane == "compute" { "fuel = \"900G\"\n" } else { "" };
    format!("[limits]\ncpu = \"10m\"\ntimeout = \"10m\"\nstream_idle = \"10m\"\n{fuel}")
}

/// How many requests of a plugin ended with this code.
fn ended(house: &House, plugin: &str, code: &str) -> u64 {
    let start = format!("wasmbay_requests_total{{code=\"{code}\",plugin=\"{plugin}\",");
    let text = house.metrics();
    let line = text.lines().find(|line| line.starts_with(&start));
    line.map_or(0, |line| line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number"))
}

/// How often work of the plugin `p` after its response came to its own end.
fn done(text: &str) -> u64 {
    let line = text
        .lines()
        .find(|line| line.starts_with("wasmbay_background_ends_total{how=\"done\"") && line.contains("plugin=\"p\""));
    line.map_or(0, |line| line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_the_queue_gives_up_its_place() {
    let limits = "[limits]\nmax_concurrent = 1\nqueue = 1\nqueue_timeout = \"10m\"\ntimeout = \"10m\"";
    let house = House::serve(&[Plugin::new("p", "io", "http02.wasm").with(limits)]).await;
    let held = house.ask("/p/wait?ms=600000");
    house.until("one is in flight", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
    for _ in 0..3 {
        let waiting = house.ask("/p/hello");
        house.until("one waits", |house| house.metric("wasmbay_waiting", "p") == 1.0).await;
        waiting.abort();
        house.until("nobody waits", |house| house.metric("wasmbay_waiting", "p") == 0.0).await;
    }
    let last = house.ask("/p/hello");
    house.until("one waits", |house| house.metric("wasmbay_waiting", "p") == 1.0).await;
    held.abort();
    assert_eq!(last.await.unwrap().unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_is_to_finish_burns_all_it_would_have_burned() {
    // Seconds of work in a fixed number of steps: fuel counts them, whoever is there to see.
    const WORK: &str = "/p/burn?n=100000000";
    for file in ["http02.wasm", "http03.wasm", "cgi01.wasm"] {
        let plugin = Plugin::new("p", "compute", file).headed("on_disconnect = \"finish\"").with(&patient("compute"));
        let house = House::serve(&[plugin]).await;
        assert_eq!(house.get(WORK).await.status, 200);
        let fuel = |house: &House| house.metric("wasmbay_fuel_total", "p");
        house.until("the fuel is counted", |house| fuel(house) > 1e8).await;
        let whole = fuel(&house);
        let asked = house.ask(WORK);
        house.until("it is in flight", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
        asked.abort();
        house.until("it has ended", |house| house.metric("wasmbay_in_flight", "p") == 0.0).await;
        // A few operators less go into writing to a client that has left.
        house.until(&format!("all of it was burned by {file}"), |house| fuel(house) > 1.99 * whole).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_is_to_finish_awaits_what_it_called() {
    for on_disconnect in ["finish", "cancel"] {
        let caller = Plugin::new("caller", "io", "http02.wasm")
            .headed(&format!("on_disconnect = \"{on_disconnect}\""))
            .with(&patient("io"))
            .with("[grants]\nplugins = [\"callee\"]");
        let house = House::serve(&[caller, Plugin::new("callee", "io", "http02.wasm")]).await;
        let asked = house.ask("/caller/call?url=http://callee.plugin.internal/callee/wait%3Fms=1500");
        house.until("the callee is at work", |house| house.metric("wasmbay_in_flight", "callee") == 1.0).await;
        asked.abort();
        let of_callee = |code| move |house: &House| ended(house, "callee", code) == 1;
        if on_disconnect == "finish" {
            house.until("the callee has answered", of_callee("ok")).await;
        } else {
            house.until("the callee was dropped", of_callee("client-gone")).await;
        }
        house.until("the caller has ended", |house| house.metric("wasmbay_in_flight", "caller") == 0.0).await;
        // Whoever is told of the request's end, and when: what it used was used.
        let counted = |house: &House| house.metric("wasmbay_plugin_cpu_seconds_total", "caller") > 0.0;
        house.until(&format!("the caller's CPU time is counted ({on_disconnect})"), counted).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_requests_and_for_work_after_the_response() {
    for (file, lane) in [("http02.wasm", "io"), ("http02.wasm", "compute"), ("http03.wasm", "io")] {
        let house = House::serve(&[Plugin::new("p", lane, file), Plugin::new("q", lane, file)]).await;
        let held = house.ask("/q/wait?ms=1500");
        house.until("it is in flight", |house| house.metric("wasmbay_in_flight", "q") == 1.0).await;
        assert_eq!(house.get("/p/after?ms=2500").await.status, 200);
        // The plugins' series live as long as the plugins: this keeps them.
        let (table, metrics) = (house.host.behind().registry().table(), house.host.metrics().clone());
        let House { host, dir } = house;
        assert!(timeout(HANG, host.drain(HANG)).await.expect("the drain ends"), "{file} {lane}: something was cut");
        assert_eq!(held.await.unwrap().unwrap().status, 200, "{file} {lane}");
        assert_eq!(done(&metrics.encode()), 1, "{file} {lane}");
        drop((table, dir));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_at_its_deadline_whatever_goes_on() {
    for lane in ["io", "compute"] {
        let limits = patient(lane) + "after_response = \"10m\"";
        let house = House::serve(&[Plugin::new("p", lane, "http02.wasm").with(&limits)]).await;
        assert_eq!(house.get("/p/after?ms=600000").await.status, 200);
        let asked = house.ask("/p/wait?ms=600000");
        house.until("one is in flight", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
        let House { host, dir } = house;
        let drained = timeout(HANG, host.drain(Duration::from_millis(200))).await.expect("the drain ends");
        assert!(!drained, "{lane}: a request had to be cut");
        assert!(asked.await.unwrap().is_err(), "{lane}: the cut request has no answer");
        drop(dir);
    }
}
