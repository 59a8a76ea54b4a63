//! Guests that want memory: their own, all of it, or what others left behind.

use wasmbay_tests::house::Plugin;

use crate::{
    rows::soak,
    scene::{EVERYWHERE, HTTP, Scene},
};

pub(crate) async fn g_08_fill_the_whole_memory_again_and_again() {
    let plugins = [("io", ""), ("compute", "fuel = \"900G\"")]
        .map(|(lane, fuel)| Plugin::new(lane, lane, "filler.wat").with(&format!("[limits]\ncpu = \"100ms\"\n{fuel}")));
    let scene = Scene::set(plugins.to_vec()).await;
    for lane in ["io", "compute"] {
        let asked: Vec<_> = (0..8).map(|_| scene.ask(&format!("/{lane}/"))).collect();
        for asked in asked {
            assert_eq!(asked.await.expect("no panic").expect("an answer").problem()["code"], "cpu-exhausted", "{lane}");
        }
    }
    scene.end().await;
}

pub(crate) async fn g_09_memory_grow_to_failure() {
    const LIMIT: u64 = 8 << 20;
    let scene = Scene::of(&EVERYWHERE, "[limits]\nmemory = \"8MiB\"").await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        let answer = scene.get(&format!("/p{number}/grow")).await;
        let pages: u64 = answer.text().trim().parse().unwrap_or_else(|_| panic!("{kind:?}: {}", answer.text()));
        assert!(pages > 0 && pages * 65_536 <= LIMIT, "{kind:?}: {pages} pages");
    }
    scene.end().await;
}

pub(crate) async fn g_10_every_page_of_every_instance() {
    let limits = "[limits]\nmemory = \"32MiB\"\nmax_concurrent = 4\nqueue = 4";
    let scene = Scene::of(&HTTP, limits).await;
    for (number, kind) in HTTP.iter().enumerate() {
        let asked: Vec<_> = (0..24).map(|_| scene.ask(&format!("/p{number}/pages?mib=24"))).collect();
        let mut served = 0;
        for asked in asked {
            let answer = asked.await.expect("no panic").expect("an answer");
            served += u32::from(answer.status == 200);
            assert!([200, 503].contains(&answer.status.as_u16()), "{kind:?}: {}", answer.text());
        }
        assert!(served >= 4, "{kind:?}: {served}");
    }
    scene.end().await;
}

pub(crate) async fn g_11_a_table_that_grows_or_begins_too_large() {
    let plugins = ["io", "compute"].iter().flat_map(|lane| {
        let plugin =
            |name: &str, file| Plugin::new(&format!("{name}-{lane}"), lane, file).with("[limits]\nmemory = \"1MiB\"");
        [plugin("grows", "table-grower.wat"), plugin("begins", "big-table.wat")]
    });
    let scene = Scene::set(plugins.collect()).await;
    let faults = scene.faults().await;
    for lane in ["io", "compute"] {
        let told = &faults[&format!("begins-{lane}")];
        assert!(told.iter().any(|fault| fault.contains("table")), "{lane}: {told:?}");
        assert_eq!(scene.get(&format!("/grows-{lane}/")).await.status, 500, "{lane}");
    }
    scene.end().await;
}

pub(crate) async fn g_33_look_for_what_others_left_in_memory() {
    let alternations = if soak() { 10_000 } else { 100 };
    for kind in [HTTP[0], HTTP[1]] {
        // Few slots, so that they are used again and again.
        let settings = "io_instances = 1\ncompute_instances = 1\nmax_memory = \"64MiB\"\n";
        let plugins =
            ["plants", "scans"].map(|name| Plugin::new(name, kind.1, kind.0).with("[limits]\nmemory = \"16MiB\""));
        let scene = Scene::apart(settings, plugins.to_vec()).await;
        for _ in 0..alternations {
            assert_eq!(scene.get("/plants/plant?mib=4").await.status, 200);
            // Its own next instance, which gets the same slot, and another plugin's.
            for plugin in ["plants", "scans"] {
                assert_eq!(scene.get(&format!("/{plugin}/scan")).await.text(), "0\n", "{kind:?}");
            }
        }
        scene.end().await;
    }
}

pub(crate) async fn g_34_what_another_request_left_in_the_instance() {
    let scene = Scene::of(&HTTP, "[limits]\nmemory = \"16MiB\"").await;
    for (number, kind) in HTTP.iter().enumerate() {
        for _ in 0..if soak() { 1000 } else { 10 } {
            // Its own count of the requests it was given.
            assert_eq!(scene.get(&format!("/p{number}/count")).await.text(), "1\n", "{kind:?}");
        }
    }
    scene.end().await;
}
