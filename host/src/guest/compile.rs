//! From what an author wrote to code for one lane's engine. Runs in the compile child.

use std::path::Path;

use anyhow::anyhow;
use wasmtime::Engine;

use super::{adapt, engine};
use crate::config::Lane;

/// Compiles a component, a core module or WebAssembly text for one lane. `file` only names it in errors.
///
/// # Errors
/// Why the bytes are no plugin, in words for their author.
pub fn compile(settings: &super::EngineSettings, lane: Lane, file: &Path, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let component = adapt::component(file, bytes)?;
    let engine = Engine::new(&engine::config(settings, lane))?;
    engine.precompile_component(&component).map_err(|error| match !settings.wasi_http_03 && names_03(&component) {
        true => {
            anyhow!("it is a WASI 0.3 guest, which this host does not load: set wasi_http_03 = true in wasmbay.toml")
        }
        false => error.into(),
    })
}

/// Whether the bytes name an interface of WASI 0.3. Names stand in a component as they are.
fn names_03(component: &[u8]) -> bool {
    component.windows(VERSION_03.len()).any(|bytes| bytes == VERSION_03)
}

const VERSION_03: &[u8] = b"@0.3.";
