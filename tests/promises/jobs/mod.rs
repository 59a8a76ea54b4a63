//! Jobs: kept for good once answered, run at least once in their plugins' own lanes, seen and handled by operators.

mod disk;
mod guests;
mod killed;
mod operators;
mod schedules;

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{interval, timeout};
use wasmbay::config::Settings;
use wasmbay_tests::{
    client::{Answer, Connection, HANG, Protocol, encoded},
    house::{House, Plugin, settings},
    serving::{Serving, run, serve_over, serve_with},
    soak,
    upstream::Upstream,
};

/// Guests whose `call` hands in jobs and reports what a job is told, and the lanes they run in.
const CALLERS: [(&str, &str); 2] = [("http02.wasm", "io"), ("http02.wasm", "compute")];

/// Settings for tests with this text of an operator's, over a data folder of the test's own: a file has one host.
fn with(text: &str, data: &Path) -> Settings {
    let text = format!("private_networks = [\"127.0.0.1\"]\n[jobs]\nbackoff = \"1ms\"\n{text}");
    let written = Settings::parse(&text, "wasmbay.toml").expect("good settings");
    let Settings { private_networks, jobs, job_quota, tenants, .. } = written;
    Settings { private_networks, jobs, job_quota, tenants, data: Some(data.to_owned()), ..settings() }
}

/// A plugin that may hand in jobs, and call this server.
fn caller(name: &str, lane: &str, guest: &str, upstream: &Upstream) -> Plugin {
    let cpu = if lane == "compute" { "\nfuel = \"900G\"" } else { "" };
    let grants = format!("[grants]\njobs = true\nplugins = [\"a\", \"b\"]\nhttp = [\"{}\"]", upstream.url());
    Plugin::new(name, lane, guest).with(&format!("[limits]\ncpu = \"20s\"{cpu}\n{grants}"))
}

/// The path by which the plugin `by` hands in a job: `target` is plugin and path, `head` has lines of headers.
fn handing_in(by: &str, target: &str, head: &str) -> String {
    let url = encoded(&format!("http://jobs.wasmbay.internal/{target}"));
    format!("/{by}/call?method=POST&url={url}&head={}", encoded(head))
}

/// The target of a job that asks the server for `path`, and tells it what the job was told.
fn telling(plugin: &str, upstream: &Upstream, path: &str) -> String {
    format!("{plugin}/{plugin}/call?pass=wasmbay-&url={}", encoded(&format!("{}{path}", upstream.url())))
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}: {}", answer.status, answer.text()))
}

/// Hands in a job; answers its id.
async fn enqueue(house: &House, by: &str, target: &str, head: &str) -> String {
    let answer = house.get(&handing_in(by, target, head)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    json(&answer)["id"].as_str().expect("an id").to_owned()
}

/// What the operator's listener says.
async fn ask_admin(house: &House, path: &str) -> Value {
    let mut connection = Connection::open(house.host.admin(), Protocol::Http1).await.expect("a connection");
    json(&connection.get(path).await.expect("an answer"))
}

/// Waits until a job is at this, and answers all that is known of it.
async fn until(house: &House, id: &str, state: &str) -> Value {
    let wait = async {
        let mut looks = interval(Duration::from_millis(2));
        loop {
            looks.tick().await;
            let shown = ask_admin(house, &format!("/jobs/{id}")).await;
            if shown["state"] == state {
                return shown;
            }
        }
    };
    match timeout(HANG, wait).await {
        Ok(shown) => shown,
        Err(_) => panic!("waited in vain for {state}: {}", ask_admin(house, &format!("/jobs/{id}")).await),
    }
}

/// A header of a request that came to a server.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == name).map(|(_, value)| value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_in_its_plugins_lane_and_is_told_what_it_is() {
    let upstream = Upstream::with_text("ok").await;
    for (file, lane) in CALLERS {
        let data = TempDir::new().expect("a folder");
        let plugins = [caller("a", "io", "http02.wasm", &upstream), caller("b", lane, file, &upstream)];
        let house = House::with(with("", data.path()), &plugins).await;
        let before = upstream.heads().len();
        let answer = house.get(&handing_in("a", &telling("b", &upstream, "/x?y=z"), "wasmbay-job-key: k 1")).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let id = json(&answer)["id"].as_str().expect("an id").to_owned();
        let shown = until(&house, &id, "done").await;
        assert_eq!((&shown["by"], &shown["plugin"], &shown["key"]), (&"a".into(), &"b".into(), &"k 1".into()));
        let heads = upstream.heads();
        assert_eq!(heads.len(), before + 1, "once");
        let head = &heads[before];
        for (name, value) in [
            ("x-wasmbay-job-id", id.as_str()),
            ("x-wasmbay-job-key", "k 1"),
            ("x-wasmbay-job-attempt", "1"),
            ("x-wasmbay-job-attempts", "10"),
            ("x-wasmbay-trigger", "job"),
            ("x-wasmbay-hop", "0"),
        ] {
            assert_eq!(header(head, name), Some(value), "{file} {lane} {name}: {head}");
        }
        for series in [
            "wasmbay_job_calls_total{plugin=\"a\",result=\"ok\",tenant=\"default\"} 1",
            "wasmbay_job_attempts_total{how=\"done\",plugin=\"b\",tenant=\"default\"} 1",
        ] {
            // An attempt is counted once its end is on the disk.
            house.until(series, |house| house.metrics().contains(series)).await;
        }
        house
            .until("the gauge is shown", |house| {
                house.metrics().contains("wasmbay_jobs{plugin=\"b\",state=\"done\",tenant=\"default\"} 1")
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_host_says_what_a_job_is() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let house = House::with(with("", data.path()), &[caller("a", "io", "http02.wasm", &upstream)]).await;
    let target = format!("/a/call?pass=wasmbay-job&url={}", encoded(&upstream.url()));
    let forged = http::Request::get(&target).header("wasmbay-job-key", "forged").header("wasmbay-job-id", "forged");
    let answer = house.connect().await.send(forged.body(wasmbay_tests::client::empty()).expect("a request")).await;
    assert_eq!(answer.expect("an answer").status, 200);
    // Nor does a guest say to other servers what it says of a job.
    let head = encoded("wasmbay-job-key: mine\nx-mine: 1");
    assert_eq!(house.get(&format!("/a/call?url={}&head={head}", encoded(&upstream.url()))).await.status, 200);
    let heads = upstream.heads();
    assert!(heads.iter().all(|head| !head.contains("wasmbay-job")), "{heads:?}");
    assert_eq!(header(&heads[1], "x-mine"), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_and_what_is_hopeless_is_dead() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let house = House::with(with("", data.path()), &[caller("a", "io", "http02.wasm", &upstream)]).await;
    for (target, state, attempts, why) in [
        ("a/a/status?code=204", "done", 1, ""),
        ("a/a/status?code=500", "dead", 3, "attempt 3 of 3: status 500"),
        ("a/a/status?code=408", "dead", 3, "attempt 3 of 3: status 408"),
        ("a/a/status?code=425", "dead", 3, "attempt 3 of 3: status 425"),
        ("a/a/status?code=429", "dead", 3, "attempt 3 of 3: status 429"),
        ("a/a/trap", "dead", 3, "attempt 3 of 3: trap"),
        ("a/a/trap-late?n=3", "dead", 3, "attempt 3 of 3: trap"),
        ("a/a/status?code=404", "dead", 1, "status 404"),
        ("a/a/status?code=302", "dead", 1, "status 302"),
        ("a/nowhere", "dead", 1, "no-route"),
    ] {
        let id = enqueue(&house, "a", target, "wasmbay-job-attempts: 3").await;
        let shown = until(&house, &id, state).await;
        assert_eq!(shown["attempt"], attempts, "{target}: {shown}");
        assert!(shown["why"].as_str().unwrap_or_default().starts_with(why), "{target}: {shown}");
    }
    let slow = enqueue(&house, "a", "a/a/wait?ms=3600000", "wasmbay-job-deadline: 1s\nwasmbay-job-delay: 1h").await;
    assert_eq!(until(&house, &slow, "waiting").await["attempt"], 0, "delayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_limits_of_its_own() {
    let upstream = Upstream::with_text("ok").await;
    for lane in ["io", "compute"] {
        let data = TempDir::new().expect("a folder");
        let fuel = if lane == "compute" { "fuel = \"900G\"\n" } else { "" };
        let limits =
            format!("[limits]\ncpu = \"50ms\"\n{fuel}[jobs]\ncpu = \"1m\"\ntimeout = \"1m\"\n[grants]\njobs = true");
        let plugins =
            [Plugin::new("b", lane, "http02.wasm").with(&limits), caller("a", "io", "http02.wasm", &upstream)];
        let house = House::with(with("", data.path()), &plugins).await;
        assert_eq!(house.get("/b/spin?ms=300").await.problem()["code"], "cpu-exhausted", "{lane}");
        let id = enqueue(&house, "a", "b/b/spin?ms=300", "").await;
        until(&house, &id, "done").await;
        assert_eq!(house.get("/b/spin?ms=300").await.problem()["code"], "cpu-exhausted", "{lane}, after the job");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_jobs_of_a_plugin_run_at_once_than_it_says_and_requests_find_room() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let patient = "[limits]\nmax_concurrent = 3\nqueue = 0\ntimeout = \"10m\"\n[jobs]\nmax_concurrent = 2";
    let plugins = [Plugin::new("b", "io", "http02.wasm").with(patient), caller("a", "io", "http02.wasm", &upstream)];
    let house = House::with(with("", data.path()), &plugins).await;
    for _ in 0..5 {
        enqueue(&house, "a", "b/b/wait?ms=3600000", "").await;
    }
    house.until("two run", |house| house.metric("wasmbay_in_flight", "b") == 2.0).await;
    // Each finds the one place that jobs leave: a third job would have taken it.
    for _ in 0..20 {
        assert_eq!(house.get("/b/hello").await.status, 200);
    }
    assert_eq!(house.metric("wasmbay_in_flight", "b"), 2.0);
    let counts = ask_admin(&house, "/jobs").await["counts"].clone();
    let of = |state: &str| {
        counts
            .as_array()
            .expect("a list")
            .iter()
            .find(|count| count["state"] == state)
            .map(|count| count["jobs"].clone())
    };
    assert_eq!((of("running"), of("ready")), (Some(2.into()), Some(3.into())), "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_plugin_that_is_gone_wait_for_it() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let (a, b) = (caller("a", "io", "http02.wasm", &upstream), caller("b", "io", "http02.wasm", &upstream));
    let house = House::with(with("", data.path()), &[a]).await;
    let id = enqueue(&house, "a", "b/b/hello", "").await;
    let short = enqueue(&house, "a", "b/b/hello", "wasmbay-job-deadline: 10ms").await;
    let shown = until(&house, &id, "ready").await;
    assert_eq!(shown["why"], "the plugin b is not live");
    let dead = until(&house, &short, "dead").await;
    assert!(dead["why"].as_str().is_some_and(|why| why.starts_with("its deadline came")), "{dead}");
    b.write(house.dir.path()).expect("written");
    until(&house, &id, "done").await;
    assert_eq!(ask_admin(&house, &format!("/jobs/{short}")).await["state"], "dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_jobs_end_and_what_waits_runs_with_the_next_host() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let more = "[jobs]\nmax_concurrent = 1\ntimeout = \"10m\"";
    let plugin = || caller("a", "io", "http02.wasm", &upstream).with(more);
    let house = House::with(with("", data.path()), &[plugin()]).await;
    let runs = enqueue(&house, "a", "a/a/wait?ms=300", "").await;
    until(&house, &runs, "running").await;
    let waits = enqueue(&house, "a", "a/a/hello", "").await;
    assert!(house.host.drain(Duration::from_secs(20)).await);
    let house = House::with(with("", data.path()), &[plugin()]).await;
    assert_eq!(until(&house, &runs, "done").await["attempt"], 1, "it was let end");
    assert_eq!(until(&house, &waits, "done").await["attempt"], 1);
    // One that takes longer than the drain is cut short, and runs again: that was no attempt of its own.
    let long = enqueue(&house, "a", "a/a/wait?ms=3600000", "").await;
    until(&house, &long, "running").await;
    house.host.drain(Duration::from_millis(50)).await;
    let house = House::with(with("", data.path()), &[plugin()]).await;
    assert_eq!(until(&house, &long, "running").await["attempt"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_tenants_jobs_leaves_room_for_anothers() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let tenant = |name: &str| format!("[tenant.{name}]\nfolder = \"{name}\"\nprefix = \"/{name}\"\n");
    let settings = with(&format!("concurrent = 4\n{}{}", tenant("one"), tenant("two")), data.path());
    let long = "[jobs]\ntimeout = \"10m\"\nmax_concurrent = 16";
    let plugins = ["one", "two"].map(|tenant| caller("a", "io", "http02.wasm", &upstream).with(long).of(tenant));
    let house = House::with(settings, &plugins).await;
    for _ in 0..8 {
        let path = format!("/one{}", handing_in("a", "a/a/wait?ms=3600000", ""));
        assert_eq!(house.get(&path).await.status, 202);
    }
    let answer = house.get(&format!("/two{}", handing_in("a", "a/a/hello", ""))).await;
    until(&house, json(&answer)["id"].as_str().expect("an id"), "done").await;
}
