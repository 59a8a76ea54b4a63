//! The registry over real folders: what is live follows what is written, and nothing bad gets in.

use std::{fs, path::PathBuf, sync::atomic::Ordering::Relaxed};

use http::Method;

use futures_util::FutureExt;

use super::*;
use crate::registry::{
    handle::Registry,
    revision::MANIFEST_FILE,
    status::State,
    testing::{Served, Texts, started},
    watch::WatchMode,
};

async fn start(settings: RegistrySettings) -> Registry<Texts> {
    let registry = started(settings, Texts::default()).await.unwrap();
    registry.settled().await;
    registry
}

/// What serves a path: the text of the component.
fn serves(registry: &Registry<Texts>, path: &str) -> Option<String> {
    registry.table().find(None, path, &Method::GET).ok().map(|found| found.plugin.guest.clone())
}

fn states(registry: &Registry<Texts>) -> Vec<(String, State)> {
    registry.status().plugins.iter().map(|plugin| (plugin.name.clone(), plugin.state)).collect()
}

fn faults(registry: &Registry<Texts>, name: &str) -> Vec<String> {
    let status = registry.status();
    status.plugins.iter().find(|plugin| plugin.name == name).map(|plugin| plugin.faults.clone()).unwrap_or_default()
}

/// Waits until a path is served by this text.
async fn until_serves(registry: &Registry<Texts>, path: &str, text: Option<&str>) {
    let mut generation = registry.generation();
    while serves(registry, path).as_deref() != text {
        generation.changed().await.unwrap();
    }
}

#[tokio::test]
async fn the_good_is_live_the_bad_is_named_and_the_first_scan_ends() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    served.plugin("b", &["/b"], "bad");
    served.plugin("c", &["/c"], "panic");
    served.plugin("d", &["/d"], "two");
    served.manifest("d", "nonsense");
    served.plugin("e", &["/a"], "late");
    let registry = started(served.settings(), Texts::default()).await.unwrap();
    registry.first_scan().await;
    assert!(registry.ready());
    assert_eq!(serves(&registry, "/a").as_deref(), Some("one"));
    let refused = ["b", "c", "d", "e"].map(|name| (name.to_owned(), State::Refused));
    assert_eq!(states(&registry)[1..], refused);
    assert_eq!(faults(&registry, "b"), ["one reason", "another reason"]);
    assert!(faults(&registry, "c")[0].contains("the host failed"));
    assert!(faults(&registry, "d")[0].contains("plugin.toml:1: strange line"));
    assert_eq!(faults(&registry, "e"), ["the route `/a` (every method) belongs to the plugin `a`"]);
}

#[tokio::test]
async fn strict_names_every_fault_and_does_not_start() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let strict = || RegistrySettings { strict: true, ..served.settings() };
    assert!(started(strict(), Texts::default()).await.is_ok());
    served.plugin("b", &["/b"], "bad");
    let faults = started(strict(), Texts::default()).await.err().unwrap();
    assert_eq!(faults.len(), 2);
    assert_eq!(faults[0].file, served.path("b").join(MANIFEST_FILE));
}

#[tokio::test]
async fn an_edit_swaps_and_a_bad_edit_leaves_the_old_revision_serving() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let registry = start(served.settings()).await;
    let who = registry.table().find_plugin("default", "a").unwrap().who;
    served.component("a", "two");
    registry.settled().await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("two"));
    assert_eq!(registry.table().find_plugin("default", "a").unwrap().who, who);
    served.component("a", "bad");
    registry.settled().await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("two"));
    assert_eq!(states(&registry), [("a".to_owned(), State::Outdated)]);
    served.manifest("a", "");
    registry.settled().await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("two"));
    served.plugin("a", &["/a", "/more"], "three");
    registry.settled().await;
    assert_eq!(serves(&registry, "/more").as_deref(), Some("three"));
    assert_eq!(states(&registry), [("a".to_owned(), State::Live)]);
    assert_eq!(*registry.generation().borrow(), 3);
}

#[tokio::test]
async fn what_is_written_back_as_it_was_is_not_loaded_again_and_nothing_is_swapped() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let loader = Texts::default();
    let registry = started(served.settings(), loader.clone()).await.unwrap();
    registry.settled().await;
    served.component("a", "bad");
    registry.settled().await;
    served.component("a", "one");
    registry.settled().await;
    assert_eq!(states(&registry), [("a".to_owned(), State::Live)]);
    assert_eq!((loader.loads.load(Relaxed), *registry.generation().borrow()), (2, 1));
}

#[tokio::test]
async fn a_new_revision_that_takes_anothers_route_is_refused_until_it_is_free() {
    let served = Served::new();
    served.plugin("a", &["/a"], "a");
    served.plugin("b", &["/b"], "b");
    let registry = start(served.settings()).await;
    served.plugin("a", &["/a", "/b"], "greedy");
    registry.settled().await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("a"));
    assert_eq!(serves(&registry, "/b").as_deref(), Some("b"));
    assert_eq!(faults(&registry, "a"), ["the route `/b` (every method) belongs to the plugin `b`"]);
    fs::remove_dir_all(served.path("b")).unwrap();
    registry.settled().await;
    assert_eq!(serves(&registry, "/b").as_deref(), Some("greedy"));
    assert_eq!(states(&registry), [("a".to_owned(), State::Live)]);
}

#[tokio::test]
async fn a_renamed_folder_is_the_same_plugin() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    // A folder that left is kept in mind for an hour: its name goes to the new one all the same.
    let registry =
        started(RegistrySettings { leave_after: Duration::from_secs(3600), ..served.settings() }, Texts::default());
    let registry = registry.await.unwrap();
    registry.first_scan().await;
    let who = registry.table().find_plugin("default", "a").unwrap().who;
    fs::rename(served.path("a"), served.path("z")).unwrap();
    let ask = registry.settled();
    tokio::pin!(ask);
    let mut generation = registry.generation();
    tokio::select! {
        () = &mut ask => panic!("the old folder has not left yet"),
        changed = generation.wait_for(|generation| *generation == 2) => drop(changed.unwrap()),
    }
    let table = registry.table();
    let plugin = table.find_plugin("default", "a").unwrap();
    assert_eq!((plugin.who, plugin.folder.clone()), (who, served.path("z")));
}

#[tokio::test]
async fn a_manifest_that_is_gone_for_a_moment_takes_nothing_down() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let settings = RegistrySettings { leave_after: Duration::from_secs(3600), ..served.settings() };
    let registry = started(settings, Texts::default()).await.unwrap();
    registry.first_scan().await;
    let manifest = served.path("a").join(MANIFEST_FILE);
    fs::rename(&manifest, served.path("a").join("plugin.toml~")).unwrap();
    {
        let ask = registry.settled();
        tokio::pin!(ask);
        let looked = async {
            while states(&registry) != [("a".to_owned(), State::Leaving)] {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! { () = &mut ask => panic!("it must wait for the manifest"), () = looked => {} }
        fs::rename(served.path("a").join("plugin.toml~"), &manifest).unwrap();
        // Asked again, it looks at once.
        let again = registry.settled();
        tokio::join!(ask, again);
    }
    assert_eq!(serves(&registry, "/a").as_deref(), Some("one"));
    assert_eq!(*registry.generation().borrow(), 1);
}

#[tokio::test]
async fn a_folder_that_went_is_gone_and_its_revision_is_freed_with_its_last_request() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let registry = start(served.settings()).await;
    let in_flight = registry.table().find(None, "/a", &Method::GET).unwrap();
    fs::remove_dir_all(served.path("a")).unwrap();
    registry.settled().await;
    assert_eq!(serves(&registry, "/a"), None);
    assert!(states(&registry).is_empty());
    let mut alive = registry.revisions_alive();
    assert_eq!(*alive.borrow_and_update(), 1);
    drop(in_flight);
    assert_eq!(*alive.borrow_and_update(), 0);
}

#[tokio::test]
async fn many_swaps_leave_one_revision_alive() {
    let served = Served::new();
    served.plugin("a", &["/a"], "0");
    let registry = start(served.settings()).await;
    for round in 1..=50 {
        served.component("a", &round.to_string());
        registry.settled().await;
        assert_eq!(serves(&registry, "/a"), Some(round.to_string()));
    }
    assert_eq!(*registry.revisions_alive().borrow(), 1);
}

#[tokio::test]
async fn a_replaced_revision_is_overdue_after_the_drain_time_and_a_live_one_never() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let registry = start(RegistrySettings { drain: Duration::ZERO, ..served.settings() }).await;
    let old = registry.table().find_plugin("default", "a").unwrap().clone();
    served.component("a", "two");
    registry.settled().await;
    old.overdue().await;
    let new = registry.table().find_plugin("default", "a").unwrap().clone();
    assert!(new.overdue().now_or_never().is_none());
}

#[tokio::test]
async fn half_written_files_are_not_taken_yet() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let hour = Duration::from_secs(3600);
    let settings = RegistrySettings { quiet: hour, ..served.settings() };
    let registry = started(settings, Texts::default()).await.unwrap();
    assert!(registry.settled().now_or_never().is_none());
    while registry.status().plugins.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(states(&registry), [("a".to_owned(), State::Waiting)]);
    assert!(!registry.ready());
}

#[tokio::test]
async fn the_operators_caps_apply_and_are_noted() {
    let served = Served::new();
    served.plugin("a", &["/a"], "one");
    let mut settings = served.settings();
    settings.tenants[0].caps.cpu = Some(Duration::from_millis(1));
    let registry = start(settings).await;
    assert_eq!(registry.table().find_plugin("default", "a").unwrap().manifest.limits.cpu, Duration::from_millis(1));
    assert_eq!(
        registry.status().plugins[0].notes,
        ["`limits.cpu` = 500ms is capped at 1ms by the operator's caps.cpu"]
    );
}

#[tokio::test]
async fn every_way_to_save_is_noticed() {
    let served = Served::new();
    served.plugin("a", &["/a"], "0");
    let registry = start(RegistrySettings { watch: WatchMode::Events, ..served.settings() }).await;
    let (file, beside) = (served.path("a").join("plugin.wat"), served.path("a").join("plugin.wat~"));
    // Truncated and written.
    fs::write(&file, "1").unwrap();
    until_serves(&registry, "/a", Some("1")).await;
    // Written beside and renamed over.
    fs::write(&beside, "2").unwrap();
    fs::rename(&beside, &file).unwrap();
    until_serves(&registry, "/a", Some("2")).await;
    // The old one renamed to a backup, then a new one written.
    fs::rename(&file, &beside).unwrap();
    fs::write(&file, "3").unwrap();
    until_serves(&registry, "/a", Some("3")).await;
    // A new plugin, moved in whole.
    let elsewhere = Served::new();
    elsewhere.plugin("b", &["/b"], "b");
    fs::rename(elsewhere.path("b"), served.path("b")).unwrap();
    until_serves(&registry, "/b", Some("b")).await;
    // Gone.
    fs::remove_dir_all(served.path("b")).unwrap();
    until_serves(&registry, "/b", None).await;
    registry.shutdown().await;
}

#[tokio::test]
async fn without_events_changes_are_found_by_looking() {
    let served = Served::new();
    served.plugin("a", &["/a"], "0");
    let registry = start(RegistrySettings { watch: WatchMode::Poll, ..served.settings() }).await;
    served.component("a", "1");
    until_serves(&registry, "/a", Some("1")).await;
}

fn built(served: &Served, command: &str) -> RegistrySettings {
    served.plugin("a", &[], "");
    fs::remove_file(served.path("a/plugin.wat")).unwrap();
    fs::create_dir(served.path("a/src")).unwrap();
    fs::write(served.path("a/src/text"), "one").unwrap();
    served.manifest("a", &format!("name=a\nroute=/a\nbuild={command}"));
    RegistrySettings { build: true, ..served.settings() }
}

#[tokio::test]
async fn sources_are_built_at_start_and_when_they_change() {
    let served = Served::new();
    let registry = start(built(&served, "echo x >> runs; cat src/text > plugin.wat")).await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("one"));
    fs::write(served.path("a/src/text"), "two").unwrap();
    registry.settled().await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("two"));
    registry.settled().await;
    assert_eq!(fs::read_to_string(served.path("a/runs")).unwrap(), "x\nx\n");
}

#[tokio::test]
async fn a_failed_build_is_named_and_the_old_revision_serves_on() {
    let served = Served::new();
    let registry =
        start(built(&served, "grep -q broken src/text && echo no luck && exit 1; cp src/text plugin.wat")).await;
    fs::write(served.path("a/src/text"), "broken").unwrap();
    registry.settled().await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("one"));
    assert_eq!(states(&registry), [("a".to_owned(), State::Outdated)]);
    assert!(faults(&registry, "a")[0].contains("the build failed (exit status: 1)"));
    assert!(faults(&registry, "a")[0].contains("no luck"));
    fs::write(served.path("a/src/text"), "three").unwrap();
    registry.settled().await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("three"));
    assert_eq!(states(&registry), [("a".to_owned(), State::Live)]);
}

#[tokio::test]
async fn a_build_that_writes_into_its_sources_comes_to_an_end() {
    let served = Served::new();
    let registry = start(built(&served, "echo x >> src/log; cp src/text plugin.wat")).await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("one"));
    assert_eq!(fs::read_to_string(served.path("a/src/log")).unwrap(), "x\nx\n");
}

#[tokio::test]
async fn a_component_is_not_read_while_it_is_built() {
    let served = Served::new();
    let registry = started(
        built(&served, "printf bad > plugin.wat; until test -e go; do :; done; cp src/text plugin.wat"),
        Texts::default(),
    );
    let registry = registry.await.unwrap();
    let asked = registry.settled();
    tokio::pin!(asked);
    let building = async {
        while !served.path("a/plugin.wat").exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { () = &mut asked => panic!("the build has not ended"), () = building => {} }
    assert_eq!(states(&registry), [("a".to_owned(), State::Building)]);
    assert!(!registry.ready());
    fs::write(served.path("a/go"), "").unwrap();
    asked.await;
    assert_eq!(serves(&registry, "/a").as_deref(), Some("one"));
    assert!(registry.ready());
}

#[tokio::test]
async fn shutting_down_ends_a_build_and_what_it_started() {
    let served = Served::new();
    let registry = started(built(&served, "sh -c 'echo $$ > id; exec sleep 1000' & wait"), Texts::default());
    let registry = registry.await.unwrap();
    let id = || fs::read_to_string(served.path("a/id")).ok().filter(|text| text.ends_with('\n'));
    while id().is_none() {
        tokio::task::yield_now().await;
    }
    registry.shutdown().await;
    let stat = PathBuf::from(format!("/proc/{}/stat", id().unwrap().trim()));
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        tokio::task::yield_now().await;
    }
}
