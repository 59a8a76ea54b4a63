//! Takes a binary apart into its sections and puts it together again, in whatever it nests too.

use std::mem;

use anyhow::Context as _;
use wasm_encoder::{Component, ComponentSectionId, Encode as _, Module, RawSection, Section as _};
use wasmparser::{Encoding, Parser, Payload};

/// What becomes of a section.
pub(super) enum Rewritten {
    /// It stays as it is.
    Kept,
    /// It is dropped.
    Dropped,
    /// This takes its place: a whole section, with its number and length.
    Replaced(Vec<u8>),
}

/// A module or component, each section of which becomes what `each` says.
///
/// # Errors
/// When the bytes are no WebAssembly, or `each` fails.
pub(super) fn rewrite(
    wasm: &[u8],
    mut each: impl FnMut(&Payload<'_>) -> anyhow::Result<Rewritten>,
) -> anyhow::Result<Vec<u8>> {
    let (mut out, mut outer) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.context("the file is not valid WebAssembly")?;
        match &payload {
            Payload::Version { encoding: Encoding::Component, .. } => out.extend(Component::HEADER),
            Payload::Version { encoding: Encoding::Module, .. } => out.extend(Module::HEADER),
            // What follows, to its end, is the inside of this section.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => outer.push(mem::take(&mut out)),
            Payload::End(_) => {
                let Some(parent) = outer.pop() else { break };
                let inner = mem::replace(&mut out, parent);
                let is_component = inner.starts_with(&Component::HEADER);
                let id = if is_component { ComponentSectionId::Component } else { ComponentSectionId::CoreModule };
                out.push(id.into());
                inner.encode(&mut out);
            }
            _ => {
                let Some((id, range)) = payload.as_section() else { continue };
                match each(&payload)? {
                    Rewritten::Kept => RawSection { id, data: &wasm[range] }.append_to(&mut out),
                    Rewritten::Dropped => {}
                    Rewritten::Replaced(section) => out.extend(section),
                }
            }
        }
    }
    Ok(out)
}
