//! Folders that no honest author writes: what `check` and `status` say of them, and that nothing outside is touched.

use std::{fs, io, os::unix::fs::symlink, path::Path};

use wasmbay_attacks::manifests::bombs;
use wasmbay_tests::{
    serving::{bin, run},
    text,
};

use crate::scene::Scene;

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
    let routes = |count: u32| -> String { (0..count).map(|n| route(&format!("/r{n}")) + "\n").collect() };
    // As many as a manifest has room for, and then another plugin that wants the last of them.
    let crowd = |dir: &Path| text::write(dir, "crowd", &routes(8000), &text::says("crowd"));
    assert_eq!(scene.add("crowd", crowd).await, [""; 0]);
    assert_eq!(scene.get("/r7999").await.text(), "crowd");
    let own = |name: &str, path: &str| text::manifest(name, &route(path));
    all_refused(
        &mut scene,
        &[
            ("same", own("same", "/holder"), "/holder"),
            ("last", own("last", "/r7999"), "/r7999"),
            ("coded", own("coded", "/%68older"), "route"),
            ("wildcard", own("wildcard", "/seg/{other}"), "/seg/"),
            ("not-ascii", own("not-ascii", "/caf\u{e9}"), "route"),
            ("dots", own("dots", "/x/../holder"), "route"),
            ("doubled", own("doubled", "//holder"), "route"),
            ("twice", text::manifest("twice", &(route("/t") + "\n" + &route("/t"))), "/t"),
            ("many", text::manifest("many", &routes(100_000)), "the host takes at most"),
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
