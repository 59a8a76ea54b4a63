//! The pages of `docs/` that are made from the code's own tables.
//!
//! A test compares each with its file. After a change, this writes the files anew:
//! `WASMBAY_WRITE_DOCS=1 cargo test --workspace --lib docs`.

mod failures;
mod limits;

use std::{env, fs, path::Path};

/// What to set to have the files written instead of compared.
const WRITE: &str = "WASMBAY_WRITE_DOCS";

/// Compares a page with its file, or writes it.
fn keep(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if env::var_os(WRITE).is_some() {
        fs::write(&path, page).expect("the page can be written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "host/docs/{name} is not what the code says; this writes it anew:\n    \
         {WRITE}=1 cargo test --workspace --lib docs"
    );
}

/// A markdown table. A bar within a cell would end it.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let escaped = |cells: [String; N]| cells.map(|cell| cell.replace('|', "\\|"));
    let mut text = line(&head.map(str::to_owned)) + &"|---".repeat(N) + "|\n";
    rows.into_iter().for_each(|row| text += &line(&escaped(row)));
    text
}

#[test]
fn a_bar_does_not_end_a_cell() {
    let text = table(["a", "b"], [["x|y".to_owned(), String::new()]]);
    assert_eq!(text, "| a | b |\n|---|---|\n| x\\|y |  |\n");
}
