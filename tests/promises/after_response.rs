//! Work after the response: one failure is one failure, and it is seen. That its time ends it is in `limits`, that a drain waits for
//! it in `departures`.

use std::fs;

use tempfile::TempDir;
use wasmbay_tests::{
    client::{Connection, Protocol},
    house::Plugin,
    serving::serve_with,
};

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_cancels_nobody_elses_and_is_told_and_counted() -> anyhow::Result<()> {
    for (file, lane) in
        [("http02.wasm", "io"), ("http02.wasm", "compute"), ("http03.wasm", "io"), ("http03.wasm", "compute")]
    {
        let (dir, folder) = (TempDir::new()?, TempDir::new()?);
        let fuel = if lane == "compute" { "fuel = \"900G\"\n" } else { "" };
        Plugin::new("p", lane, file).with(&format!("[limits]\ncpu = \"100ms\"\n{fuel}")).write(dir.path())?;
        let log = folder.path().join("log");
        let stderr = fs::File::create(&log)?;
        let serving = serve_with(dir.path(), |command| {
            command.stderr(stderr).arg("--wasi-http-03=true");
        })
        .await?;
        let ask = async |path: &str| -> anyhow::Result<_> {
            Connection::open(serving.listen(), Protocol::Http1).await?.get(path).await
        };
        let count = |how: &'static str| {
            move |page: &wasmbay_tests::serving::Page| page.sum("wasmbay_background_ends_total", &[("how", how)])
        };
        // Two wait for long, one fails beside them: it spends CPU time that it does not have.
        for _ in 0..2 {
            assert_eq!(ask("/p/after?ms=1500").await?.status, 200);
        }
        let failing = ask("/p/after?ms=10000&spin=1").await?;
        assert_eq!(failing.status, 200, "its client has its answer: {file} {lane}");
        let failed = count("failed");
        serving.until(&format!("one has failed: {file} {lane}"), |page| failed(page) == 1.0).await;
        let done = count("done");
        serving.until("the others came to their own end", |page| done(page) == 2.0).await;
        assert_eq!(ask("/p/hello").await?.status, 200);
        let id = failing.headers["wasmbay-request-id"].to_str()?.to_owned();
        serving.signal("TERM").await?;
        serving.ended().await?;
        let log = fs::read_to_string(&log)?;
        let line = log.lines().find(|line| line.contains("work after the response failed"));
        assert!(line.is_some_and(|line| line.contains(&id) && line.contains("cpu-exhausted")), "{file} {lane}: {log}");
    }
    Ok(())
}
