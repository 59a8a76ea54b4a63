//! Targets that lead elsewhere than they seem to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wasmbay_tests::{
    names::{NameServer, Said},
    upstream::{self, Upstream},
};

use super::{CALLERS, allowing, asking, call, count, encoded, error, granting, names_at, origin, scene};
use crate::scene::HTTP;

/// Refused, and not for want of a grant.
const PROHIBITED: &str = "DestinationIpProhibited";

pub(crate) async fn u_01_addresses_that_are_not_public() {
    let upstream = Upstream::with_text("reached").await;
    let hosts = [
        "127.0.0.1",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "[fc00::1]",
        "[fe80::1]",
        "224.0.0.1",
        "[ff02::1]",
        "255.255.255.255",
    ];
    let origins = hosts.map(|host| origin(host, upstream.addr));
    let closed = scene(allowing(&[]), &CALLERS, &granting(&origins)).await;
    for plugin in 0..CALLERS.len() {
        for url in &origins {
            let answer = closed.get(&call(plugin, url)).await;
            assert_eq!(error(&answer), PROHIBITED, "{url}");
        }
    }
    assert_eq!(upstream.connections(), 0);
    closed.end().await;
    let open = scene(allowing(&["127.0.0.1"]), &CALLERS, &granting(&origins)).await;
    for plugin in 0..CALLERS.len() {
        assert_eq!(open.get(&call(plugin, &upstream.url())).await.text(), "reached");
    }
    open.end().await;
}

pub(crate) async fn u_02_spellings_of_loopback() {
    let upstream = Upstream::with_text("reached").await;
    let spellings = [
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
    ];
    let odd =
        ["①②⑦.0.0.1", "%31%32%37.0.0.1", "127.0.0.1%2e", "a@127.0.0.1", "a:b@127.0.0.1", "127.0.0.1:0", "localhost%00"];
    let lines = granting(["127.0.0.1", "localhost", "a.localhost"].map(|host| origin(host, upstream.addr)));
    let closed = scene(allowing(&[]), &CALLERS, &lines).await;
    for plugin in 0..CALLERS.len() {
        for host in spellings {
            assert_eq!(error(&closed.get(&call(plugin, &origin(host, upstream.addr))).await), PROHIBITED, "{host}");
        }
        for host in odd {
            let answer = closed.get(&call(plugin, &origin(host, upstream.addr))).await;
            assert!(["HttpRequestUriInvalid", "HttpProtocolError"].contains(&error(&answer)), "{host}: {answer:?}");
        }
    }
    assert_eq!(upstream.connections(), 0);
    closed.end().await;
    // What was refused for its address is reached where the address is allowed.
    let open = scene(allowing(&["127.0.0.0/8", "::1"]), &CALLERS, &lines).await;
    for host in spellings {
        assert_eq!(open.get(&call(0, &origin(host, upstream.addr))).await.text(), "reached", "{host}");
    }
    open.end().await;
}

pub(crate) async fn u_03_private_addresses_in_the_clothes_of_others() {
    let upstream = Upstream::with_text("reached").await;
    let hosts = [
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a00:1]",
        "[2002:7f00:1::1]",
        "[2002:a00:1::1]",
        "[2001:0:101:101::80ff:fffe]",
        "[2a00:1:2:3:0:5efe:7f00:1]",
    ];
    let origins = hosts.map(|host| origin(host, upstream.addr));
    // The first three are one address.
    let granted = &origins[2..];
    let closed = scene(allowing(&[]), &CALLERS, &granting(granted)).await;
    for plugin in 0..CALLERS.len() {
        for url in &origins {
            assert_eq!(error(&closed.get(&call(plugin, url)).await), PROHIBITED, "{url}");
        }
    }
    assert_eq!(upstream.connections(), 0);
    closed.end().await;
    let open = scene(allowing(&["127.0.0.1"]), &CALLERS, &granting(granted)).await;
    assert_eq!(open.get(&call(0, &origins[0])).await.text(), "reached");
    open.end().await;
}

/// Two servers at one port: at the address that guests may reach, and at the one that they may not.
async fn twins() -> (Upstream, Upstream) {
    let reply = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    loop {
        let open = Upstream::saying_once("127.0.0.2:0", reply).await.expect("a port");
        if let Some(closed) = Upstream::saying_once(&format!("127.0.0.1:{}", open.addr.port()), reply).await {
            return (open, closed);
        }
    }
}

pub(crate) async fn u_04_names_that_move_between_the_check_and_the_connection() {
    let (open, closed) = twins().await;
    let [good, bad, bad_v6]: [IpAddr; 3] = ["127.0.0.2", "127.0.0.1", "::1"].map(|ip| ip.parse().expect("an address"));
    let turn = AtomicUsize::new(0);
    let names = NameServer::start(move |name| match name.split('.').next() {
        // Each question is another answer: A and AAAA of one name come in turn.
        Some("flips") if (turn.fetch_add(1, Ordering::Relaxed) / 2).is_multiple_of(2) => Said::Addresses(vec![good], 0),
        Some("flips") => Said::Addresses(vec![bad], 0),
        Some("mixed") => Said::Addresses(vec![good, bad], 0),
        Some("families") => Said::Addresses(vec![good, bad_v6], 0),
        Some("alias") => Said::Alias("inside.example".to_owned(), vec![bad]),
        _ => Said::Addresses(vec![good], 60),
    })
    .await;
    let lines = granting([origin("*.moves.example", open.addr)]);
    let scene = scene(asking(&names, allowing(&["127.0.0.2"])), &CALLERS, &lines).await;
    let url = |name: &str| origin(&format!("{name}.moves.example"), open.addr);
    let (mut reached, mut refused) = (0, 0);
    for round in 0..4 {
        let answer = scene.get(&format!("/p{}/repeat?n=250&url={}", round % 2, encoded(&url("flips")))).await;
        reached += count(&answer, "200");
        refused += count(&answer, PROHIBITED);
    }
    assert_eq!(reached + refused, 1000);
    assert!(reached > 0 && refused > 0, "{reached} {refused}");
    assert_eq!(open.connections() as u64, reached);
    for name in ["mixed", "families", "alias"] {
        assert_eq!(error(&scene.get(&call(0, &url(name))).await), PROHIBITED, "{name}");
    }
    assert_eq!(scene.get(&call(0, &url("steady"))).await.text(), "ok");
    assert_eq!(closed.connections(), 0);
    scene.end().await;
}

pub(crate) async fn u_05_redirects_are_the_guests_to_follow() {
    let inside = Upstream::with_text("inside").await;
    let mut redirects = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        let reply = format!("HTTP/1.1 {status} Away\r\nlocation: {}/\r\ncontent-length: 4\r\n\r\naway", inside.url());
        redirects.push((status, Upstream::saying(reply).await));
    }
    let lines = granting(redirects.iter().map(|(_, upstream)| upstream.url()));
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS, &lines).await;
    for plugin in 0..CALLERS.len() {
        for (status, upstream) in &redirects {
            let answer = scene.get(&call(plugin, &upstream.url())).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (*status, "away"));
        }
        // The guest that follows it is judged anew.
        assert_eq!(error(&scene.get(&call(plugin, &inside.url())).await), "HttpRequestDenied");
    }
    assert_eq!(inside.connections(), 0);
    scene.end().await;
}

pub(crate) async fn u_06_origins_that_look_like_a_granted_one() {
    let (upstream, other) = (Upstream::with_text("reached").await, Upstream::with_text("other").await);
    let names = names_at([127, 0, 0, 1]).await;
    let at = |host: &str| origin(host, upstream.addr);
    let lines = granting([at("*.a.com"), at("exact.com")]);
    let scene = scene(asking(&names, allowing(&["127.0.0.1"])), &CALLERS, &lines).await;
    let good = ["b.a.com", "c.b.a.com", "B.A.COM", "b.a.com.", "exact.com"];
    for host in good {
        assert_eq!(scene.get(&call(0, &at(host))).await.text(), "reached", "{host}");
    }
    let asked = upstream.heads().len();
    for plugin in 0..CALLERS.len() {
        let hosts = ["a.com", "evila.com", "b.a.com.evil", "a.com.evil", "b.exact.com", "exact.com.evil"].map(at);
        let port = origin("b.a.com", other.addr);
        let scheme = at("b.a.com").replace("http:", "https:");
        for url in hosts.into_iter().chain([port, scheme]) {
            assert_eq!(error(&scene.get(&call(plugin, &url)).await), "HttpRequestDenied", "{url}");
        }
    }
    assert_eq!((upstream.heads().len(), other.connections()), (asked, 0));
    scene.end().await;
}

pub(crate) async fn u_07_the_hosts_own_listeners() {
    let names = names_at([127, 0, 0, 1]).await;
    let upstream = Upstream::with_text("reached").await;
    let mut scene = scene(asking(&names, allowing(&["0.0.0.0/0", "::/0"])), &[], "").await;
    let own = [scene.addr(), scene.serving.says("admin").parse().expect("an address")];
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "own.example"];
    let urls: Vec<_> = own.iter().flat_map(|addr| hosts.map(|host| origin(host, *addr))).collect();
    // Which ports they have is known only now.
    let granted = urls.iter().cloned().chain([upstream.url()]);
    let lines = granting(granted);
    for plugin in crate::scene::each(&CALLERS, &lines) {
        let faults = scene.add(plugin.folder(), |folder| plugin.write(folder).map_err(std::io::Error::other)).await;
        assert!(faults.is_empty(), "{faults:?}");
    }
    for plugin in 0..CALLERS.len() {
        for url in &urls {
            assert_eq!(error(&scene.get(&call(plugin, url)).await), PROHIBITED, "{url}");
        }
        assert_eq!(scene.get(&call(plugin, &upstream.url())).await.text(), "reached");
        for url in ["unix:///run/x.sock", "ftp://127.0.0.1", "file:///etc/passwd"] {
            let answer = scene.get(&call(plugin, url)).await;
            assert!(["HttpProtocolError", "HttpRequestUriInvalid"].contains(&error(&answer)), "{url}: {answer:?}");
        }
    }
    scene.end().await;
}

pub(crate) async fn g_40_ten_thousand_calls_of_one_request() {
    let upstream = Upstream::with_text("ok").await;
    let scene = scene(allowing(&["127.0.0.1"]), &HTTP, &granting([upstream.url()])).await;
    for plugin in 0..HTTP.len() {
        let answer = scene.get(&format!("/p{plugin}/repeat?n=10000&url={}", encoded(&upstream.url()))).await;
        assert_eq!((count(&answer, "200"), count(&answer, "ConnectionLimitReached")), (256, 9744), "{answer:?}");
        assert_eq!(upstream.heads().len(), 256 * (plugin + 1));
    }
    let fan = scene.get(&format!("/p0/fan?n=40&url={}", encoded(&upstream.url()))).await;
    assert_eq!(fan.text().matches("200").count(), 40, "more than may run at once wait: {fan:?}");
    scene.end().await;
}

pub(crate) async fn g_40_a_call_that_comes_back_by_way_of_another_server() {
    let host = Arc::new(OnceLock::<(SocketAddr, String)>::new());
    let known = Arc::clone(&host);
    let proxy = Upstream::scripted(move |_, mut client, seen| {
        let known = Arc::clone(&known);
        async move {
            let Some(head) = upstream::head(&mut client, &seen).await else { return };
            // An honest proxy: it sends on what others say of the way.
            let (addr, path) = known.get().expect("it is known before anyone calls");
            let way: Vec<_> = head.lines().filter(|line| line.starts_with("cdn-loop:")).collect();
            let ask = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{}\r\n\r\n", way.join("\r\n"));
            let Ok(mut back) = tokio::net::TcpStream::connect(*addr).await else { return };
            let mut reply = Vec::new();
            if back.write_all(ask.as_bytes()).await.is_ok() && back.read_to_end(&mut reply).await.is_ok() {
                let _ = client.write_all(&reply).await;
            }
        }
    })
    .await;
    let scene = scene(allowing(&["127.0.0.1"]), &CALLERS, &granting([proxy.url()])).await;
    let path = call(0, &proxy.url());
    host.set((scene.addr(), format!("/a{path}"))).expect("set once");
    let answer = scene.get(&path).await;
    assert_eq!(error(&answer), "LoopDetected");
    assert_eq!(proxy.heads().len(), 8, "{:?}", proxy.heads());
    scene.end().await;
}
