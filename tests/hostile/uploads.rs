//! Folders that no honest author writes: what `check` and `status` say of them, and that nothing outside is touched.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::Path,
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::Command;
use wasmbay_attacks::manifests::bombs;
use wasmbay_tests::{
    client::encoded,
    house::Plugin,
    serving::{bin, run},
    text,
    upstream::Upstream,
};

use crate::{
    scene::Scene,
    stage::{POOLS, over},
};

/// Writes a folder with this manifest and a good guest.
fn plant(dir: &Path, folder: &str, manifest: &str) -> io::Result<()> {
    text::write(dir, folder, "", &text::says("planted"))?;
    fs::write(dir.join(folder).join("plugin.toml"), manifest)
}

/// What `wasmbay check` prints of everything that is served, its exit code being the one for faults.
async fn checked(scene: &Scene) -> String {
    let (served, config) = scene.files();
    let data = bin().parent().expect("the binary lies in a folder").join("tests-data");
    let [served, config, data] = [served, config, data].map(|path| path.to_string_lossy().into_owned());
    let (code, report) = run(&["check", &served, "--config", &config, "--data", &data]).await;
    assert_eq!(code, Some(1), "{report}");
    report
}

/// Adds each folder; `status` and `check` refuse it with its word.
async fn all_refused(scene: &mut Scene, rows: &[(&str, String, &str)]) {
    for (folder, manifest, word) in rows {
        let faults = scene.add(folder, |dir| plant(dir, folder, manifest)).await;
        assert!(faults.iter().any(|fault| fault.contains(word)), "{folder}: {faults:?}");
    }
    let report = checked(scene).await;
    for (folder, _, word) in rows {
        let told = report.lines().any(|line| line.contains(&format!("a/{folder}/")) && line.contains(word));
        assert!(told, "{folder}: {word}: {report}");
    }
}

pub(crate) async fn a_11_paths_that_lead_elsewhere() {
    let mut scene = Scene::set(Vec::new()).await;
    let outside = tempfile::TempDir::new().expect("a folder");
    let secret = outside.path().join("outside.wat");
    fs::write(&secret, text::says("outside")).expect("it can be written");
    let component = |path: &str| text::manifest("p", "").replace(&format!("{:?}", text::FILE), path);
    let named = |name: &str| text::manifest("p", "").replace("name = \"p\"", &format!("name = {name}"));
    let long = "x".repeat(4096);
    all_refused(
        &mut scene,
        &[
            ("up", component("\"../outside.wat\""), "component"),
            ("up-inside", component("\"x/../../outside.wat\""), "component"),
            ("absolute", component(&format!("{:?}", secret.display().to_string())), "component"),
            ("nul", component("\"guest\\u0000.wat\""), "component"),
            ("windows", component("'C:\\guest.wat'"), "component"),
            ("long-path", component(&format!("\"{long}.wat\"")), "too long"),
            ("name-up", named("\"../p\""), "name"),
            ("name-slash", named("\"a/b\""), "name"),
            ("name-nul", named("\"a\\u0000\""), "name"),
            ("name-case", named("\"P\""), "name"),
            ("name-long", named(&format!("\"{long}\"")), "name"),
        ],
    )
    .await;
    // Links: one that leads out is not followed.
    let faults = scene
        .add("link", |dir| {
            text::write(dir, "link", "", "")?;
            fs::remove_file(dir.join("link").join(text::FILE))?;
            symlink(&secret, dir.join("link").join(text::FILE))
        })
        .await;
    assert!(faults.iter().any(|fault| fault.contains("link")), "{faults:?}");
    assert!(checked(&scene).await.lines().any(|line| line.contains("a/link/") && line.contains("link")));
    assert_eq!(fs::read_to_string(&secret).expect("it is there"), text::says("outside"), "it was touched");
    assert_eq!(fs::read_dir(outside.path()).expect("it is there").count(), 1, "something was written");
    scene.end().await;
}

pub(crate) async fn a_13_manifests_that_are_bombs() {
    let mut scene = Scene::set(Vec::new()).await;
    all_refused(&mut scene, &bombs()).await;
    scene.end().await;
}

pub(crate) async fn a_14_routes_that_collide() {
    let mut scene = Scene::set(Vec::new()).await;
    let route = |path: &str| format!("[[route]]\npath = {path:?}");
    let holder = |dir: &Path| text::write(dir, "holder", &route("/seg/{one}"), &text::says("holder"));
    assert_eq!(scene.add("holder", holder).await, [""; 0]);
    let routes =
        |below: &str, count: u32| -> String { (0..count).map(|n| route(&format!("/{below}/{n}")) + "\n").collect() };
    // As many as manifests have room for, and then another plugin that wants the last of them.
    for name in ["crowd0", "crowd1", "crowd2", "crowd3"] {
        let crowd = |dir: &Path| text::write(dir, name, &routes(name, 2000), &text::says(name));
        assert_eq!(scene.add(name, crowd).await, [""; 0]);
    }
    assert_eq!(scene.get("/crowd3/1999").await.text(), "crowd3");
    let own = |name: &str, path: &str| text::manifest(name, &route(path));
    all_refused(
        &mut scene,
        &[
            ("same", own("same", "/holder"), "/holder"),
            ("last", own("last", "/crowd3/1999"), "/crowd3/1999"),
            ("coded", own("coded", "/%68older"), "route"),
            ("wildcard", own("wildcard", "/seg/{other}"), "/seg/"),
            ("not-ascii", own("not-ascii", "/caf\u{e9}"), "route"),
            ("dots", own("dots", "/x/../holder"), "route"),
            ("doubled", own("doubled", "//holder"), "route"),
            ("twice", text::manifest("twice", &(route("/t") + "\n" + &route("/t"))), "/t"),
            ("many", text::manifest("many", &routes("many", 100_000)), "the host takes at most"),
        ],
    )
    .await;
    // What only looks the same is another route: a slash at the end, a capital, another form of a letter.
    for (name, path, other) in
        [("slash", "/holder/", "/holder/"), ("capital", "/Holder", "/Holder"), ("form", "/caf%C3%A9", "/caf%C3%A9")]
    {
        let faults = scene.add(name, |dir| text::write(dir, name, &route(path), &text::says(name))).await;
        assert_eq!(faults, [""; 0], "{path}");
        assert_eq!(scene.get(other).await.text(), name, "{path}");
    }
    assert_eq!(scene.get("/holder").await.text(), "holder", "what is live keeps what it holds");
    // A refused plugin has none of its routes, and the other tenant has all of its own.
    for refused in ["/same", "/wildcard", "/many", "/r90000"] {
        assert_eq!(scene.get(refused).await.status, 404, "{refused}");
    }
    scene.end().await;
}

pub(crate) async fn a_16_grants_of_more_than_there_is() {
    let (data, folder) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let log = folder.path().join("log");
    let told = File::create(&log).expect("a log");
    // What the other tenant has, and this one would like to.
    let settings = format!("{POOLS}[tenant.c.secrets]\nC_KEY = {{ env = \"C_KEY\" }}\n");
    let change = |command: &mut Command| {
        over(command, data.path());
        command.env("C_KEY", "canary-of-c").stderr(Stdio::from(told));
    };
    let mut scene = Scene::changed(&settings, change, Vec::new()).await;
    let granting = |name: &str, lines: &str| text::manifest(name, &format!("[grants]\n{lines}"));
    let http = |origin: &str| granting("p", &format!("http = [{origin:?}]"));
    all_refused(
        &mut scene,
        &[
            ("everything", http("*://*"), "wildcard"),
            ("every-host", http("https://*"), "wildcard"),
            ("every-port", http("https://a.example:*"), "wildcard"),
            ("every-com", http("https://*.com"), "top-level domain"),
            ("a-range", http("http://10.0.0.0/8"), "more than an origin"),
            ("the-queue", http("http://jobs.wasmbay.internal"), "the host's own"),
            ("a-plugin", http("http://canary.plugin.internal"), "grants.plugins"),
            ("keys-up", granting("p", "kv = [\"../c/s\"]"), "grants.kv"),
            ("keys-of-c", granting("p", "kv = [\"c/s\"]"), "grants.kv"),
            ("base-up", granting("p", "sql = [\"../c/main\"]"), "grants.sql"),
            ("base-file", granting("p", "sql = [\"c.sqlite\"]"), "grants.sql"),
            ("plugin-of-c", granting("p", "plugins = [\"../c/canary\"]"), "grants.plugins"),
            ("secret-of-c", granting("p", "config = { key = { secret = \"C_KEY\" } }"), "keeps no secret C_KEY"),
            ("secret-file", granting("p", "config = { key = { file = \"/etc/shadow\" } }"), "grants.config.key"),
        ],
    )
    .await;

    // What looks like a grant, and leads to what the operator has not opened: it is said, and it is not had.
    let upstream = Upstream::with_text("reached").await;
    let url = upstream.url();
    let grants = format!("[grants]\nhttp = [\"http://10.0.0.1\", {url:?}]\nplugins = [\"canary\"]\njobs = true");
    let caller =
        |dir: &Path| Plugin::new("caller", "io", "http02.wasm").with(&grants).write(dir).map_err(io::Error::other);
    assert_eq!(scene.add("caller", caller).await, [""; 0]);
    let report = checked(&scene).await;
    for barred in ["http://10.0.0.1", &url] {
        let said = format!("grants.http: {barred} cannot be called");
        assert!(
            report.lines().any(|line| line.contains(&said) && line.contains("private_networks")),
            "{said}: {report}"
        );
    }
    for (target, words) in [
        ("http://10.0.0.1/", "DestinationIpProhibited"),
        (&*url, "DestinationIpProhibited"),
        // A plugin of that name is the other tenant's: this one has none.
        ("http://canary.plugin.internal/hello", "DestinationUnavailable"),
    ] {
        let answer = scene.get(&format!("/caller/call?url={}", encoded(target))).await;
        assert!(answer.status == 502 && answer.text().contains(words), "{target}: {}", answer.text());
    }
    assert_eq!(upstream.connections(), 0, "it was reached");
    // Lines are written behind what they tell of.
    let read = || fs::read_to_string(&log).expect("a log");
    for words in ["10.0.0.1 is", "keeps no secret C_KEY", "grants.kv"] {
        scene.until(&format!("the log has {words}"), |_| read().contains(words)).await;
    }
    let log = read();
    assert!(!log.contains("canary-of-c") && !report.contains("canary-of-c"), "the secret is shown");

    // The same names are other keys and another database.
    let granted = "[grants]\nkv = [\"s\"]\nsql = [\"main\"]";
    let keeper = |name: &str| Plugin::new(name, "io", "spin02.wasm").with(granted);
    keeper("keeper").of("c").write(&scene.files().0).expect("the plugin can be written");
    scene.until("it is live", |page| page.has("wasmbay_in_flight{plugin=\"keeper\",tenant=\"c\"} 0")).await;
    assert_eq!(scene.add("keeper", |dir| keeper("keeper").write(dir).map_err(io::Error::other)).await, [""; 0]);
    let theirs = async |path: &str| scene.connect().await.get(&format!("/c/keeper/{path}")).await.expect("an answer");
    assert_eq!(theirs("set?store=s&key=k&value=of-c").await.text(), "set");
    let made = encoded("CREATE TABLE t (a);; INSERT INTO t VALUES (1)");
    assert_eq!(theirs(&format!("sqlite-ask?db=main&q={made}")).await.text(), "");
    assert_eq!(scene.get("/keeper/get?store=s&key=k").await.text(), "none");
    let mine = scene.get("/keeper/sqlite-ask?db=main&q=SELECT%20a%20FROM%20t").await;
    assert!(mine.text().contains("no such table"), "{}", mine.text());
    fs::remove_dir_all(scene.files().0.join("c/keeper")).expect("it can be removed");
    scene.end().await;
}
