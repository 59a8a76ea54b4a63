//! Components that should never become plugins.

use wasmbay_tests::{house::Plugin, text};

use crate::scene::Scene;

/// In both lanes, this guest is refused with a word that tells why.
async fn refused_everywhere(file: &str, word: &str) {
    let plugins = ["io", "compute"].map(|lane| Plugin::new(lane, lane, file).with("[limits]\ncpu = \"50ms\""));
    let scene = Scene::set(plugins.to_vec()).await;
    let faults = scene.faults().await;
    for lane in ["io", "compute"] {
        assert!(faults[lane].iter().any(|fault| fault.contains(word)), "{file} {lane}: {faults:?}");
        assert_eq!(scene.get(&format!("/{lane}/")).await.status, 404, "{file} {lane}");
    }
    scene.end().await;
}

pub(crate) async fn g_02_loop_in_start_code() {
    refused_everywhere("loop-in-start.wat", "cpu-exhausted").await;
}

pub(crate) async fn g_25_a_trap_at_instantiation() {
    refused_everywhere("trap-in-start.wat", "trap").await;
    // One that traps now and then, by a coin: it becomes live at the toss that lets its one trial pass.
    let mut scene = Scene::set(Vec::new()).await;
    let coin = text::trap_at_random("survived");
    for toss in 0.. {
        assert!(toss < 64, "no toss lets it pass");
        let faults = scene.add(&format!("coin{toss}"), |dir| text::write(dir, &format!("coin{toss}"), "", &coin)).await;
        if faults.is_empty() {
            let (mut survived, mut trapped) = (0, 0);
            while survived < 10 || trapped < 10 {
                let answer = scene.get(&format!("/coin{toss}")).await;
                match answer.status.as_u16() {
                    200 => survived += 1,
                    _ => {
                        assert_eq!(answer.problem()["code"], "trap");
                        trapped += 1;
                    }
                }
                assert!(survived + trapped < 1000, "{survived} survived, {trapped} trapped");
            }
            break;
        }
        assert!(faults.iter().any(|fault| fault.contains("trap")), "{faults:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_36_imports_that_nobody_grants() {
    refused_everywhere("unknown-import.wat", "example:nowhere").await;
    let mut scene = Scene::set(Vec::new()).await;
    let (another, more) = (
        text::says("x").replace("wasi:io/streams@0.2.12", "wasi:io/streams@0.9.0"),
        text::with_fields("x", "(func (export \"another\") (result i32) (i32.const 1))"),
    );
    let faults = scene.add("version", |dir| text::write(dir, "version", "", &another)).await;
    assert!(faults.iter().any(|fault| fault.contains("wasi:io/streams@0.9.0")), "{faults:?}");
    // What it exports besides is of no interest to anybody.
    let faults = scene.add("more", |dir| text::write(dir, "more", "", &more)).await;
    assert_eq!((faults, scene.get("/more").await.text()), (vec![], "x"));
    // What is absent as a whole does no harm until it is called, and then to its own request.
    for lane in ["io", "compute"] {
        let name = format!("absent-{lane}");
        let plugin = Plugin::new(&name, lane, "absent-import.wat");
        let faults = scene.add(&name, |dir| plugin.write(dir).map_err(std::io::Error::other)).await;
        assert_eq!(faults, Vec::<String>::new());
        for _ in 0..3 {
            let problem = scene.get(&format!("/{name}/")).await.problem();
            assert_eq!(problem["code"], "trap");
            assert!(problem.to_string().contains("example:nowhere/nothing@1.0.0#nothing"), "{problem}");
        }
    }
    scene.end().await;
}

pub(crate) async fn g_12_a_thousand_core_instances_or_a_memory_too_many() {
    let instances = |count: usize| format!("(core module $m)\n{}", "(core instance (instantiate $m))\n".repeat(count));
    let memories =
        |count: usize| format!("(core module $m (memory 1))\n{}", "(core instance (instantiate $m))\n".repeat(count));
    let tables = |count: usize| {
        format!("(core module $m (table 1 funcref))\n{}", "(core instance (instantiate $m))\n".repeat(count))
    };
    let mut scene = Scene::set(Vec::new()).await;
    for (name, body, word) in [
        ("instances", instances(1000), "core module instances"),
        ("memories", memories(3), "memories"),
        ("tables", tables(9), "tables"),
        // Within the caps: what is wrong with it is that it handles nothing.
        ("fits", memories(2), "exports no handler"),
    ] {
        let told = scene.add(name, |dir| text::write(dir, name, "", &format!("(component\n{body})\n"))).await;
        assert!(told.iter().any(|fault| fault.contains(word)), "{name}: {told:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_07_features_that_no_guest_needs() {
    let mut scene = Scene::set(Vec::new()).await;
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
        let told = scene.add(name, |dir| text::write(dir, name, "", &guest)).await.join("\n");
        assert!(told.contains(word), "{name}: {told:?}");
        assert_eq!(scene.get(&format!("/{name}")).await.status, 404, "{name}");
    }
    // Without these it is a plugin, and the same guest without any of those is a good one.
    let (alone, plain) = (only("1"), text::with_fields("x", "(func)"));
    assert_eq!(scene.add("only", |dir| text::write(dir, "only", "", &alone)).await, [""; 0]);
    assert_eq!(scene.add("plain", |dir| text::write(dir, "plain", "", &plain)).await, [""; 0]);
    assert_eq!(scene.get("/plain").await.text(), "x");
    scene.end().await;
}

pub(crate) async fn g_27_types_that_nest_without_end() {
    let mut scene = Scene::set(Vec::new()).await;
    // No function of the host's takes a type that nests without bound: what nests is the component's own types, which
    // whoever reads it, and links it, has to follow down.
    for depth in [50, 1000, 100_000] {
        let mut types = "(type $t0 (list u8))".to_owned();
        for n in 1..depth {
            types += &format!("(type $t{n} (list $t{}))\n", n - 1);
        }
        let imported = format!(
            "(component {types} (type $i (instance (alias outer 1 $t{last} (type $t)) (export \"f\" (func (param \"x\" $t)))))
               (import \"example:deep/deep@1.0.0\" (instance (type $i))))",
            last = depth - 1
        );
        let name = format!("deep{depth}");
        let faults = scene.add(&name, |dir| text::write(dir, &name, "", &imported)).await;
        assert!(!faults.is_empty(), "{depth}");
    }
    scene.end().await;
}
