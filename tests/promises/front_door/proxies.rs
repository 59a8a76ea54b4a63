//! Who a client is: what a trusted proxy says, and nothing that anybody else does.

use std::process::Stdio;

use http::Request;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};
use wasmbay::server::{Limits, Proxies};
use wasmbay_tests::{
    client::{Connection, HANG, Protocol, Sent, empty},
    serving::serve_with,
};

use super::{Door, Gate};

/// A request with everything that could be said about where it comes from.
fn claiming(path: &str) -> http::Result<Request<Sent>> {
    Request::get(path)
        .header("x-forwarded-for", "6.6.6.6, 203.0.113.9, 127.0.0.9")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "Shop.Example")
        .header("x-forwarded-port", "443")
        .header("x_forwarded_for", "6.6.6.6")
        .header("x-real-ip", "6.6.6.6")
        .body(empty())
}

#[tokio::test]
async fn nobody_is_believed_unless_the_operator_says_so() -> anyhow::Result<()> {
    let door = Door::open().await;
    for protocol in Protocol::BOTH {
        let request = claiming("/told")?;
        assert_eq!(door.connect(protocol).await.send(request).await?.text(), "http ", "{protocol:?}");
        let request = Request::get("/told").header("forwarded", "for=6.6.6.6;proto=https").body(empty())?;
        assert_eq!(door.connect(protocol).await.send(request).await?.text(), "http ", "{protocol:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_trusted_proxy_is_read_and_passed_on_in_one_form() -> anyhow::Result<()> {
    let proxies = Proxies::new(&["127.0.0.0/8".parse()?]);
    let door = Door::over(Door::acceptor().trusting(proxies), Limits::default(), false);
    let told = "https x-forwarded-for=203.0.113.9 x-forwarded-host=shop.example x-forwarded-proto=https";
    for protocol in Protocol::BOTH {
        let mut connection = door.connect(protocol).await;
        assert_eq!(connection.send(claiming("/told")?).await?.text(), told, "{protocol:?}");
        let forwarded = "for=6.6.6.6, for=203.0.113.9;proto=https;host=shop.example, for=127.0.0.9";
        let request = Request::get("/told").header("forwarded", forwarded).body(empty())?;
        assert_eq!(connection.send(request).await?.text(), told, "{protocol:?}");
        // A proxy that asks for itself is told as what it is.
        let told = format!("http x-forwarded-for=127.0.0.1 x-forwarded-host={} x-forwarded-proto=http", door.addr);
        assert_eq!(connection.get("/told").await?.text(), told, "{protocol:?}");
    }
    let request =
        Request::get("/told").header("forwarded", "for=1.1.1.1").header("x-forwarded-for", "2.2.2.2").body(empty())?;
    assert_eq!(door.connect(Protocol::Http1).await.send(request).await?.problem()["code"], "bad-request");
    Ok(())
}

#[tokio::test]
async fn a_client_behind_a_proxy_holds_so_many_requests_and_no_more() -> anyhow::Result<()> {
    let proxies = Proxies::new(&["127.0.0.0/8".parse()?]);
    let limits = Limits { per_address: 1, ..Limits::default() };
    let door = Door::over(Door::acceptor().trusting(proxies), limits, false);
    let from = |path: &str, client: &str| Request::get(path).header("x-forwarded-for", client).body(empty());
    for protocol in Protocol::BOTH {
        let (mut holding, held) = (door.connect(protocol).await, from("/hold", "192.0.2.1")?);
        let held = tokio::spawn(async move { holding.send(held).await });
        Gate::wait(&door.gate.entered).await;
        let mut connection = door.connect(protocol).await;
        for _ in 0..2 {
            // The proxy's connection stays: the next request on it may be another client's.
            let answer = connection.send(from("/hello", "192.0.2.1")?).await?;
            assert_eq!((answer.status.as_u16(), &answer.problem()["code"]), (429, &"quota-exceeded".into()));
            assert_eq!(answer.headers["retry-after"], "1");
            assert_eq!(connection.send(from("/hello", "192.0.2.2")?).await?.text(), "hello");
        }
        door.gate.open.add_permits(1);
        assert_eq!(held.await??.text(), "held 0");
        assert_eq!(connection.send(from("/hello", "192.0.2.1")?).await?.text(), "hello");
    }
    Ok(())
}

#[tokio::test]
async fn the_log_names_the_client_behind_a_trusted_proxy() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut serving = serve_with(folder.path(), |command| {
        command.env("WASMBAY_TRUSTED_PROXIES", "127.0.0.0/8").stderr(Stdio::piped());
    })
    .await?;
    let mut log = BufReader::new(serving.child.stderr.take().expect("piped")).lines();
    let listen = serving.says("listen");
    let answer = Connection::open(listen.parse()?, Protocol::Http1).await?.send(claiming("/nothing")?).await?;
    assert_eq!(answer.status, 404);
    let told = async {
        while let Some(line) = log.next_line().await? {
            let line: serde_json::Value = serde_json::from_str(&line)?;
            if line["path"] == "/nothing" {
                return anyhow::Ok(line);
            }
        }
        anyhow::bail!("the request is not in the log")
    };
    assert_eq!(timeout(HANG, told).await??["peer"], "203.0.113.9:0");
    Ok(())
}
