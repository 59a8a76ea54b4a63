//! What is accepted and what is refused in `plugin.toml` and `wasmbay.toml`: each file of `manifests/` is a snapshot.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use proptest::prelude::*;
use serde_json::Value;
use wasmbay::{
    config::{Caps, Manifest, Settings, manifest_schema, settings_schema},
    diagnostic::Diagnostic,
    units::{ByteSize, Fuel},
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/promises/manifests");

/// Every `.toml` of a folder by its name, in order.
fn files(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(Path::new(FOLDER).join(folder)).expect("the folder is part of the source");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_stem().expect("it has an extension").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("the file is text"))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

fn lines(faults: &[Diagnostic]) -> String {
    faults.iter().fold(String::new(), |mut text, fault| {
        writeln!(text, "{fault}").expect("a string takes all");
        text
    })
}

/// Compares with the snapshot `name` beside the files.
fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => format!("{FOLDER}/snapshots"), prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

fn good<T: std::fmt::Debug>(folder: &str, parse: impl Fn(&str) -> Result<T, Vec<Diagnostic>>) {
    for (name, text) in files(folder) {
        match parse(&text) {
            Ok(meant) => snapshot(&format!("{}-{name}", folder.replace('/', "-")), &format!("{meant:#?}")),
            Err(faults) => panic!("{folder}/{name} is refused:\n{}", lines(&faults)),
        }
    }
}

fn bad<T: std::fmt::Debug>(folder: &str, parse: impl Fn(&str) -> Result<T, Vec<Diagnostic>>) {
    for (name, text) in files(folder) {
        match parse(&text) {
            Ok(meant) => panic!("{folder}/{name} is accepted:\n{meant:#?}"),
            Err(faults) => snapshot(&format!("{}-{name}", folder.replace('/', "-")), &lines(&faults)),
        }
    }
}

#[test]
fn good_manifests_mean_what_they_say() {
    good("good", |text| Manifest::parse(text, "plugin.toml"));
}

#[test]
fn bad_manifests_are_refused_with_every_fault() {
    bad("bad", |text| Manifest::parse(text, "plugin.toml"));
}

#[test]
fn good_settings_mean_what_they_say() {
    good("settings/good", |text| Settings::parse(text, "wasmbay.toml"));
}

#[test]
fn bad_settings_are_refused_with_every_fault() {
    bad("settings/bad", |text| Settings::parse(text, "wasmbay.toml"));
}

#[test]
fn every_snapshot_has_its_file() {
    let named = |folder: &str| {
        let prefix = folder.replace('/', "-");
        files(folder).into_iter().map(move |(name, _)| format!("{prefix}-{name}.snap"))
    };
    let mut wanted: BTreeSet<String> =
        ["good", "bad", "settings/good", "settings/bad"].into_iter().flat_map(named).collect();
    wanted.extend(["schema-manifest.snap".to_owned(), "schema-settings.snap".to_owned()]);
    let entries = fs::read_dir(Path::new(FOLDER).join("snapshots")).expect("the folder is part of the source");
    let found: BTreeSet<String> = entries
        .map(|entry| entry.expect("the folder can be listed").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".snap"))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn schemas_are_published() {
    for (name, schema) in [("schema-manifest", manifest_schema()), ("schema-settings", settings_schema())] {
        snapshot(name, &serde_json::to_string_pretty(&schema).expect("JSON is written"));
    }
}

/// Every key of a schema, each with the path of its table.
fn keys(schema: &Value, table: &str, found: &mut Vec<(String, String)>) {
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        found.push((table.to_owned(), name.clone()));
        let path = if table.is_empty() { name.clone() } else { format!("{table}.{name}") };
        keys(below, &path, found);
        keys(&below["items"], &format!("[{path}]"), found);
        keys(&below["additionalProperties"], &format!("{path}.x"), found);
    }
}

fn manifest_faults(text: &str) -> Vec<Diagnostic> {
    Manifest::parse(text, "plugin.toml").err().unwrap_or_default()
}

fn settings_faults(text: &str) -> Vec<Diagnostic> {
    Settings::parse(text, "wasmbay.toml").err().unwrap_or_default()
}

/// No key holds a date: each has to complain, of its type and not of its name.
fn check_keys(schema: &Value, faults: fn(&str) -> Vec<Diagnostic>) {
    let mut found = Vec::new();
    keys(schema, "", &mut found);
    assert!(found.len() > 20, "the schema has lost its keys: {found:?}");
    for (table, key) in found {
        let header = if table.is_empty() { String::new() } else { format!("[{table}]") };
        let faults = faults(&format!("{header}\n{key} = 2024-01-01"));
        let complaint = format!("{key}` must be");
        assert!(faults.iter().any(|fault| fault.message.contains(&complaint)), "{table} {key}: {faults:?}");
    }
}

#[test]
fn every_key_of_a_schema_is_read() {
    check_keys(&manifest_schema(), manifest_faults);
    check_keys(&settings_schema(), settings_faults);
}

/// In TOML a key below a `[table]` is the table's, which people forget.
fn check_misplaced(schema: &Value, table: &str, faults: fn(&str) -> Vec<Diagnostic>) {
    for (key, schema) in schema["properties"].as_object().expect("the schema has keys") {
        let is_table = !schema["items"]["properties"].is_null() || schema["type"] == "object";
        let faults = faults(&format!("[{table}]\n{key} = 1"));
        let hint = format!("write `{key}` at the top of the file, above the first [table]");
        let hinted = faults.iter().any(|fault| fault.remedy.as_ref() == Some(&hint));
        assert_eq!(hinted, !is_table, "{key}: {faults:?}");
    }
}

#[test]
fn a_key_below_the_wrong_table_is_told_where_it_belongs() {
    check_misplaced(&manifest_schema(), "limits", manifest_faults);
    check_misplaced(&settings_schema(), "tenant.x", settings_faults);
}

#[test]
fn what_a_schema_requires_is_what_is_missed() {
    let schema = manifest_schema();
    let required = schema["required"].as_array().expect("a manifest requires something");
    let required: BTreeSet<String> =
        required.iter().map(|key| format!("`{}` is missing", key.as_str().unwrap_or_default())).collect();
    let faults = Manifest::parse("", "plugin.toml").expect_err("nothing is there");
    assert_eq!(faults.into_iter().map(|fault| fault.message).collect::<BTreeSet<_>>(), required);
    assert_eq!(settings_schema()["required"], Value::Null);
}

#[test]
fn nothing_that_is_not_available_is_offered() {
    let offered = format!("{} {}", manifest_schema(), settings_schema());
    assert!(!offered.contains("\"docs\":"), "{offered}");
}

#[test]
fn a_folder_without_a_manifest_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let faults = Manifest::read(folder.path()).expect_err("there is no manifest");
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].file, folder.path().join("plugin.toml"));
    fs::create_dir(folder.path().join("plugin.toml")).expect("a folder is made");
    let faults = Manifest::read(folder.path()).expect_err("a folder is no manifest");
    assert!(faults[0].message.contains("no regular file"), "{}", faults[0]);
}

#[test]
fn a_manifest_of_a_folder_is_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |bytes: &[u8]| fs::write(folder.path().join("plugin.toml"), bytes).expect("the file is written");
    let (_, text) = files("good").swap_remove(0);
    write(text.as_bytes());
    assert_eq!(Manifest::read(folder.path()), Manifest::parse(&text, "plugin.toml"));
    write(b"name = \"\xff\"");
    let faults = Manifest::read(folder.path()).expect_err("these bytes are no text");
    assert!(faults[0].message.contains("UTF-8"), "{}", faults[0]);
    write(&b"#".repeat(1 << 20));
    let faults = Manifest::read(folder.path()).expect_err("no manifest is that long");
    assert!(faults[0].message.contains("longer"), "{}", faults[0]);
}

#[test]
fn the_example_plugins_have_good_manifests() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let folders =
        fs::read_dir(plugins).expect("the plugins are there").map(|entry| entry.expect("they can be listed").path());
    let read = folders.filter(|folder| folder.join(Manifest::FILE).exists()).map(|folder| {
        let manifest = Manifest::read(&folder).unwrap_or_else(|faults| panic!("{}", lines(&faults)));
        assert!(folder.ends_with(&manifest.name), "{} is named {}", folder.display(), manifest.name);
    });
    assert!(read.count() > 0, "there are no example plugins");
}

#[test]
fn caps_lower_what_is_asked_for_and_say_so() {
    let text = "manifest = 1\nname = \"a\"\ncomponent = \"a.wasm\"\nlane = \"compute\"\n[limits]\ncpu = \"2s\"";
    let manifest = Manifest::parse(text, "plugin.toml").expect("the manifest is good");
    assert_eq!(manifest.capped(&Caps::default(), ByteSize(1 << 30)), (manifest.clone(), Vec::new()));
    let caps = Caps {
        cpu: Some(std::time::Duration::from_secs(1)),
        memory: Some(ByteSize(64 << 20)),
        fuel: Some(Fuel(1_000_000)),
        max_concurrent: Some(8),
        ..Caps::default()
    };
    let (capped, notes) = manifest.capped(&caps, ByteSize(32 << 20));
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(notes.join("\n"), @r"
    `limits.cpu` = 2s is capped at 1s by the operator's caps.cpu
    `limits.memory` = 128MiB is capped at 32MiB by the operator's max_memory
    `limits.fuel` = 2G is capped at 1M by the operator's caps.fuel
    `limits.max_concurrent` = 64 is capped at 8 by the operator's caps.max_concurrent
    ");
    assert_eq!(capped.limits.cpu, std::time::Duration::from_secs(1));
    assert_eq!(capped.limits.memory, ByteSize(32 << 20));
    assert_eq!(capped.limits.fuel, Some(Fuel(1_000_000)));
    assert_eq!(capped.limits.max_concurrent, 8);
    assert_eq!(capped.limits.timeout, manifest.limits.timeout);
}

/// A text made of pieces of real files, so that faults lie deep inside.
fn shuffled() -> impl Strategy<Value = String> {
    let all: Vec<String> = ["good", "bad", "settings/good", "settings/bad"]
        .into_iter()
        .flat_map(files)
        .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    prop::collection::vec(prop_oneof![4 => prop::sample::select(all), 1 => ".{0,12}"], 0..24)
        .prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![".*", "[\\[\\]{}=\",.'a-z0-9\n# -]{0,80}", shuffled()]) {
        for fault in manifest_faults(&text).into_iter().chain(settings_faults(&text)) {
            let lines = text.split('\n').count();
            prop_assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)), "{fault}");
            prop_assert!(!fault.to_string().contains('\n'), "{fault}");
        }
    }

    #[test]
    fn no_depth_panics(depth in 1..5000_usize, open in prop::sample::select(vec!["[", "{a=", "a.", "[[x]]\n"])) {
        let text = format!("x = {}", open.repeat(depth));
        prop_assert!(Manifest::parse(&text, "plugin.toml").is_err());
        let text = format!("{}z = 1", "a.".repeat(depth));
        prop_assert!(Manifest::parse(&text, "plugin.toml").is_err());
    }
}
