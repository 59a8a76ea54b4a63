//! Components that should never become plugins.

use std::fs;

use wasmbay_tests::{house::Plugin, text};

use crate::scene::{Scene, two_tenants};

#[tokio::test(flavor = "multi_thread")]
async fn g_02_g_25_g_36_start_code_that_loops_or_traps_and_imports_that_nobody_grants() {
    let lanes = ["io", "compute"];
    let bad = [
        ("loops", "loop-in-start.wat", "cpu-exhausted"),
        ("traps", "trap-in-start.wat", "trap"),
        ("reaches", "unknown-import.wat", "example:nowhere"),
    ];
    let plugins = lanes.iter().flat_map(|lane| {
        bad.map(|(name, file, _)| Plugin::new(&format!("{name}-{lane}"), lane, file).with("[limits]\ncpu = \"50ms\""))
    });
    let scene = Scene::set(two_tenants(), plugins.collect()).await;
    let faults = scene.house.faults();
    for lane in lanes {
        for (name, _, word) in bad {
            let told = &faults[&format!("{name}-{lane}")];
            assert!(told.iter().any(|fault| fault.contains(word)), "{name} {lane}: {told:?}");
        }
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_12_a_thousand_core_instances_or_a_memory_too_many() {
    let instances = |count: usize| format!("(core module $m)\n{}", "(core instance (instantiate $m))\n".repeat(count));
    let memories =
        |count: usize| format!("(core module $m (memory 1))\n{}", "(core instance (instantiate $m))\n".repeat(count));
    let tables = |count: usize| {
        format!("(core module $m (table 1 funcref))\n{}", "(core instance (instantiate $m))\n".repeat(count))
    };
    let scene = Scene::set(two_tenants(), Vec::new()).await;
    for (name, body, word) in [
        ("instances", instances(1000), "core module instances"),
        ("memories", memories(3), "memories"),
        ("tables", tables(9), "tables"),
        // Within the caps: what is wrong with it is that it handles nothing.
        ("fits", memories(2), "exports no handler"),
    ] {
        let folder = scene.house.dir.path().join("a");
        text::write(&folder, name, "", &format!("(component\n{body})\n")).expect("it can be written");
        scene.house.settled().await;
        let told = &scene.house.faults()[name];
        assert!(told.iter().any(|fault| fault.contains(word)), "{name}: {told:?}");
        fs::remove_dir_all(folder.join(name)).expect("it can be removed");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_07_features_that_no_guest_needs() {
    let scene = Scene::set(two_tenants(), Vec::new()).await;
    let folder = scene.house.dir.path().join("a");
    let with = |fields| text::with_fields("x", fields);
    let only = |memory| {
        format!(
            "(module (memory (export \"memory\") {memory})
               (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)
               (func (export \"wasi:http/incoming-handler@0.2.12#handle\") (param i32 i32)))"
        )
    };
    for (name, guest, word) in [
        (
            "call-ref",
            with("(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))"),
            "function references",
        ),
        ("try-table", with("(tag $e) (func (block $caught (try_table (catch $e $caught))))"), "exceptions"),
        ("gc", with("(type $s (struct (field i32)))"), "gc"),
        (
            "relaxed",
            with("(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))"),
            "relaxed SIMD",
        ),
        ("second-memory", with("(memory 1)"), "multiple memories"),
        ("memory64", only("i64 1"), "64"),
        // A clock as fine as a counter in a loop.
        ("shared", only("1 1 shared"), "threads"),
    ] {
        text::write(&folder, name, "", &guest).expect("it can be written");
        scene.house.settled().await;
        let told = scene.house.faults()[name].join("\n");
        assert!(told.contains(word), "{name}: {told:?}");
        assert_eq!(scene.get(&format!("/{name}")).await.status, 404, "{name}");
    }
    text::write(&folder, "only", "", &only("1")).expect("it can be written");
    scene.house.settled().await;
    assert_eq!(scene.house.faults()["only"], [""; 0], "without these it is a plugin");
    // The same guest without any of these is a good one.
    text::write(&folder, "plain", "", &text::with_fields("x", "(func)")).expect("it can be written");
    scene.house.settled().await;
    assert_eq!(scene.get("/plain").await.text(), "x", "{:?}", scene.house.faults());
    scene.end().await;
}
