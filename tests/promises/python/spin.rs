//! A guest of Spin's SDK for Python, built without anything of this project's, runs as it is: its world imports interfaces that no
//! host but Spin has, and what it calls is here.

use std::fs;

use tempfile::TempDir;
use wasmbay::{config::Settings, host::Mode, registry::State};
use wasmbay_tests::{house::House, upstream::Upstream};

use super::{applications, open, roomy};

/// The guest as two plugins, `spin` with grants and `bare` without. One host, since it compiles what is large.
async fn serve(data: &TempDir, server: &Upstream) -> House {
    let dir = TempDir::new().expect("a folder");
    let grants = format!(
        "[grants]\nkv = [\"s\"]\nsql = [\"main\"]\nhttp = [\"{}\"]\n[grants.config]\ngreeting = \"hello\"\n",
        server.url()
    );
    for (name, grants) in [("spin", grants.as_str()), ("bare", "")] {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        let built = applications().join("spin.wasm");
        fs::copy(built, folder.join("plugin.wasm")).expect("it is built: cargo xtask guests");
        let manifest = format!(
            "manifest = 1\nname = \"{name}\"\nversion = \"1\"\ncomponent = \"plugin.wasm\"\nlane = \"io\"\n\
             [[route]]\npath = \"/{name}/{{behaviour}}\"\n[limits]\ncpu = \"5s\"\ntimeout = \"60s\"\n{grants}"
        );
        fs::write(folder.join("plugin.toml"), manifest).expect("the manifest can be written");
    }
    let settings = Settings {
        data: Some(data.path().to_owned()),
        private_networks: vec!["127.0.0.1/32".parse().expect("a network")],
        wasi_http_03: Some(true),
        ..roomy()
    };
    let house = open(settings, Mode::Serve, dir).await;
    let status = house.host.behind().registry().status();
    assert!(status.plugins.iter().all(|plugin| plugin.state == State::Live), "{status:#?}");
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_guest_of_spins_python_sdk_runs() {
    let (data, server) = (TempDir::new().expect("a folder"), Upstream::with_text("from outside").await);
    let house = serve(&data, &server).await;
    let get = async |what: &str| {
        let answer = house.get(what).await;
        (answer.status.as_u16(), answer.text().to_owned())
    };
    assert_eq!(get("/spin/variable?name=greeting").await, (200, "hello".to_owned()), "{:?}", house.faults());
    for _ in 0..2 {
        assert_eq!(get("/spin/keys?store=s").await, (200, "python True language,other None".to_owned()));
        assert_eq!(get("/spin/sql?db=main").await, (200, "['name', 'height'] Basel,260.5; Sion,491.0".to_owned()));
    }
    let called = get(&format!("/spin/call?url={}/a", server.url())).await;
    assert_eq!(called, (200, "200 from outside".to_owned()));
    assert_eq!(get("/spin/fail").await.0, 500);

    // What is not granted is an error of its interface.
    for (what, error) in [
        ("variable?name=greeting", "Undefined"),
        ("keys?store=s", "AccessDenied"),
        ("sql?db=main", "AccessDenied"),
        ("call?url=http://192.0.2.1/", "Denied"),
    ] {
        let (status, text) = get(&format!("/bare/{what}")).await;
        assert!(status == 502 && text.contains(error), "{what}: {status} {text}");
    }

    // What it imports and no host but Spin has is named.
    let status = house.host.behind().registry().status();
    let notes = &status.plugins[0].notes;
    for absent in ["spin:redis/redis", "spin:mqtt/mqtt"] {
        assert!(notes.iter().any(|note| note.contains(absent)), "{absent} is not in {notes:#?}");
    }
}
