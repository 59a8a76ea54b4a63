//! Schedules: each tick once, and one run for all that were missed.

use rusqlite::Connection as File;

use super::*;

/// Moves the last ticks back, as if no host had run for so long.
fn missed(data: &Path, minutes: i64) {
    let file = File::open(data.join("jobs.sqlite")).expect("a file");
    let moved = file.execute("UPDATE schedule SET last = last - ?1 * 60000", [minutes]).expect("a change");
    assert_eq!(moved, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_one_run_and_a_restart_makes_no_other() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    // Twice a year: no tick of its own comes while the test runs but by accident of the date.
    let path = format!("/a/call?pass=wasmbay-&url={}", encoded(&format!("{}/tick", upstream.url())));
    let plugin = || {
        let schedule = format!("[[schedule]]\ncron = \"0 0 1 1,7 *\"\npath = \"{path}\"");
        caller("a", "io", "http02.wasm", &upstream).with(&schedule)
    };
    let year = 366 * 24 * 60;
    // Nothing is missed yet; then two ticks are; then the same two, as far as the file's last tick tells, of which one was run.
    for runs in [0, 1, 1] {
        let house = House::with(with("", data.path()), &[plugin()]).await;
        let last = enqueue(&house, "a", "a/a/hello", "").await;
        until(&house, &last, "done").await;
        // The gauge is set at each look, once the schedules were looked at.
        house.until("the clock was looked at", |house| house.metrics().contains("wasmbay_jobs{plugin=\"a\"")).await;
        if runs > 0 {
            house.until("the tick has run", |_| !upstream.heads().is_empty()).await;
        }
        assert!(house.host.drain(Duration::from_secs(10)).await);
        assert_eq!(upstream.heads().len(), runs, "one for all that were missed");
        missed(data.path(), year);
    }
    for head in upstream.heads() {
        assert_eq!(header(&head, "x-wasmbay-trigger"), Some("schedule"), "{head}");
        let tick = header(&head, "x-wasmbay-job-tick").expect("its tick");
        assert!(tick.ends_with("-01T00:00:00Z"), "{tick}");
        assert_eq!(header(&head, "x-wasmbay-job-key"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_no_route_takes_is_refused_and_check_names_those_that_are() -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let schedule = |path: &str| format!("[[schedule]]\ncron = \"@hourly\"\npath = \"{path}\"");
    Plugin::new("a", "io", "http02.wasm").with(&schedule("/a/tick?x=1")).write(dir.path())?;
    Plugin::new("b", "io", "http02.wasm").with(&schedule("/elsewhere")).write(dir.path())?;
    let data = TempDir::new()?;
    let (exit, text) = run(&["check", &dir.path().to_string_lossy(), "--data", &data.path().to_string_lossy()]).await;
    assert_eq!(exit, Some(1), "{text}");
    assert!(text.contains("schedule: asks POST /a/tick?x=1 at @hourly"), "{text}");
    assert!(text.contains("no route of the plugin takes POST /elsewhere"), "{text}");
    Ok(())
}
