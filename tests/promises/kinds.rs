//! Every kind of guest answers in either lane, streams both ways, and never turns its death into a clean end.

use http::{Method, Request};
use wasmbay_tests::{
    client::{Protocol, full},
    house::{House, Plugin},
};

/// Each kind's guest, with a name for its plugin.
const KINDS: [(&str, &str); 4] =
    [("http02", "http02.wasm"), ("http03", "http03.wasm"), ("cgi01", "cgi01.wasm"), ("cgi02", "cgi02.wasm")];

fn all(lane: &str) -> Vec<Plugin> {
    KINDS.iter().map(|(name, file)| Plugin::new(name, lane, file)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_answers_in_either_lane() {
    for lane in ["io", "compute"] {
        let house = House::serve(&all(lane)).await;
        for (name, _) in KINDS {
            let answer = house.get(&format!("/{name}/hello")).await;
            assert_eq!(answer.status, 200, "{lane} {name}: {answer:?}");
            assert!(answer.text().starts_with("hello from"), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_comes_back_as_it_was_sent() {
    for lane in ["io", "compute"] {
        let house = House::serve(&all(lane)).await;
        for protocol in Protocol::BOTH {
            let mut connection = house.connect_by(protocol).await;
            for (name, _) in KINDS {
                let body = vec![b'x'; 300_000];
                let request = Request::builder().method(Method::POST).uri(format!("/{name}/echo"));
                let answer = connection.send(request.body(full(body.clone())).unwrap()).await.unwrap();
                assert_eq!((answer.status.as_u16(), answer.body.len()), (200, body.len()), "{lane} {name}");
                assert!(answer.body == body, "{lane} {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_dies_in_its_body_never_ends_it_cleanly() {
    for lane in ["io", "compute"] {
        let house = House::serve(&all(lane)).await;
        for (name, _) in KINDS {
            let answer = house.try_get(&format!("/{name}/trap-late?n=1000")).await;
            assert!(answer.is_err(), "{lane} {name}: {answer:?}");
        }
    }
}
