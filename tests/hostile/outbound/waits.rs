//! Servers that let their callers wait, and tenants that wait for them by the hundred.

use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    process::Command,
};
use wasmbay_tests::{
    canary::Canary,
    client::{Connection, HANG, Protocol},
    house::Plugin,
    names::{NameServer, Said},
    serving::wrap,
    upstream::{self, Upstream},
};

use super::{CALLERS, allowing, asking, call, count, encoded, error, granting, neighbour, origin, scene};
use crate::{
    scene::{Scene, each},
    stage::{CANARY, over},
};

/// A server that says these bytes to each request, and nothing more, ever.
async fn stuck_after(bytes: &'static [u8]) -> Upstream {
    Upstream::scripted(move |_, mut stream, seen| async move {
        if upstream::head(&mut stream, &seen).await.is_some() && stream.write_all(bytes).await.is_ok() {
            std::future::pending::<()>().await;
        }
    })
    .await
}

pub(crate) async fn u_08_servers_that_fall_silent() {
    // Nobody accepts here, and after these nobody is let into the queue.
    let full = TcpSocket::new_v4().expect("a socket");
    full.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let full = full.listen(1).expect("a listener");
    let at = full.local_addr().expect("bound");
    let mut crowd = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(std::time::Duration::from_millis(300), TcpStream::connect(at)).await
    {
        crowd.push(stream);
    }
    // Silent from the first byte on: to the TLS handshake, and to a request.
    let silent = Upstream::scripted(|_, stream, _| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let mute = stuck_after(b"").await;
    let stalls = stuck_after(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive ").await;
    let good = Upstream::with_text("ok").await;
    let secure = silent.url().replace("http:", "https:");
    let lines = granting([origin("127.0.0.1", at), secure.clone(), mute.url(), stalls.url(), good.url()]);
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS[..1], &lines).await;
    let soon = "200000000";
    for url in [origin("127.0.0.1", at), secure] {
        let answer = scene.get(&format!("{}&connect_ns={soon}", call(0, &url))).await;
        assert_eq!(error(&answer), "ConnectionTimeout", "{url}");
    }
    // More often than there are seats: each must come back.
    for _ in 0..6 {
        let fan = scene.get(&format!("/p0/fan?n=16&first_ns={soon}&url={}", encoded(&mute.url()))).await;
        assert_eq!(fan.text().matches("HttpResponseTimeout").count(), 16, "{fan:?}");
    }
    let broken = format!("{}&between_ns={soon}", call(0, &stalls.url()));
    assert!(scene.try_get(&broken).await.is_err(), "half a body is no answer");
    assert_eq!(scene.get(&call(0, &good.url())).await.text(), "ok");
    scene.end().await;
}

pub(crate) async fn u_14_name_servers_that_are_slow_or_say_too_much() {
    let upstream = Upstream::with_text("ok").await;
    let here = std::net::IpAddr::from([127, 0, 0, 1]);
    let names = NameServer::start(move |name| match name {
        "slow.example" => Said::Silence,
        "many.example" => Said::OverTcp(vec![here; 2000]),
        "good.example" => Said::Addresses(vec![here], 60),
        _ => Said::Unknown,
    })
    .await;
    let at = |host: &str| origin(host, upstream.addr);
    let lines = granting([at("slow.example"), at("many.example"), at("good.example"), at("*.good.example")]);
    let scene = scene(asking(&names, allowing(&["127.0.0.1"])), &CALLERS, &lines).await;
    let slow = scene.get(&format!("{}&connect_ns=300000000", call(0, &at("slow.example")))).await;
    assert_eq!(error(&slow), "DnsTimeout");
    for plugin in 0..CALLERS.len() {
        assert_eq!(scene.get(&call(plugin, &at("many.example"))).await.text(), "ok");
        // Asked for once: what is known is not asked again.
        assert_eq!(scene.get(&call(plugin, &at("good.example"))).await.text(), "ok");
    }
    let asked = names.asked();
    let storm = scene.get(&format!("/p0/repeat?n=200&url={}", encoded(&at("none.good.example")))).await;
    assert_eq!(count(&storm, "NXDOMAIN"), 200, "{storm:?}");
    assert!(names.asked() - asked <= 8, "{} questions", names.asked() - asked);
    scene.end().await;
}

pub(crate) async fn u_15_a_tenant_that_takes_every_seat() {
    let mut mute = Vec::new();
    for _ in 0..6 {
        mute.push(stuck_after(b"").await);
    }
    let good = Upstream::with_text("ok").await;
    let attacker = each(&CALLERS[..1], &granting(mute.iter().map(Upstream::url)));
    let settings = allowing(&["127.0.0.1"]).replace("io_instances = 32", "io_instances = 128");
    let scene = Scene::apart(&settings, attacker).await;
    neighbour(&granting([good.url()])).of("c").write(&scene.files().0).expect("the plugin can be written");
    scene
        .until("the neighbour is live", |page| page.has("wasmbay_in_flight{plugin=\"neighbour\",tenant=\"c\"} 0"))
        .await;
    let asked: Vec<_> = (0..30)
        .map(|number| {
            let url = encoded(&mute[number % mute.len()].url());
            scene.ask(&format!("/p0/fan?n=16&first_ns=9000000000&url={url}"))
        })
        .collect();
    // As many as this tenant may have at once wait for an answer that never comes; more wait for their turn.
    let under_way = || mute.iter().map(|upstream| upstream.heads().len()).sum::<usize>();
    scene.until("the tenant's seats are taken", |_| under_way() >= 32).await;
    for _ in 0..40 {
        let answer = scene.connect().await.get(&format!("/c/neighbour/call?url={}", encoded(&good.url()))).await;
        let answer = answer.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok"));
    }
    asked.iter().for_each(|asked| asked.abort());
    tokio::time::timeout(HANG, scene.end()).await.expect("what waited is gone with who asked for it");
}

/// What a tenant may keep open in files, as long as a statement runs.
const SESSIONS: &str = "[sql]\nconnections = 8\nstatement = \"9s\"\n";

/// Files that the host has open, of those whose paths end so.
fn open_files(scene: &Scene, end: &str) -> usize {
    let id = scene.serving.id().expect("the host lives");
    let files = std::fs::read_dir(format!("/proc/{id}/fd")).expect("it has files");
    // One may be closed meanwhile.
    let paths = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    paths.filter(|path| path.to_string_lossy().ends_with(end)).count()
}

pub(crate) async fn o_10_a_tenant_that_opens_all_it_can() {
    const FILES: usize = 512;
    let data = TempDir::new().expect("a folder");
    let (mute, good) = (stuck_after(b"").await, Upstream::with_text("ok").await);
    let settings = allowing(&["127.0.0.1"]).replace("io_instances = 32", "io_instances = 128") + SESSIONS;
    let change = |command: &mut Command| {
        over(command, data.path());
        wrap(command, &["prlimit", &format!("--nofile={FILES}:{FILES}")]);
    };
    let keeper = |name: &str, timeout: &str| {
        let grants = "[grants]\nkv = [\"s\"]\nsql = [\"main\"]";
        let lines = format!("[limits]\ncpu = \"20s\"\ntimeout = \"{timeout}\"\n{grants}");
        Plugin::new(name, "io", "spin02.wasm").with(&lines)
    };
    let caller = Plugin::new("p0", "io", "http02.wasm").with(&granting([mute.url(), good.url()]));
    let mut scene = Scene::changed(&settings, change, vec![caller, keeper("p1", "60s"), keeper("p2", "2s")]).await;
    // The canary is inside before: what it is asked over is a file as well.
    let addr = scene.addr();
    scene.replace_canary(Canary::kept(CANARY, move || Connection::open(addr, Protocol::Http1))).await;
    for plugin in [neighbour(&granting([good.url()])), keeper("keeper", "60s")] {
        plugin.of("c").write(&scene.files().0).expect("the plugin can be written");
    }
    for name in ["neighbour", "keeper"] {
        let series = format!("wasmbay_in_flight{{plugin=\"{name}\",tenant=\"c\"}} 0");
        scene.until("the neighbours are live", |page| page.has(&series)).await;
    }
    let before = open_files(&scene, "");

    // Every seat outward, and every connection to a database.
    let calls: Vec<_> = (0..24)
        .map(|_| scene.ask(&format!("/p0/fan?n=16&first_ns=60000000000&url={}", encoded(&mute.url()))))
        .collect();
    let endless = encoded("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
    assert_eq!(scene.get("/p1/set?store=s&key=k&value=1").await.text(), "set");
    let statements: Vec<_> = (0..8).map(|_| scene.ask(&format!("/p1/sqlite-ask?db=main&q={endless}"))).collect();
    let sessions = |scene: &Scene| open_files(scene, "sql/a/main.sqlite");
    scene.until("it has all it may have", |_| mute.heads().len() >= 8 && sessions(&scene) == 8).await;
    // It is refused, in words, before files are scarce.
    let one_more = format!("{}&connect_ns=300000000", call(0, &mute.url()));
    assert_eq!(error(&scene.get(&one_more).await), "ConnectionTimeout");
    let one_more = scene.get("/p2/sqlite-ask?db=main&q=SELECT%201").await;
    assert!(one_more.text().contains("all 8 connections"), "{}", one_more.text());
    let most = open_files(&scene, "");
    assert!(most + 64 < FILES, "{most} of {FILES} files are open");
    // The other tenant calls out, keeps keys, asks its database; clients connect.
    for n in 0..20 {
        let ask = async |path: &str| scene.connect().await.get(&format!("/c/{path}")).await.expect("an answer");
        let called = ask(&format!("neighbour/call?url={}", encoded(&good.url()))).await;
        assert_eq!((called.status.as_u16(), called.text()), (200, "ok"));
        assert_eq!(ask(&format!("keeper/set?store=s&key=k{n}&value=1")).await.text(), "set");
        assert_eq!(ask("keeper/sqlite-ask?db=main&q=SELECT%201%20AS%20one").await.text(), "one\ni:1");
    }
    assert_eq!(scene.page().await.sum("wasmbay_accept_errors_total", &[]), 0.0);

    for asked in calls.iter().chain(&statements) {
        asked.abort();
    }
    scene.until("what it had open is closed", |_| open_files(&scene, "") <= before + 16).await;
    assert_eq!(scene.get(&call(0, &good.url())).await.text(), "ok");
    assert_eq!(scene.get("/p1/sqlite-ask?db=main&q=SELECT%201%20AS%20one").await.text(), "one\ni:1");
    for name in ["neighbour", "keeper"] {
        std::fs::remove_dir_all(scene.files().0.join("c").join(name)).expect("it can be removed");
    }
    scene.end().await;
}
