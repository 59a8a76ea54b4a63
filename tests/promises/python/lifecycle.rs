//! What an instance is to an application: when it starts, what is its own, what its requests share.

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use wasmbay::{config::Settings, host::Mode};
use wasmbay_tests::{
    client::{Answer, Protocol, empty, full, pieces},
    house::House,
};

use super::{REUSED, open, roomy, serve, write};

/// One instance for all requests, many at once.
const SHARED: &str = "[instances]\nmax_requests = 1000\nmax_concurrent = 16";

async fn json(house: &House, path: &str) -> Value {
    let answer = house.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Waits until no request of the plugin goes on.
async fn at_rest(house: &House) {
    let rests = |house: &House| {
        house.metric("wasmbay_in_flight", "p") == 0.0 && house.host.behind().invoker().background().count() == 0
    };
    house.until("it rests", rests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_starts_once_in_each_instance_at_its_first_request() {
    let house = serve("fastapi", "io", REUSED).await;
    for _ in 0..3 {
        // Not while it was built, or the first request would find it started twice.
        assert_eq!(json(&house, "/").await["started"], 1);
        at_rest(&house).await;
    }
    assert_eq!(house.metric("wasmbay_instances_created_total", "p"), 1.0);
    assert_eq!(json(&house, "/").await["greeting"], "from lifespan");
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_that_nobody_chose_are_fresh_in_each_instance() {
    let house = serve("fastapi", "io", "").await;
    let (one, other) = (json(&house, "/instance/seeds").await, json(&house, "/instance/seeds").await);
    for fresh in ["random", "unchosen", "urandom"] {
        assert_ne!(one[fresh], other[fresh], "{fresh}");
    }
    // The application's own choice, what it drew when it was imported, and what the snapshot's dictionaries are laid out by.
    for kept in ["chosen", "at_import", "hash"] {
        assert_eq!(one[kept], other[kept], "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_wait_for_another_one_of_its_instance() {
    let house = serve("fastapi", "io", SHARED).await;
    let asked: Vec<_> = (0..8).map(|_| house.ask("/stream?n=50")).collect();
    for asked in asked {
        assert_eq!(asked.await.expect("no panic").expect("an answer").text().lines().count(), 50);
    }
    at_rest(&house).await;
    let waiting = house.ask("/instance/wait");
    // Until the other one has made its gate, there is nothing to open.
    let opening = async { while house.get("/instance/open").await.status != 200 {} };
    tokio::time::timeout(wasmbay_tests::client::HANG, opening).await.expect("the gate opens");
    let opened = waiting.await.expect("no panic").expect("an answer");
    assert_eq!((opened.status.as_u16(), opened.text()), (200, "{\"opened\":true}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lifespan_began_goes_on_while_there_are_requests() {
    let house = serve("fastapi", "io", REUSED).await;
    for _ in 0..3 {
        assert_eq!(json(&house, "/instance/beats").await["beaten"], true);
        at_rest(&house).await;
    }
    assert_eq!(house.metric("wasmbay_instances_created_total", "p"), 1.0, "and it keeps no instance busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_goes_in_and_out_and_is_passed_on_while_it_comes() {
    for (application, lane) in [("fastapi", "io"), ("wsgi", "compute")] {
        let house = serve(application, lane, REUSED).await;
        let body: Vec<u8> = (0..1 << 20).map(|index: u32| (index / 7) as u8).collect();
        let post = |path: &str| Request::post(path.to_owned()).header("content-type", "image/x-mine");
        let echo = post("/echo").body(full(body.clone())).expect("a request");
        let answer = house.connect().await.send(echo).await.expect("an answer");
        assert!(answer.status == 200 && answer.body == body, "{application}: {} bytes", answer.body.len());
        let count = post("/count").body(full(body)).expect("a request");
        let answer = house.connect().await.send(count).await.expect("an answer");
        assert!(answer.text().contains("1048576"), "{application}: {}", answer.text());
    }
    let house = serve("fastapi", "io", REUSED).await;
    let (sender, sent) = pieces();
    let mut connection = house.connect_by(Protocol::Http1).await;
    sender.send("first".into()).expect("it is read");
    let response = connection.begin(Request::post("/echo").body(sent).expect("a request")).await.expect("a head");
    let mut body = response.into_body();
    for piece in ["first", "second", "third"] {
        let mut got = Vec::new();
        while got.len() < piece.len() {
            let frame = body.frame().await.expect("it goes on").expect("whole");
            got.extend_from_slice(&frame.into_data().expect("data"));
        }
        assert_eq!(got, piece.as_bytes());
        // Each is asked for only when the one before it has come back.
        let next = match piece {
            "first" => "second",
            "second" => "third",
            _ => break,
        };
        sender.send(next.into()).expect("it is read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_that_no_framework_answers_is_a_trap() {
    for (application, lane) in [("others", "io"), ("wsgi", "compute")] {
        let house = serve(application, lane, REUSED).await;
        let answer = house.get("/bare/before").await;
        assert_eq!(answer.problem()["code"], "trap", "{application}: {answer:?}");
        let broken = house.try_get("/bare/amid").await;
        assert!(broken.is_err(), "{application}: a body that broke off passes for a whole one: {broken:?}");
        assert_eq!(house.get("/bare/whole").await.text(), "begun, ended", "{application}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_refused_with_its_reason() {
    let house = serve("fastapi", "io", REUSED).await;
    let request = Request::get("/ws").header("connection", "upgrade").header("upgrade", "websocket");
    let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").header("sec-websocket-version", "13");
    let answer: Answer =
        house.connect().await.send(request.body(empty()).expect("a request")).await.expect("an answer");
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (400, &"application/problem+json".parse().unwrap())
    );
    assert!(answer.text().contains("WebSocket"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn asgi_is_refused_where_the_operators_switch_is_off_and_wsgi_is_not() {
    for (application, refused) in [("fastapi", true), ("wsgi", false)] {
        let dir = tempfile::TempDir::new().expect("a folder");
        write(&dir, application, "io", "");
        let house = open(Settings { wasi_http_03: Some(false), ..roomy() }, Mode::Serve, dir).await;
        let faults = house.faults()["p"].join("\n");
        assert_eq!(faults.contains("wasi_http_03"), refused, "{application}: {faults}");
    }
}
