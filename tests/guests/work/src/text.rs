//! Allocation and text: JSON of a mebibyte, parsed and written.

use std::sync::LazyLock;

use serde_json::{Value, json};

const BYTES: usize = 1 << 20;

/// A document of about a mebibyte, made once an instance.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let row = |n: u64| json!({ "id": n, "name": format!("item {n} \u{00e9}\n"), "price": n as f64 * 1.25, "tags": ["a", "b", null, true] });
    let one = row(1_000).to_string().len() + 1;
    Value::from((0..(BYTES / one) as u64).map(row).collect::<Vec<_>>()).to_string()
});

/// Parses the document and writes it again. Answers how long it is.
///
/// # Panics
///
/// When what is written is not what was read.
pub(crate) fn there_and_back() -> u64 {
    let parsed: Value = serde_json::from_str(&DOCUMENT).expect("the document is JSON");
    let written = parsed.to_string();
    assert_eq!(written.len(), DOCUMENT.len(), "as it was read");
    written.len() as u64
}
