//! Guests that answer in ways nobody should believe.

use http::Request;
use wasmbay_tests::client::full;

use crate::scene::{EVERYWHERE, HTTP, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn g_17_a_response_without_end() {
    let scene = Scene::of(&EVERYWHERE, "[limits]\nresponse_body = \"1MiB\"").await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        assert!(scene.house.try_get(&format!("/a/p{number}/big?mib=4000")).await.is_err(), "{kind:?}");
        let counted =
            format!("wasmbay_requests_total{{code=\"response-too-large\",plugin=\"p{number}\",tenant=\"a\"}} 1");
        scene.house.until("the failure is counted", |house| house.metrics().contains(&counted)).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_19_no_response_at_all() {
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

#[tokio::test(flavor = "multi_thread")]
async fn g_20_a_trap_after_the_head() {
    let scene = Scene::of(&EVERYWHERE, "").await;
    for (number, kind) in EVERYWHERE.iter().enumerate() {
        assert!(scene.house.try_get(&format!("/a/p{number}/trap-late")).await.is_err(), "{kind:?} ended cleanly");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_21_a_body_that_is_never_read_does_not_become_the_next_request() {
    let scene = Scene::of(&[HTTP[0], HTTP[1]], "[limits]\nrequest_body = \"64MiB\"").await;
    for number in 0..2 {
        let mut connection = scene.house.connect().await;
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

#[tokio::test(flavor = "multi_thread")]
async fn g_22_read_the_body_one_byte_at_a_time() {
    let kinds = [HTTP[0], HTTP[1]];
    let scene = Scene::of(&kinds, "").await;
    for (number, kind) in kinds.iter().enumerate() {
        let request = Request::post(format!("/a/p{number}/sink?each=1")).body(full(vec![7; 10_000]));
        let answer = scene.house.connect().await.send(request.expect("a request")).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "10000\n"), "{kind:?}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_30_timeouts_of_nothing_and_of_ages() {
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
