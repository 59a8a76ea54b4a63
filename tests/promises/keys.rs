//! Keys and values: kept for good once answered, within quotas, for each tenant by itself.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::time::interval;
use wasmbay::config::Settings;
use wasmbay_tests::{
    client::{Connection, Protocol},
    house::{House, Plugin, settings},
    serving::{run, serve_over, serve_with},
};

/// Every guest that keeps keys, and the lanes it runs in.
const KEEPERS: [(&str, &str); 4] =
    [("spin02.wasm", "io"), ("spin02.wasm", "compute"), ("spin03.wasm", "io"), ("spin03.wasm", "compute")];

/// Settings for tests with this text of an operator's, over a data folder of the test's own: a file has one host.
fn with(text: &str, data: &Path) -> Settings {
    let written = Settings::parse(text, "wasmbay.toml").expect("good settings");
    let data = Some(data.to_owned());
    Settings { kv: written.kv, tenants: written.tenants, wasi_http_03: Some(true), data, ..settings() }
}

fn keeper(name: &str, lane: &str, guest: &str) -> Plugin {
    Plugin::new(name, lane, guest).with("[limits]\ntimeout = \"30s\"\ncpu = \"20s\"\n[grants]\nkv = [\"s\"]")
}

#[tokio::test(flavor = "multi_thread")]
async fn unmodified_guests_of_spins_sdks_share_their_tenants_stores() {
    let data = TempDir::new().expect("a folder");
    let plugins: Vec<_> =
        (0..).zip(KEEPERS).map(|(n, (guest, lane)): (u32, _)| keeper(&format!("p{n}"), lane, guest)).collect();
    let house = House::with(with("", data.path()), &plugins).await;
    for (writer, (guest, lane)) in (0..).zip(KEEPERS) {
        let ask = async |plugin: usize, what: &str| house.get(&format!("/p{plugin}/{what}")).await.text().to_owned();
        let reader = (writer + 2) % KEEPERS.len();
        assert_eq!(ask(writer, "get?store=s&key=a").await, "none", "{guest} {lane}");
        assert_eq!(ask(writer, "set?store=s&key=a&value=1").await, "set", "{guest} {lane}");
        assert_eq!(ask(reader, "get?store=s&key=a").await, "1", "{guest} {lane}");
        assert_eq!(ask(writer, "set?store=s&key=a&value=%C3%A9").await, "set");
        assert_eq!(ask(reader, "get?store=s&key=a").await, "é");
        assert_eq!(ask(writer, "set?store=s&key=&value=").await, "set", "an empty key and value are some");
        assert_eq!(ask(reader, "exists?store=s&key=").await, "true");
        assert_eq!(ask(reader, "keys?store=s").await, ",a");
        for key in ["", "a", "never-there"] {
            assert_eq!(ask(writer, &format!("delete?store=s&key={key}")).await, "deleted");
        }
        assert_eq!(ask(writer, "exists?store=s&key=a").await, "false");
        assert_eq!(ask(writer, "keys?store=s").await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_granted_is_denied_and_the_log_says_what_grants_it() -> anyhow::Result<()> {
    let (dir, folder) = (TempDir::new()?, TempDir::new()?);
    for (name, guest) in [("a", "spin02.wasm"), ("b", "spin03.wasm")] {
        keeper(name, "io", guest).write(dir.path())?;
    }
    let log = folder.path().join("log");
    let stderr = fs::File::create(&log)?;
    let serving = serve_with(dir.path(), |command| {
        command.stderr(stderr);
    })
    .await?;
    for name in ["a", "b"] {
        let mut connection = Connection::open(serving.listen(), Protocol::Http1).await?;
        let answer = connection.get(&format!("/{name}/get?store=other&key=k")).await?;
        assert!(answer.text().contains("AccessDenied"), "{}", answer.text());
    }
    serving.signal("TERM").await?;
    serving.ended().await?;
    let log = fs::read_to_string(&log)?;
    for name in ["a", "b"] {
        let line = format!("{name} may not open the store other: add \"other\" to grants.kv in plugin.toml");
        assert!(log.replace("\\\"", "\"").contains(&line), "{line}: {log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_an_error_that_says_how_much_there_may_be() {
    let data = TempDir::new().expect("a folder");
    let text = "[kv]\nstores = 1\nkeys = 10\nbytes = \"1KiB\"\nvalue = \"500B\"";
    let plugins = [
        Plugin::new("a", "io", "spin02.wasm").with("[grants]\nkv = [\"s\", \"t\"]"),
        Plugin::new("b", "io", "spin03.wasm").with("[grants]\nkv = [\"s\", \"t\"]"),
    ];
    let house = House::with(with(text, data.path()), &plugins).await;
    for name in ["a", "b"] {
        let ask = async |what: &str| house.get(&format!("/{name}/{what}")).await.text().to_owned();
        let refused = async |what: &str, words: &str| {
            let answer = ask(what).await;
            assert!(answer.contains("Other") && answer.contains(words), "{name} {what}: {answer}");
        };
        refused("fill?store=s&n=20&bytes=1", "10 then").await;
        refused("set?store=s&key=more&value=1", "the store has 10 keys already").await;
        refused("set?store=s&key=k1&bytes=501", "a value may have 500 bytes").await;
        assert_eq!(ask("set?store=s&key=k1&bytes=500").await, "set");
        refused("set?store=s&key=k2&bytes=500", "the store may hold 1024 bytes").await;
        refused("set?store=t&key=k&value=1", "the tenant has 1 stores already").await;
        let long = "k".repeat(1025);
        refused(&format!("set?store=s&key={long}&value=1"), "a key may have 1024 bytes").await;
        for n in 0..10 {
            assert_eq!(ask(&format!("delete?store=s&key=k{n}")).await, "deleted");
        }
        let metrics = house.metrics();
        for result in ["ok", "quota", "invalid"] {
            let series = format!("wasmbay_key_calls_total{{plugin=\"{name}\",result=\"{result}\",tenant=\"default\"}}");
            assert!(metrics.contains(&series), "{series}: {metrics}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_same_name_is_another_one_for_another_tenant() {
    let data = TempDir::new().expect("a folder");
    let tenant = |name: &str| format!("[tenant.{name}]\nfolder = \"{name}\"\nprefix = \"/{name}\"\n");
    let settings = with(&(tenant("one") + &tenant("two") + "kv = { stores = 0 }"), data.path());
    let plugins = ["one", "two"].map(|tenant| keeper("p", "io", "spin02.wasm").of(tenant));
    let house = House::with(settings, &plugins).await;
    assert_eq!(house.get("/one/p/set?store=s&key=k&value=1").await.text(), "set");
    assert_eq!(house.get("/two/p/get?store=s&key=k").await.text(), "none");
    let refused = house.get("/two/p/set?store=s&key=k&value=1").await.text().to_owned();
    assert!(refused.contains("the tenant has 0 stores already"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_outlives_the_host() -> anyhow::Result<()> {
    let data = TempDir::new()?;
    for value in ["1", "2"] {
        let house = House::with(with("", data.path()), &[keeper("p", "io", "spin03.wasm")]).await;
        let before = if value == "1" { "none" } else { "1" };
        assert_eq!(house.get("/p/get?store=s&key=k").await.text(), before);
        assert_eq!(house.get(&format!("/p/set?store=s&key=k&value={value}")).await.text(), "set");
        assert!(house.host.drain(Duration::from_secs(10)).await);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn atomics_are_done_as_a_whole_or_not_at_all() {
    let data = TempDir::new().expect("a folder");
    let house = House::with(with("", data.path()), &[keeper("p", "io", "spin03.wasm")]).await;
    let all: Vec<_> = (0..8).map(|_| house.ask("/p/increment?store=s&key=n&n=5&by=2")).collect();
    for one in all {
        assert_eq!(one.await.expect("no panic").expect("an answer").status, 200);
    }
    assert_eq!(house.get("/p/increment?store=s&key=n&by=-1").await.text(), "79");
    assert_eq!(house.get("/p/get?store=s&key=n").await.text(), "79");
    assert_eq!(house.get("/p/swap?store=s&key=k&value=1").await.text(), "swapped None");
    assert_eq!(house.get("/p/swap?store=s&key=k&value=2").await.text(), "swapped Some(\"1\")");
    assert_eq!(house.get("/p/swap?store=s&key=k&value=3&meanwhile=x").await.text(), "changed to Some(\"x\")");
    let wrong = house.get("/p/increment?store=s&key=k").await.text().to_owned();
    assert!(wrong.contains("no whole number"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_are_listed_by_pages_and_by_a_stream() {
    let data = TempDir::new().expect("a folder");
    let house =
        House::with(with("", data.path()), &[keeper("p", "io", "spin03.wasm"), keeper("q", "io", "spin02.wasm")]).await;
    for part in 0..10 {
        let path = format!("/p/fill?store=s&n=205&bytes=0&from={}", part * 205);
        assert_eq!(house.get(&path).await.text(), "all");
    }
    assert_eq!(house.get("/p/pages?store=s").await.text(), "2050 in 3");
    for name in ["p", "q"] {
        let keys = house.get(&format!("/{name}/keys?store=s")).await.text().to_owned();
        assert_eq!(keys.split(',').collect::<BTreeSet<_>>().len(), 2050, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_shared_instance_only_functions_that_are_async_wait() {
    let data = TempDir::new().expect("a folder");
    let shared = "[instances]\nmax_requests = 1000\nmax_concurrent = 16";
    let house = House::with(with("", data.path()), &[keeper("p", "io", "spin03.wasm").with(shared)]).await;
    let all: Vec<_> = (0..16).map(|_| house.ask("/p/pairs?store=s&n=10")).collect();
    for one in all {
        assert_eq!(one.await.expect("no panic").expect("an answer").text(), "all");
    }
    let stalls = house.get("/p/increment?store=s&key=n").await.text().to_owned();
    assert!(stalls.contains("would hold up the other requests of this instance"), "{stalls}");
    let notes = &house.host.behind().registry().status().plugins[0].notes;
    assert!(notes.iter().any(|note| note.contains("make its whole instance wait")), "{notes:?}");
    drop(house);

    let sync = keeper("q", "io", "spin02.wasm").with(shared);
    let faults = House::unchecked(with("", data.path()), &[sync]).await.faults();
    assert!(
        faults["q"].iter().any(|fault| fault.contains("reaches its stores (grants.kv) only by functions")),
        "{faults:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_cannot_be_granted_keys() {
    let house = House::unchecked(settings(), &[keeper("c", "io", "cgi01.wasm")]).await;
    assert!(house.faults()["c"].iter().any(|fault| fault.contains("grants.kv: a CGI command keeps no keys")));
}

#[tokio::test]
async fn a_second_host_over_the_same_data_is_told_so() -> anyhow::Result<()> {
    let (dir, data) = (TempDir::new()?, TempDir::new()?);
    keeper("p", "io", "spin02.wasm").write(dir.path())?;
    let first = serve_over(dir.path(), data.path(), |_| {}).await?;
    let ask = async |serving: &wasmbay_tests::serving::Serving, path: &str| -> anyhow::Result<String> {
        let mut connection = Connection::open(serving.listen(), Protocol::Http1).await?;
        Ok(connection.get(path).await?.text().to_owned())
    };
    assert_eq!(ask(&first, "/p/set?store=s&key=k&value=1").await?, "set");
    // It has its file open for as long as it is asked.
    let listen = first.listen();
    let busy = tokio::spawn(async move {
        let mut pace = interval(Duration::from_millis(100));
        loop {
            pace.tick().await;
            let mut connection = Connection::open(listen, Protocol::Http1).await.expect("a connection");
            assert_eq!(connection.get("/p/get?store=s&key=k").await.expect("an answer").text(), "1");
        }
    });
    let second = serve_over(dir.path(), data.path(), |_| {}).await?;
    let refused = ask(&second, "/p/get?store=s&key=k").await?;
    assert!(refused.contains("cannot be used now") && refused.contains("locked"), "{refused}");
    assert!(!busy.is_finished(), "the first host is not disturbed");
    busy.abort();
    // To check needs no file.
    let (dir, data) = (dir.path().to_string_lossy(), data.path().to_string_lossy());
    assert_eq!(run(&["check", &dir, "--data", &data]).await.0, Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_loads_no_guests_of_03_serves_those_of_02_alike() {
    let data = TempDir::new().expect("a folder");
    let settings = Settings { wasi_http_03: Some(false), ..with("", data.path()) };
    let granted = "[grants.config]\ngreeting = \"hello\"";
    let plugins = [("a", "io"), ("b", "compute")].map(|(name, lane)| keeper(name, lane, "spin02.wasm").with(granted));
    let house = House::with(settings, &plugins).await;
    for name in ["a", "b"] {
        assert_eq!(house.get(&format!("/{name}/set?store=s&key={name}&value=1")).await.text(), "set");
        assert_eq!(house.get(&format!("/{name}/get?store=s&key={name}")).await.text(), "1");
        assert_eq!(house.get(&format!("/{name}/variable?name=greeting")).await.text(), "hello");
    }
    assert_eq!(house.get("/a/keys?store=s").await.text(), "a,b");
}

#[tokio::test]
async fn the_authors_checks_begin_with_empty_stores_and_need_no_secrets() -> anyhow::Result<()> {
    let (dir, data) = (TempDir::new()?, TempDir::new()?);
    keeper("p", "io", "spin02.wasm").with("[grants.config]\nkey = { secret = \"API_KEY\" }").write(dir.path())?;
    fs::create_dir(dir.path().join("p/checks"))?;
    let checks = ["variable?name=key", "get?store=s&key=k", "set?store=s&key=k&value=1", "get?store=s&key=k"];
    let checks = checks
        .iter()
        .zip(["API_KEY", "none", "set", "1"])
        .map(|(path, body)| format!("[[check]]\npath = \"/p/{path}\"\n[check.expect]\nbody = \"{body}\"\n"));
    fs::write(dir.path().join("p/checks/all.toml"), checks.collect::<String>())?;
    for _ in 0..2 {
        let (dir, data) = (dir.path().to_string_lossy(), data.path().to_string_lossy());
        let (code, report) = run(&["test", &dir, "--data", &data]).await;
        assert_eq!(code, Some(0), "{report}");
    }
    assert!(!data.path().join("keys").exists());
    Ok(())
}
