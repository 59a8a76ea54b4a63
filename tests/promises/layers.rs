//! The layers of `host/src`: a module names only its own layer, without cycles, and lower ones; a foreign crate with
//! a home is named there alone; each file says first what it owns.

mod paths;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use paths::{Mention, Said};

/// The layers, lowest first. A new module needs a place here.
const LAYERS: [&[&str]; 5] = [
    &["body", "diagnostic", "failure", "telemetry", "units"],
    &["config", "lanes", "server", "store"],
    &["capability", "guest"],
    &["invoke", "jobs", "registry"],
    &["admin", "cli", "front", "host", "main"],
];

/// Foreign crates, or parts of them, and the modules, with a comma between them, that alone may name them outside their
/// tests. A star stands for the rest of a name.
const HOMES: &[(&str, &str)] = &[
    ("arc_swap", "registry"),
    ("clap", "cli"),
    ("croner", "config"),
    ("hyper::client", "capability,cli"),
    ("hyper::server", "server"),
    ("hyper_util::client", "capability"),
    ("hyper_util::server", "server"),
    ("jiff", "config,telemetry"),
    ("matchit", "registry"),
    ("mysql_async", "capability"),
    ("mysql_common", "capability"),
    ("notify", "registry"),
    ("opentelemetry*", "telemetry"),
    ("prometheus", "telemetry"),
    ("resolv_conf", "capability"),
    ("rusqlite", "store"),
    ("rustls", "server,capability"),
    ("simple_dns", "capability"),
    ("tokio_postgres", "capability"),
    ("tokio_rustls", "server,capability"),
    ("toml", "config"),
    ("tracing_subscriber", "telemetry"),
    ("wasmtime*", "guest"),
    ("webpki_roots", "capability"),
];

/// A source file: its path below `host/src` and its text.
type Source = (PathBuf, String);

/// Why a module's files may not name what they name: `file:line: reason`.
fn breaches(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    let mut files = Vec::new();
    for (path, text) in sources {
        let module = module_of(path);
        if !text.starts_with("//! ") {
            found.push(format!("{}:1: does not begin with `//!` and what the file owns", path.display()));
        }
        match paths::read(text, &module) {
            Ok(said) => files.push(File { path, module, said }),
            Err(error) => found.push(format!("{}:1: cannot be read as Rust: {error}", path.display())),
        }
    }
    let test_files: BTreeSet<Vec<String>> = files.iter().flat_map(|file| file.said.test_files.clone()).collect();
    let mut edges = Edges::new();
    for file in &files {
        // The crate's top declares the modules and is below none of them.
        let Some(own) = file.module.first() else { continue };
        if rank(own).is_none() {
            found.push(format!("{}:1: the module `{own}` has no layer", file.path.display()));
            continue;
        }
        let in_tests = (1..=file.module.len()).any(|depth| test_files.contains(&file.module[..depth]));
        for mention in &file.said.mentions {
            let place = format!("{}:{}", file.path.display(), mention.line);
            found.extend(climb(own, mention, &place, &mut edges));
            if !in_tests && !mention.test {
                found.extend(stray(own, mention, &place));
            }
        }
    }
    found.extend(cycles(&edges));
    found.sort();
    found.dedup();
    found
}

struct File<'s> {
    path: &'s Path,
    module: Vec<String>,
    said: Said,
}

/// Which modules of a layer name which, and where first.
type Edges = BTreeMap<String, BTreeMap<String, String>>;

/// The module of a file, from the top of the crate.
fn module_of(path: &Path) -> Vec<String> {
    let path = path.with_extension("");
    let mut module: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// A path into a higher layer, or into the crate but to no module of it. One within the layer becomes an edge.
fn climb(own: &str, mention: &Mention, place: &str, edges: &mut Edges) -> Option<String> {
    // The binary names the library by its name.
    let in_crate = ["crate", "wasmbay"].contains(&mention.path[0].as_str());
    let target = mention.path.get(1).filter(|_| in_crate)?;
    let (from, Some(to)) = (rank(own), rank(target)) else {
        return Some(format!("{place}: `{own}` names `crate::{target}`, which is no module with a layer"));
    };
    if from == Some(to) && own != target {
        edges.entry(own.to_owned()).or_default().entry(target.clone()).or_insert_with(|| place.to_owned());
    }
    let from = from? + 1;
    (to >= from)
        .then(|| format!("{place}: `{own}` (layer {from}) names `{target}` (layer {}), which is above it", to + 1))
}

/// A foreign crate away from its home.
fn stray(own: &str, mention: &Mention, place: &str) -> Option<String> {
    let names = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => mention.path[0].starts_with(start) && mention.path.len() > 1,
        None => pattern.split("::").eq(mention.path.iter().take(pattern.split("::").count()).map(String::as_str)),
    };
    // A single word may be a variable or a field; a crate is named by a path that goes on.
    let (pattern, home) = HOMES
        .iter()
        .find(|(pattern, home)| mention.path.len() > 1 && names(pattern) && !home.split(',').any(|home| home == own))?;
    Some(format!("{place}: `{own}` names `{}`; `{pattern}` belongs to `{home}` alone", mention.path.join("::")))
}

/// Each edge that lies on a cycle.
fn cycles(edges: &Edges) -> Vec<String> {
    let mut found = Vec::new();
    for (from, targets) in edges {
        for (to, place) in targets {
            if let Some(back) = way(edges, to, from) {
                found.push(format!(
                    "{place}: `{from}` names `{to}` of its own layer, which leads back: {}",
                    back.join(" → ")
                ));
            }
        }
    }
    found
}

/// A way from one module to another along the edges.
fn way(edges: &Edges, from: &str, to: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = &way[way.len() - 1];
        if last == to {
            return Some(way);
        }
        if seen.insert(last.clone()) {
            let next = edges.get(last).into_iter().flat_map(BTreeMap::keys);
            ways.extend(next.map(|next| way.iter().chain([next]).cloned().collect::<Vec<_>>()));
        }
    }
    None
}

/// Every `.rs` file below a folder.
fn sources(top: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("the source is there") {
        let path = entry.expect("the source can be listed").path();
        if path.is_dir() {
            sources(top, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(top).expect("it lies below the top").to_owned();
            found.push((below, fs::read_to_string(&path).expect("the source is text")));
        }
    }
}

#[test]
fn every_module_keeps_to_its_layer() {
    let top = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../host/src"));
    let mut found = Vec::new();
    sources(top, top, &mut found);
    assert!(found.len() > 20, "the source has moved");
    let breaches: Vec<String> = breaches(&found).iter().map(|breach| format!("host/src/{breach}")).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

/// The breaches of made-up files; each gets its first line.
fn made_up(files: &[(&str, &str)]) -> String {
    let files: Vec<Source> =
        files.iter().map(|(path, text)| (path.into(), format!("//! What it owns.\n{text}"))).collect();
    breaches(&files).join("\n")
}

#[test]
fn a_climb_is_found_however_it_is_written() {
    let ways = [
        "use crate::invoke;",
        "use crate::invoke::Call;",
        "use crate::{failure::Code, invoke::{self, Call}};",
        "pub use crate::{units, invoke::*};",
        "fn f() { crate::invoke::call(); }",
        "struct S(Vec<crate::invoke::Call>);",
        "mod inner { use super::super::super::invoke; }",
        "use super::super::invoke;",
        "fn f() { println!(\"{}\", crate::invoke::call::<u8>()); }",
        "macro_rules! m { () => { $crate::invoke::call() } }",
        "#[cfg(test)] mod tests { use crate::invoke::Call; }",
        "impl crate::invoke::Calls for S {}",
        "fn f() { f::<crate::invoke::Call>() }",
    ];
    for way in ways {
        let found = made_up(&[("lanes/io.rs", way)]);
        assert_eq!(found, "lanes/io.rs:2: `lanes` (layer 2) names `invoke` (layer 4), which is above it", "{way}");
    }
}

#[test]
fn what_goes_down_or_is_no_code_is_let_be() {
    let text = "
        use crate::{config::Lane, failure::{Code, Failure as Other}};
        use super::task::Task;
        use std::{invoke, front::*};
        // use crate::invoke;
        /// [`crate::invoke`]
        pub(crate) fn f(toml: u8, front: u8) -> &'static str { self.invoke.call(toml); \"crate::invoke\" }
        mod tests { use super::*; use super::super::clock; }
    ";
    assert_eq!(made_up(&[("lanes/io.rs", text), ("lib.rs", "pub mod invoke; pub use crate::invoke::Call;")]), "");
}

#[test]
fn a_cycle_inside_a_layer_is_found_at_both_ends() {
    let files = [
        ("server/mod.rs", "use crate::config::Settings;"),
        ("config/file.rs", "\nuse crate::store::Blob;"),
        ("store/mod.rs", "fn f() { crate::server::g() }"),
        ("lanes/mod.rs", "use crate::config::Lane;"),
    ];
    insta::assert_snapshot!(made_up(&files), @r"
    config/file.rs:3: `config` names `store` of its own layer, which leads back: store → server → config
    server/mod.rs:2: `server` names `config` of its own layer, which leads back: config → store → server
    store/mod.rs:2: `store` names `server` of its own layer, which leads back: server → config → store
    ");
}

#[test]
fn a_foreign_crate_away_from_home_is_found_outside_tests() {
    let stray = "use hyper::{body::Bytes, server::conn};\nfn f(e: wasmtime_wasi::Error, toml: u8) {}\n#[cfg(test)]\nmod tests { use toml::Value; }";
    let files = [
        ("front.rs", stray),
        ("units.rs", "use wasmtime as engine;\n#[cfg(test)]\nfn f() {}\nmod g { use matchit::Router; }"),
        ("registry/mod.rs", "#[cfg(test)]\nmod table_tests;\nuse ::notify::Watcher;"),
        ("registry/table_tests.rs", "use prometheus::Counter;"),
        ("main.rs", "use wasmbay::cli;\nuse clap::Parser;"),
        ("server/accept.rs", "use hyper_util::{server, rt::TokioIo};"),
    ];
    insta::assert_snapshot!(made_up(&files), @r"
    front.rs:2: `front` names `hyper::server::conn`; `hyper::server` belongs to `server` alone
    front.rs:3: `front` names `wasmtime_wasi::Error`; `wasmtime*` belongs to `guest` alone
    main.rs:3: `main` names `clap::Parser`; `clap` belongs to `cli` alone
    units.rs:2: `units` names `wasmtime::self`; `wasmtime*` belongs to `guest` alone
    units.rs:5: `units` names `matchit::Router`; `matchit` belongs to `registry` alone
    ");
}

#[test]
fn a_stranger_and_a_file_without_a_purpose_are_found() {
    let files = [
        ("misc.rs".into(), "//! Everything else.".to_owned()),
        ("units.rs".into(), "// Sizes.\nuse crate::*;".to_owned()),
        ("body.rs".into(), "//! Half a file.\nfn f( {".to_owned()),
    ];
    insta::assert_snapshot!(breaches(&files).join("\n"), @r"
    body.rs:1: cannot be read as Rust: cannot parse string into token stream
    misc.rs:1: the module `misc` has no layer
    units.rs:1: does not begin with `//!` and what the file owns
    units.rs:2: `units` names `crate::*`, which is no module with a layer
    ");
}
