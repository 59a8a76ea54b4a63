//! Plugins made with the Rust SDK keep its promises on a real host: one source, in both lanes, as 0.2 and as 0.3.

use std::{fs, time::Duration};

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use wasmbay::{config::Settings, host::Mode};
use wasmbay_tests::{
    client::{Answer, Connection, empty, full},
    house::{House, Plugin, guest, settings},
};
use wasmparser::{Parser, Payload};

/// The builds of the one source: file and lane.
const BUILDS: [(&str, &str); 3] = [("sdk02.wasm", "io"), ("sdk02-compute.wasm", "compute"), ("sdk03.wasm", "io")];

/// Those that wait.
const WAITING: [&str; 2] = ["sdk02.wasm", "sdk03.wasm"];

async fn post(connection: &mut Connection, path: &str, content_type: &str, body: impl Into<bytes::Bytes>) -> Answer {
    let request = Request::post(path).header("content-type", content_type).body(full(body)).expect("a request");
    connection.send(request).await.expect("an answer")
}

fn told(answer: &Answer, status: u16, content_type: &str) -> Value {
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (status, &content_type.parse().expect("a type"))
    );
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_and_answers_have_types() {
    for (file, lane) in BUILDS {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        let mut connection = house.connect().await;
        let found = connection.get("/p/items/7?tag=a&tag=b%20c&limit=9").await.unwrap();
        let expected = json!({ "id": 7, "tags": ["a", "b c"], "limit": 9 });
        assert_eq!(told(&found, 200, "application/json"), expected, "{file}");
        let created = post(&mut connection, "/p/items", "application/json", r#"{"name":"lamp","price":3}"#).await;
        assert_eq!(told(&created, 201, "application/json"), json!({ "name": "lamp", "price": 4 }));
        let id = connection.get("/p/told?x=1").await.unwrap();
        let expected = json!({ "request_id": id.headers["wasmbay-request-id"].to_str().unwrap(), "rest": "told" });
        assert_eq!(told(&id, 200, "application/json"), expected, "{file}: what the host told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem() {
    for (file, lane) in BUILDS {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        let mut connection = house.connect().await;
        for (path, status, code, detail) in [
            ("/p/gone", 410, "sold-out", "item 7 is sold out"),
            ("/p/fails", 500, "internal", "the handler failed"),
            ("/p/items/x", 400, "bad-path", "id: \"x\" is not a whole number from 0 to 18446744073709551615"),
            ("/p/items/1?limit=256", 400, "bad-query", "limit: \"256\" is not a whole number from 0 to 255"),
            ("/p/nowhere", 404, "no-route", "no route has this path"),
        ] {
            let problem = told(&connection.get(path).await.unwrap(), status, "application/problem+json");
            assert_eq!((&problem["code"], &problem["detail"]), (&code.into(), &detail.into()), "{file} {path}");
            assert_eq!(problem["status"], status);
        }
        let delete = Request::delete("/p/items/7").body(empty()).unwrap();
        let refused = connection.send(delete).await.unwrap();
        assert_eq!(
            (refused.status, &refused.headers["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
        );
        for (kind, body, status) in [
            ("text/plain", r#"{"name":"lamp","price":3}"#, 415),
            ("application/json", r#"{"name":"lamp"#, 400),
            ("application/json", r#"{"name":"lamp"}"#, 422),
        ] {
            let answer = post(&mut connection, "/p/items", kind, body).await;
            told(&answer, status, "application/problem+json");
        }
        let head = Request::builder().method(Method::HEAD).uri("/p/items/7").body(empty()).unwrap();
        assert_eq!(connection.send(head).await.unwrap().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_streams_both_ways() {
    let body: Vec<u8> = (0..1 << 20).map(|index: u32| (index / 7) as u8).collect();
    let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
    for (file, lane) in BUILDS {
        let house = House::serve(&[Plugin::new("p", lane, file)]).await;
        let mut connection = house.connect().await;
        let echoed = post(&mut connection, "/p/echo", "image/x-mine", body.clone()).await;
        assert!(echoed.status == 200 && echoed.body == body, "{file}: {} bytes came back", echoed.body.len());
        let collected = post(&mut connection, "/p/collect", "image/x-mine", body.clone()).await;
        assert_eq!(collected.text(), format!("{} bytes of {sum}", body.len()), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_trap_with_its_message_in_the_log() {
    for (file, lane) in BUILDS {
        let dir = TempDir::new().unwrap();
        Plugin::new("p", lane, file).write(dir.path()).unwrap();
        let house = House::in_mode(Mode::Dev, settings(), dir).await;
        let problem = house.get("/p/panics").await;
        let text = problem.text().to_owned();
        assert_eq!(problem.problem()["code"], "trap", "{file}");
        // The last lines of the log, the guest's frames by their names.
        for part in ["asked to panic, by the test", "lib.rs:", "sdk::panics"] {
            assert!(text.contains(part), "{file}: {part} is not in {text}");
        }
        assert_eq!(house.get("/p/items/1").await.status, 200, "{file}: the plugin lives on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() {
    for file in WAITING {
        let house = House::serve(&[Plugin::new("p", "io", file)]).await;
        let mut connection = house.connect().await;
        // The pause after the first event is longer than this test may take: what arrives did not wait for it.
        let request = Request::get("/p/events?count=2&ms=3600000").body(empty()).unwrap();
        let mut response = connection.begin(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let first = tokio::time::timeout(Duration::from_secs(30), response.body_mut().frame()).await;
        let first = first.expect("it waits for the second").expect("there is one").expect("it is whole");
        assert_eq!(first.into_data().unwrap(), "id: 0\ndata: event 0\n\n", "{file}");
        let all = house.get("/p/events?count=3&ms=1").await;
        assert_eq!(all.text().matches("data: event").count(), 3, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_fails_is_not_taken_for_a_whole_one() {
    for file in WAITING {
        let house = House::serve(&[Plugin::new("p", "io", file)]).await;
        assert!(house.try_get("/p/breaks").await.is_err(), "{file}");
    }
}

fn with_callee(file: &str) -> [Plugin; 2] {
    let caller = Plugin::new("p", "io", file).with("[grants]\nplugins = [\"callee\"]");
    [caller, Plugin::new("callee", "compute", "sdk02-compute.wasm")]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_calls_another_plugin() {
    for file in WAITING {
        let house = House::serve(&with_callee(file)).await;
        let created = told(&house.get("/p/call/callee").await, 201, "application/json");
        assert_eq!(created, json!({ "name": "lamp", "price": 4 }), "{file}");
        let both = house.get("/p/both/callee").await;
        let one = |id: u8| format!(r#"{{"id":{id},"tags":[],"limit":null}}"#);
        assert_eq!(both.text(), one(1) + &one(2), "{file}");
        let denied = told(&house.get("/p/call/stranger").await, 502, "application/problem+json");
        assert_eq!(denied["code"], "upstream-failed", "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_after_the_response() {
    for file in WAITING {
        let house = House::serve(&with_callee(file)).await;
        // A client that leaves with the last byte: the length is announced, so it knows which one that is.
        let answer = house.get("/p/after/callee").await;
        assert_eq!((answer.text(), &answer.headers["content-length"]), ("answered", &"8".parse().unwrap()), "{file}");
        house
            .until("the work has called the other plugin", |house| {
                house.metrics().contains("wasmbay_requests_total{code=\"ok\",plugin=\"callee\",tenant=\"default\"} 1")
            })
            .await;
        let counted = "wasmbay_requests_total{code=\"ok\",plugin=\"p\",tenant=\"default\"} 1";
        house.until("the request is counted as answered", |house| house.metrics().contains(counted)).await;
    }
}

/// The pages that the component's memories begin with.
fn declared_pages(file: &str) -> Vec<u64> {
    let component = fs::read(guest(file)).expect("it is built");
    let mut pages = Vec::new();
    for payload in Parser::new(0).parse_all(&component) {
        if let Payload::MemorySection(section) = payload.expect("a component") {
            pages.extend(section.into_iter().map(|memory| memory.expect("a memory").initial));
        }
    }
    pages
}

/// To grow the memory and to shrink it again for the next instance costs more than all else in a small request.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_request_does_not_grow_the_memory() {
    for (file, lane) in BUILDS {
        let declared = declared_pages(file);
        let reuse = Plugin::new("p", lane, file).with("[instances]\nmax_requests = 100");
        let house = House::serve(&[reuse]).await;
        let mut connection = house.connect().await;
        for round in 0..20 {
            // Held twice, as bytes and as text, it is more than the 64 KiB that chance may leave in the last page.
            let body = format!(r#"{{"name":"{}","price":3}}"#, "lamp ".repeat(8 << 10));
            let answer = post(&mut connection, "/p/pages", "application/json", body).await;
            let now: u64 = answer.text().parse().unwrap();
            assert!(declared.contains(&now), "{file}: {now} pages in round {round}, {declared:?} to begin with");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_holds_the_section_against_the_manifest() {
    let dir = TempDir::new().unwrap();
    for (name, lane, file) in
        [("a", "compute", "sdk02.wasm"), ("b", "io", "sdk02-compute.wasm"), ("c", "io", "sdk03.wasm")]
    {
        Plugin::new(name, lane, file).write(dir.path()).unwrap();
    }
    let report = wasmbay::host::check(&settings(), dir.path()).await.unwrap();
    assert_eq!(report.good, ["default/c"]);
    let faults: Vec<_> = report.faults.iter().map(ToString::to_string).collect();
    for (name, written, says) in [("a", "io", "compute"), ("b", "compute", "io")] {
        let said = format!(
            "{name}/plugin.toml:5: lane: the manifest says \"{says}\", and the component's handlers are written for \
             \"{written}\" (rust SDK 0.1.0); write lane = \"{written}\", or rewrite the handlers"
        );
        assert!(faults.iter().any(|fault| fault.ends_with(&said)), "{said} is not in {faults:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_and_known_is_there_and_what_is_not_granted_names_its_line() {
    for file in WAITING {
        let state = TempDir::new().expect("a folder");
        let granted = "[grants]\nkv = [\"s\"]\nsql = [\"main\"]\n[grants.config]\ngreeting = \"hello\"";
        let plugins = [Plugin::new("p", "io", file).with(granted), Plugin::new("q", "io", file)];
        let settings = Settings { wasi_http_03: Some(true), state: Some(state.path().to_owned()), ..settings() };
        let house = House::with(settings, &plugins).await;
        let ask = async |path: &str| told(&house.get(path).await, 200, "application/json");
        assert_eq!(ask("/p/known/greeting").await["ok"], "hello", "{file}");
        for n in [1, 2] {
            assert_eq!(ask("/p/count/s/k").await["ok"], json!([{ "n": n }, false]), "{file}");
        }
        assert_eq!(ask("/p/keys/s").await["ok"], json!(["k"]), "{file}");
        let row = json!({ "whole": 7, "real": 0.5, "text": "it's", "missing": null });
        assert_eq!(ask("/p/rows/main?text=it's").await["ok"], json!([row, 12_502_500]), "{file}");
        let wrong = ask("/p/wrong/main").await;
        assert!(wrong["failure"] == "Failed" && wrong["said"].as_str().expect("text").contains("SELEKT"), "{wrong}");
        for (path, line) in [
            ("/q/known/greeting", "add greeting to [grants.config] in plugin.toml"),
            ("/q/count/s/k", "add \"s\" to grants.kv in plugin.toml"),
            ("/q/keys/s", "add \"s\" to grants.kv in plugin.toml"),
            ("/q/rows/main?text=x", "add \"main\" to grants.sql in plugin.toml"),
        ] {
            let denied = ask(path).await;
            assert!(denied["failure"] == "Denied" && denied["said"].as_str().expect("text").contains(line), "{denied}");
        }
    }
}
