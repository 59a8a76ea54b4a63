//! Every input of every corpus, run again: what was found once stays found.
//!
//! `WASMBAY_FUZZ_INPUT=FILE cargo test --workspace --test fuzz TARGET` runs one file instead: how a crash is looked at.

use std::{fs, path::PathBuf};

use wasmbay::guest::Kind;
use wasmbay_fuzz::{
    TARGETS, cgi,
    component::{self, Outcome},
    filter, manifest, path, routes,
};

/// What is run: the target's corpus, or the one file that was named. By name.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = match std::env::var_os("WASMBAY_FUZZ_INPUT") {
        Some(file) => vec![PathBuf::from(file)],
        None => {
            let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(target);
            let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
            assert!(paths.len() >= 5, "{target} has no corpus to speak of");
            paths.sort();
            paths
        }
    };
    let read =
        |path: PathBuf| (path.clone(), fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    paths.into_iter().map(read).collect()
}

fn replay(target: &str, run: fn(&[u8])) {
    assert!(TARGETS.iter().any(|known| known.name == target), "{target} is not soaked");
    for (path, input) in inputs(target) {
        // Before it fails, so that the output of a failed test ends with it.
        println!("{}", path.display());
        run(&input);
    }
}

#[test]
fn manifest() {
    replay("manifest", manifest::run);
}

#[test]
fn routes() {
    replay("routes", routes::run);
}

#[test]
fn path() {
    replay("path", path::run);
}

#[test]
fn cgi() {
    replay("cgi", cgi::run);
}

#[test]
fn filter() {
    replay("filter", filter::run);
}

/// Beside the properties: the corpus is worth its name, most of it runs, in both lanes and each kind, and some answers.
#[test]
fn component() {
    let (mut ran, mut refused, mut kinds) = (0, 0, Vec::new());
    for (path, input) in inputs("component") {
        println!("{}", path.display());
        let outcomes = component::through_both_lanes(&input);
        println!("{outcomes:?}");
        assert!(outcomes.len() == 2, "{} is too large", path.display());
        for outcome in outcomes {
            match outcome {
                Outcome::Refused(_) => refused += 1,
                Outcome::Ran(kind, ended) => {
                    ran += 1;
                    let answered = ended.iter().any(|one| matches!(one, Some(Ok(_))));
                    kinds.extend(answered.then_some(kind));
                }
            }
        }
    }
    if std::env::var_os("WASMBAY_FUZZ_INPUT").is_none() {
        println!("{ran} ran, {refused} were refused, {} answered", kinds.len());
        assert!(ran > refused && refused > 0, "{ran} ran, {refused} were refused");
        for kind in [Kind::Http02, Kind::Cgi] {
            assert!(kinds.iter().filter(|one| **one == kind).count() >= 2, "no {kind:?} guest answered");
        }
    }
}
