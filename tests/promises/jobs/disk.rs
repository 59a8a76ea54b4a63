//! A disk that fills up under the jobs, and gets room again.

use std::{io::Write as _, process::Stdio};

use tokio::process::Command;
use wasmbay_tests::serving::wrap;

use super::*;

/// The disk: room for compiled code, and for some jobs.
const DISK: &str = "size=48m";

/// Whether a small disk of the test's own can be had here: mounting one takes user namespaces, which some machines forbid.
async fn can_mount() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().await.is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn d_04_a_full_disk_refuses_jobs_and_nothing_else_and_recovers_without_a_restart() -> anyhow::Result<()> {
    if !can_mount().await {
        eprintln!("skipped: no disk can be mounted here");
        return Ok(());
    }
    let upstream = Upstream::with_text("ok").await;
    let (dir, data) = (TempDir::new()?, TempDir::new()?);
    caller("a", "io", "http02.wasm", &upstream).write(dir.path())?;
    let disk = data.path().to_string_lossy().into_owned();
    let script = format!("mount -t tmpfs -o {DISK} none \"$0\" && exec \"$@\"");
    let serving =
        serve_over(dir.path(), data.path(), |command| wrap(command, &["unshare", "-rm", "sh", "-c", &script, &disk]))
            .await?;
    let ask = async |path: &str| -> anyhow::Result<Answer> {
        Connection::open(serving.listen(), Protocol::Http1).await?.get(path).await
    };
    let job = handing_in("a", "a/a/hello", "wasmbay-job-delay: 1h") + "&bytes=200000";
    let mut taken = 0;
    assert_eq!(ask(&job).await?.status, 202);
    taken += 1;
    // All but a little of the disk, from outside of the host's own view of it.
    let inside = format!("/proc/{}/root{disk}/filler", serving.id()?);
    let mut filler = fs::File::create(&inside)?;
    while filler.write_all(&[0; 1 << 16]).is_ok() {
        assert!(filler.metadata()?.len() < 64 << 20, "this is not the small disk");
    }
    let length = filler.metadata()?.len();
    filler.set_len(length - (2 << 20))?;
    let refused = loop {
        let answer = ask(&job).await?;
        if answer.status != 202 {
            break answer;
        }
        taken += 1;
        assert!(taken < 1000, "the disk never fills");
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(refused.text().contains("full"), "{}", refused.text());
    for _ in 0..3 {
        assert_eq!(ask("/a/hello").await?.status, 200, "guests are served");
        assert_eq!(ask(&job).await?.status, 507);
    }
    drop(filler);
    fs::remove_file(&inside)?;
    assert_eq!(ask(&job).await?.status, 202, "it has recovered");
    taken += 1;
    let listed = json(&serving.ask_admin("/jobs").await?);
    assert_eq!(
        listed["counts"],
        serde_json::json!([
            { "tenant": "default", "plugin": "a", "state": "waiting", "jobs": taken, "bytes": listed["counts"][0]["bytes"] }
        ]),
        "what was answered is there, and nothing else"
    );
    serving.signal("TERM").await?;
    serving.ended().await?;
    Ok(())
}
