//! The guests: the only module that knows wasmtime.

use std::{path::PathBuf, sync::Arc};

use crate::{
    config::{Lane, Manifest},
    units::ByteSize,
};

/// What the engines are made from. The same values in the compile child and in the host make compatible code.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Whether 0.3 guests may load; decides the engines' `concurrency_support`.
    pub wasi_http_03: bool,
    /// The size of an instance slot.
    pub max_memory: ByteSize,
    /// Instance slots of the io engine.
    pub io_instances: u32,
    /// Instance slots of the compute engine.
    pub compute_instances: u32,
}

/// One engine per lane, with its instance slots and links.
pub struct Engines(());

impl Engines {
    /// Allocates both engines' pools and starts the epoch thread.
    pub fn new(_settings: &EngineSettings) -> anyhow::Result<Arc<Self>> {
        unimplemented!()
    }

    /// What compiled code must have been made with to be loaded in `lane`: hashes every setting that matters and the
    /// full engine version. A key of the code cache.
    pub fn compatibility(&self, _lane: Lane) -> u64 {
        unimplemented!()
    }

    /// Makes compiled code ready to serve: links it, finds its kind, instantiates it once.
    ///
    /// # Errors
    /// Every reason why the code cannot serve under this manifest, in words for its author.
    ///
    /// # Safety
    /// `artefact` came from [`compile`], run by this program, and nobody else could have changed it.
    #[expect(unsafe_code, reason = "compiled code is native code: the caller vouches for where it came from")]
    pub async unsafe fn load(self: &Arc<Self>, _manifest: &Manifest, _artefact: &[u8]) -> Result<Plugin, Vec<String>> {
        unimplemented!()
    }
}

/// What a plugin is, found from its exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `wasi:http/incoming-handler@0.2`.
    Http02,
    /// `wasi:http/handler@0.3`.
    Http03,
    /// `wasi:cli/run`, or a preview1 command.
    Cgi,
}

/// Compiled code, linked and ready: one revision of one plugin.
pub struct Plugin(());

impl Plugin {
    /// What it is.
    pub fn kind(&self) -> Kind {
        unimplemented!()
    }
}

/// Compiles a component, a core module or WebAssembly text for one lane. Runs in the compile child.
///
/// # Errors
/// Why the bytes are no plugin, in words for their author.
pub fn compile(_settings: &EngineSettings, _lane: Lane, _file: &PathBuf, _bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    unimplemented!()
}
