//! Compiled code, linked: what all plugins with the same component may share.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use wasmtime::{
    Engine, Module, Precompiled,
    component::{Component, InstancePre, Linker},
};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::{p2::bindings::ProxyPre, p3::bindings::ServicePre};

use super::{absent, engine::Engines, plugin::Kind, reach::Reach, state::State};
use crate::{capability::sql::Engine as SqlEngine, config::Lane};

/// Code that one lane's engine can run, linked to what the host has. It knows no tenant, no grant and no limit: those are of
/// the [`super::Plugin`] that is made of it. Clones share it.
#[derive(Clone)]
pub struct Code(pub(super) Arc<Linked>);

/// What a [`Code`] holds.
pub(super) struct Linked {
    pub(super) binding: Binding,
    pub(super) imports: Imports,
}

/// The typed way in, resolved once.
pub(super) enum Binding {
    Http02(ProxyPre<State>),
    Http03(ServicePre<State>),
    Cgi(CommandPre<State>),
    /// A preview1 command, as the core module it is.
    Command(wasmtime::InstancePre<State>),
}

/// What a component's imports tell of it.
#[derive(Default)]
pub(super) struct Imports {
    /// Interfaces that this host does not have.
    pub(super) absent: Vec<String>,
    /// By which functions it can reach its stores.
    pub(super) keys: Reach,
    /// By which functions it can reach its databases.
    pub(super) sql: Vec<(SqlEngine, Reach)>,
}

impl Engines {
    /// Makes compiled code ready to be run in a lane by any number of plugins.
    ///
    /// # Errors
    /// Every reason why this host cannot run it, in words for its author.
    ///
    /// # Safety
    /// `artefact` came from [`super::compile`] for this lane, run by this program, and nobody else could have changed it.
    #[expect(unsafe_code, reason = "compiled code is native code: the caller vouches for where it came from")]
    pub unsafe fn code(&self, lane: Lane, artefact: &[u8]) -> Result<Code, Vec<String>> {
        let lane = self.lane(lane);
        let fault = |error: wasmtime::Error| vec![format!("{error:#}")];
        let (binding, imports) = if Engine::detect_precompiled(artefact) == Some(Precompiled::Module) {
            // SAFETY: the caller vouches for the artefact.
            let module = unsafe { Module::deserialize(&lane.engine, artefact) }.map_err(fault)?;
            (Binding::Command(lane.commands.instantiate_pre(&module).map_err(fault)?), Imports::default())
        } else {
            // SAFETY: the caller vouches for the artefact.
            let component = unsafe { Component::deserialize(&lane.engine, artefact) }.map_err(fault)?;
            let (pre, absent) = self.link(&lane.linker, &component)?;
            (
                self.binding(&component, pre)?,
                Imports { absent, keys: Reach::of_keys(&component), sql: Reach::of_sql(&component) },
            )
        };
        Ok(Code(Arc::new(Linked { binding, imports })))
    }

    /// Links a component; what it imports and the host does not have is stubbed, and told.
    fn link(
        &self,
        linker: &Linker<State>,
        component: &Component,
    ) -> Result<(InstancePre<State>, Vec<String>), Vec<String>> {
        let error = match linker.instantiate_pre(component) {
            Ok(pre) => return Ok((pre, Vec::new())),
            Err(error) => error,
        };
        let absent = absent::of(component);
        if absent.is_empty() {
            return Err(vec![self.link_fault(&error)]);
        }
        let stubbed = absent::stubbed(linker, component, &absent).and_then(|linker| linker.instantiate_pre(component));
        match stubbed {
            Ok(pre) => Ok((pre, absent)),
            Err(error) => {
                let (names, error) = (absent::listed(&absent), self.link_fault(&error));
                Err(vec![format!("it imports {names}, which this host does not have: {error}")])
            }
        }
    }

    fn binding(&self, component: &Component, pre: InstancePre<State>) -> Result<Binding, Vec<String>> {
        let fault = |error: wasmtime::Error| vec![format!("{error:#}")];
        let exports: Vec<String> =
            component.component_type().exports(pre.engine()).map(|(name, _)| name.to_owned()).collect();
        let exports = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
        if exports("wasi:http/handler@0.3.") {
            if !self.settings.wasi_http_03 {
                return Err(vec!["it is a wasi:http 0.3 guest, which this host does not load: set wasi_http_03 = true in wasmbay.toml".to_owned()]);
            }
            return ServicePre::new(pre).map(Binding::Http03).map_err(fault);
        }
        if exports("wasi:http/incoming-handler@0.2.") {
            return ProxyPre::new(pre).map(Binding::Http02).map_err(fault);
        }
        if exports("wasi:cli/run@0.2.") {
            return CommandPre::new(pre).map(Binding::Cgi).map_err(fault);
        }
        Err(vec![
            "it exports no handler: neither wasi:http/incoming-handler@0.2, wasi:http/handler@0.3 nor wasi:cli/run@0.2"
                .to_owned(),
        ])
    }

    /// What a failed link means to an author.
    fn link_fault(&self, error: &wasmtime::Error) -> String {
        let text = format!("{error:#}");
        if !self.settings.wasi_http_03 && text.contains("@0.3.") {
            return format!("{text}: WASI 0.3 is off on this host; set wasi_http_03 = true in wasmbay.toml");
        }
        text
    }
}

impl Code {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.0.binding {
            Binding::Http02(_) => Kind::Http02,
            Binding::Http03(_) => Kind::Http03,
            Binding::Cgi(_) | Binding::Command(_) => Kind::Cgi,
        }
    }
}

/// The code that some plugin holds, by what it was compiled from.
pub struct Codes<K>(Mutex<Known<K>>);

struct Known<K> {
    held: HashMap<K, Weak<Linked>>,
    /// Entries at which those are swept out that nobody holds any more.
    sweep_at: usize,
}

impl<K> Default for Codes<K> {
    fn default() -> Self {
        Self(Mutex::new(Known { held: HashMap::new(), sweep_at: SWEEP_AT }))
    }
}

/// Entries that are never worth a sweep.
const SWEEP_AT: usize = 64;

impl<K: Hash + Eq> Codes<K> {
    /// The code under this key, if a plugin holds it.
    pub fn get(&self, key: &K) -> Option<Code> {
        self.known().held.get(key)?.upgrade().map(Code)
    }

    /// Notes code, to be found for as long as somebody holds it.
    pub fn note(&self, key: K, code: &Code) {
        let mut known = self.known();
        known.held.insert(key, Arc::downgrade(&code.0));
        if known.held.len() >= known.sweep_at {
            known.held.retain(|_, code| code.strong_count() > 0);
            known.sweep_at = SWEEP_AT.max(2 * known.held.len());
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known().held.len()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
