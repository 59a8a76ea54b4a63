//! The binary as scripts see it: one line on standard output, exit codes, signals.

use tempfile::TempDir;
use tokio::process::Command;
use wasmbay_tests::{
    client::{Connection, Protocol},
    house::Plugin,
    serving::{run, serve, serve_with},
};

#[tokio::test]
async fn a_script_reads_one_line_and_a_signal_ends_it_well() -> anyhow::Result<()> {
    let empty = TempDir::new()?;
    for signal in ["INT", "TERM"] {
        let serving = serve(empty.path()).await?;
        assert!(serving.ready().starts_with("ready listen=127.0.0.1:"), "{}", serving.ready());
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
