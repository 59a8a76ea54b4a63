//! Requests that two readers could read in two ways, and requests that no client needs to send.
//!
//! The guest counts: what was smuggled behind a request must never reach it.

use wasmbay_attacks::requests::{self, Shape, exchange, smuggled, statuses};

use crate::{
    rows::soak,
    scene::{EVERYWHERE, Scene},
};

/// A host with one plugin that answers to everything under `/a/p0`.
async fn scene() -> Scene {
    Scene::of(&EVERYWHERE[..1], "").await
}

/// What the host answers to these bytes, up to the connection's end.
async fn ask(scene: &Scene, request: &str) -> String {
    exchange(&scene.mark(), request).await.expect("a connection")
}

/// Sends a request with something smuggled behind it: it must be refused, its connection ended, and nothing executed.
async fn refused(scene: &Scene, Shape { what, request, status }: Shape) {
    let before = scene.executed().await;
    let answer = ask(scene, &(request + &smuggled(&scene.mark()))).await;
    assert_eq!(statuses(&answer), [status], "{what}: {answer}");
    assert_eq!(scene.executed().await, before, "{what} reached the guest");
}

async fn all_refused(shapes: impl FnOnce(&wasmbay_attacks::Mark) -> Vec<Shape>) {
    let scene = scene().await;
    for shape in shapes(&scene.mark()) {
        refused(&scene, shape).await;
    }
    scene.end().await;
}

pub(crate) async fn c_13_lengths_that_disagree() {
    let scene = scene().await;
    for shape in requests::lengths(&scene.mark()) {
        refused(&scene, shape).await;
    }
    for request in requests::lengths_beside_chunks(&scene.mark()) {
        let before = scene.executed().await;
        let answer = ask(&scene, &(request.clone() + &smuggled(&scene.mark()))).await;
        let statuses = statuses(&answer);
        // Refused, or read by the chunks; the connection may end with it, and else what follows is the next request.
        let answered = [[400].as_slice(), &[200], &[200, 200]].contains(&&*statuses);
        assert!(answered, "{request}: {answer}");
        let served = statuses.iter().filter(|status| **status == 200).count();
        assert!(served == 0 || answer.contains("\r\n3\n\r\n"), "the chunks hold three bytes: {answer}");
        assert_eq!(scene.executed().await, before + served as f64, "what was answered was executed, and no more");
    }
    scene.end().await;
}

pub(crate) async fn c_14_malformed_chunks() {
    let scene = scene().await;
    for Shape { what, request, status } in requests::chunks(&scene.mark()) {
        let answer = ask(&scene, &(request + &smuggled(&scene.mark()))).await;
        assert_eq!(statuses(&answer), [status], "{what:?}: {answer}");
    }
    // Good ones of a byte each are read, however many.
    let count = if soak() { 1_000_000 } else { 10_000 };
    let answer = ask(&scene, &requests::tiny_chunks(&scene.mark(), count)).await;
    assert!(statuses(&answer) == [200] && answer.contains(&format!("\r\n{count}\n")), "{answer}");
    scene.end().await;
}

pub(crate) async fn c_15_hosts() {
    all_refused(requests::hosts).await;
}

pub(crate) async fn c_17_paths() {
    let scene = scene().await;
    for shape in requests::paths(&scene.mark()) {
        refused(&scene, shape).await;
    }
    // What is routed is what the guest sees, however it was written.
    for request in requests::aliases(&scene.mark()) {
        let answer = ask(&scene, &request).await;
        assert_eq!(statuses(&answer), [200], "{request}: {answer}");
        assert!(answer.contains("\"path\":\"/p0/headers\""), "{request}: {answer}");
    }
    assert_eq!(statuses(&ask(&scene, &requests::long_query(&scene.mark())).await), [200]);
    scene.end().await;
}

pub(crate) async fn c_18_heads_that_are_too_large() {
    all_refused(requests::large_heads).await;
}

pub(crate) async fn c_19_many_requests_in_one_write() {
    let scene = scene().await;
    let count = 1000;
    let answer = ask(&scene, &requests::pipeline(&scene.mark(), count)).await;
    let expected: Vec<u16> = (0..count).map(|n| 200 + n % 2).collect();
    assert_eq!(statuses(&answer), expected, "in their order");
    assert_eq!(scene.executed().await, f64::from(count));
    scene.end().await;
}

pub(crate) async fn c_20_expectations() {
    let scene = scene().await;
    for request in requests::expectations(&scene.mark()) {
        let answer = ask(&scene, &request).await;
        assert!(matches!(statuses(&answer).last(), Some(200 | 417)), "{request}: {answer}");
    }
    scene.end().await;
}

pub(crate) async fn c_21_methods() {
    all_refused(requests::methods).await;
}

pub(crate) async fn c_22_upgrades() {
    let scene = scene().await;
    let answer = ask(&scene, &(requests::h2c(&scene.mark()) + &smuggled(&scene.mark()))).await;
    assert_eq!(statuses(&answer), [200, 200], "passed over: {answer}");
    let lower = answer.to_ascii_lowercase();
    assert!(!lower.contains("upgrade") && !lower.contains("http2-settings"), "{answer}");
    refused(&scene, requests::websocket(&scene.mark())).await;
    scene.end().await;
}

pub(crate) async fn c_25_a_compressed_bomb() {
    let scene = scene().await;
    let before = scene.serving.rss().expect("the host lives");
    // The host decodes nothing: the guest gets the bytes that were sent, and limits count those.
    let length = requests::compressed_bomb().len();
    for _ in 0..if soak() { 1000 } else { 20 } {
        let answer = requests::send_bomb(&scene.mark()).await.expect("a connection");
        assert!(statuses(&answer) == [200] && answer.contains(&format!("\r\n{length}\n")), "{answer}");
    }
    let grown = scene.serving.rss().expect("the host lives").saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes are held");
    scene.end().await;
}

pub(crate) async fn c_27_names_that_are_the_hosts_own() {
    let scene = scene().await;
    let answer = ask(&scene, &requests::forged(&scene.mark())).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    assert!(!answer.contains("forged") && !answer.contains("6.6.6.6"), "{answer}");
    scene.end().await;
}
