//! `wasmbay new`: a folder that is a plugin.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use super::Language;
use crate::{
    cli::{Exit, answer, refuse},
    config::{Manifest, checks_schema, manifest_schema},
    diagnostic::Diagnostic,
};

/// Where a plugin keeps the schemas that its files name, so that editors complete without a network.
const SCHEMAS: &str = ".schema";

/// Writes the plugin `name` below `dir`, and says what was written and what to do next.
pub(super) fn run(name: &str, language: Language, dir: &Path) -> Exit {
    let files = language.files(name);
    let manifest = files.iter().find(|(path, _)| path == Manifest::FILE).map_or("", |(_, text)| text);
    if let Err(faults) = Manifest::parse(manifest, "NAME") {
        return refuse(&faults, Exit::Usage);
    }
    let folder = dir.join(name);
    match write(&folder, files) {
        Ok(written) => answer(&told(&folder, &written, language), Exit::Ok),
        Err(fault) => refuse(&[fault], Exit::Faults),
    }
}

/// Writes everything or, where something is there already, nothing.
fn write(folder: &Path, files: Vec<(String, String)>) -> Result<Vec<String>, Diagnostic> {
    let fault = |path: &Path, error: io::Error| Diagnostic::new(path, format!("cannot be written: {error}"));
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let fault = Diagnostic::new(folder, "the folder is there and not empty");
        return Err(fault.remedy("choose another name, or remove it; nothing is overwritten"));
    }
    let schemas = [("plugin.json", manifest_schema()), ("checks.json", checks_schema())];
    let schemas = schemas.map(|(name, schema)| (format!("{SCHEMAS}/{name}"), format!("{schema:#}\n")));
    let mut written = Vec::new();
    for (name, text) in files.into_iter().chain(schemas) {
        let path = folder.join(&name);
        let make = || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            OpenOptions::new().write(true).create_new(true).open(&path)?.write_all(text.as_bytes())
        };
        make().map_err(|error| fault(&path, error))?;
        written.push(name);
    }
    Ok(written)
}

fn told(folder: &Path, written: &[String], language: Language) -> String {
    let mut text = format!("wrote {}\n", folder.display());
    written.iter().for_each(|file| text += &format!("  {file}\n"));
    language.note().into_iter().for_each(|note| text += &format!("{note}\n"));
    text += &format!("next:\n  cd {}\n", folder.display());
    language.install().into_iter().for_each(|line| text += &format!("  {line}\n"));
    text + "  wasmbay test     build it and run its checks\n  wasmbay dev .    serve it, and build it again when you edit\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_plugin_is_written_whole_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(run("hello", Language::Text, dir.path()), Exit::Ok);
        let folder = dir.path().join("hello");
        assert_eq!(Manifest::read(&folder).unwrap().name, "hello");
        let schema = fs::read(folder.join(SCHEMAS).join("checks.json")).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&schema).unwrap()["properties"]["check"].is_object());
        fs::write(folder.join("README.md"), "mine").unwrap();
        assert_eq!(run("hello", Language::Text, dir.path()), Exit::Faults);
        assert_eq!(fs::read_to_string(folder.join("README.md")).unwrap(), "mine");
    }

    #[test]
    fn what_is_served_only_where_an_operator_allows_it_says_so() {
        let said = told(Path::new("p"), &["plugin.toml".into()], Language::Python);
        assert!(said.contains("wasi_http_03") && said.contains("`wsgi`"), "{said}");
        assert!(said.ends_with(&told(Path::new("p"), &[], Language::Text).replace("wrote p\n", "")), "{said}");
    }

    #[test]
    fn a_name_that_no_plugin_can_have_is_wrong_usage() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["My_Plugin", "../x", "a\"b", ""] {
            assert_eq!(run(name, Language::Text, dir.path()), Exit::Usage, "{name}");
        }
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
