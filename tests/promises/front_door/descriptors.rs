//! Files are few: the host takes as many as it may, and keeps some back.

use std::process::Stdio;

use anyhow::Context;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};
use wasmbay_tests::{
    client::HANG,
    serving::{serve_with, wrap},
};

#[tokio::test]
async fn the_limit_of_open_files_is_raised_and_what_it_leaves_is_told() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let mut serving = serve_with(folder.path(), |command| {
        wrap(command, &["prlimit", "--nofile=256:2048"]);
        command.stderr(Stdio::piped());
    })
    .await?;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.child.id().context("it runs")?))?;
    let files = limits.lines().find(|line| line.starts_with("Max open files")).context("a limit")?;
    assert_eq!(files.split_whitespace().filter(|word| *word == "2048").count(), 2, "{files}");
    let mut log = BufReader::new(serving.child.stderr.take().expect("piped")).lines();
    let told = async {
        while let Some(line) = log.next_line().await? {
            let line: serde_json::Value = serde_json::from_str(&line)?;
            if line["message"] == "room for connections" {
                return anyhow::Ok(line);
            }
        }
        anyhow::bail!("the room for connections is not in the log")
    };
    let told = timeout(HANG, told).await??;
    let connections = told["connections"].as_u64().context("a number")?;
    assert!((1000..1536).contains(&connections), "{told}");
    assert_eq!(told["per_address"], connections / 4, "{told}");
    Ok(())
}
