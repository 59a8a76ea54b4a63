//! Guests that hand in more work than anybody can do.

use tempfile::TempDir;
use wasmbay_tests::house::Plugin;

use crate::{
    scene::Scene,
    stage::{POOLS, over},
};

/// Jobs that the attacker may have.
const MOST: usize = 50;

pub(crate) async fn g_41_more_jobs_than_there_may_be() {
    let settings = format!("{POOLS}[jobs]\ncount = {MOST}\nbytes = \"1MiB\"\nbackoff = \"1ms\"\nkept = \"1s\"\n");
    let lines = "[limits]\ntimeout = \"1m\"\n[jobs]\nmax_concurrent = 16\n[grants]\njobs = true";
    let plugin = |name: &str| Plugin::new(name, "io", "http02.wasm").with(lines);
    let data = TempDir::new().expect("a folder");
    let scene = Scene::changed(&settings, |command| over(command, data.path()), vec![plugin("p0"), plugin("p1")]).await;
    let faults = scene.faults().await;
    assert!(faults.values().all(Vec::is_empty), "{faults:#?}");
    let place = "http%3A%2F%2Fjobs.wasmbay.internal%2F";
    // Jobs that fail, that spin, that take long, and that wait for an hour.
    for what in ["trap", "spin", "wait%3Fms%3D3000", "hello"] {
        let head = if what == "hello" { "wasmbay-job-delay%3A%201h" } else { "wasmbay-job-attempts%3A%202" };
        let path = format!("/p0/call?method=POST&url={place}p0%2Fp0%2F{what}&head={head}");
        let floods: Vec<_> = (0..MOST / 5).map(|_| scene.ask(&path)).collect();
        for flood in floods {
            let status = flood.await.expect("no panic").expect("an answer").status.as_u16();
            assert!([202, 429].contains(&status), "{what}: {status}");
        }
    }
    let path = format!("/p0/call?method=POST&url={place}p0%2Fp0%2Fhello&head=wasmbay-job-delay%3A%201h");
    let mut tries = 0;
    let refused = loop {
        let answer = scene.get(&path).await;
        tries += 1;
        if answer.status == 429 {
            break answer;
        }
        assert!(answer.status == 202 && tries <= MOST, "{}: {}", answer.status, answer.text());
    };
    assert!(refused.text().contains("50 jobs already"), "{}", refused.text());
    // Bodies that are larger than all may be together, and jobs for whom nobody granted.
    let large = scene.get(&format!("/p1/call?method=POST&bytes=2000000&url={place}p1%2Fx")).await;
    assert_eq!(large.status, 413, "{}", large.text());
    for target in ["c", "..%2Fc", "p0", "P1", "%2F", "canary"] {
        let answer = scene.get(&format!("/p1/call?method=POST&url={place}{target}%2Fx")).await;
        assert!([400, 403].contains(&answer.status.as_u16()), "{target}: {}", answer.text());
    }
    scene.end().await;
}
