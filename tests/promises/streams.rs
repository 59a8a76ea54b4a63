//! Bodies stream both ways in little memory, events arrive one by one, trailers pass, and work may go on after the end.

use std::time::{Duration, Instant};

use http::{Method, Request};
use http_body_util::BodyExt as _;
use wasmbay_tests::{
    client::{Protocol, empty, full, pieces},
    house::{House, Plugin},
};

/// Both kinds that stream, in both lanes.
const STREAMING: [(&str, &str); 4] =
    [("http02.wasm", "io"), ("http02.wasm", "compute"), ("http03.wasm", "io"), ("http03.wasm", "compute")];

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_the_guests_memory_passes() {
    for (file, lane) in STREAMING {
        let limits = "[limits]\nmemory = \"8MiB\"\nrequest_body = \"64MiB\"\nfuel = \"900G\"\ncpu = \"20s\"";
        let limits = if lane == "io" { limits.replace("fuel = \"900G\"\n", "") } else { limits.to_owned() };
        let house = House::serve(&[Plugin::new("p", lane, file).with(&limits)]).await;
        let body = vec![7; 24 << 20];
        let request = Request::builder().method(Method::POST).uri("/p/echo").body(full(body.clone())).unwrap();
        let answer = house.connect().await.send(request).await.unwrap();
        assert!(answer.body == body, "{file} {lane}: {} bytes came back", answer.body.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() {
    for (file, lane) in STREAMING {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        for protocol in Protocol::BOTH {
            let mut connection = house.connect_by(protocol).await;
            let request = Request::get("/p/sse?n=3&ms=150").body(empty()).unwrap();
            let mut response = connection.begin(request).await.unwrap();
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            let begun = Instant::now();
            let first = response.body_mut().frame().await.unwrap().unwrap();
            assert!(first.is_data());
            let rest = response.into_body().collect().await.unwrap().to_bytes();
            assert!(!rest.is_empty());
            // The first came before the last two pauses: it did not wait for the rest.
            assert!(begun.elapsed() >= Duration::from_millis(150), "{file} {lane}: all came at once");
        }
    }
}

/// So many small pieces that a connection of HTTP/1 does not take them all in one turn. In HTTP/2 each is a frame, and so many that
/// nobody has read yet end the connection.
fn many(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Http1 => 3000,
        Protocol::Http2 => 50,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_piece_waits_for_no_other_and_many_of_them_arrive_whole() {
    for (file, lane) in STREAMING {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        for protocol in Protocol::BOTH {
            let mut connection = house.connect_by(protocol).await;
            let (sender, body) = pieces();
            let request = Request::builder().method(Method::POST).uri("/p/echo").body(body).unwrap();
            sender.send("0".into()).unwrap();
            let mut response = connection.begin(request).await.unwrap();
            let mut back = Vec::new();
            for sent in 1..20 {
                // The next leaves once this one is back.
                while back.len() < sent {
                    let frame = response.body_mut().frame().await.unwrap().unwrap();
                    back.extend_from_slice(&frame.into_data().unwrap());
                }
                sender.send("0".into()).unwrap();
            }
            for number in 0..many(protocol) {
                sender.send(number.to_string().into()).unwrap();
            }
            drop(sender);
            back.extend_from_slice(&response.into_body().collect().await.unwrap().to_bytes());
            let whole = "0".repeat(20) + &(0..many(protocol)).map(|number| number.to_string()).collect::<String>();
            assert!(back == whole.as_bytes(), "{file} {lane} {protocol:?}: {} bytes came back", back.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_body_hears_that_its_client_left() {
    for (file, lane) in STREAMING {
        let plugin = Plugin::new("p", lane, file).headed("on_disconnect = \"finish\"");
        let house = House::serve(&[plugin]).await;
        for protocol in Protocol::BOTH {
            let mut connection = house.connect_by(protocol).await;
            let (sender, body) = pieces();
            let request = Request::builder().method(Method::POST).uri("/p/echo").body(body).unwrap();
            sender.send("x".into()).unwrap();
            let mut response = connection.begin(request).await.unwrap();
            response.body_mut().frame().await.unwrap().unwrap();
            for _ in 0..100 {
                sender.send("x".into()).unwrap();
            }
            assert_eq!(house.metric("wasmbay_in_flight", "p"), 1.0);
            drop((sender, response, connection));
            house.until("the guest has ended", |house| house.metric("wasmbay_in_flight", "p") == 0.0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass() {
    for (file, lane) in STREAMING {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        let mut connection = house.connect_by(Protocol::Http2).await;
        let answer = connection.get("/p/trailers").await.unwrap();
        assert!(answer.trailers.is_some_and(|trailers| !trailers.is_empty()), "{file} {lane}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guest_sees_the_right_authority() {
    for file in ["http02.wasm", "http03.wasm"] {
        let house = House::serve(&[Plugin::new("p", "io", file)]).await;
        for protocol in Protocol::BOTH {
            let answer = house.connect_by(protocol).await.get("/p/headers").await.unwrap();
            let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(told["authority"], house.host.public().to_string(), "{file} {told}");
            assert_eq!(told["path"], "/p/headers");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_after_the_response_as_long_as_it_may() {
    for (file, lane) in STREAMING {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        assert_eq!(house.get("/p/after?ms=100").await.status, 200);
        house.until("it is done", |house| ended(house, "done") == 1.0).await;

        let none = Plugin::new("p", lane, file).with("[limits]\nafter_response = \"0s\"");
        let house = House::serve(&[none]).await;
        assert_eq!(house.get("/p/after?ms=20000").await.status, 200);
        house.until("it is ended", |house| ended(house, "no-permit") + ended(house, "deadline") >= 1.0).await;
        house.until("nothing goes on", |house| house.host.behind().invoker().background().count() == 0).await;
    }
}

fn ended(house: &House, how: &str) -> f64 {
    let label = format!("wasmbay_background_ends_total{{how=\"{how}\"");
    let text = house.metrics();
    let line = text.lines().find(|line| line.starts_with(&label));
    line.map_or(0.0, |line| line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_like_get_without_its_body() {
    for (file, lane) in STREAMING {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        let mut connection = house.connect().await;
        for _ in 0..2 {
            let request = Request::builder().method(Method::HEAD).uri("/p/big?mib=1").body(empty()).unwrap();
            let answer = connection.send(request).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{file} {lane}");
        }
    }
}
