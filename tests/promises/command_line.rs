//! The binary as scripts see it: one line on standard output, exit codes, signals.

use std::{path::Path, process::Stdio};

use anyhow::Context;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use wasmbay_tests::{
    client::{Connection, HANG, Protocol},
    house::Plugin,
};

/// A running `wasmbay serve` that has said where it listens.
pub(crate) struct Serving {
    pub(crate) child: Child,
    out: Lines<BufReader<ChildStdout>>,
    ready: String,
    _data: TempDir,
}

fn wasmbay(words: &[&str]) -> Command {
    let bin = std::env::var_os("WASMBAY_BIN").expect("WASMBAY_BIN names the built binary");
    let mut command = Command::new(bin);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// The exit code and standard output of a command that ends by itself.
async fn run(words: &[&str]) -> (Option<i32>, String) {
    let output = timeout(HANG, wasmbay(words).output()).await.expect("it does not end").expect("it starts");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

/// Serves this folder until the test ends.
pub(crate) async fn serve(dir: &Path) -> anyhow::Result<Serving> {
    serve_with(dir, |_| {}).await
}

/// The same with a command that was changed before it started.
pub(crate) async fn serve_with(dir: &Path, change: impl FnOnce(&mut Command)) -> anyhow::Result<Serving> {
    let data = TempDir::new()?;
    let (dir, data_dir) = (dir.to_string_lossy(), data.path().to_string_lossy());
    let any = "127.0.0.1:0";
    let mut command = wasmbay(&["serve", &dir, "--listen", any, "--admin", any, "--data", &data_dir]);
    change(&mut command);
    let mut child = command.spawn()?;
    let mut out = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = timeout(HANG, out.next_line()).await??.context("it ends before it is ready")?;
    Ok(Serving { child, out, ready, _data: data })
}

impl Serving {
    /// What the ready line says after `key=`.
    pub(crate) fn says(&self, key: &str) -> &str {
        let words = self.ready.split(' ');
        words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')).next().expect("an address")
    }

    async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.child.id().expect("it runs").to_string();
        anyhow::ensure!(Command::new("kill").args(["-s", name, &id]).status().await?.success(), "no signal");
        Ok(())
    }

    /// The exit code, once it has ended; what else it printed must be nothing.
    async fn ended(mut self) -> anyhow::Result<Option<i32>> {
        assert_eq!(timeout(HANG, self.out.next_line()).await??, None, "one line alone");
        Ok(timeout(HANG, self.child.wait()).await??.code())
    }
}

#[tokio::test]
async fn a_script_reads_one_line_and_a_signal_ends_it_well() -> anyhow::Result<()> {
    let empty = TempDir::new()?;
    for signal in ["INT", "TERM"] {
        let serving = serve(empty.path()).await?;
        assert!(serving.ready.starts_with("ready listen=127.0.0.1:"), "{}", serving.ready);
        let mut connection = Connection::open(serving.says("listen").parse()?, Protocol::Http1).await?;
        assert_eq!(connection.get("/").await?.problem()["code"], "no-route");
        let mut admin = Connection::open(serving.says("admin").parse()?, Protocol::Http1).await?;
        assert_eq!(admin.get("/readyz").await?.text(), "ready\n");
        let (code, table) = run(&["status", "--admin", serving.says("admin")]).await;
        assert!(code == Some(0) && table.contains("wasi:http 0.3 is on"), "{table}");
        serving.signal(signal).await?;
        assert_eq!(serving.ended().await?, Some(0), "{signal}");
    }
    Ok(())
}

#[tokio::test]
async fn the_first_signal_finishes_what_was_begun_and_the_second_does_not() -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    Plugin::new("waiter", "io", "http02.wasm").with("[limits]\ntimeout = \"60s\"\n").write(dir.path())?;
    let serving = serve(dir.path()).await?;
    let mut connection = Connection::open(serving.says("listen").parse()?, Protocol::Http1).await?;
    // Longer than any wait of this test: it is only ever cut short.
    let held = tokio::spawn(async move { connection.get("/waiter/wait?ms=50000").await });
    let mut metrics = Connection::open(serving.says("admin").parse()?, Protocol::Http1).await?;
    let in_flight = async {
        while !metrics
            .get("/metrics")
            .await?
            .text()
            .contains("wasmbay_in_flight{plugin=\"waiter\",tenant=\"default\"} 1")
        {}
        anyhow::Ok(())
    };
    timeout(HANG, in_flight).await??;
    serving.signal("TERM").await?;
    let draining = async { while metrics.get("/readyz").await.is_ok_and(|answer| answer.status == 200) {} };
    timeout(HANG, draining).await?;
    assert!(!held.is_finished(), "the first signal cuts nothing");
    serving.signal("TERM").await?;
    assert_eq!(serving.ended().await?, Some(0));
    assert!(held.await?.is_err(), "the second signal waits for nothing");
    Ok(())
}

#[tokio::test]
async fn pools_that_the_machine_does_not_hold_are_clamped_and_said() -> anyhow::Result<()> {
    let empty = TempDir::new()?;
    let with_too_many = |command: &mut Command| {
        command.env("WASMBAY_IO_INSTANCES", "4000000");
    };
    let serving = serve_with(empty.path(), with_too_many).await?;
    let mut admin = Connection::open(serving.says("admin").parse()?, Protocol::Http1).await?;
    let metrics = admin.get("/metrics").await?;
    let slots = metrics.text().lines().find_map(|line| line.strip_prefix("wasmbay_instance_slots{lane=\"io\"} "));
    let slots: u32 = slots.expect("the gauge is there").parse()?;
    assert!((16..100_000).contains(&slots), "{slots}");
    let (code, table) = run(&["status", "--admin", serving.says("admin")]).await;
    assert!(code == Some(0) && table.contains("note: io_instances = 4000000 is clamped to "), "{table}");
    assert!(!table.contains("compute_instances"), "what fits is left alone: {table}");
    assert!(table.contains("vm.max_map_count") || table.contains("address space"), "{table}");
    Ok(())
}

#[tokio::test]
async fn check_names_the_line_that_a_cap_of_the_operators_lowers() -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    Plugin::new("p", "io", "hello.wat").of("acme").with("[limits]\n# Wished.\ncpu = \"2s\"").write(dir.path())?;
    let settings = dir.path().join("wasmbay.toml");
    let text = "[tenant.acme]\nfolder = \"acme\"\nprefix = \"/acme\"\ncaps = { cpu = \"1s\", memory = \"64MiB\" }\n";
    std::fs::write(&settings, text)?;
    let (path, settings, data) = (dir.path().to_string_lossy(), settings.to_string_lossy(), TempDir::new()?);
    let (code, report) = run(&["check", &path, "--config", &settings, "--data", &data.path().to_string_lossy()]).await;
    let manifest = std::fs::read_to_string(dir.path().join("acme/p/plugin.toml"))?;
    let line = 1 + manifest.lines().position(|line| line.starts_with("cpu")).expect("it is written");
    for note in [
        format!(
            "acme/p/plugin.toml:{line}: `limits.cpu` = 2s is capped at 1s by the operator's caps.cpu (ask for 1s at most, \
             or raise caps.cpu of [tenant.acme] in wasmbay.toml)"
        ),
        // A default has no line.
        "acme/p/plugin.toml: `limits.memory` = 128MiB is capped at 64MiB".to_owned(),
    ] {
        assert!(report.contains(&note), "{note}: {report}");
    }
    assert_eq!(code, Some(0), "{report}");
    Ok(())
}

#[tokio::test]
async fn exit_codes_tell_faults_from_wrong_usage() -> anyhow::Result<()> {
    let dir = TempDir::new()?;
    let (path, data) = (dir.path().to_string_lossy(), TempDir::new()?);
    let data = data.path().to_string_lossy();
    assert_eq!(run(&["check", &path, "--data", &data]).await.0, Some(0));
    std::fs::create_dir(dir.path().join("bad"))?;
    std::fs::write(dir.path().join("bad/plugin.toml"), "manifest = 1\n")?;
    let (code, report) = run(&["check", &path, "--data", &data, "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&report)?;
    assert!(report["faults"].as_array().is_some_and(|faults| faults.len() > 1), "{report}");
    assert_eq!(code, Some(1));
    let any = "127.0.0.1:0";
    let strict = ["serve", &path, "--strict", "--data", &data, "--listen", any, "--admin", any];
    assert_eq!(run(&strict).await, (Some(1), String::new()));
    assert_eq!(run(&["serve"]).await.0, Some(64));
    assert_eq!(run(&["serve", &path, "--drain", "soon"]).await.0, Some(64));
    assert_eq!(run(&["serve", "/no/such/folder"]).await.0, Some(64));
    assert_eq!(run(&["status", "--admin", "127.0.0.1:1"]).await.0, Some(70));
    assert_eq!(run(&["--version"]).await.0, Some(0));
    let (code, schema) = run(&["schema", "settings"]).await;
    assert!(code == Some(0) && serde_json::from_str::<serde_json::Value>(&schema)?["properties"].is_object());
    Ok(())
}
