//! Text-form guests through compile, load and run: what needs no toolchain to be built.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use super::{
    Call, Codes, EngineSettings, Engines, Kind, Plugin,
    call::{Errand, Log},
    compile,
    instance::{Instance, WhenFull},
};
use crate::{
    body::{self, Body},
    capability::{
        Caller, Trace, Ways,
        config::Supply,
        http::{Allowance, Outbound, OutboundSettings},
        jobs::Jobs,
        keys::Keys,
        plugins::CallPlugin,
        sql::Sql,
    },
    config::Manifest,
    failure::{Code, Failure},
    lanes::{LaneSettings, Lanes, PluginId, Task, TenantId, Who},
    telemetry::{Metrics, RequestId},
    units::ByteSize,
};

struct NoPlugins;

impl CallPlugin for NoPlugins {
    fn call(&self, _: &Caller, _: &str, _: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        Box::pin(async { Err(Failure::plain(Code::NoRoute)) })
    }
}

struct House {
    lanes: Lanes,
    engines: Arc<Engines>,
    metrics: Arc<Metrics>,
    settings: EngineSettings,
}

impl House {
    fn new() -> Self {
        let settings = EngineSettings {
            wasi_http_03: true,
            max_memory: ByteSize(64 << 20),
            io_instances: 8,
            compute_instances: 8,
        };
        let lanes = LaneSettings { compute_threads: Some(1), compute_nice: 0 };
        let lanes = Lanes::new(&lanes, &Handle::current()).expect("threads start");
        let outbound = Outbound::new(&OutboundSettings::default()).expect("no authorities of its own");
        let ways = Ways {
            plugins: Arc::new(NoPlugins),
            outbound,
            supply: Supply::default(),
            keys: Keys::new(Path::new("/nonexistent"), []),
            jobs: Jobs::none(),
            sql: Sql::new(Path::new("/nonexistent"), Supply::default(), []),
        };
        let engines = Engines::new(&settings, &lanes, ways).expect("the pools fit");
        Self { lanes, engines, metrics: Metrics::new(), settings }
    }

    fn code(&self, manifest: &Manifest, text: &str) -> Result<super::Code, Vec<String>> {
        let file = Path::new("guest.wat");
        let artefact = compile(&self.settings, manifest.lane, file, text.as_bytes());
        let artefact = artefact.map_err(|error| vec![format!("{error:#}")])?;
        #[expect(unsafe_code, reason = "loading compiled code is")]
        // SAFETY: it was compiled a line above.
        unsafe {
            self.engines.code(manifest.lane, &artefact)
        }
    }

    async fn load(&self, manifest: &Manifest, text: &str) -> Result<Plugin, Vec<String>> {
        self.engines.load("default", manifest, self.code(manifest, text)?, None).await
    }

    async fn ask(&self, manifest: &Manifest, plugin: &Plugin) -> Result<(u16, String), Failure> {
        let who = Who { tenant: TenantId(0), plugin: PluginId(0) };
        let task = Task::new(who, manifest.lane, manifest.limits.cpu);
        let (head, answered) = oneshot::channel();
        let request_id = RequestId::generate();
        let call = Call {
            request: Request::get("http://a.example/hello").body(body::empty()).expect("a valid request"),
            caller: Caller {
                who,
                tenant: Arc::from("default"),
                manifest: Arc::new(manifest.clone()),
                request_id,
                hop: 0,
                deadline: Instant::now() + Duration::from_secs(10),
                trace: Trace::of(&HeaderMap::new(), &request_id),
                allowance: Allowance::default(),
                is_job: false,
            },
            task: Arc::clone(&task),
            meter: Arc::default(),
            metrics: self.metrics.plugin("default", &manifest.name),
            head,
        };
        self.lanes.run(task, plugin.clone().run(call)).await.expect("no panic")?;
        let response = answered.await.expect("a head")?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

fn manifest(lane: &str, more: &str) -> Manifest {
    let text = format!(
        "manifest = 1\nname = \"guest\"\nversion = \"1\"\ncomponent = \"guest.wat\"\nlane = \"{lane}\"\n{more}"
    );
    Manifest::parse(&text, Path::new("plugin.toml")).expect("a valid manifest")
}

macro_rules! text_guest {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/text/", $name, ".wat"))
    };
}

const HELLO: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/hello/hello.wat"));

#[tokio::test(flavor = "multi_thread")]
async fn a_core_module_in_text_form_answers_in_both_lanes() {
    let house = House::new();
    for lane in ["io", "compute"] {
        let manifest = manifest(lane, "");
        let plugin = house.load(&manifest, HELLO).await.expect("it loads");
        assert_eq!(plugin.kind(), Kind::Http02);
        for _ in 0..20 {
            assert_eq!(house.ask(&manifest, &plugin).await.expect("an answer").0, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_known_for_as_long_as_a_plugin_holds_it() {
    let (house, codes) = (House::new(), Codes::default());
    let manifest = manifest("io", "");
    let code = house.code(&manifest, HELLO).expect("it links");
    codes.note("hello", &code);
    let first = house.engines.load("default", &manifest, code, None).await.expect("it loads");
    let shared = codes.get(&"hello").expect("the first plugin holds it");
    let second = house.engines.load("other", &manifest, shared, None).await.expect("it loads");
    drop(first);
    assert_eq!(house.ask(&manifest, &second).await.expect("an answer").0, 200);
    assert!(codes.get(&"hello").is_some() && codes.get(&"another").is_none());
    drop(second);
    assert!(codes.get(&"hello").is_none(), "nobody runs it any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_nobody_holds_is_forgotten() {
    let (house, codes) = (House::new(), Codes::default());
    let manifest = manifest("io", "");
    let code = house.code(&manifest, HELLO).expect("it links");
    codes.note(usize::MAX, &code);
    for key in 0..1_000 {
        let passing = house.code(&manifest, HELLO).expect("it links");
        codes.note(key, &passing);
    }
    assert!(codes.len() < 200, "{} entries are kept for one that is held", codes.len());
    assert!(codes.get(&usize::MAX).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_ends_at_the_budget_of_its_lane() {
    let house = House::new();
    for (lane, limits, code) in [
        ("io", "[limits]\ncpu = \"20ms\"", Code::CpuExhausted),
        ("compute", "[limits]\ncpu = \"20ms\"\nfuel = \"900G\"", Code::CpuExhausted),
        ("compute", "[limits]\nfuel = \"1M\"", Code::FuelExhausted),
    ] {
        let manifest = manifest(lane, limits);
        let plugin = house.load(&manifest, text_guest!("loop-in-handler")).await.expect("it loads");
        assert_eq!(house.ask(&manifest, &plugin).await.expect_err("it never ends").code, code, "{lane} {limits}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_or_link_is_refused_with_the_reason() {
    let house = House::new();
    for (text, words) in [
        (text_guest!("big-memory"), "memory"),
        (text_guest!("loop-in-start"), "cpu-exhausted"),
        (text_guest!("trap-in-start"), "trap"),
        (text_guest!("unknown-import"), "does not know"),
        (text_guest!("no-handler"), "no handler"),
        (text_guest!("no-exports"), "no handler"),
        (text_guest!("not-text"), "parse"),
    ] {
        let manifest = manifest("io", "[limits]\ncpu = \"20ms\"\nmemory = \"2MiB\"");
        let reasons = house.load(&manifest, text).await.err().expect("it is refused").join("\n");
        assert!(reasons.contains(words), "{words:?} is not in {reasons}");
    }
}

impl House {
    /// An instance of a plugin that has served and waits.
    async fn leave_idle(&self, manifest: &Manifest, plugin: &Plugin) {
        let who = Who { tenant: TenantId(0), plugin: PluginId(0) };
        let task = Task::new(who, manifest.lane, manifest.limits.cpu);
        let (loaded, account) = (Arc::clone(&plugin.0), Arc::clone(&task));
        let errand = Arc::new(Errand::of_nobody(who, &loaded.manifest, account, Log::discard()));
        let made = self.lanes.run(task, async move { Instance::create(&loaded, errand, WhenFull::Evict).await });
        let made = made.await.expect("no panic").map_err(|failure| failure.to_string()).expect("a slot");
        plugin.0.idle.put(made);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_lane_is_full_the_instance_idle_for_longest_makes_room() {
    let house = House::new();
    let reused = manifest("io", "[instances]\nmax_requests = 100");
    let first = house.load(&reused, HELLO).await.expect("it loads");
    let second = house.load(&reused, HELLO).await.expect("it loads");
    let other_lane = manifest("compute", "[instances]\nmax_requests = 100");
    let elsewhere = house.load(&other_lane, HELLO).await.expect("it loads");
    house.leave_idle(&other_lane, &elsewhere).await;
    // As many as the pool has: 8 that were asked for, 32 to spare.
    for number in 0..40 {
        house.leave_idle(&reused, if number < 2 { &first } else { &second }).await;
    }
    let idle = |plugin: &Plugin| plugin.0.idle.count();
    assert_eq!((idle(&first), idle(&second)), (2, 38));
    let fresh = manifest("io", "");
    let newcomer = house.load(&fresh, HELLO).await.expect("its trial finds a slot");
    assert_eq!((idle(&first), idle(&second), idle(&elsewhere)), (1, 38, 1), "the oldest of its lane went");
    assert_eq!(house.ask(&fresh, &newcomer).await.expect("an answer").0, 200);
    assert_eq!((idle(&first), idle(&second)), (1, 38), "one slot was enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_full_of_instances_at_work_says_so() {
    let house = House::new();
    let manifest = manifest("io", "[instances]\nmax_requests = 100");
    let plugin = house.load(&manifest, HELLO).await.expect("it loads");
    for _ in 0..40 {
        house.leave_idle(&manifest, &plugin).await;
    }
    // At work: nobody may have their slots.
    let held: Vec<_> = std::iter::from_fn(|| plugin.0.idle.take()).collect();
    assert_eq!(held.len(), 40);
    assert_eq!(house.ask(&manifest, &plugin).await.expect_err("no slot is free").code, Code::HostFull);
    drop(held);
    assert_eq!(house.ask(&manifest, &plugin).await.expect("an answer").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_idle_for_too_long_goes_though_nobody_asks() {
    let house = House::new();
    let manifest = manifest("io", "[instances]\nmax_requests = 100");
    let plugin = house.load(&manifest, HELLO).await.expect("it loads");
    for _ in 0..3 {
        house.leave_idle(&manifest, &plugin).await;
    }
    let idles = &house.engines.lane(manifest.lane).idles;
    let (tick, long) = (Duration::from_millis(1), Duration::from_secs(3600));
    let patient = tokio::spawn(super::idle::reap(Arc::downgrade(idles), tick, long));
    let strict = tokio::spawn(super::idle::reap(Arc::downgrade(idles), tick, Duration::ZERO));
    let gone = async {
        while plugin.0.idle.count() > 0 {
            tokio::time::sleep(tick).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("they are dropped");
    // Whoever looks after a lane goes with it.
    drop((plugin, house));
    strict.await.expect("no panic");
    patient.await.expect("no panic");
}

/// A command that imports an interface which the host lacks, by way of a handle of one that it has, and calls it.
const SHARED_HANDLE: &str = r#"
(component
  (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
  (alias export $poll "pollable" (type $pollable))
  (import "example:nowhere/nothing@1.0.0" (instance $nowhere
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $shared (eq $outer)))
    (export "nothing" (func (result (own $shared))))))
  (core func $nothing (canon lower (func $nowhere "nothing")))
  (core module $m
    (import "nowhere" "nothing" (func $nothing (result i32)))
    (func (export "run") (result i32) (drop (call $nothing)) (i32.const 0)))
  (core instance $i (instantiate $m (with "nowhere" (instance (export "nothing" (func $nothing))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $face (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $face)))"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_interface_may_share_the_handles_of_one_that_is_there() {
    let house = House::new();
    let manifest = manifest("io", "");
    let plugin = house.load(&manifest, SHARED_HANDLE).await.expect("it links");
    assert!(plugin.notes()[0].contains("example:nowhere/nothing@1.0.0"), "{:?}", plugin.notes());
    let failure = house.ask(&manifest, &plugin).await.expect_err("it calls what is not there");
    assert_eq!(failure.code, Code::Trap);
    assert!(failure.detail.contains("example:nowhere/nothing@1.0.0#nothing"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interface_that_the_host_has_in_another_shape_is_refused() {
    let house = House::new();
    let another = SHARED_HANDLE.replace("example:nowhere/nothing@1.0.0", "wasi:io/streams@0.2.0");
    let faults = house.load(&manifest("io", ""), &another).await.err().expect("it is refused");
    assert!(faults[0].contains("wasi:io/streams@0.2.0"), "{faults:?}");
}

/// A command whose start code opens a store of keys, and traps unless it is told of something else than a missing grant.
const OPENS_AT_START: &str = r#"
(component
  (import "fermyon:spin/key-value@2.0.0" (instance $kv
    (type $cases (variant
      (case "store-table-full") (case "no-such-store") (case "access-denied") (case "other" string)))
    (export "error" (type $error (eq $cases)))
    (export "store" (type $store (sub resource)))
    (export "[static]store.open" (func (param "label" string) (result (result (own $store) (error $error)))))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (core func $open (canon lower (func $kv "[static]store.open")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $m
    (import "kv" "open" (func $open (param i32 i32 i32)))
    (import "libc" "memory" (memory 1))
    (func $start
      (call $open (i32.const 0) (i32.const 1) (i32.const 16))
      ;; The result's case, then the error's.
      (if (i32.eqz (i32.load8_u (i32.const 16))) (then unreachable))
      (if (i32.ne (i32.load8_u (i32.const 20)) (i32.const 3)) (then unreachable)))
    (start $start)
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m
    (with "kv" (instance (export "open" (func $open)))) (with "libc" (instance $libc))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $face (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $face)))"#;

#[tokio::test(flavor = "multi_thread")]
async fn start_code_opens_no_store() {
    let house = House::new();
    house.load(&manifest("io", ""), OPENS_AT_START).await.expect("it is told so, and starts");
}

#[tokio::test(flavor = "multi_thread")]
async fn start_code_opens_no_database() {
    let sqlite = OPENS_AT_START
        .replace("fermyon:spin/key-value", "fermyon:spin/sqlite")
        .replace(r#"(case "store-table-full") (case "no-such-store")"#, r#"(case "no-such-database")"#)
        .replace(r#"(case "other" string)"#, r#"(case "invalid-connection") (case "database-full") (case "io" string)"#)
        .replace(r#"(export "store""#, r#"(export "connection""#)
        .replace("[static]store.open", "[static]connection.open")
        .replace(r#"(param "label" string)"#, r#"(param "database" string)"#)
        .replace("(i32.const 3)", "(i32.const 4)");
    House::new().load(&manifest("io", ""), &sqlite).await.expect("it is told so, and starts");
}
