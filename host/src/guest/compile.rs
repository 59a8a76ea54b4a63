//! From what an author wrote to code for one lane's engine. Runs in the compile child.

use std::path::Path;

use anyhow::anyhow;
use wasmtime::Engine;

use super::{adapt, engine, unroll};
use crate::config::Lane;

/// Which way of making code out of an author's bytes this is. A key of the code cache beside the engine's own hash: to be
/// changed whenever the same bytes become other code, in `adapt` or `unroll` for instance.
pub const RECIPE: &[u8] = b"3: small loops unrolled";

/// Compiles a component, a core module or WebAssembly text for one lane, into code of a component or of a module. `file` only names it in errors.
///
/// # Errors
/// Why the bytes are no plugin, in words for their author.
pub fn compile(settings: &super::EngineSettings, lane: Lane, file: &Path, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let component = adapt::runnable(file, bytes)?;
    // What does not read as WebAssembly is left to the engine, which says why.
    let component = unroll::unroll(&component).unwrap_or(component);
    let engine = Engine::new(&engine::config(settings, lane))?;
    if !adapt::is_component(&component) {
        return Ok(engine.precompile_module(&component)?);
    }
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
