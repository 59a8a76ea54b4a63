//! From what an author wrote to code for one lane's engine. Runs in the compile child.

use std::path::Path;

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
    Ok(engine.precompile_component(&component)?)
}
