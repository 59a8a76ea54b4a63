//! The two lanes: waiting costs no thread, spinning holds nobody up, and each lane leaves the other alone.

use wasmbay_tests::house::{House, Plugin, settings};

const LONG: &str = "[limits]\ncpu = \"60s\"\ntimeout = \"60s\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spinning_io_guests_do_not_hold_up_others() {
    let plugins = [Plugin::new("spin", "io", "http02.wasm").with(LONG), Plugin::new("calm", "io", "http02.wasm")];
    let house = House::serve(&plugins).await;
    let spinning: Vec<_> = (0..8).map(|_| house.ask("/spin/spin")).collect();
    house.until("all of them spin", |house| house.metric("wasmbay_in_flight", "spin") == 8.0).await;
    for _ in 0..20 {
        assert_eq!(house.get("/calm/wait?ms=1").await.status, 200);
    }
    assert_eq!(house.metric("wasmbay_in_flight", "spin"), 8.0, "they still spin");
    spinning.iter().for_each(tokio::task::JoinHandle::abort);
    // A client that leaves takes its guest along.
    house.until("they are gone", |house| house.metric("wasmbay_in_flight", "spin") == 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compute_guest_that_waits_leaves_its_thread() {
    let mut settings = settings();
    settings.compute_threads = Some(1);
    let house = House::with(settings, &[Plugin::new("c", "compute", "http02.wasm")]).await;
    let waiting: Vec<_> = (0..32).map(|_| house.ask("/c/wait?ms=400")).collect();
    house.until("all are in flight at once", |house| house.metric("wasmbay_in_flight", "c") == 32.0).await;
    // On the one thread that all of them left.
    assert_eq!(house.get("/c/hello").await.status, 200);
    for asked in waiting {
        assert_eq!(asked.await.expect("no panic").expect("an answer").status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_compute_work_is_not_stuck_behind_long() {
    let mut settings = settings();
    settings.compute_threads = Some(1);
    let long = "[limits]\ncpu = \"60s\"\ntimeout = \"60s\"\nfuel = \"900G\"";
    let house = House::with(settings, &[Plugin::new("c", "compute", "http02.wasm").with(long)]).await;
    let spinning: Vec<_> = (0..4).map(|_| house.ask("/c/spin")).collect();
    house.until("they all run", |house| house.metric("wasmbay_in_flight", "c") == 4.0).await;
    for _ in 0..10 {
        assert_eq!(house.get("/c/hello").await.status, 200);
    }
    spinning.iter().for_each(tokio::task::JoinHandle::abort);
    house.until("they are gone", |house| house.metric("wasmbay_in_flight", "c") == 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_compute_leaves_io_alone() {
    let long = "[limits]\ncpu = \"60s\"\ntimeout = \"60s\"\nfuel = \"900G\"";
    let plugins = [Plugin::new("c", "compute", "http02.wasm").with(long), Plugin::new("io", "io", "http02.wasm")];
    let house = House::serve(&plugins).await;
    let spinning: Vec<_> = (0..8).map(|_| house.ask("/c/spin")).collect();
    house.until("they all run", |house| house.metric("wasmbay_in_flight", "c") == 8.0).await;
    for _ in 0..50 {
        assert_eq!(house.get("/io/wait?ms=1").await.status, 200);
    }
    spinning.iter().for_each(tokio::task::JoinHandle::abort);
    house.until("they are gone", |house| house.metric("wasmbay_in_flight", "c") == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_used_is_counted() {
    let plugins = [Plugin::new("io", "io", "http02.wasm"), Plugin::new("c", "compute", "http02.wasm")];
    let house = House::serve(&plugins).await;
    for name in ["io", "c"] {
        // Work by its amount: on a busy machine little of it is done in a given time.
        assert_eq!(house.get(&format!("/{name}/burn?n=30000000")).await.status, 200);
        let used = |house: &House| house.metric("wasmbay_plugin_cpu_seconds_total", name);
        house.until("its CPU time is counted", |house| used(house) > 0.02).await;
    }
    assert!(house.metric("wasmbay_fuel_total", "c") > 1e6, "fuel is counted where it is burned");
    assert!(house.metric("wasmbay_fuel_total", "io") == 0.0);
}
