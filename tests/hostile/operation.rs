//! The host as its operator runs it: told to end, full, its log stuck.

use std::{process::Stdio, time::Duration};

use http::Request;
use tokio::{task::JoinHandle, time::timeout};
use wasmbay::registry::PluginStatus;
use wasmbay_attacks::Socket;
use wasmbay_tests::{
    client::{Answer, Connection, HANG, Protocol, empty},
    house::Plugin,
    serving::Page,
    text,
};

use crate::{
    scene::Scene,
    stage::{POOLS, of},
};

/// Asks over one connection until the host says that it ends: every answer is whole and good.
fn customer(scene: &Scene, protocol: Protocol) -> JoinHandle<anyhow::Result<u32>> {
    let addr = scene.addr();
    tokio::spawn(async move {
        let mut connection = Connection::open(addr, protocol).await?;
        for answers in 0.. {
            let request = Request::get("/a/p0/wait?ms=20").body(empty())?;
            match connection.send(request).await {
                Ok(answer) => {
                    anyhow::ensure!(answer.status == 200, "{answer:?}");
                    if answer.headers.get("connection").is_some_and(|value| value == "close") {
                        return Ok(answers + 1);
                    }
                }
                // Told to go, or closed, between two requests: what it had asked for was answered.
                Err(error) if answers > 0 => {
                    anyhow::ensure!(!format!("{error:#}").contains("reset"), "{error:#}");
                    return Ok(answers);
                }
                Err(error) => return Err(error.context(format!("after {answers} answers"))),
            }
        }
        unreachable!("it counts for ever")
    })
}

fn waits(scene: &Scene, milliseconds: u32) -> JoinHandle<anyhow::Result<Answer>> {
    scene.ask(&format!("/p0/wait?ms={milliseconds}"))
}

pub(crate) async fn o_04_told_to_end_under_load() {
    let waiter = Plugin::new("p0", "io", "http02.wasm").with("[limits]\ntimeout = \"60s\"");
    let mut scene = Scene::apart("", vec![waiter]).await;
    let customers: Vec<_> = (0..16).map(|n| customer(&scene, Protocol::BOTH[n % 2])).collect();
    let held = waits(&scene, 3000);
    let done = |page: &Page| of(page, "wasmbay_requests_total", "p0");
    scene.until("they are served", |page| done(page) > 50.0 && of(page, "wasmbay_in_flight", "p0") > 0.0).await;
    let song = scene.hush().await;
    scene.serving.signal("TERM").await.expect("it lives");
    // The operator hears of it while what was begun goes on.
    let ready = async {
        while scene.serving.ask_admin("/readyz").await.expect("the operator is the last to go").status == 200 {}
    };
    timeout(HANG, ready).await.expect("readiness goes off");
    assert!(!held.is_finished(), "readiness goes off first");
    assert_eq!(held.await.expect("no panic").expect("an answer").status, 200);
    for customer in customers {
        assert!(customer.await.expect("no panic").expect("no request is dropped") > 0);
    }
    assert_eq!(scene.exited(song).await, Some(0));
}

pub(crate) async fn o_05_told_twice_or_in_the_middle_of_a_load() {
    // The first signal finishes what was begun, and the second does not.
    let waiter = Plugin::new("p0", "io", "http02.wasm").with("[limits]\ntimeout = \"60s\"");
    let mut scene = Scene::apart("drain = \"1m\"\n", vec![waiter]).await;
    let held = waits(&scene, 50_000);
    scene.until("one is in flight", |page| of(page, "wasmbay_in_flight", "p0") == 1.0).await;
    let song = scene.hush().await;
    scene.serving.signal("TERM").await.expect("it lives");
    let draining = async { while scene.serving.ask_admin("/readyz").await.is_ok_and(|answer| answer.status == 200) {} };
    timeout(HANG, draining).await.expect("it drains");
    assert!(!held.is_finished(), "the first signal cuts nothing");
    scene.serving.signal("TERM").await.expect("it lives");
    assert_eq!(scene.exited(song).await, Some(0));
    assert!(held.await.expect("no panic").is_err(), "the second signal waits for nothing");

    // While a plugin is being compiled that takes as long as it may.
    let mut scene = Scene::apart("", Vec::new()).await;
    text::write(&scene.folder(), "bomb", "", &text::compile_bomb("boom")).expect("it can be written");
    let compiling = async {
        let building = |plugin: &PluginStatus| plugin.name == "bomb";
        while !scene.status().await.plugins.iter().any(building) {}
    };
    timeout(HANG, compiling).await.expect("it is seen");
    let song = scene.hush().await;
    scene.serving.signal("TERM").await.expect("it lives");
    assert_eq!(scene.exited(song).await, Some(0));
}

pub(crate) async fn o_09_every_instance_taken() {
    let limits = "[limits]\nqueue = 4\nqueue_timeout = \"1m\"\ntimeout = \"2m\"";
    let full = Plugin::new("p0", "compute", "http02.wasm").with(limits);
    // Eight slots are six for requests, of which five are one tenant's reach. The canary is of the other lane: nobody else asks
    // for a slot of this one.
    let scene = Scene::apart(&POOLS.replace("compute_instances = 32", "compute_instances = 8"), vec![full]).await;
    let [taken, waiting] = ["wasmbay_instance_slots_taken", "wasmbay_waiting"];
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(waits(&scene, 100_000));
    }
    let everything = |page: &Page| page.sum(taken, &[("lane", "compute")]) == 5.0;
    scene.until("all that it may have is taken", everything).await;
    held.extend((0..4).map(|_| waits(&scene, 100_000)));
    scene.until("the queue is full", |page| of(page, waiting, "p0") == 4.0).await;
    for _ in 0..50 {
        let refused = scene.get("/p0/hello").await;
        assert_eq!((refused.status.as_u16(), &refused.problem()["code"]), (503, &"queue-full".into()));
        assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    }
    assert_eq!(of(&scene.page().await, waiting, "p0"), 4.0, "the queue does not grow");
    held.iter().for_each(JoinHandle::abort);
    scene.until("they are gone", |page| of(page, "wasmbay_in_flight", "p0") == 0.0).await;
    assert_eq!(scene.get("/p0/hello").await.status, 200);
    scene.end().await;
}

pub(crate) async fn o_14_a_log_that_nobody_reads() {
    let talker = Plugin::new("p0", "io", "http02.wasm").with("[limits]\ncpu = \"5s\"");
    // A pipe that is never read holds 64 KiB.
    let piped = |command: &mut tokio::process::Command| {
        command.stderr(Stdio::piped());
    };
    let scene = Scene::changed("", piped, vec![talker]).await;
    // Somebody asks for the metrics and does not take them.
    let admin = scene.serving.says("admin").parse().expect("an address");
    let mut scraper = Socket::open(admin).await.expect("a connection");
    for _ in 0..100 {
        let asked = scraper.write(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n");
        if timeout(Duration::from_millis(100), asked).await.is_err() {
            break;
        }
    }
    let dropped = |page: &Page| page.sum("wasmbay_log_lines_dropped_total", &[]);
    let talking = async {
        while dropped(&scene.page().await) == 0.0 {
            assert_eq!(scene.get("/p0/print?long=250000").await.status, 200);
        }
    };
    timeout(HANG * 2, talking).await.expect("what is dropped is counted");
    for _ in 0..20 {
        assert_eq!(scene.get("/p0/hello").await.status, 200);
    }
    drop(scraper);
    scene.end().await;
}
