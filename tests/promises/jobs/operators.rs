//! What operators see of jobs and do to them, on the operator's listener and by `wasmbay jobs`.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn wasmbay_jobs_lists_shows_requeues_and_cancels() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let schedule = "[[schedule]]\ncron = \"30 4 * * *\"\ntimezone = \"Europe/Berlin\"\npath = \"/a/hello\"";
    let house = House::with(with("", data.path()), &[caller("a", "io", "http02.wasm", &upstream).with(schedule)]).await;
    let admin = house.host.admin().to_string();
    let jobs = async |words: &[&str]| {
        let all: Vec<_> = ["jobs"].iter().chain(words).chain(&["--admin", &admin]).copied().collect();
        run(&all).await
    };
    let dead = enqueue(&house, "a", "a/a/status?code=404", "x-told: this").await;
    let waiting = enqueue(&house, "a", "a/a/hello", "wasmbay-job-delay: 1h\nwasmbay-job-priority: 3").await;
    until(&house, &dead, "dead").await;
    let (exit, text) = jobs(&[]).await;
    assert_eq!(exit, Some(0), "{text}");
    for words in [&*dead, &*waiting, "status 404", "default/a", "30 4 * * *", "Europe/Berlin", "/a/hello"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (exit, text) = jobs(&["list", "--state", "dead"]).await;
    assert!(exit == Some(0) && text.contains(&dead) && !text.contains(&waiting), "{text}");
    let (_, text) = jobs(&["list", "--json", "--tenant", "default", "--plugin", "a", "--after", &waiting]).await;
    let listed: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(listed["jobs"].as_array().map(Vec::len), Some(1), "{text}");
    assert_eq!(listed["schedules"][0]["timezone"], "Europe/Berlin");
    let (exit, text) = jobs(&["show", &dead]).await;
    assert!(exit == Some(0) && text.contains("x-told: this") && text.contains("/a/status?code=404"), "{text}");
    let (exit, text) = jobs(&["requeue", &dead]).await;
    assert_eq!((exit, text), (Some(0), format!("{dead} ready\n")));
    until(&house, &dead, "dead").await;
    let (exit, text) = jobs(&["cancel", &waiting, &dead]).await;
    assert_eq!((exit, text), (Some(0), format!("{waiting} cancelled\n{dead} cancelled\n")));
    let (exit, text) = jobs(&["requeue", &waiting, "nothing"]).await;
    assert_eq!(exit, Some(1));
    assert!(text.contains("only a dead one can be requeued") && text.contains("there is no job nothing"), "{text}");
    assert_eq!(jobs(&["list", "--state", "asleep"]).await.0, Some(1));
    assert_eq!(run(&["jobs", "eat"]).await.0, Some(64));
    assert_eq!(run(&["jobs", "--admin", "127.0.0.1:1"]).await.0, Some(70));
    let (_, status) = run(&["status", "--admin", &admin]).await;
    assert!(status.contains("default/a schedule: 30 4 * * * Europe/Berlin /a/hello"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d_12_a_second_host_is_told_and_takes_over_when_the_first_ends() -> anyhow::Result<()> {
    let upstream = Upstream::with_text("ok").await;
    let (dir, data) = (TempDir::new()?, TempDir::new()?);
    caller("a", "io", "http02.wasm", &upstream).write(dir.path())?;
    let ask = async |serving: &Serving, path: &str| -> anyhow::Result<Answer> {
        Connection::open(serving.listen(), Protocol::Http1).await?.get(path).await
    };
    let first = serve_over(dir.path(), data.path(), |_| {}).await?;
    let later = handing_in("a", "a/a/hello", "wasmbay-job-delay: 2s");
    assert_eq!(ask(&first, &later).await?.status, 202);
    let second = serve_over(dir.path(), data.path(), |_| {}).await?;
    let refused = ask(&second, &later).await?;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("locked"), "{}", refused.text());
    first.signal("TERM").await?;
    first.ended().await?;
    second
        .until("the job of the first runs with the second", |page| {
            page.sum("wasmbay_job_attempts_total", &[("how", "done")]) == 1.0
        })
        .await;
    assert_eq!(ask(&second, &later).await?.status, 202);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_plugins_have_no_jobs_makes_no_file() -> anyhow::Result<()> {
    let (dir, data) = (TempDir::new()?, TempDir::new()?);
    Plugin::new("a", "io", "http02.wasm").write(dir.path())?;
    let serving = serve_over(dir.path(), data.path(), |_| {}).await?;
    let listed = serving.ask_admin("/jobs").await?;
    assert_eq!(json(&listed)["jobs"], serde_json::json!([]));
    assert!(!data.path().join("jobs.sqlite").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_author_tries_out_is_kept_apart_from_what_is_served() {
    let upstream = Upstream::with_text("ok").await;
    let (dir, data) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    caller("a", "io", "http02.wasm", &upstream).write(dir.path()).expect("written");
    let house = House::in_mode(wasmbay::host::Mode::Dev, with("", data.path()), dir).await;
    house.settled().await;
    let id = enqueue(&house, "a", "a/a/hello", "").await;
    until(&house, &id, "done").await;
    assert!(data.path().join("dev/jobs.sqlite").exists() && !data.path().join("jobs.sqlite").exists());
}
