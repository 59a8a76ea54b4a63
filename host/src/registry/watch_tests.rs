//! The watch: which events matter, and that real ones arrive.

use std::fs;

use notify::event::{CreateKind, Flag, ModifyKind, RemoveKind};

use super::*;

fn event(kind: EventKind, path: &str) -> Event {
    Event::new(kind).add_path(path.into())
}

fn written(path: &str) -> bool {
    matters(&event(EventKind::Modify(ModifyKind::Any), path), &["/p/a/target/release/a.wasm".into()])
}

#[test]
fn builds_editors_and_version_control_do_not_matter_and_components_do() {
    for path in ["/p/a/plugin.toml", "/p/a/a.wasm", "/p/a/src/lib.rs", "/p/a/target/release/a.wasm", "/p/b"] {
        assert!(written(path), "{path}");
    }
    for path in
        ["/p/a/target/release/b.wasm", "/p/a/.git/index", "/p/a/plugin.toml~", "/p/a/.plugin.toml.swp", "/p/a/4913"]
    {
        assert!(!written(path), "{path}");
    }
}

#[test]
fn reading_does_not_matter_and_an_overflow_does() {
    let matters = |kind| matters(&event(kind, "/p/a/plugin.toml"), &[]);
    assert!(!matters(EventKind::Access(AccessKind::Open(AccessMode::Any))));
    assert!(!matters(EventKind::Access(AccessKind::Close(AccessMode::Read))));
    assert!(matters(EventKind::Access(AccessKind::Close(AccessMode::Write))));
    assert!(matters(EventKind::Create(CreateKind::Any)) && matters(EventKind::Remove(RemoveKind::Any)));
    assert!(super::matters(&Event::new(EventKind::Other).set_flag(Flag::Rescan), &[]));
}

#[tokio::test]
async fn a_write_deep_in_a_new_folder_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let watch = Watch::start(&[folder.path().to_owned()], WatchMode::Events);
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    watch.look.notified().await;
    fs::write(folder.path().join("a/b/plugin.toml"), "x").unwrap();
    watch.changed().await;
}

#[tokio::test]
async fn where_there_are_no_events_it_looks_now_and_then() {
    let watch = Watch::start(&["/nowhere/at/all".into()], WatchMode::Events);
    assert_eq!(watch.mode, WatchMode::Poll);
    watch.changed().await;
}
