//! Revisions: read whole, read once, read when still.

use std::{cell::Cell, fs};

use super::*;
use crate::registry::testing;

/// A reader of manifests that name their component and nothing else.
fn component_alone(file: &Path, text: &[u8]) -> Result<Manifest, Vec<Diagnostic>> {
    match std::str::from_utf8(text) {
        Ok("") | Err(_) => Err(vec![Diagnostic::new(file, "not a manifest")]),
        Ok(name) => Ok(Manifest { component: name.into(), ..testing::manifest("p", Vec::new()) }),
    }
}

fn folder(manifest: &str, component: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(MANIFEST_FILE), manifest).unwrap();
    fs::write(folder.path().join("c.wat"), component).unwrap();
    folder
}

fn take_now(folder: &Path) -> Taken {
    take(folder, &mut Rest::default(), Duration::ZERO, &component_alone)
}

fn fault_of(folder: &Path) -> String {
    match take_now(folder) {
        Taken::Faulty(faults, ..) => faults[0].to_string(),
        other => panic!("expected a fault, got {other:?}"),
    }
}

#[test]
fn a_still_folder_is_read_and_its_digest_follows_both_files() {
    let digest = |manifest, component| match take_now(folder(manifest, component).path()) {
        Taken::Revision(revision, _) => revision.digest,
        other => panic!("{other:?}"),
    };
    assert_eq!(digest("c.wat", "one"), digest("c.wat", "one"));
    assert_ne!(digest("c.wat", "one"), digest("c.wat", "two"));
    let of = |manifest: &[u8], component: &[u8], files: &[(&str, &'static str)]| {
        let files = files.iter().map(|(name, text)| (PathBuf::from(name), Bytes::from_static(text.as_bytes())));
        Digest::new(manifest, component, &files.collect())
    };
    let all = [
        of(b"ab", b"c", &[]),
        of(b"a", b"bc", &[]),
        of(b"a", b"b", &[("c", "")]),
        of(b"a", b"b", &[("", "c")]),
        of(b"a", b"b", &[("c", "d"), ("e", "f")]),
        of(b"a", b"b", &[("c", "de"), ("f", "")]),
    ];
    assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
}

#[test]
fn files_just_written_are_left_alone_until_they_lie_still() {
    let folder = folder("c.wat", "one");
    let hour = Duration::from_secs(3600);
    let taken = take(folder.path(), &mut Rest::default(), hour, &component_alone);
    assert!(matches!(taken, Taken::Unsettled(left) if left <= hour && left > hour / 2), "{taken:?}");
}

#[test]
fn a_write_during_the_read_drops_what_was_read() {
    let folder = folder("c.wat", "one");
    let reads = Cell::new(0);
    let meddle = |file: &Path, text: &[u8]| {
        reads.set(reads.get() + 1);
        fs::write(file.with_file_name(MANIFEST_FILE), "c.wat").unwrap();
        component_alone(file, text)
    };
    assert!(matches!(take(folder.path(), &mut Rest::default(), Duration::ZERO, &meddle), Taken::Unsettled(_)));
    assert_eq!(reads.get(), 1);
}

#[test]
fn the_files_own_times_count_and_where_they_lie_ahead_the_time_they_were_seen() {
    let folder = folder("c.wat", "one");
    let named = Named::by(&component_alone(Path::new("p"), b"c.wat").unwrap());
    let stamps = Stamps::look(folder.path(), Some(&named)).unwrap().unwrap();
    let (now, start) = (SystemTime::now(), Instant::now());
    let (quiet, ms) = (Duration::from_millis(100), Duration::from_millis);
    assert_eq!(Rest::default().remaining(&stamps, quiet, (now + ms(500), start)), Duration::ZERO);
    let past = now - Duration::from_secs(3600);
    let mut rest = Rest::default();
    assert_eq!(rest.remaining(&stamps, quiet, (past, start)), quiet);
    assert_eq!(rest.remaining(&stamps, quiet, (past, start + ms(40))), ms(60));
    assert_eq!(rest.remaining(&stamps, quiet, (past, start + ms(100))), Duration::ZERO);
    let other = Stamps { others: None, ..stamps };
    assert_eq!(rest.remaining(&other, quiet, (past, start + ms(100))), quiet);
}

#[test]
fn files_that_go_with_it_are_read_and_make_another_revision() {
    let folder = folder("c.wat", "one");
    let served = |_: &Path, _: &[u8]| {
        let mut manifest = Manifest { component: "c.wat".into(), ..testing::manifest("p", Vec::new()) };
        manifest.assets = vec!["texts".into()];
        Ok(manifest)
    };
    let take = || take(folder.path(), &mut Rest::default(), Duration::ZERO, &served);
    let revision = || match take() {
        Taken::Revision(revision, stamps) => (revision, stamps),
        other => panic!("expected a revision, got {other:?}"),
    };
    assert!(matches!(take(), Taken::Faulty(faults, _) if faults[0].message.contains("texts does not exist")));
    fs::create_dir(folder.path().join("texts")).unwrap();
    fs::write(folder.path().join("texts/a"), "one").unwrap();
    let (first, seen) = revision();
    assert_eq!(first.files[Path::new("texts/a")], "one");
    fs::write(folder.path().join("texts/a"), "two").unwrap();
    let (second, now) = revision();
    assert!(first.digest != second.digest && seen != now);
}

#[test]
fn each_fault_of_the_files_is_named() {
    assert!(fault_of(folder("", "").path()).contains("not a manifest"));
    let missing = fault_of(folder("gone.wat", "").path());
    assert!(missing.contains("the component gone.wat does not exist"), "{missing}");
    let outside = tempfile::NamedTempFile::new().unwrap();
    let linked = folder("link.wat", "");
    std::os::unix::fs::symlink(outside.path(), linked.path().join("link.wat")).unwrap();
    assert!(fault_of(linked.path()).contains("leads out of the plugin's folder"));
    let linked = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), linked.path().join(MANIFEST_FILE)).unwrap();
    assert!(fault_of(linked.path()).contains("leads out of the plugin's folder"));
}

#[test]
fn a_folder_without_a_manifest_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(take_now(folder.path()), Taken::Gone));
    assert!(matches!(take_now(&folder.path().join("never")), Taken::Gone));
}
