//! Requests in flight finish on the revision they began with, and no request notices a swap.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Method, Request};
use http_body_util::BodyExt as _;
use tokio::{
    task::JoinHandle,
    time::{interval, timeout},
};
use wasmbay_tests::{
    client::{Connection, HANG, Protocol, Sent, finish, pieces},
    house::{House, Plugin, settings},
    text,
};

use super::{guest_file, serving};

/// A guest of each kind that reads its request's body.
const READERS: [(&str, &str, &str); 4] = [
    ("http02.wasm", "io", "hello from 0.2\n"),
    ("http02.wasm", "compute", "hello from 0.2\n"),
    ("http03.wasm", "io", "hello from 0.3\n"),
    ("cgi01.wasm", "io", "hello from cgi\n"),
];

fn post(path: &str, body: Sent) -> Request<Sent> {
    Request::builder().method(Method::POST).uri(path).body(body).expect("a request")
}

/// Replaces the plugin `p` by a text guest with the same routes.
async fn replace(house: &House) {
    let routes = "[[route]]\npath = \"/p/{*rest}\"";
    text::write(house.dir.path(), "p", routes, &text::says("new")).expect("the folder can be written");
    house.settled().await;
    assert_eq!(house.get("/p/hello").await.text(), "new", "{:?}", house.faults());
}

/// Waits until nothing is left but what the table holds.
async fn all_freed_but(house: &House, live: usize) {
    let mut alive = house.host.behind().registry().revisions_alive();
    let freed = timeout(HANG, alive.wait_for(|alive| *alive == live)).await.is_ok();
    assert!(freed, "{} revisions are alive", *alive.borrow());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_finish_on_the_revision_they_began_with() {
    for (file, lane, hello) in READERS {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        assert_eq!(house.get("/p/hello").await.text(), hello);
        // One that has its head (a line, for commands write by lines) and waits for more of its body, and one that answers only when it has read all.
        let (echoed, body) = pieces();
        let mut with_head = house.connect().await;
        echoed.send("begun\n".into()).unwrap();
        let mut response = with_head.begin(post("/p/echo", body)).await.unwrap();
        let first = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        let (counted, body) = pieces();
        counted.send("12345".into()).unwrap();
        let mut without_head = house.connect().await;
        let answer = tokio::spawn(async move { without_head.send(post("/p/sink", body)).await });
        let both = |house: &House| house.metric("wasmbay_in_flight", "p") == 2.0;
        house.until(&format!("both are in flight in {file} {lane}"), both).await;

        replace(&house).await;
        all_freed_but(&house, 2).await;
        echoed.send("ended".into()).unwrap();
        counted.send("67890".into()).unwrap();
        drop((echoed, counted));
        let rest = finish(response, false).await.unwrap();
        assert_eq!([&first[..], &rest.body].concat(), b"begun\nended", "{file} {lane}");
        assert_eq!(answer.await.unwrap().unwrap().text(), "10\n", "{file} {lane}");
        all_freed_but(&house, 1).await;
        // The connection that was there before the swap is served by what is live now.
        assert_eq!(with_head.get("/p/hello").await.unwrap().text(), "new");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn also_when_the_folder_is_gone() {
    let house = House::serve(&[Plugin::new("p", "io", "http02.wasm")]).await;
    let (body, sent) = pieces();
    let mut connection = house.connect().await;
    let answer = tokio::spawn(async move { connection.send(post("/p/sink", sent)).await });
    house.until("it is in flight", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
    fs::remove_dir_all(house.dir.path().join("p")).unwrap();
    house.settled().await;
    assert_eq!(house.get("/p/hello").await.status, 404);
    body.send("123".into()).unwrap();
    drop(body);
    assert_eq!(answer.await.unwrap().unwrap().text(), "3\n");
    all_freed_but(&house, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_revision_is_held_no_longer_than_the_drain() {
    let mut settings = settings();
    settings.drain = Duration::from_millis(200);
    let house = House::with(settings, &[Plugin::new("p", "io", "http02.wasm")]).await;
    let (_never_ended, body) = pieces();
    let mut connection = house.connect().await;
    let answer = tokio::spawn(async move { connection.send(post("/p/sink", body)).await });
    house.until("it is in flight", |house| house.metric("wasmbay_in_flight", "p") == 1.0).await;
    replace(&house).await;
    assert_eq!(answer.await.unwrap().unwrap().problem()["code"], "draining");
    all_freed_but(&house, 1).await;
}

/// Connections that ask all the time.
const CLIENTS: usize = 16;

/// From one request of a client to its next: room on a small machine for the compilations that swaps need.
const PACE: Duration = Duration::from_millis(10);

/// How often a revision's number stands in one piece of its body, and how many pieces there are.
const NUMBERS: usize = 500;
const PIECES: usize = 8;

/// A piece of a revision's body: nothing but its number.
fn piece(revision: usize) -> String {
    format!("{revision:07} ").repeat(NUMBERS)
}

/// Asks until it is told to stop. Answers with the revisions seen, in order.
fn ask_all_the_time(house: &House, stop: &Arc<AtomicBool>, answered: &Arc<AtomicU64>) -> JoinHandle<Vec<usize>> {
    let (addr, stop, answered) = (house.host.public(), stop.clone(), answered.clone());
    tokio::spawn(async move {
        let mut connection = Connection::open(addr, Protocol::Http1).await.expect("a connection");
        let (mut seen, mut whole) = (Vec::new(), String::new());
        let mut pace = interval(PACE);
        while !stop.load(Relaxed) {
            pace.tick().await;
            // The one connection all along: a reset or a close would be an error here.
            let answer = connection.get("/p").await.expect("a whole answer");
            assert_eq!(answer.status, 200, "{:?}", answer.headers);
            let revision = answer.text()[..7].parse().expect("a revision's number");
            if seen.last() != Some(&revision) {
                whole = piece(revision).repeat(PIECES);
                seen.push(revision);
            }
            assert!(answer.text() == whole, "an answer of two revisions");
            answered.fetch_add(1, Relaxed);
        }
        seen
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_notices_a_swap() {
    let swaps = wasmbay_tests::soak::times(30, 1000);
    let house = serving("first").await;
    let put = |revision| fs::write(guest_file(&house), text::says_times(&piece(revision), PIECES)).unwrap();
    put(0);
    house.settled().await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS).map(|_| ask_all_the_time(&house, &stop, &answered)).collect();
    for revision in 1..=swaps {
        put(revision);
        house.settled().await;
        assert!(house.get("/p").await.text().starts_with(&piece(revision)), "{:?}", house.faults());
        // Each revision is asked for under load, not just passed over.
        let before = answered.load(Relaxed);
        house
            .until("as many answers came as there are clients", |_| answered.load(Relaxed) >= before + CLIENTS as u64)
            .await;
    }
    stop.store(true, Relaxed);
    let mut all = std::collections::BTreeSet::new();
    for client in clients {
        let seen = client.await.expect("no client met a fault");
        assert!(seen.is_sorted(), "an old revision came back: {seen:?}");
        all.extend(seen);
    }
    assert!(all.len() > swaps, "{} of {} revisions were seen", all.len(), swaps + 1);
    all_freed_but(&house, 1).await;
}
