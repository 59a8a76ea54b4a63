//! What guests are told when they hand in jobs: where a job is, and in words why one is not taken.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_an_answer_that_names_the_manifests_line() -> anyhow::Result<()> {
    let (dir, folder) = (TempDir::new()?, TempDir::new()?);
    Plugin::new("a", "io", "http02.wasm").write(dir.path())?;
    Plugin::new("c", "io", "http02.wasm").with("[grants]\njobs = true").write(dir.path())?;
    let log = folder.path().join("log");
    let stderr = fs::File::create(&log)?;
    let serving = serve_with(dir.path(), |command| {
        command.stderr(stderr);
    })
    .await?;
    for (by, target, remedy) in [
        ("a", "a/a/hello", "add jobs = true to [grants] in plugin.toml"),
        ("c", "a/a/hello", "add \"a\" to grants.plugins in plugin.toml"),
    ] {
        let mut connection = Connection::open(serving.listen(), Protocol::Http1).await?;
        let refused = connection.get(&handing_in(by, target, "")).await?;
        assert_eq!(
            (refused.status.as_u16(), &refused.headers["content-type"]),
            (403, &"application/problem+json".parse()?)
        );
        let problem = json(&refused);
        assert_eq!(
            (&problem["remedy"], &problem["code"], &problem["plugin"]),
            (&remedy.into(), &"job-denied".into(), &by.into())
        );
    }
    // A host that keeps no jobs has made no file for them.
    let page = serving.page().await?;
    assert_eq!(page.sum("wasmbay_job_calls_total", &[("result", "denied")]), 2.0);
    serving.signal("TERM").await?;
    serving.ended().await?;
    let log = fs::read_to_string(&log)?.replace("\\\"", "\"");
    assert!(log.contains("add \"a\" to grants.plugins") && log.contains("add jobs = true to [grants]"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_badly_is_an_answer_in_words() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let settings = with("count = 3\nbytes = \"4KiB\"\nbody = \"1KiB\"", data.path());
    let house = House::with(settings, &[caller("a", "io", "http02.wasm", &upstream)]).await;
    let later = "wasmbay-job-delay: 1h";
    for (target, head, more, status, words) in [
        ("", "", "", 400, "no plugin is named"),
        ("a/x", "wasmbay-job-delay: 5", "", 400, "has no unit"),
        ("a/x", "wasmbay-job-attempts: 101", "", 400, "from 1 to 100"),
        ("a/x", "wasmbay-job-retries: 1", "", 400, "there is no header wasmbay-job-retries"),
        ("a/x", later, "&bytes=1025", 413, "may have 1024 bytes"),
    ] {
        let refused = house.get(&(handing_in("a", target, head) + more)).await;
        assert_eq!(refused.status, status, "{target} {head}: {}", refused.text());
        assert!(json(&refused)["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{}", refused.text());
    }
    let put = handing_in("a", "a/x", "").replace("method=POST", "method=PUT");
    assert_eq!(house.get(&put).await.status, 405);
    // Quotas: of bytes, then of jobs.
    let large = handing_in("a", "a/x", later) + "&bytes=1024";
    for _ in 0..2 {
        assert_eq!(house.get(&large).await.status, 202);
    }
    let small = handing_in("a", "a/x", later);
    assert_eq!(house.get(&small).await.status, 202);
    let refused = house.get(&small).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(json(&refused)["detail"], "the tenant has 3 jobs already, 0 of them dead, and may have no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_bytes_is_507() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let settings = with("bytes = \"1KiB\"", data.path());
    let house = House::with(settings, &[caller("a", "io", "http02.wasm", &upstream)]).await;
    let refused = house.get(&(handing_in("a", "a/x", "wasmbay-job-delay: 1h") + "&bytes=1024")).await;
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert_eq!(json(&refused)["code"], "job-quota");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_job_and_its_owner_sees_it_and_calls_it_off() {
    let upstream = Upstream::with_text("ok").await;
    let data = TempDir::new().expect("a folder");
    let plugins = [caller("a", "io", "http02.wasm", &upstream), caller("b", "io", "http02.wasm", &upstream)];
    let house = House::with(with("", data.path()), &plugins).await;
    let head = "wasmbay-job-key: k\nwasmbay-job-delay: 1h";
    let first = house.get(&handing_in("a", "a/a/hello", head)).await;
    let again = house.get(&handing_in("a", "a/a/hello", head)).await;
    let (first, again) = (json(&first), json(&again));
    assert_eq!((&again["id"], &again["known"], &first["known"]), (&first["id"], &true.into(), &false.into()));
    let refused = house.get(&handing_in("a", "a/a/other", head)).await;
    assert_eq!(refused.status, 409, "another request under the same key: {}", refused.text());
    let id = first["id"].as_str().expect("an id");
    assert_eq!(enqueue(&house, "b", "a/a/hello", head).await.len(), id.len());
    let place = |by: &str, method: &str| {
        format!("/{by}/call?method={method}&url={}", encoded(&format!("http://jobs.wasmbay.internal/{id}")))
    };
    let shown = json(&house.get(&place("a", "GET")).await);
    assert_eq!((&shown["state"], &shown["attempt"], &shown["key"]), (&"waiting".into(), &0.into(), &"k".into()));
    assert_eq!(house.get(&place("b", "GET")).await.status, 404, "it is not b's");
    assert_eq!(house.get(&place("b", "DELETE")).await.status, 404);
    assert_eq!(json(&house.get(&place("a", "DELETE")).await)["state"], "cancelled");
    assert_eq!(house.get(&place("a", "DELETE")).await.status, 409);
    assert_eq!(ask_admin(&house, &format!("/jobs/{id}")).await["state"], "cancelled");
}
