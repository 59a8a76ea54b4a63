//! Takes out of a binary what no host reads: what debuggers and linkers keep there is often most of it.

use wasmparser::Payload;

use super::rewrite::{Rewritten, rewrite};

/// Beginnings of the names of custom sections that are dropped: DWARF, and what is left of linking.
const DROPPED: [&str; 8] = [
    ".debug_",
    "reloc.",
    "linking",
    "target_features",
    "sourceMappingURL",
    "external_debug_info",
    "build_id",
    "go:buildid",
];

/// A module or component without its debugging and linking sections, in whatever it nests too. Function names stay:
/// the log and the dev page show them.
///
/// # Errors
/// When the bytes are no WebAssembly.
pub fn slim(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    let is_dropped = |name: &str| DROPPED.iter().any(|dropped| name.starts_with(dropped));
    rewrite(wasm, |payload| {
        Ok(match payload {
            Payload::CustomSection(custom) if is_dropped(custom.name()) => Rewritten::Dropped,
            _ => Rewritten::Kept,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn debugging_sections_go_at_every_depth_and_names_stay() {
        let fat = text(
            r#"(component
                 (core module $a (@custom ".debug_info" "x") (func $kept) (@custom "reloc.CODE" "x"))
                 (component (core module (@custom ".debug_line" "a longer text than any other here") (memory 1)))
                 (@custom "mine" "stays"))"#,
        );
        let slimmed = slim(&fat).unwrap();
        let all = String::from_utf8_lossy(&slimmed);
        assert!(!all.contains(".debug") && !all.contains("reloc"), "{all}");
        assert!(all.contains("kept") && all.contains("mine"), "{all}");
        assert!(slimmed.len() < fat.len());
        wasmparser::Validator::new().validate_all(&slimmed).unwrap();
    }

    #[test]
    fn what_has_nothing_to_drop_stays_as_it_is() {
        let lean = text("(module (func $f (export \"f\")) (memory 1) (data \"x\"))");
        assert_eq!(slim(&lean).unwrap(), lean);
        assert!(slim(b"\0asm\x01\0\0\0\x0a\xff").is_err());
    }
}
