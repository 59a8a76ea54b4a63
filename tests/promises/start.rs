//! A start: warm it compiles nothing, with faults it serves what is good, and no component can hold it up.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::timeout;
use wasmbay::{
    config::Settings,
    host::{Host, Mode, Started},
    registry::{PluginStatus, State},
};
use wasmbay_tests::{
    client::{Connection, HANG, Protocol},
    house::{House, Plugin, settings},
    text,
};

/// Longer than a compilation may take by the clock.
const COMPILE_HANG: Duration = Duration::from_secs(660);

/// Settings with a data folder of their own, which nothing has been compiled into.
fn cold() -> (Settings, TempDir) {
    let data = TempDir::new().expect("a folder");
    (Settings { data: Some(data.path().join("data")), ..settings() }, data)
}

/// The same host started again over the same folder, with another compiler.
async fn again(house: House, settings: &Settings, compiler: &str) -> House {
    let House { dir, host } = house;
    drop(host);
    House::over(Settings { compiler: Some(compiler.into()), ..settings.clone() }, dir).await
}

fn compiled(house: &House) -> u64 {
    let text = house.metrics();
    let count = text.lines().find_map(|line| line.strip_prefix("wasmbay_compile_seconds_count "));
    count.expect("the histogram is there").parse().expect("a number")
}

/// What is known of the plugin `name`.
fn status_of(house: &House, name: &str) -> PluginStatus {
    let status = house.host.behind().registry().status();
    status.plugins.iter().find(|plugin| plugin.name == name).cloned().unwrap_or_else(|| panic!("{name}: {status:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_start_compiles_nothing() {
    let plugins = [
        Plugin::new("io", "io", "http02.wasm"),
        Plugin::new("compute", "compute", "http02.wasm"),
        Plugin::new("cgi", "io", "cgi01.wasm"),
        Plugin::new("text", "io", "hello.wat"),
    ];
    let (settings, _data) = cold();
    let house = House::with(settings.clone(), &plugins).await;
    assert_eq!(compiled(&house), 4, "each is compiled for its own lane");
    let house = again(house, &settings, "/bin/false").await;
    assert_eq!(compiled(&house), 0);
    for name in ["io", "compute", "cgi", "text"] {
        let answer = house.get(&format!("/{name}/hello")).await;
        assert_eq!(answer.status, 200, "{name}: {:?}", house.faults());
        assert!(answer.text().starts_with("hello from"), "{answer:?}");
    }
    // What is new has to be compiled, and what was there serves on when it cannot be.
    text::write(house.dir.path(), "new", "", &text::says("new")).unwrap();
    house.settled().await;
    let new = status_of(&house, "new");
    assert_eq!(new.state, State::Refused);
    assert!(new.faults[0].contains("could not be compiled"), "{:?}", new.faults);
    assert_eq!(house.get("/io/hello").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_with_the_same_component_share_its_code() {
    let (settings, _data) = cold();
    let house = House::with(settings.clone(), &[Plugin::new("first", "io", "http02.wasm")]).await;
    assert_eq!(compiled(&house), 1);
    // What was compiled no longer lies on the disk: from here on a plugin finds it with the first one, or nowhere.
    for entry in files_below(settings.data.as_deref().unwrap(), "code").unwrap() {
        fs::remove_file(entry).unwrap();
    }
    let strict = "[limits]\nmemory = \"4MiB\"";
    Plugin::new("second", "io", "http02.wasm").write(house.dir.path()).unwrap();
    Plugin::new("strict", "io", "http02.wasm").with(strict).write(house.dir.path()).unwrap();
    house.settled().await;
    assert_eq!(compiled(&house), 1, "{:?}", house.faults());
    assert_eq!(house.get("/second/hello").await.text(), house.get("/first/hello").await.text());
    // Each under its own manifest.
    assert_eq!(house.get("/second/alloc?mib=32").await.status, 200);
    assert_eq!(house.get("/strict/alloc?mib=32").await.status, 500);
    // Code of the other lane is other code.
    Plugin::new("compute", "compute", "http02.wasm").write(house.dir.path()).unwrap();
    house.settled().await;
    assert_eq!(compiled(&house), 2);
    // The one it was compiled for may go.
    fs::remove_dir_all(house.dir.path().join("first")).unwrap();
    house.settled().await;
    assert_eq!(house.get("/first/hello").await.status, 404);
    assert_eq!(house.get("/second/hello").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_code_that_was_tampered_with_is_never_run() {
    let (settings, _data) = cold();
    let house = House::with(settings.clone(), &[Plugin::new("p", "io", "hello.wat")]).await;
    let entries = files_below(settings.data.as_deref().unwrap(), "code").unwrap();
    assert!(!entries.is_empty());
    for entry in entries {
        let mut bytes = fs::read(&entry).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&entry, bytes).unwrap();
    }
    let house = again(house, &settings, "/bin/false").await;
    assert_eq!(status_of(&house, "p").state, State::Refused, "it had to be compiled again, and could not be");
    let bin = settings.compiler.clone().unwrap();
    let house = again(house, &settings, bin.to_str().unwrap()).await;
    assert_eq!((compiled(&house), house.get("/p/").await.status.as_u16()), (1, 200));
}

fn files_below(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path, ending)?);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_that_cannot_do_its_work_is_named() {
    let (settings, _data) = cold();
    for (compiler, words) in [
        ("/nowhere/wasmbay", &["cannot start /nowhere/wasmbay compile", "No such file"][..]),
        ("/bin/false", &["the compiler ended with code 1"]),
        ("/bin/true", &["/bin/true wrote no code"]),
    ] {
        let compiler = Settings { compiler: Some(compiler.into()), ..settings.clone() };
        let house = House::unchecked(compiler, &[Plugin::new("p", "io", "hello.wat")]).await;
        let status = status_of(&house, "p");
        assert_eq!(status.state, State::Refused);
        for word in words {
            assert!(status.faults.iter().any(|fault| fault.contains(word)), "{word}: {:?}", status.faults);
        }
        assert_eq!(house.get("/p/").await.status, 404);
    }
    // Nothing of that was kept.
    let house = House::with(settings, &[Plugin::new("p", "io", "hello.wat")]).await;
    assert_eq!((compiled(&house), house.get("/p/").await.status.as_u16()), (1, 200));
}

/// A folder with one good plugin and four at fault, and a word from each fault.
fn mixed() -> (TempDir, [(&'static str, &'static str); 5]) {
    let dir = TempDir::new().expect("a folder");
    let plugins = [
        Plugin::new("good", "io", "http02.wasm"),
        Plugin::new("misspelt", "io", "hello.wat").with("[limits]\ntimout = \"1s\"\nqueu = 1"),
        Plugin::new("not-text", "io", "not-text.wat"),
        Plugin::new("traps", "io", "trap-in-start.wat"),
        Plugin::new("strange", "compute", "unknown-import.wat"),
    ];
    plugins.iter().for_each(|plugin| plugin.write(dir.path()).expect("the plugin can be written"));
    let faults = [
        ("misspelt", "timout"),
        ("misspelt", "queu"),
        ("not-text", "not-text.wat"),
        ("traps", "trap"),
        ("strange", "example:nowhere"),
    ];
    (dir, faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_start_refuses_with_every_fault() {
    let (dir, faults) = mixed();
    let started =
        timeout(COMPILE_HANG, Host::start(&settings(), dir.path(), Mode::Serve, true)).await.expect("it ends");
    let Started::Refused(told) = started.unwrap() else { panic!("it serves") };
    let told: Vec<_> = told.iter().map(ToString::to_string).collect();
    for (plugin, word) in faults {
        let names = |line: &&String| line.contains(&format!("/{plugin}/")) && line.contains(word);
        assert!(told.iter().any(|line| names(&line)), "{plugin} {word}: {told:#?}");
    }
    for line in &told {
        assert!(!line.contains("/good/") && line.matches("plugin.toml").count() == 1, "{line}");
    }
    assert_eq!(told.len(), faults.len(), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_start_without_faults_serves() {
    let dir = TempDir::new().unwrap();
    Plugin::new("p", "io", "http02.wasm").write(dir.path()).unwrap();
    let started = Host::start(&settings(), dir.path(), Mode::Serve, true).await.unwrap();
    let Started::Serving(host) = started else { panic!("it refuses") };
    timeout(HANG, host.ready()).await.unwrap();
    let mut connection = Connection::open(host.public(), Protocol::Http1).await.unwrap();
    assert_eq!(connection.get("/p/hello").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_serves_what_is_good_and_names_the_rest() {
    let (dir, faults) = mixed();
    let house = House::over(settings(), dir).await;
    assert_eq!(house.get("/good/hello").await.status, 200);
    assert_eq!(status_of(&house, "good").state, State::Live);
    for (plugin, word) in faults {
        let status = status_of(&house, plugin);
        assert_eq!(status.state, State::Refused, "{plugin}");
        assert!(status.faults.iter().any(|fault| fault.contains(word)), "{plugin} {word}: {:?}", status.faults);
        assert_eq!(house.get(&format!("/{plugin}/")).await.status, 404, "{plugin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compile_bomb_is_refused_in_words_while_the_host_goes_on_serving() {
    let (settings, _data) = cold();
    let house = House::with(settings, &[Plugin::new("good", "io", "http02.wasm")]).await;
    text::write(house.dir.path(), "bomb", "", &text::compile_bomb("boom")).unwrap();
    let mut connection = house.connect().await;
    let serving = async {
        loop {
            assert_eq!(connection.get("/good/hello").await.expect("serving goes on").status, 200);
            let status = house.host.behind().registry().status();
            let bomb = status.plugins.iter().find(|plugin| plugin.name == "bomb" && !plugin.faults.is_empty());
            if let Some(bomb) = bomb {
                return bomb.clone();
            }
        }
    };
    let bomb = timeout(COMPILE_HANG, serving).await.expect("the bomb is refused");
    assert_eq!(bomb.state, State::Refused);
    assert!(bomb.faults[0].contains("compiling needed more than"), "{:?}", bomb.faults);
    assert_eq!(house.get("/bomb").await.status, 404);
    // The next component is compiled as if nothing had been.
    text::write(house.dir.path(), "next", "", &text::says("next")).unwrap();
    house.settled().await;
    assert_eq!(house.get("/next").await.text(), "next");
}
