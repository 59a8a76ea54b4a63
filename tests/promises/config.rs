//! What a plugin may know: variables from its manifest and the operator, secrets that nothing shows.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::Path,
    process::Stdio,
};

use http::Request;
use tempfile::TempDir;
use wasmbay::{config::Settings, host::Mode};
use wasmbay_tests::{
    client::{Connection, Protocol, empty, encoded},
    house::{House, Plugin, settings},
    serving::{run, serve_with, wasmbay, wrap},
};

/// A text that must not be seen anywhere but where the guest puts it.
const CANARY: &str = "canary-4f1d9c";

/// Every guest that reads variables by an interface, and the lanes it runs in.
const READERS: [(&str, &str); 4] =
    [("spin02.wasm", "io"), ("spin02.wasm", "compute"), ("spin03.wasm", "io"), ("spin03.wasm", "compute")];

/// Settings for tests with this text of an operator's.
fn with(text: &str) -> Settings {
    let written = Settings::parse(text, "wasmbay.toml").expect("good settings");
    Settings { supplies: written.supplies, tenants: written.tenants, wasi_http_03: Some(true), ..settings() }
}

/// A file that holds the canary, closed to others.
fn secret(folder: &Path) -> String {
    let path = folder.join("key");
    fs::write(&path, format!("{CANARY}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
    format!("[secrets]\nKEY = {{ file = {path:?} }}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_guest_of_spins_sdk_reads_its_variables() {
    let folder = TempDir::new().expect("a folder");
    for (guest, lane) in READERS {
        let settings = with(&format!("[config.a]\nplace = \"production\"\n{}", secret(folder.path())));
        let granted = "[grants.config]\ngreeting = \"hello\"\nplace = \"a desk\"\nkey = { secret = \"KEY\" }";
        let plugins = [Plugin::new("a", lane, guest).with(granted), Plugin::new("b", lane, guest)];
        let house = House::with(settings, &plugins).await;
        for (name, value) in [("greeting", "hello"), ("place", "production"), ("key", CANARY)] {
            assert_eq!(house.get(&format!("/a/variable?name={name}")).await.text(), value, "{guest} {lane}");
            let denied = house.get(&format!("/b/variable?name={name}")).await.text().to_owned();
            let remedy = format!("b may not read the variable {name}: add {name} to [grants.config] in plugin.toml");
            assert!(denied.contains("Undefined") && denied.contains(&remedy), "{guest} {lane}: {denied}");
        }
        let bad = house.get("/a/variable?name=No%2FName").await.text().to_owned();
        assert!(bad.contains("InvalidName"), "{guest} {lane}: {bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_config_tells_the_same() {
    let granted = "[grants.config]\nb = \"2\"\na = \"1\"";
    let house = House::with(with(""), &[Plugin::new("p", "io", "spin03.wasm").with(granted)]).await;
    assert_eq!(house.get("/p/config?name=a").await.text(), "Ok(Some(\"1\"))");
    assert_eq!(house.get("/p/config?name=c").await.text(), "Ok(None)");
    assert_eq!(house.get("/p/configs").await.text(), "Ok([(\"a\", \"1\"), (\"b\", \"2\")])");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_finds_its_variables_in_its_environment() {
    let folder = TempDir::new().expect("a folder");
    let granted = "[grants.config]\ngreeting = \"hello\"\napi_key = { secret = \"KEY\" }";
    for (guest, lane) in [("cgi01.wasm", "io"), ("cgi02.wasm", "compute")] {
        let plugins = [Plugin::new("a", lane, guest).with(granted), Plugin::new("b", lane, guest)];
        let house = House::with(with(&secret(folder.path())), &plugins).await;
        let env = |answer: &str| serde_json::from_str::<serde_json::Value>(answer).expect("an object");
        let told = env(house.get("/a/env").await.text());
        assert_eq!((&told["GREETING"], &told["API_KEY"]), (&"hello".into(), &CANARY.into()), "{guest}");
        assert_eq!(told["REQUEST_METHOD"], "GET");
        let other = env(house.get("/b/env").await.text());
        assert!(other.get("GREETING").is_none() && !other.to_string().contains(CANARY), "{other}");
    }
    let clash = Plugin::new("a", "io", "cgi01.wasm").with("[grants.config]\nhttp_host = \"evil\"");
    let faults = House::unchecked(settings(), &[clash]).await.faults();
    assert!(faults["a"][0].starts_with("grants.config.http_host: a CGI command's environment has"), "{faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_gets_its_own_secrets_alone() {
    let folder = TempDir::new().expect("a folder");
    let secret = secret(folder.path()).replace("[secrets]", "[tenant.one.secrets]");
    let tenant = |name: &str| format!("[tenant.{name}]\nfolder = \"{name}\"\nprefix = \"/{name}\"\n");
    let settings = with(&format!("{}{secret}{}", tenant("one"), tenant("two")));
    let plugin =
        |name: &str| Plugin::new(name, "io", "spin02.wasm").with("[grants.config]\nkey = { secret = \"KEY\" }");
    let house = House::unchecked(settings, &[plugin("a").of("one"), plugin("b").of("two")]).await;
    assert_eq!(house.get("/one/a/variable?name=key").await.text(), CANARY);
    let faults = house.faults();
    let expected =
        "grants.config.key: the operator keeps no secret KEY: add KEY to [tenant.two.secrets] in wasmbay.toml";
    assert_eq!((&*faults["a"], &*faults["b"]), (&[][..], &[expected.to_owned()][..]));
}

#[tokio::test]
async fn check_names_a_secret_that_cannot_be_had() -> anyhow::Result<()> {
    let (dir, data) = (TempDir::new()?, TempDir::new()?);
    Plugin::new("p", "io", "spin02.wasm").with("[grants.config]\nkey = { secret = \"KEY\" }").write(dir.path())?;
    let settings = dir.path().join("wasmbay.toml");
    fs::write(&settings, "[secrets]\nKEY = { file = \"key\" }\n")?;
    fs::write(dir.path().join("key"), CANARY)?;
    fs::set_permissions(dir.path().join("key"), fs::Permissions::from_mode(0o644))?;
    let (path, settings, data) =
        (dir.path().to_string_lossy(), settings.to_string_lossy(), data.path().to_string_lossy());
    let (code, report) = run(&["check", &path, "--config", &settings, "--data", &data]).await;
    assert!(code == Some(1) && report.contains("key is open to every user (mode 644): chmod o= "), "{report}");
    assert!(!report.contains(CANARY), "{report}");
    // Its own line of the manifest, and of the operator's file nothing has to be repeated.
    assert!(report.contains("p/plugin.toml:9: grants.config.key: the secret KEY in "), "{report}");
    Ok(())
}

/// A guest that fails with the secret in its hands, on a host that tells all it can: everything the host says is searched.
#[tokio::test(flavor = "multi_thread")]
async fn a_23_a_secret_is_in_no_log_status_metric_problem_list_or_report() -> anyhow::Result<()> {
    let (dir, folder) = (TempDir::new()?, TempDir::new()?);
    let granted =
        "[limits]\ncpu = \"50ms\"\n[grants.config]\nkey = { secret = \"KEY\" }\nother = { secret = \"OTHER\" }";
    for (name, guest) in [("a", "spin02.wasm"), ("c", "cgi01.wasm")] {
        Plugin::new(name, "io", guest).with(granted).write(dir.path())?;
    }
    Plugin::new("h", "io", "http02.wasm").with("[grants]\njobs = true\nplugins = [\"c\"]").write(dir.path())?;
    // Refused, with the secret at hand.
    Plugin::new("r", "io", "trap-in-start.wat").with(granted).write(dir.path())?;
    let settings = folder.path().join("wasmbay.toml");
    fs::write(&settings, secret(folder.path()) + "OTHER = { env = \"OTHER_SECRET\" }\n")?;
    let log = folder.path().join("log");
    let stderr = fs::File::create(&log)?;
    let serving = serve_with(dir.path(), |command| {
        command.env("WASMBAY_CONFIG", &settings).env("WASMBAY_LOG", "trace").env("OTHER_SECRET", CANARY).stderr(stderr);
    })
    .await?;
    let mut said = Vec::new();
    let mut client = Connection::open(serving.listen(), Protocol::Http1).await?;
    assert_eq!(client.get("/a/variable?name=key").await?.text(), CANARY);
    assert!(client.get("/c/env").await?.text().matches(CANARY).count() == 2);
    for path in ["/a/variable?name=unknown", "/c/spin", "/c/trap", "/c/no-output", "/c/malformed", "/r/"] {
        for accept in ["text/html", "application/json"] {
            let request = Request::get(path).header("accept", accept).body(empty())?;
            said.push(format!("{:?}", Connection::open(serving.listen(), Protocol::Http1).await?.send(request).await?));
        }
    }
    // A job that has the secret in its hands, and fails.
    let job = encoded("http://jobs.wasmbay.internal/c/c/trap");
    let path = format!("/h/call?method=POST&url={job}&head={}", encoded("wasmbay-job-attempts: 1"));
    assert_eq!(Connection::open(serving.listen(), Protocol::Http1).await?.get(&path).await?.status, 202);
    serving.until("the job is dead", |page| page.sum("wasmbay_job_attempts_total", &[("how", "dead")]) == 1.0).await;
    for path in ["/status", "/metrics", "/readyz", "/jobs"] {
        said.push(serving.ask_admin(path).await?.text().to_owned());
    }
    said.push(run(&["jobs", "--admin", serving.says("admin")]).await.1);
    said.push(run(&["status", "--admin", serving.says("admin")]).await.1);
    serving.signal("TERM").await?;
    serving.ended().await?;
    let log = fs::read_to_string(&log)?;
    assert!(log.contains("TRACE"), "everything is logged that can be: {log}");
    said.push(log);
    let (served, data) = (dir.path().to_string_lossy(), TempDir::new()?);
    let mut check =
        wasmbay(&["check", &served, "--config", &settings.to_string_lossy(), "--data", &data.path().to_string_lossy()]);
    let checked = check.env("OTHER_SECRET", CANARY).stderr(Stdio::piped()).output().await?;
    said.push(format!("{checked:?}"));
    for text in said {
        assert!(!text.contains(CANARY), "{text}");
        assert!(!text.is_empty());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authors_page_of_a_failure_shows_no_value() {
    let (dir, folder) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let granted = "[limits]\ncpu = \"50ms\"\n[grants.config]\nkey = { secret = \"KEY\" }";
    Plugin::new("c", "io", "cgi01.wasm").with(granted).write(dir.path()).expect("written");
    let house = House::in_mode(Mode::Dev, with(&secret(folder.path())), dir).await;
    for path in ["/c/spin", "/c/trap", "/c/no-output"] {
        let request = Request::get(path).header("accept", "text/html").body(empty()).expect("a request");
        let answer = house.connect().await.send(request).await.expect("an answer");
        assert!(answer.status.as_u16() >= 500 && !answer.text().contains(CANARY), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_23_values_that_break_lines_hold_zero_bytes_or_are_huge() {
    let folder = TempDir::new().expect("a folder");
    let large = "x".repeat(10 << 20);
    let keep = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("closed");
        format!("{name} = {{ file = {path:?} }}\n")
    };
    let lines = format!("{CANARY}\nwasmbay-forged: 1\r\n{{\"level\":\"ERROR\"}}");
    let secrets = [("LINES", &*lines), ("ZERO", &format!("{CANARY}\0x")), ("LARGE", &large)];
    let secrets: String = secrets.iter().map(|(name, text)| keep(name, text)).collect();
    let granted = |secret: &str| format!("[grants.config]\nkey = {{ secret = \"{secret}\" }}");
    let plugins = [
        Plugin::new("a", "io", "spin02.wasm").with(&granted("LINES")),
        Plugin::new("c", "io", "cgi01.wasm").with(&granted("LINES")),
        Plugin::new("zero", "io", "spin02.wasm").with(&granted("ZERO")),
        Plugin::new("large", "io", "spin02.wasm").with(&granted("LARGE")),
        Plugin::new("zero-text", "io", "spin02.wasm").with("[grants.config]\nkey = \"a\\u0000b\""),
        Plugin::new("large-text", "io", "spin02.wasm").with(&format!("[grants.config]\nkey = \"{large}\"")),
    ];
    let house = House::unchecked(with(&format!("[secrets]\n{secrets}")), &plugins).await;
    // A value is a value, whatever is in it.
    assert_eq!(house.get("/a/variable?name=key").await.text(), lines);
    let env: serde_json::Value = serde_json::from_slice(&house.get("/c/env").await.body).expect("an object");
    assert_eq!(env["KEY"], *lines);
    let status = house.host.behind().registry().status();
    for (name, words) in [
        ("zero", "has a zero byte in it"),
        ("large", "is longer than 65536 bytes"),
        ("zero-text", "zero"),
        ("large-text", "the host takes at most"),
    ] {
        let refused = status.plugins.iter().find(|plugin| plugin.folder.ends_with(name)).expect("it is known");
        assert!(refused.faults.iter().any(|fault| fault.contains(words)), "{name}: {:?}", refused.faults);
        assert!(!format!("{refused:?}").contains(CANARY), "{refused:?}");
    }
}

#[tokio::test]
async fn a_23_a_host_that_crashes_leaves_no_core_dump() -> anyhow::Result<()> {
    let (dir, folder) = (TempDir::new()?, TempDir::new()?);
    Plugin::new("a", "io", "http02.wasm").write(dir.path())?;
    let mut serving = serve_with(dir.path(), |command| {
        // Where a dump would be written, for all that its starter forbids.
        command.current_dir(folder.path());
        wrap(command, &["prlimit", "--core=unlimited"]);
        command.current_dir(folder.path());
    })
    .await?;
    let limits = fs::read_to_string(format!("/proc/{}/limits", serving.id()?))?;
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    // Of one byte: nothing is written, and nothing is piped to a program either.
    assert_eq!(cores.split_whitespace().filter(|word| *word == "1").count(), 2, "{cores}");
    serving.signal("ABRT").await?;
    let ended = serving.child.wait().await?;
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false));
    assert_eq!(fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}
