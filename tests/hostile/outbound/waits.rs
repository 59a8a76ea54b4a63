//! Servers that let their callers wait, and tenants that wait for them by the hundred.

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
};
use wasmbay_tests::{
    client::HANG,
    names::{NameServer, Said},
    upstream::{self, Upstream},
};

use super::{CALLERS, allowing, asking, call, count, encoded, error, granting, neighbour, origin, scene};
use crate::scene::{Scene, each};

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
