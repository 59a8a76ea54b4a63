//! A sandbox is fresh for each request unless the manifest opts out, and one that failed is never used again.

use wasmbay_tests::house::{House, Plugin};

async fn count(house: &House) -> u64 {
    house.get("/p/count").await.text().trim().parse().expect("a number")
}

/// Whether nothing is left of the plugin's requests.
fn at_rest(house: &House) -> bool {
    house.metric("wasmbay_in_flight", "p") == 0.0 && house.host.behind().invoker().background().count() == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_serves_as_many_in_turn_as_it_may() {
    for (file, lane) in [("http02.wasm", "io"), ("http02.wasm", "compute"), ("http03.wasm", "io")] {
        let house = House::serve(&[Plugin::new("p", lane, file).with("[instances]\nmax_requests = 3")]).await;
        let mut seen = Vec::new();
        for _ in 0..7 {
            seen.push(count(&house).await);
            // In the compute lane an instance comes to rest a moment after its last byte has left.
            house.until("it is over", at_rest).await;
        }
        assert_eq!(seen, [1, 2, 3, 1, 2, 3, 1], "{file} {lane}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_kept_ready_and_each_is_fresh() {
    for (file, lane) in [("http02.wasm", "io"), ("http02.wasm", "compute"), ("http03.wasm", "io")] {
        let house = House::serve(&[Plugin::new("p", lane, file).with("[instances]\nwarm = 3")]).await;
        house.until("three are ready", |house| house.metric("wasmbay_idle_instances", "p") == 3.0).await;
        for _ in 0..5 {
            assert_eq!(count(&house).await, 1, "{file} {lane}");
            house.until("its successor is ready", |house| house.metric("wasmbay_idle_instances", "p") == 3.0).await;
        }
        assert_eq!(house.metric("wasmbay_instances_created_total", "p"), 8.0, "{file} {lane}: three, and one for each");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_ready_holds_no_more_than_a_quarter_of_a_lanes_slots() {
    let mut settings = wasmbay_tests::house::settings();
    // With the reserve for plugin calls, fourteen slots in the engine.
    settings.io_instances = 8;
    let warm = |name: &str| Plugin::new(name, "io", "http02.wasm").with("[instances]\nwarm = 6");
    let house = House::with(settings, &[warm("p"), warm("q")]).await;
    let ready =
        |house: &House| house.metric("wasmbay_idle_instances", "p") + house.metric("wasmbay_idle_instances", "q");
    house.until("a quarter is ready", |house| ready(house) == 3.0).await;
    for _ in 0..4 {
        assert_eq!(count(&house).await, 1);
        house.until("no more are ready", |house| at_rest(house) && ready(house) == 3.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_failed_is_not_used_again() {
    for file in ["http02.wasm", "http03.wasm"] {
        let plugin = Plugin::new("p", "io", file).with("[instances]\nmax_requests = 100\n[limits]\ntimeout = \"3s\"");
        let house = House::serve(&[plugin]).await;
        for wrong in ["trap", "trap-late?n=10", "wait?ms=20000"] {
            assert_eq!(count(&house).await, 1, "{file} before {wrong}");
            // Else the next request may have another one, and this one counts on.
            house.until("it waits", |house| house.metric("wasmbay_idle_instances", "p") == 1.0).await;
            let _ = house.try_get(&format!("/p/{wrong}")).await;
        }
        assert_eq!(count(&house).await, 1, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_serves_many_at_once() {
    let shared = "[instances]\nmax_requests = 1000\nmax_concurrent = 16\n[limits]\ntimeout = \"20s\"";
    let house = House::serve(&[Plugin::new("p", "io", "http03.wasm").with(shared)]).await;
    let asked: Vec<_> = (0..32).map(|_| house.ask("/p/wait?ms=500")).collect();
    for asked in asked {
        assert_eq!(asked.await.expect("no panic").expect("an answer").status, 200);
    }
    assert_eq!(house.metric("wasmbay_instances_created_total", "p"), 2.0, "32 requests, 16 in each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_times_out_retires_its_instance_and_leaves_the_others_in_it_alone() {
    let shared = "[instances]\nmax_requests = 1000\nmax_concurrent = 16\n[limits]\ntimeout = \"900ms\"";
    let house = House::serve(&[Plugin::new("p", "io", "http03.wasm").with(shared)]).await;
    let late = house.ask("/p/wait?ms=20000");
    house.until("it is inside", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
    // Begun together with the late one, in its instance.
    let neighbour = house.ask("/p/sse?n=8&ms=200");
    assert_eq!(late.await.unwrap().unwrap().problem()["code"], "timeout");
    let after = count(&house).await;
    assert_eq!(after, 1, "a new instance serves who comes after");
    assert_eq!(neighbour.await.unwrap().expect("it is left to its end").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_spins_in_a_shared_instance_fails_for_its_own_reason() {
    let shared = "[instances]\nmax_requests = 1000\nmax_concurrent = 16\n[limits]\ncpu = \"200ms\"";
    let house = House::serve(&[Plugin::new("p", "io", "http03.wasm").with(shared)]).await;
    let neighbour = house.ask("/p/wait?ms=8000");
    house.until("it is inside", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
    assert_eq!(house.get("/p/spin").await.problem()["code"], "cpu-exhausted");
    assert_eq!(neighbour.await.unwrap().unwrap().problem()["code"], "trap");
    assert_eq!(count(&house).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_kind_cannot_do_is_refused_with_the_reason() {
    let plugins = [
        Plugin::new("cgi-reuse", "io", "cgi01.wasm").with("[instances]\nmax_requests = 2"),
        Plugin::new("cgi-call", "io", "cgi01.wasm").with("[grants]\nplugins = [\"cgi-reuse\"]"),
        Plugin::new("sync-shared", "io", "http02.wasm").with("[instances]\nmax_requests = 8\nmax_concurrent = 2"),
        Plugin::new("loops", "io", "loop-in-start.wat").with("[limits]\ncpu = \"20ms\""),
    ];
    let house = House::unchecked(wasmbay_tests::house::settings(), &plugins).await;
    let faults = house.faults();
    for (name, words) in [
        ("cgi-reuse", "instances.max_requests"),
        ("cgi-call", "grants.plugins"),
        ("sync-shared", "instances.max_concurrent"),
        ("loops", "cpu-exhausted"),
    ] {
        assert!(faults[name].iter().any(|fault| fault.contains(words)), "{name}: {faults:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_decides_whether_0_3_loads() {
    let mut settings = wasmbay_tests::house::settings();
    settings.wasi_http_03 = Some(false);
    let plugins = [Plugin::new("new", "io", "http03.wasm"), Plugin::new("p", "io", "http02.wasm")];
    let house = House::unchecked(settings, &plugins).await;
    assert!(house.faults()["new"].iter().any(|fault| fault.contains("wasi_http_03")), "{:?}", house.faults());
    assert_eq!(house.get("/p/hello").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_wait_for_requests_make_room_for_others() {
    let mut settings = wasmbay_tests::house::settings();
    // Six for requests from outside, and with the reserve and the spare ones 46 in the engine.
    settings.io_instances = 8;
    let (shared, reused) = ("max_requests = 1000\nmax_concurrent = 2", "max_requests = 1000");
    let plugins: Vec<_> = (0..10)
        .map(|number| {
            let (file, instances) = if number % 2 == 0 { ("http03.wasm", shared) } else { ("http02.wasm", reused) };
            Plugin::new(&format!("p{number}"), "io", file).with(&format!("[instances]\n{instances}"))
        })
        .collect();
    let house = House::with(settings, &plugins).await;
    for number in 0..10 {
        let at_once = if number % 2 == 0 { 12 } else { 6 };
        let asked: Vec<_> = (0..at_once).map(|_| house.ask(&format!("/p{number}/wait?ms=400"))).collect();
        for asked in asked {
            let answer = asked.await.expect("no panic").expect("an answer");
            assert_eq!(answer.status, 200, "p{number}: {}", answer.text());
        }
        let made = house.metric("wasmbay_instances_created_total", &format!("p{number}"));
        assert_eq!(made, 6.0, "p{number} leaves as many idle as there are slots");
    }
}
