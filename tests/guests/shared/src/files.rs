//! What a guest can do with files.

use std::fs;

use crate::Target;

/// The text of the file at `path`, or what became of reading it.
pub fn read(target: &Target) -> String {
    told(fs::read_to_string(path(target)))
}

/// The names in the folder at `path`, in order, or what became of listing it.
pub fn list(target: &Target) -> String {
    told(fs::read_dir(path(target)).map(|entries| {
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names.join(" ")
    }))
}

/// What becomes of every way to change `path`.
pub fn change(target: &Target) -> String {
    let path = path(target);
    let results = [
        fs::write(&path, "changed"),
        fs::OpenOptions::new().append(true).open(&path).map(drop),
        fs::write(format!("{path}.new"), "new"),
        fs::create_dir(format!("{path}.dir")),
        fs::rename(&path, format!("{path}.moved")),
        fs::hard_link(&path, format!("{path}.linked")),
        fs::remove_file(&path),
    ];
    results.map(|result| result.map_or_else(|_| "refused", |()| "done")).join(" ")
}

fn path(target: &Target) -> String {
    target.text("path").unwrap_or_else(|| "/".to_owned())
}

fn told(result: std::io::Result<String>) -> String {
    result.unwrap_or_else(|error| format!("error: {:?}", error.kind()))
}
