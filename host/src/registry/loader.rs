//! How a revision becomes a guest that can serve: read, cap, compile (cache first), load.

use std::{collections::BTreeMap, future::Future, io, path::Path, sync::Arc, time::Instant};

use super::{compile_child::Compiler, revision::Revision, statics::Statics};
use crate::{
    config::{CapNote, Caps, Lane, Manifest},
    diagnostic::Diagnostic,
    guest::{self, Code, Codes, Declared, Engines},
    lanes::Who,
    store::{CodeCache, CodeKey, Kept, Shelf},
    telemetry::{Metrics, PluginMetrics},
    units::ByteSize,
};

/// What a revision became.
#[derive(Debug)]
pub struct Ready<G> {
    /// What runs.
    pub guest: G,
    /// What the host serves itself.
    pub statics: Statics,
}

/// Makes guests out of revisions. The registry is generic over it, so its own tests need no engine.
pub trait Loader: Send + Sync + 'static {
    /// What runs.
    type Guest: Send + Sync + 'static;

    /// What a manifest's text means. `file` is its path, for the faults.
    ///
    /// # Errors
    /// Every fault in the text.
    fn read(&self, file: &Path, text: &[u8]) -> Result<Manifest, Vec<Diagnostic>>;

    /// The manifest with the operator's caps applied, and a note for each value that was lowered.
    fn cap(&self, manifest: &Manifest, caps: &Caps) -> (Manifest, Vec<CapNote>);

    /// Compiles, links and instantiates once, as a plugin of this tenant and under this manifest, which is the revision's with
    /// the operator's caps applied. Touches nothing live.
    ///
    /// # Errors
    /// Every reason why the component cannot serve under this manifest, in words for its author.
    fn load(
        &self,
        tenant: &str,
        manifest: &Manifest,
        revision: &Revision,
    ) -> impl Future<Output = Result<Ready<Self::Guest>, Vec<String>>> + Send;

    /// What the guest is, for `status`.
    fn kind(guest: &Self::Guest) -> &'static str;

    /// What the guest's author should know of it.
    fn notes(_: &Self::Guest) -> Vec<String> {
        Vec::new()
    }

    /// Lets a guest that is about to go live get ready, on its own account. Does not wait for it.
    fn warm(_: &Self::Guest, _: Who, _: &Arc<PluginMetrics>) {}
}

/// The real thing: compiles in a child, keeps compiled code in the data folder, loads into the engines.
pub struct EngineLoader {
    engines: Arc<Engines>,
    cache: CodeCache,
    codes: Codes<CodeKey>,
    compiler: Compiler,
    shelf: Shelf,
    max_memory: ByteSize,
    metrics: Arc<Metrics>,
}

impl EngineLoader {
    /// `max_memory` is the size of an instance slot: no manifest gets more.
    pub fn new(
        engines: Arc<Engines>,
        cache: CodeCache,
        compiler: Compiler,
        shelf: Shelf,
        max_memory: ByteSize,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { engines, cache, codes: Codes::default(), compiler, shelf, max_memory, metrics }
    }

    /// What the host serves and what the guest may read, off the runtime's threads.
    async fn keep(&self, revision: &Revision) -> Result<(Statics, Option<Kept>), Vec<String>> {
        // Clones of their bytes share them.
        let (shelf, manifest, files) = (self.shelf.clone(), revision.manifest.clone(), revision.files.clone());
        let keep = move || -> io::Result<_> {
            let is_asset = |name: &Path| manifest.assets.iter().any(|asset| name.starts_with(asset));
            let statics = Statics::keep(&shelf, &manifest, &files)?;
            let assets: BTreeMap<_, _> = files.into_iter().filter(|(name, _)| is_asset(name)).collect();
            // Also where they are folders without files: a guest may ask what is there.
            let assets = if manifest.assets.is_empty() { None } else { Some(shelf.keep(&assets)?) };
            Ok((statics, assets))
        };
        let kept = tokio::task::spawn_blocking(keep).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        kept.map_err(|error| vec![format!("assets and static: the host cannot keep the files: {error}")])
    }

    /// A component's code: what another plugin holds of it, else compiled and linked.
    async fn code(&self, lane: Lane, file: &Path, component: &[u8]) -> Result<Code, Vec<String>> {
        let key = self.key(lane, component);
        if let Some(code) = self.codes.get(&key) {
            self.cache.touch(&key);
            return Ok(code);
        }
        let artefact = self.artefact(lane, &key, file, component).await.map_err(|why| vec![why])?;
        #[expect(unsafe_code, reason = "compiled code is native code")]
        // SAFETY: the bytes are what the compile child, this program, wrote to its pipe; those from the cache carry
        // a code that only the holder of the cache's secret key can make, checked over these very bytes.
        let code = unsafe { self.engines.code(lane, &artefact) }?;
        self.codes.note(key, &code);
        Ok(code)
    }

    /// What decides what a component's compiled code is.
    fn key(&self, lane: Lane, component: &[u8]) -> CodeKey {
        let engine = self.engines.compatibility(lane).to_le_bytes();
        let content = *blake3::hash(component).as_bytes();
        // The engine's hash covers its full version: code made before a fix is never run after it.
        CodeKey::new(&[&content, lane.name().as_bytes(), &engine, guest::RECIPE])
    }

    /// Compiled code for a component: from the cache, else from the compile child.
    async fn artefact(&self, lane: Lane, key: &CodeKey, file: &Path, component: &[u8]) -> Result<Vec<u8>, String> {
        if let Some(artefact) = self.cache.get(key) {
            return Ok(artefact);
        }
        let begun = Instant::now();
        let artefact = self.compiler.compile(lane, file, component).await.map_err(|fault| fault.to_string())?;
        self.metrics.compiled(begun.elapsed());
        if let Err(error) = self.cache.put(key, &artefact) {
            tracing::warn!(%error, "compiled code could not be cached; the next start compiles it again");
        }
        Ok(artefact)
    }
}

impl Loader for EngineLoader {
    type Guest = guest::Plugin;

    fn read(&self, file: &Path, text: &[u8]) -> Result<Manifest, Vec<Diagnostic>> {
        match std::str::from_utf8(text) {
            Ok(text) => Manifest::parse(text, file),
            Err(error) => Err(vec![Diagnostic::new(file, format!("is not UTF-8: {error}"))]),
        }
    }

    fn cap(&self, manifest: &Manifest, caps: &Caps) -> (Manifest, Vec<CapNote>) {
        manifest.capped(caps, self.max_memory)
    }

    async fn load(
        &self,
        tenant: &str,
        manifest: &Manifest,
        revision: &Revision,
    ) -> Result<Ready<guest::Plugin>, Vec<String>> {
        let component = &revision.component;
        let declared = Declared::read(component);
        // Before it is compiled, which may take seconds.
        let faults = declared.as_ref().map(|declared| declared.unfit(manifest.lane)).unwrap_or_default();
        if !faults.is_empty() {
            return Err(faults);
        }
        let code = self.code(manifest.lane, &manifest.component, component).await?;
        let (statics, assets) = self.keep(revision).await?;
        let plugin = self.engines.load(tenant, manifest, code, assets).await?;
        match declared.and_then(|declared| declared.unlike(plugin.kind())) {
            Some(fault) => Err(vec![fault]),
            None => Ok(Ready { guest: plugin, statics }),
        }
    }

    fn kind(guest: &guest::Plugin) -> &'static str {
        guest.kind().name()
    }

    fn notes(guest: &guest::Plugin) -> Vec<String> {
        guest.notes()
    }

    fn warm(guest: &guest::Plugin, who: Who, metrics: &Arc<PluginMetrics>) {
        guest.warm(who, metrics);
    }
}
