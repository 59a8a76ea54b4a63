//! Guests that answer in ways nobody should believe.

use http::Request;
use wasmbay_attacks::requests::{exchange, get, statuses};
use wasmbay_tests::{
    client::{Protocol, full},
    text,
};

use crate::scene::{EVERYWHERE, HTTP, Scene, each};

pub(crate) async fn g_17_a_response_without_end() {
    let scene = Scene::of(&EVERYWHERE, "[limits]\nresponse_body = \"1MiB\"").await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        assert!(scene.try_get(&format!("/p{number}/big?mib=4000")).await.is_err(), "{kind:?}");
        let counted =
            format!("wasmbay_requests_total{{code=\"response-too-large\",plugin=\"p{number}\",tenant=\"a\"}} 1");
        scene.until("the failure is counted", |page| page.has(&counted)).await;
    }
    scene.end().await;
}

pub(crate) async fn g_19_no_response_at_all() {
    let scene = Scene::of(&EVERYWHERE, "").await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        let path = match kind.0 {
            "http02.wasm" => "exit-without-response",
            "http03.wasm" => "error",
            _ => "no-output",
        };
        let code = scene.code(&format!("/p{number}/{path}")).await;
        assert!(["bad-response", "guest-error"].contains(&code.as_str()), "{kind:?}: {code}");
    }
    scene.end().await;
}

pub(crate) async fn g_20_a_trap_after_the_head() {
    let scene = Scene::of(&EVERYWHERE, "").await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        assert!(scene.try_get(&format!("/p{number}/trap-late")).await.is_err(), "{kind:?} ended cleanly");
    }
    scene.end().await;
}

pub(crate) async fn g_21_a_body_that_is_never_read_does_not_become_the_next_request() {
    let scene = Scene::of(&[HTTP[0], HTTP[1]], "[limits]\nrequest_body = \"64MiB\"").await;
    for number in 0..2 {
        let mut connection = scene.connect().await;
        let body = b"GET /c/canary/trap HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
        let request = Request::post(format!("/a/p{number}/read-none")).body(full(body)).expect("a request");
        let answer = connection.send(request).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "read nothing\n"));
        // The connection goes on with the next request, or is closed; never with what stood in the body.
        if let Ok(next) = connection.get(&format!("/a/p{number}/hello")).await {
            assert_eq!(next.text(), "hello from 0.2\n");
        }
    }
    scene.end().await;
}

pub(crate) async fn g_22_read_the_body_one_byte_at_a_time() {
    let kinds = [HTTP[0], HTTP[1]];
    let scene = Scene::of(&kinds, "").await;
    for (number, kind) in kinds.iter().enumerate() {
        let request = Request::post(format!("/a/p{number}/sink?each=1")).body(full(vec![7; 10_000]));
        let answer = scene.connect().await.send(request.expect("a request")).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "10000\n"), "{kind:?}");
    }
    scene.end().await;
}

pub(crate) async fn g_30_timeouts_of_nothing_and_of_ages() {
    let kinds = [HTTP[0], HTTP[1]];
    let scene = Scene::of(&kinds, "[grants]\nplugins = [\"p0\"]").await;
    for (number, kind) in kinds.iter().enumerate() {
        for wait in [0, 1, u64::MAX] {
            for name in ["first_ns", "between_ns", "connect_ns"] {
                let call = format!("/p{number}/call?{name}={wait}&url=http://p0.plugin.internal/p0/hello");
                let answer = scene.get(&call).await;
                let short = answer.status == 502 && answer.text() == "ErrorCode::HttpResponseTimeout\n";
                assert!(answer.status == 200 || (short && wait < 2), "{kind:?} {name}={wait}: {answer:?}");
            }
        }
    }
    scene.end().await;
}

/// Names that are the connection's and not the message's, or another server's business.
pub(crate) const FORBIDDEN: [(&str, &str); 6] = [
    ("connection", "x-nothing"),
    ("transfer-encoding", "gzip"),
    ("host", "elsewhere.example"),
    ("upgrade", "websocket"),
    ("keep-alive", "timeout=1000"),
    ("proxy-connection", "keep-alive"),
];

pub(crate) async fn g_15_names_that_are_the_connections() {
    let mut scene = Scene::set(each(&EVERYWHERE[4..], "")).await;
    let fine = [("x-fine", "fine")];
    let lines: Vec<_> = FORBIDDEN.iter().chain(&fine).copied().collect();
    let both = text::with_header_lines("both", &lines, &lines);
    assert_eq!(scene.add("both", |dir| text::write(dir, "both", "", &both)).await, [""; 0]);
    // A CGI guest writes its head by itself.
    let raw: String = lines.iter().map(|(name, value)| format!("%0d%0a{name}:{value}")).collect();
    for path in
        ["/both".to_owned(), format!("/p0/location?to=http://x/{raw}"), format!("/p1/location?to=http://x/{raw}")]
    {
        for protocol in Protocol::BOTH {
            let answer = scene.connect_by(protocol).await.get(&format!("/a{path}")).await.expect("an answer");
            // Refused with its guest, or without these names.
            if answer.status == 502 {
                continue;
            }
            assert_eq!(answer.headers["x-fine"], "fine", "{path} {protocol:?}");
            let trailers = answer.trailers.unwrap_or_default();
            for (name, value) in FORBIDDEN {
                let sent = answer.headers.get(name).or(trailers.get(name));
                assert!(sent.is_none_or(|sent| sent != value), "{path} {protocol:?}: {name}: {sent:?}");
            }
        }
    }
    scene.end().await;
}

pub(crate) async fn g_16_lengths_that_lie() {
    let mut scene = Scene::set(each(&EVERYWHERE[4..], "")).await;
    for (name, lengths) in [("short", &["3"][..]), ("long", &["300"]), ("twice", &["5", "5"]), ("differ", &["5", "6"])]
    {
        let lines: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
        let guest = text::with_header_lines("hello", &lines, &[]);
        assert_eq!(scene.add(name, |dir| text::write(dir, name, "", &guest)).await, [""; 0]);
        // With one behind it: whatever is said of the first, the second is answered whole, or the connection ends.
        let second = get("/c/canary/hello", "Host: localhost\r\nConnection: close\r\n");
        let both = get(&format!("/a/{name}"), "Host: localhost\r\n") + &second;
        let answer = exchange(&scene.mark(), &both).await.expect("a connection");
        match statuses(&answer)[..] {
            [502 | 500, 200] | [200, 200] => assert!(answer.contains("hello from 0.2\n"), "{name}: {answer}"),
            [_] | [] => {}
            _ => panic!("{name}: {answer}"),
        }
        for protocol in Protocol::BOTH {
            // The client checks the length of what it gets whole.
            if let Ok(answer) = scene.connect_by(protocol).await.get(&format!("/a/{name}")).await {
                // The second of two is not taken from the guest, and the first is right.
                let took_one = lengths.len() == 2 && answer.text() == "hello";
                assert!(answer.status.is_server_error() || took_one, "{name} {protocol:?}: {answer:?}");
            }
        }
    }
    for number in 0..2 {
        assert!(scene.try_get(&format!("/p{number}/short-body")).await.is_err(), "a hundred were promised, five came");
    }
    scene.end().await;
}
