//! Takes out of a binary what no host reads: what debuggers and linkers keep there is often most of it.

use std::mem;

use anyhow::Context as _;
use wasm_encoder::{Component, ComponentSectionId, Encode as _, Module, RawSection, Section as _};
use wasmparser::{Encoding, Parser, Payload};

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
    let (mut out, mut outer) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.context("the file is not valid WebAssembly")?;
        match &payload {
            Payload::Version { encoding: Encoding::Component, .. } => out.extend(Component::HEADER),
            Payload::Version { encoding: Encoding::Module, .. } => out.extend(Module::HEADER),
            // What follows, to its end, is the inside of this section.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                outer.push(mem::take(&mut out));
                continue;
            }
            Payload::End(_) => {
                let Some(parent) = outer.pop() else { break };
                let inner = mem::replace(&mut out, parent);
                let is_component = inner.starts_with(&Component::HEADER);
                let id = if is_component { ComponentSectionId::Component } else { ComponentSectionId::CoreModule };
                out.push(id.into());
                inner.encode(&mut out);
                continue;
            }
            Payload::CustomSection(custom) if DROPPED.iter().any(|name| custom.name().starts_with(name)) => continue,
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            RawSection { id, data: &wasm[range] }.append_to(&mut out);
        }
    }
    Ok(out)
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
