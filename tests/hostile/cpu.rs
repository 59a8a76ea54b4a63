//! Guests that want the CPU, or never give back what they hold.

use wasmbay_tests::{house::Plugin, serving::Page};

use crate::{
    rows::soak,
    scene::{EVERYWHERE, HTTP, Scene},
};

const SHORT: &str = "[limits]\ncpu = \"50ms\"\ntimeout = \"20s\"";

pub(crate) async fn g_01_loop_in_the_handler() {
    // More than there are slots for requests from outside: nobody may take them all.
    let at_once = if soak() { 200 } else { 30 };
    let scene = Scene::of(&EVERYWHERE, &format!("{SHORT}\nqueue_timeout = \"1m\"")).await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        let asked: Vec<_> = (0..at_once).map(|_| scene.ask(&format!("/p{number}/spin"))).collect();
        for asked in asked {
            let problem = asked.await.expect("no panic").expect("an answer").problem();
            assert_eq!(problem["code"], "cpu-exhausted", "{kind:?}: {problem}");
        }
    }
    scene.end().await;
}

pub(crate) async fn g_03_loop_where_the_host_asks_for_room() {
    let plugins = [("io", ""), ("compute", "fuel = \"900G\"")]
        .map(|(lane, fuel)| Plugin::new(lane, lane, "loop-in-realloc.wat").with(&format!("{SHORT}\n{fuel}")));
    let scene = Scene::set(plugins.to_vec()).await;
    for lane in ["io", "compute"] {
        assert_eq!(scene.code(&format!("/{lane}/")).await, "cpu-exhausted", "{lane}");
    }
    scene.end().await;
}

pub(crate) async fn g_04_loop_of_cheap_host_calls() {
    let scene = Scene::of(&HTTP, SHORT).await;
    for (number, kind) in HTTP.iter().enumerate() {
        assert_eq!(scene.code(&format!("/p{number}/hostcalls?ms=60000")).await, "cpu-exhausted", "{kind:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_05_wait_for_ever() {
    let scene = Scene::of(&EVERYWHERE, "[limits]\ntimeout = \"100ms\"").await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        assert_eq!(scene.code(&format!("/p{number}/wait?ms=600000")).await, "timeout", "{kind:?}");
    }
    // What they held is free again.
    scene.until("no slot is taken", |page| page.has("wasmbay_instance_slots_taken{lane=\"compute\"} 0")).await;
    scene.end().await;
}

pub(crate) async fn g_06_sleep_and_loop_in_turn() {
    let scene = Scene::of(&HTTP, SHORT).await;
    for (number, kind) in HTTP.iter().enumerate() {
        assert_eq!(scene.code(&format!("/p{number}/dodge")).await, "cpu-exhausted", "{kind:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_18_never_answer() {
    let kinds = [HTTP[2], HTTP[3]];
    let scene = Scene::of(&kinds, "[limits]\ntimeout = \"20s\"").await;
    for (number, kind) in kinds.iter().enumerate() {
        // Nothing can ever wake it, which the engine sees before the time is up.
        assert_eq!(scene.code(&format!("/p{number}/never")).await, "trap", "{kind:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_24_loop_after_the_response() {
    // Enough for the response to be out long before it is spent: a guest that ends earlier breaks it off.
    let scene = Scene::of(&HTTP, "[limits]\ncpu = \"1s\"").await;
    for (number, kind) in HTTP.iter().enumerate() {
        match scene.try_get(&format!("/p{number}/after?ms=600000&spin=1")).await {
            Ok(answer) => assert_eq!(answer.status, 200, "{kind:?}"),
            // A 0.3 guest that loops holds up the events of its own instance, and the end of its body is one of them.
            Err(error) => assert_eq!(kind.0, "http03.wasm", "{error:?}"),
        }
        // In the compute lane either budget may be the first to be spent.
        let ends = [
            format!("wasmbay_requests_total{{code=\"cpu-exhausted\",plugin=\"p{number}\",tenant=\"a\"}} 1"),
            format!("wasmbay_requests_total{{code=\"fuel-exhausted\",plugin=\"p{number}\",tenant=\"a\"}} 1"),
            format!("wasmbay_background_ends_total{{how=\"failed\",plugin=\"p{number}\",tenant=\"a\"}} 1"),
        ];
        let ended = |page: &Page| page.0.lines().any(|line| ends.iter().any(|end| line == end));
        scene.until("its budget ends it", ended).await;
    }
    scene.end().await;
}

pub(crate) async fn g_26_recurse_without_end() {
    let scene = Scene::of(&EVERYWHERE, "").await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        assert_eq!(scene.code(&format!("/p{number}/recurse")).await, "trap", "{kind:?}");
        assert_eq!(scene.get(&format!("/p{number}/recurse?n=100")).await.status, 200, "{kind:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_35_a_clock_for_timing_attacks() {
    let scene = Scene::of(&[HTTP[0], HTTP[1]], "").await;
    for number in 0..2 {
        let told = scene.get(&format!("/p{number}/clocks")).await;
        let told: serde_json::Value = serde_json::from_slice(&told.body).expect("JSON");
        assert_eq!(told["resolution_ns"], 1_000_000);
        let times: Vec<_> =
            told["monotonic_ns"].as_array().expect("readings").iter().filter_map(|time| time.as_u64()).collect();
        assert_eq!(times.len(), 100, "{told}");
        for pair in times.windows(2) {
            let step = pair[1] - pair[0];
            assert!(step == 0 || step >= 1_000_000, "{step} ns: {told}");
        }
        assert!(told["wall_ns"].as_u64().is_some_and(|time| time % 1_000_000 == 0), "{told}");
    }
    scene.end().await;
}
