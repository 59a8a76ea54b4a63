//! Clients that know nothing of components call what the manifest grants, and say in their own words what went wrong.

use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, sync::Barrier};
use wasmbay::{config::Settings, host::Mode};
use wasmbay_tests::{
    client::{Protocol, full, pieces},
    house::{House, Plugin},
    upstream::{self, Upstream},
};

use super::{REUSED, open, roomy, write};

/// Both protocols, the lane each is at home in, and how its applications are asked to call.
const APPLICATIONS: [(&str, &str, &[&str]); 2] = [
    ("others", "io", &["waits?", "stands?with=httpx&", "stands?with=requests&"]),
    ("wsgi", "compute", &["stands?with=httpx&", "stands?with=requests&", "stands?with=urllib3&"]),
];

/// Serves an application that may call these origins and the plugin `echo` beside it.
async fn granted(application: &str, lane: &str, origins: &[String]) -> House {
    let dir = TempDir::new().expect("a folder");
    let echo = Plugin::new("echo", "io", "http02.wasm").with("[limits]\nrequest_body = \"8MiB\"");
    echo.write(dir.path()).expect("a plugin");
    write(&dir, application, lane, &format!("{REUSED}\n[grants]\nhttp = {origins:?}\nplugins = [\"echo\"]"));
    let written = Settings::parse("private_networks = [\"127.0.0.1\"]", "wasmbay.toml").expect("networks");
    open(Settings { private_networks: written.private_networks, ..roomy() }, Mode::Serve, dir).await
}

/// What an application tells of a call.
async fn told(house: &House, asked: &str, url: &str) -> Value {
    let answer = house.get(&format!("/calls/{asked}url={url}")).await;
    assert_eq!(answer.status, 200, "{asked}: {answer:?} {:?}", house.faults());
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// A server that reads each request and never answers.
async fn silent() -> Upstream {
    Upstream::scripted(|_, mut stream, seen| async move {
        upstream::head(&mut stream, &seen).await;
        std::future::pending::<()>().await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_clients_call_what_the_manifest_grants() {
    let server = Upstream::with_text("ok").await;
    for (application, lane, ways) in APPLICATIONS {
        let house = granted(application, lane, &[server.url()]).await;
        for asked in ways {
            let answer = told(&house, asked, &format!("{}/a/b%253Fc", server.url())).await;
            assert_eq!((&answer["status"], &answer["text"]), (&200.into(), &"ok".into()), "{asked}: {answer}");
            let head = server.heads().pop().expect("a request");
            let host = format!("host: {}\r\n", server.addr);
            assert!(head.starts_with("GET /a/b%3Fc HTTP/1.1\r\n") && head.contains(&host), "{asked}: {head}");
            assert!(head.contains("user-agent: python-"), "{asked}: {head}");
            let answer = told(&house, asked, "http://echo.plugin.internal/echo/hello").await;
            assert_eq!(answer["text"], "hello from 0.2\n", "{asked}: {answer}");
        }
        if application == "others" {
            // What is set on a client that was made while the component was built holds.
            assert!(server.heads()[0].contains("x-from: httpx\r\n"), "{:?}", server.heads());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_the_clients_own_exception() {
    let cut = |_, mut stream: tokio::net::TcpStream, seen: Arc<upstream::Seen>| async move {
        upstream::answer(&mut stream, &seen, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab").await;
    };
    let (silent, cut) = (silent().await, Upstream::scripted(cut).await);
    // Nobody listens there any more.
    let nobody = Upstream::with_text("").await.url();
    let cases = [
        ("waits?", ["ConnectError", "ConnectError", "ReadTimeout", "ReadError"]),
        ("stands?with=httpx&", ["ConnectError", "ConnectError", "ReadTimeout", "ReadError"]),
        ("stands?with=requests&", ["ConnectionError", "ConnectionError", "ReadTimeout", "ChunkedEncodingError"]),
        ("stands?with=urllib3&", ["NewConnectionError", "NewConnectionError", "ReadTimeoutError", "ProtocolError"]),
    ];
    for (application, lane, ways) in APPLICATIONS {
        let house = granted(application, lane, &[silent.url(), cut.url(), nobody.clone()]).await;
        for (asked, expected) in cases.iter().filter(|(asked, _)| ways.contains(asked)) {
            let in_time = format!("{asked}timeout=0.2&");
            let failures = [
                told(&house, asked, "https://not-granted.example/").await,
                told(&house, asked, &format!("{nobody}/")).await,
                told(&house, &in_time, &format!("{}/", silent.url())).await,
                told(&house, asked, &format!("{}/", cut.url())).await,
            ];
            let names: Vec<_> = failures.iter().filter_map(|failure| failure["error"].as_str()).collect();
            assert_eq!(names, expected, "{application} {asked}: {failures:#?}");
            let (denied, refused) = (failures[0]["text"].to_string(), failures[1]["text"].to_string());
            assert!(denied.contains("[grants]") && denied.contains("https://not-granted.example"), "{denied}");
            assert!(refused.contains("connection refused"), "{refused}");
            let other = told(&house, asked, "http://other.plugin.internal/").await;
            assert!(other["text"].to_string().contains("plugins = ["), "{other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_go_out_and_come_in_whole() {
    for (application, lane, _) in APPLICATIONS {
        let house = granted(application, lane, &[]).await;
        let relay = |to: &str| Request::post(format!("/calls/relay?url=http://echo.plugin.internal/echo/{to}"));
        let large: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 7) as u8).collect();
        let sink = relay("sink").body(full(large.clone())).expect("a request");
        let answer = house.connect().await.send(sink).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "3000000\n"), "{application}");
        let big = relay("big%3Fmib=3").body(full("")).expect("a request");
        let answer = house.connect().await.send(big).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 3 << 20), "{application}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_await_an_answer_is_read_while_the_request_is_sent() {
    let house = granted("others", "io", &[]).await;
    let (sender, sent) = pieces();
    let mut connection = house.connect_by(Protocol::Http1).await;
    sender.send("first".into()).expect("it is read");
    let request = Request::post("/calls/relay?url=http://echo.plugin.internal/echo/echo").body(sent);
    let response = connection.begin(request.expect("a request")).await.expect("a head");
    let mut body = response.into_body();
    for (piece, next) in [("first", Some("second")), ("second", None)] {
        let mut got = Vec::new();
        while got.len() < piece.len() {
            let frame = body.frame().await.expect("it goes on").expect("whole");
            got.extend_from_slice(&frame.into_data().expect("data"));
        }
        assert_eq!(got, piece.as_bytes());
        // Each is sent only when the one before it has come back.
        if let Some(next) = next {
            sender.send(next.into()).expect("it is read");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_beside_each_other() {
    let all = Arc::new(Barrier::new(8));
    let server = Upstream::scripted(move |_, mut stream, seen| {
        let all = Arc::clone(&all);
        async move {
            upstream::head(&mut stream, &seen).await;
            // No answer before all have asked.
            all.wait().await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let house = granted("others", "io", &[server.url()]).await;
    let answers = told(&house, "together?", &server.url()).await;
    assert_eq!(answers.as_array().map(Vec::len), Some(8), "{answers}");
    assert!(answers.as_array().into_iter().flatten().all(|answer| answer["text"] == "ok"), "{answers}");
    assert!(
        server.heads().iter().all(|head| head.contains("content-type: application/json\r\n")),
        "{:?}",
        server.heads()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_leaves_the_instance_fit() {
    let (silent, server) = (silent().await, Upstream::with_text("ok").await);
    let house = granted("others", "io", &[silent.url(), server.url()]).await;
    for _ in 0..3 {
        for (asked, member, said, url) in
            [("within?seconds=0.05&", "error", "TimeoutError", silent.url()), ("waits?", "text", "ok", server.url())]
        {
            assert_eq!(told(&house, asked, &url).await[member], said);
            // Its answer is out a moment before it waits for the next request.
            house.until("it rests", |house| house.metric("wasmbay_idle_instances", "p") == 1.0).await;
        }
    }
    assert_eq!(house.metric("wasmbay_instances_created_total", "p"), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_fails_breaks_the_request_and_is_the_applications_own_error() {
    for (application, lane, _) in APPLICATIONS {
        let house = granted(application, lane, &[]).await;
        let failed = told(&house, "broken?", "http://echo.plugin.internal/echo/sink").await;
        assert_eq!(
            (&failed["error"], &failed["text"]),
            (&"ValueError".into(), &"no more of it".into()),
            "{application}"
        );
    }
}
