//! A soak: full counts instead of small ones, row by row. A row that has passed is not run again while its soak goes on.
//!
//! `WASMBAY_SOAK` is the folder where `cargo xtask soak` notes what has passed; any other word asks for full counts alone.

use std::{env, fs, path::PathBuf};

/// Whether this is a soak.
pub fn is_on() -> bool {
    env::var_os("WASMBAY_SOAK").is_some()
}

/// How often something is repeated: `small` in a test, `full` in a soak.
pub fn times(small: usize, full: usize) -> usize {
    if is_on() { full } else { small }
}

/// A row that is being run.
#[must_use = "a row that has passed says so"]
pub struct Row(Option<PathBuf>);

/// Begins a row, unless it has passed in this soak.
pub fn begin(name: &str) -> Option<Row> {
    let folder = env::var_os("WASMBAY_SOAK").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let note = folder.map(|folder| folder.join(name));
    if note.as_ref().is_some_and(|note| note.exists()) {
        eprintln!("{name} has passed in this soak");
        return None;
    }
    Some(Row(note))
}

impl Row {
    /// Notes that it has passed.
    ///
    /// # Panics
    /// When that cannot be noted.
    pub fn passed(self) {
        if let Some(note) = self.0 {
            fs::create_dir_all(note.parent().expect("it lies in the soak's folder")).expect("a folder");
            fs::write(note, "").expect("a note");
        }
    }
}
