//! Guests that ask the host for more than it gives.

use wasmbay_tests::serving::Page;

use crate::{
    scene::{EVERYWHERE, HTTP, Scene},
    stage::of,
};

/// Far more than any of these takes, so that what ends a guest is the cap.
const LONG: &str = "[limits]\ncpu = \"20s\"\ntimeout = \"60s\"";

/// Asks for something that the header map's cap ends: a trap in 0.2, an error that the guest sees in 0.3.
async fn assert_map_is_full(scene: &Scene, kind: &str, path: &str, error: &str) {
    match kind {
        "http02.wasm" => {
            let inside = scene.trap(path).await;
            assert!(inside.contains("total size of fields exceeds limit"), "{inside}");
        }
        _ => assert_eq!(scene.get(path).await.text(), error, "{kind}"),
    }
}

pub(crate) async fn g_13_a_million_headers() {
    let scene = Scene::of(&HTTP, LONG).await;
    for (number, kind) in HTTP.iter().enumerate() {
        // As many as fit into 64 KiB, bookkeeping included.
        assert_map_is_full(&scene, kind.0, &format!("/p{number}/many-headers"), "841\n").await;
        assert_eq!(scene.get(&format!("/p{number}/many-headers?n=500")).await.text(), "500\n", "{kind:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_14_a_header_that_is_too_long_and_names_that_are_none() {
    let scene = Scene::of(&HTTP, LONG).await;
    for (number, kind) in HTTP.iter().enumerate() {
        for kib in [65, 8000] {
            let path = format!("/p{number}/long-header?kib={kib}");
            assert_map_is_full(&scene, kind.0, &path, "HeaderError::SizeExceeded\n").await;
        }
        assert_eq!(scene.get(&format!("/p{number}/long-header?kib=60")).await.text(), "taken\n", "{kind:?}");
    }
    let tried = scene.get("/p0/bad-header").await;
    let tried: serde_json::Value = serde_json::from_slice(&tried.body).expect("JSON");
    for (name, result) in tried.as_object().expect("an object") {
        assert_eq!(result == "taken", name == "x-fine", "{tried}");
    }
    scene.end().await;
}

pub(crate) async fn g_28_ten_megabytes_in_one_call() {
    let scene = Scene::of(&HTTP, LONG).await;
    for number in 0..HTTP.len() {
        for kib in [8193, 10 << 10] {
            // Past the 8 MiB of a call, before the header map sees any of it.
            let inside = scene.trap(&format!("/p{number}/long-header?kib={kib}")).await;
            assert!(inside.contains("too much data is being copied"), "{inside}");
        }
    }
    scene.end().await;
}

pub(crate) async fn g_29_a_million_handles() {
    let scene = Scene::of(&HTTP, LONG).await;
    for (number, kind) in HTTP.iter().enumerate() {
        let inside = scene.trap(&format!("/p{number}/handles")).await;
        assert!(inside.contains("resource table has no free keys"), "{inside}");
        assert_eq!(scene.get(&format!("/p{number}/handles?n=3000")).await.text(), "held\n", "{kind:?}");
    }
    // Ends of streams are the component's own, and no objects of the host's.
    for number in [2, 3] {
        let inside = scene.trap(&format!("/p{number}/streams")).await;
        assert!(inside.contains("handle"), "{inside}");
        assert_eq!(scene.get(&format!("/p{number}/streams?n=3000")).await.text(), "held\n");
    }
    scene.end().await;
}

pub(crate) async fn g_31_more_random_bytes_than_there_are() {
    let scene = Scene::of(&HTTP, LONG).await;
    for (number, kind) in HTTP.iter().enumerate() {
        for more in [u64::MAX, (64 << 10) + 1] {
            let path = format!("/p{number}/random-bytes?n={more}");
            // In 0.3 the number is the most that is wanted; in 0.2 it is what must be given.
            match kind.0 {
                "http03.wasm" => assert_eq!(scene.get(&path).await.text(), "65536\n", "{kind:?} {more}"),
                _ => {
                    let inside = scene.trap(&path).await;
                    assert!(inside.contains("exceeds limit 65536"), "{kind:?} {more}: {inside}");
                }
            }
        }
        assert_eq!(scene.get(&format!("/p{number}/random-bytes?n=65536")).await.text(), "65536\n", "{kind:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_32_a_flood_of_log_lines() {
    let scene = Scene::of(&EVERYWHERE, LONG).await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        let dropped = |page: &Page| of(page, "wasmbay_guest_log_lines_dropped_total", &format!("p{number}"));
        assert_eq!(scene.get(&format!("/p{number}/print?long=10000")).await.status, 200, "{kind:?}");
        assert_eq!(dropped(&scene.page().await), 0.0, "{kind:?}: what fits is kept");
        assert_eq!(scene.get(&format!("/p{number}/print?long=4000000")).await.status, 200, "{kind:?}");
        scene.until("the rest is dropped and counted", |page| dropped(page) > 400.0).await;
    }
    scene.end().await;
}
