//! What an author writes wrongly is complained about where it stands, in words that help: by the real compiler.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

/// File, line and text of what is expected or said.
type Complaints = BTreeSet<(String, usize, String)>;

fn expected(programs: &Path) -> Complaints {
    let mut expected = Complaints::new();
    for file in fs::read_dir(programs).expect("the programs") {
        let file = file.expect("a program");
        let name = file.file_name().into_string().expect("a name");
        for (number, line) in fs::read_to_string(file.path()).expect("a text").lines().enumerate() {
            if let Some((_, text)) = line.split_once("//~ ") {
                expected.insert((name.clone(), number + 1, text.to_owned()));
            }
        }
    }
    expected
}

/// The compiler's errors at their places; `None` for what is no error with a place.
fn error(line: &str) -> Option<(String, usize, String)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let message = &message["message"];
    if message["level"] != "error" {
        return None;
    }
    // Inside a macro of the SDK's the compiler points at the macro; an author looks at where it was called.
    let span = message["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
    let file = Path::new(span["file_name"].as_str()?).file_name()?.to_str()?.to_owned();
    Some((file, span["line_start"].as_u64()? as usize, message["message"].as_str()?.to_owned()))
}

#[test]
fn every_mistake_is_shown_at_its_line_and_nothing_else_is() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let expected = expected(&package.join("src/bin"));
    assert!(expected.len() > 10, "{expected:?}");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--bins", "--keep-going", "--locked", "--message-format=json"]).current_dir(&package);
    cargo.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes"));
    let output = cargo.output().unwrap();
    let said: Complaints = String::from_utf8(output.stdout).unwrap().lines().filter_map(error).collect();
    assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let is = |(file, line, said): &(String, usize, String), (at, number, text): &(String, usize, String)| {
        file == at && line == number && said.contains(text.as_str())
    };
    let unsaid: Vec<_> = expected.iter().filter(|expected| !said.iter().any(|said| is(said, expected))).collect();
    let more: Vec<_> = said.iter().filter(|said| !expected.iter().any(|expected| is(said, expected))).collect();
    assert!(unsaid.is_empty() && more.is_empty(), "not said: {unsaid:#?}\nsaid besides: {more:#?}");
}
