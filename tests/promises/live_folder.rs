//! The folder is what is live: every change in it is served or refused by name, and serving never breaks meanwhile.

mod in_flight;
mod saves;

use std::{fs, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokio::time::{interval, timeout};
use wasmbay::registry::{PluginStatus, State};
use wasmbay_tests::{
    client::HANG,
    house::{House, settings},
    text,
};

/// A host that serves one text guest, `p`.
async fn serving(body: &str) -> House {
    let house = House::serve(&[]).await;
    put(&house, "p", "", body).await;
    assert_eq!(house.get("/p").await.text(), body);
    house
}

/// Writes a plugin's folder and waits until that is decided.
async fn put(house: &House, name: &str, lines: &str, body: &str) {
    text::write(house.dir.path(), name, lines, &text::says(body)).expect("the folder can be written");
    house.settled().await;
}

/// The guest's file of `p`.
fn guest_file(house: &House) -> PathBuf {
    house.dir.path().join("p").join(text::FILE)
}

/// Asks until `path` answers with this body. Every answer on the way must be a whole 200.
async fn becomes(house: &House, path: &str, body: &str) {
    let mut connection = house.connect().await;
    let asking = async {
        let mut looks = interval(Duration::from_millis(5));
        loop {
            let answer = connection.get(path).await.expect("serving goes on");
            assert_eq!(answer.status, 200, "{answer:?}");
            if answer.text() == body {
                return;
            }
            looks.tick().await;
        }
    };
    timeout(HANG, asking).await.unwrap_or_else(|_| panic!("{path} never says {body}: {:?}", house.faults()));
}

/// Asks until `path` answers with this status.
async fn answers(house: &House, path: &str, status: u16) {
    let asking = async {
        let mut looks = interval(Duration::from_millis(5));
        while house.get(path).await.status != status {
            looks.tick().await;
        }
    };
    timeout(HANG, asking).await.unwrap_or_else(|_| panic!("{path} never answers {status}: {:?}", house.faults()));
}

/// What is known of the plugin in this folder.
fn status_of(house: &House, folder: &str) -> PluginStatus {
    let folder = house.dir.path().join(folder).display().to_string();
    let status = house.host.behind().registry().status();
    let found = status.plugins.iter().find(|plugin| plugin.folder == folder);
    found.cloned().unwrap_or_else(|| panic!("{folder} is not in {status:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_becomes_live() {
    let house = serving("one").await;
    for body in ["two", "three, which is longer", "2"] {
        fs::write(guest_file(&house), text::says(body)).unwrap();
        becomes(&house, "/p", body).await;
    }
    // A manifest is edited as a component is.
    let manifest = text::manifest("p", "[[route]]\npath = \"/also\"");
    fs::write(house.dir.path().join("p/plugin.toml"), manifest).unwrap();
    answers(&house, "/also", 200).await;
    assert_eq!(house.get("/p").await.text(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_edit_is_refused_by_name_and_the_old_revision_serves_on() {
    let house = serving("old").await;
    let file = guest_file(&house);
    let manifest = house.dir.path().join("p/plugin.toml");
    let (good, good_manifest) = (text::says("old"), text::manifest("p", ""));
    let breaks = [
        (&file, "(module (func $never-closed".to_owned(), "expected"),
        (&file, good.replace("(call $drop-request (local.get $request))", "(i32.const 1)"), "type mismatch"),
        (&file, good.replace("incoming-handler@", "incoming-hander@"), "incoming-hander"),
        (&file, good.replace("[constructor]fields", "[constructor]shields"), "shields"),
        (&manifest, text::manifest("p", "[limits]\ntimout = \"1s\""), "timout"),
        (&manifest, text::manifest("p", "").replace(text::FILE, "gone.wasm"), "gone.wasm"),
        (&manifest, String::new(), "name"),
    ];
    for (path, broken, word) in breaks {
        fs::write(path, &broken).unwrap();
        house.settled().await;
        let status = status_of(&house, "p");
        assert_eq!((status.name.as_str(), status.state), ("p", State::Outdated), "{word}: {status:#?}");
        assert!(status.faults.iter().any(|fault| fault.contains(word)), "{word}: {:#?}", status.faults);
        assert_eq!(house.get("/p").await.text(), "old", "{word}");

        fs::write(&file, &good).unwrap();
        fs::write(&manifest, &good_manifest).unwrap();
        house.settled().await;
        let status = status_of(&house, "p");
        assert_eq!((status.state, status.faults), (State::Live, vec![]), "{word}");
        assert_eq!(house.get("/p").await.text(), "old", "{word}");
    }
    fs::write(&file, "(module").unwrap();
    house.settled().await;
    fs::write(&file, text::says("new")).unwrap();
    becomes(&house, "/p", "new").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_folder_serves_and_a_removed_one_is_gone() {
    let house = serving("one").await;
    assert_eq!(house.get("/q").await.problem()["code"], "no-route");
    text::write(house.dir.path(), "q", "", &text::says("two")).unwrap();
    answers(&house, "/q", 200).await;
    assert_eq!(house.get("/q").await.text(), "two");

    fs::remove_dir_all(house.dir.path().join("q")).unwrap();
    answers(&house, "/q", 404).await;
    assert_eq!(house.get("/q").await.problem()["code"], "no-route");
    assert_eq!(house.get("/p").await.text(), "one");
    house.settled().await;
    assert_eq!(house.host.behind().registry().status().plugins.len(), 1, "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_filled_after_it_was_made_and_one_moved_in_whole_both_serve() {
    let house = House::serve(&[]).await;
    let folder = house.dir.path().join("group/late");
    fs::create_dir_all(&folder).unwrap();
    house.settled().await;
    fs::write(folder.join("plugin.toml"), text::manifest("late", "")).unwrap();
    house.settled().await;
    assert_eq!(status_of(&house, "group/late").state, State::Refused, "its component is missing");
    fs::write(folder.join(text::FILE), text::says("late")).unwrap();
    answers(&house, "/late", 200).await;

    let outside = tempfile::tempdir_in(house.dir.path().parent().unwrap()).unwrap();
    text::write(outside.path(), "moved", "", &text::says("moved")).unwrap();
    fs::rename(outside.path().join("moved"), house.dir.path().join("moved")).unwrap();
    answers(&house, "/moved", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_folder_serves_without_a_gap() {
    let house = serving("same").await;
    fs::rename(house.dir.path().join("p"), house.dir.path().join("renamed")).unwrap();
    let mut connection = house.connect().await;
    let moved = async {
        // Not one request fails from before the host notices until the old folder is forgotten.
        loop {
            let answer = connection.get("/p").await.expect("serving goes on");
            assert_eq!((answer.status.as_u16(), answer.text()), (200, "same"));
            let status = house.host.behind().registry().status();
            if let [only] = &status.plugins[..]
                && only.folder.ends_with("renamed")
                && only.state == State::Live
            {
                return;
            }
        }
    };
    timeout(HANG, moved).await.expect("the rename is noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenger_is_refused_naming_both_and_takes_over_when_the_holder_goes() {
    let house = serving("holder").await;
    // First in the order of folders, yet what is live keeps what it holds.
    put(&house, "a", "[[route]]\npath = \"/p\"\nmethods = [\"GET\"]", "challenger").await;
    let challenger = status_of(&house, "a");
    assert_eq!((challenger.name.as_str(), challenger.state), ("a", State::Refused));
    let fault = challenger.faults.first().expect("a reason");
    assert!(fault.contains("`/p`") && fault.contains("`p`") && fault.contains("GET"), "{fault}");
    assert_eq!(status_of(&house, "p").state, State::Live);
    assert_eq!(house.get("/p").await.text(), "holder");
    assert_eq!(house.get("/a").await.status, 404, "a plugin is live with all its routes or not at all");

    fs::remove_dir_all(house.dir.path().join("p")).unwrap();
    answers(&house, "/a", 200).await;
    assert_eq!(house.get("/p").await.text(), "challenger");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_plugin_of_a_name_is_refused_and_at_the_start_the_first_folder_wins() {
    let dir = TempDir::new().unwrap();
    for folder in ["b", "a"] {
        let manifest = text::manifest("twin", &format!("[[route]]\npath = \"/{folder}\""));
        text::write(dir.path(), folder, "", &text::says(folder)).unwrap();
        fs::write(dir.path().join(folder).join("plugin.toml"), manifest).unwrap();
    }
    let house = House::over(settings(), dir).await;
    let states = ["a", "b"].map(|folder| status_of(&house, folder).state);
    assert_eq!(states, [State::Live, State::Refused]);
    let faults = status_of(&house, "b").faults;
    assert!(faults.iter().any(|fault| fault.contains("`twin`") && fault.contains("/a")), "{faults:?}");
    assert_eq!(house.get("/twin").await.text(), "a");
}
