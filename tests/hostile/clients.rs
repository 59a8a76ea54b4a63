//! Clients that leave when it suits them least, want more back than they sent, or are too many.

use http::Request;
use http_body_util::BodyExt as _;
use tokio::{process::Command, task::JoinHandle};
use wasmbay_attacks::{
    ATTACKS, Socket,
    requests::{self, Leave},
    slow, spent,
};
use wasmbay_tests::{
    canary::Canary,
    client::{Connection, HANG, Protocol, empty},
    serving::{Page, wrap},
};

use crate::{
    rows::soak,
    scene::{EVERYWHERE, Scene, each},
    stage::{CANARY, Stage, of},
};

pub(crate) async fn c_23_leaving_at_every_byte() {
    let scene = Scene::of(&EVERYWHERE[..1], "").await;
    let (mark, request) = (scene.mark(), requests::echo(&scene.mark()));
    for leave in [Leave::Close, Leave::Reset] {
        for sent in 0..=request.len() {
            requests::visit(&mark, &request, sent, 0, leave).await.expect("a connection");
        }
        // The head alone is longer than this.
        for read in 1..120 {
            requests::visit(&mark, &request, request.len(), read, leave).await.expect("an answer");
        }
    }
    scene.end().await;
}

pub(crate) async fn c_28_an_answer_cannot_be_split() {
    let scene = Scene::of(&EVERYWHERE[..1], "").await;
    let answer = scene.get("/p0/bad-header").await;
    assert!(!answer.headers.contains_key("set-cookie"), "{:?}", answer.headers);
    let tried: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_ne!(tried["x-split"], "taken");
    assert_eq!(tried["x-fine"], "taken");
    scene.end().await;
}

/// Asks over a connection of its own and keeps it until it is aborted.
fn hold(stage: &Stage, protocol: Protocol, path: String) -> JoinHandle<()> {
    let addr = stage.addr();
    tokio::spawn(async move {
        let mut connection = Connection::open(addr, protocol).await.expect("a connection");
        let begun = connection.begin(Request::get(path).body(empty()).expect("a request")).await;
        let Ok(mut response) = begun else { return };
        while let Some(Ok(_)) = response.body_mut().frame().await {}
    })
}

/// Waits until so many of a plugin's requests have ended because their client had left, and none is left.
async fn left(scene: &Scene, plugin: &str, ended: f64, what: &str) {
    let gone = |page: &Page| {
        let labels = [("tenant", "a"), ("plugin", plugin), ("code", "client-gone")];
        of(page, "wasmbay_in_flight", plugin) == 0.0 && page.sum("wasmbay_requests_total", &labels) == ended
    };
    scene.until(&format!("{what} is gone"), gone).await;
}

pub(crate) async fn g_23_work_after_the_client_has_left() {
    let limits = |fuel| format!("[limits]\ncpu = \"10m\"\ntimeout = \"10m\"\nstream_idle = \"10m\"\n{fuel}");
    let mut plugins = each(&EVERYWHERE, &limits(""));
    for (plugin, (_, lane)) in plugins.iter_mut().zip(EVERYWHERE) {
        if lane == "compute" {
            *plugin = plugin.clone().with("fuel = \"900G\"");
        }
    }
    let scene = Scene::set(plugins).await;
    for (number, (file, lane)) in EVERYWHERE.iter().enumerate() {
        let (plugin, mut ended) = (format!("p{number}"), 0.0);
        let in_flight = |page: &Page| of(page, "wasmbay_in_flight", &plugin);
        // Before the head, waiting and spinning.
        for path in ["wait?ms=600000", "spin"] {
            let asked = Protocol::BOTH.map(|protocol| hold(&scene, protocol, format!("/a/{plugin}/{path}")));
            scene.until("both are in flight", |page| in_flight(page) == 2.0).await;
            asked.iter().for_each(JoinHandle::abort);
            ended += 2.0;
            left(&scene, &plugin, ended, &format!("{file} {lane} {path}")).await;
        }
        // In the body. CGI has no events: more than all buffers hold, unread, holds it as well.
        let path = if file.starts_with("cgi") { "big?mib=60" } else { "sse?n=1000000&ms=1" };
        for protocol in Protocol::BOTH {
            let mut connection = scene.connect_by(protocol).await;
            let request = Request::get(format!("/a/{plugin}/{path}")).body(empty()).expect("a request");
            let mut response = connection.begin(request).await.expect("a head");
            assert!(response.body_mut().frame().await.expect("a frame").expect("a body").is_data());
            assert_eq!(in_flight(&scene.page().await), 1.0, "{file} {lane} {protocol:?}");
            drop((response, connection));
            ended += 1.0;
            left(&scene, &plugin, ended, &format!("{file} {lane} {protocol:?}")).await;
        }
    }
    scene.end().await;
}

/// A connection that was answered, or `None` when it was turned away.
async fn visit(scene: &Scene) -> Option<Connection> {
    let mut connection = scene.connect().await;
    let answer = connection.get("/nowhere").await.ok()?;
    (answer.status == 404).then_some(connection)
}

async fn limit_files(scene: &Scene, files: usize) {
    let id = scene.serving.id().expect("the host lives").to_string();
    let set = Command::new("prlimit").args(["--pid", &id, &format!("--nofile={files}:{files}")]).status().await;
    assert!(set.expect("prlimit starts").success(), "the limit is not set");
}

pub(crate) async fn c_24_more_connections_than_descriptors() {
    let limited = |command: &mut Command| wrap(command, &["prlimit", "--nofile=1024:1024"]);
    let mut scene = Scene::changed("", limited, Vec::new()).await;
    // Clients from outside have a quarter of the places for each address; this machine's own are not counted, so the
    // other tenant's has to be inside before.
    let addr = scene.addr();
    scene.replace_canary(Canary::kept(CANARY, move || Connection::open(addr, Protocol::Http1))).await;
    // Before the crowd: afterwards some of it may still be on its way out.
    let id = scene.serving.id().expect("the host lives");
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).expect("it has files").count();
    let open = |page: &Page| page.sum("wasmbay_connections", &[("listener", "public")]);
    let clients = if soak() { 4000 } else { 700 };
    let crowd = slow::hold(&scene.mark(), "", clients).await.expect("the kernel takes them");
    scene.until("every place is taken", |page| open(page) >= 300.0).await;
    assert!(open(&scene.page().await) < 512.0, "connections have more than their part of the descriptors");
    drop(crowd);
    scene.until("they are gone", |page| open(page) <= 1.0).await;
    // Under load a connection is closed with its first answer: then nobody would stay inside.
    scene.until("it is calm again", |page| page.sum("wasmbay_overload", &[]) == 0.0).await;
    let sung = |page: &Page| page.sum("wasmbay_requests_total", &[("tenant", "c"), ("plugin", "canary")]);
    let before = sung(&scene.page().await);
    // The last answer that ended its connection may just have been under way.
    scene.until("the canary is inside to stay", |page| sung(page) >= before + 3.0).await;

    // With next to none left, clients are turned away, and nobody turns in a circle.
    limit_files(&scene, files + 3).await;
    let mut inside = Vec::new();
    while let Some(connection) = visit(&scene).await {
        inside.push(connection);
        assert!(inside.len() < 384, "{files} files were open, and more are served than there are");
    }
    assert!(!inside.is_empty(), "nobody is served");
    let mut late = Socket::open(scene.addr()).await.expect("the kernel takes it");
    assert_eq!(late.ended().await.text(), "", "nobody is left to hang");
    // The operator is asked over a connection of his own, which is a file too.
    inside.truncate(1);
    let turned_away = [("listener", "public"), ("reason", "no-descriptor")];
    let counted = |page: &Page| {
        let errors = page.sum("wasmbay_accept_errors_total", &[("listener", "public")]);
        // Without its pauses there would be as many in a millisecond.
        assert!(errors < 100.0, "{errors} errors: it turns in a circle");
        page.sum("wasmbay_connections_cut_total", &turned_away) >= 2.0
    };
    scene.until("they are counted", counted).await;
    for connection in &mut inside {
        assert_eq!(connection.get("/nowhere").await.expect("an answer").status, 404, "who was inside is served on");
    }
    drop(inside);
    let recovering = async { while visit(&scene).await.is_none() {} };
    tokio::time::timeout(HANG, recovering).await.expect("the host recovers");
    scene.end().await;
}

/// How many times what an attack sends it may make the host hold; what it may make it burn is measured by the bench.
const AMPLIFICATION: f64 = 100.0;

/// Bytes. A hundred times as many are well above the few MiB by which a host's memory goes up and down by itself.
const OUTWEIGHS: u64 = 256 << 10;

pub(crate) async fn c_29_no_request_costs_a_hundred_times_what_it_is() {
    let scene = Scene::of(&EVERYWHERE[..1], "[limits]\nmax_concurrent = 4\nqueue = 4").await;
    // Those that wait out a deadline have rows of their own.
    let quick = |row: &str| !["C-01", "C-02", "C-03", "C-04", "C-05"].contains(&row);
    for attack in ATTACKS.iter().filter(|attack| quick(attack.row)) {
        let times = if soak() { attack.times } else { attack.times.div_ceil(100) };
        let (before, from) = (scene.serving.rss().expect("the host lives"), spent());
        // As often as it takes for what was sent to outweigh what a process breathes.
        while spent().since(from).on_the_wire() < OUTWEIGHS {
            attack.run(scene.mark(), times).await.expect("the host takes connections");
        }
        let sent = spent().since(from).on_the_wire();
        let grown = scene.serving.rss().expect("the host lives").saturating_sub(before);
        let times = grown as f64 / sent as f64;
        assert!(times < AMPLIFICATION, "{} {}: {sent} bytes sent, {grown} held", attack.row, attack.what);
    }
    scene.end().await;
}
