//! What lives in a store beside the guest: its WASI contexts, its limits and the request it works for.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p1::WasiP1Ctx};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{body::Present, call::Desk, hooks::Hooks, keys::Keeper, limiter::Limiter, sql::Client};
use crate::capability::{Granted, Ways};

/// Host objects one store may hold: streams, pollables, bodies, headers. A request uses a dozen.
pub(super) const MAX_RESOURCES: usize = 4096;

/// Bytes of one header map as the guest holds it, bookkeeping included.
pub(super) const FIELD_SIZE_LIMIT: usize = 64 << 10;

/// A store's data.
pub(super) struct State {
    /// First, so that whoever reads a body that ends with the store knows why.
    _presence: Present,
    table: ResourceTable,
    wasi: WasiCtx,
    /// What a preview1 command finds; no other guest can ask for it.
    preview1: Option<WasiP1Ctx>,
    http: WasiHttpCtx,
    hooks: Hooks,
    /// How many databases are open, from the first one on.
    open: Option<Arc<()>>,
    pub(super) granted: Arc<Granted>,
    pub(super) desk: Arc<Desk>,
    pub(super) limiter: Limiter,
}

impl State {
    pub(super) fn new(wasi: WasiCtx, desk: Arc<Desk>, ways: Arc<Ways>, granted: Arc<Granted>, memory: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELD_SIZE_LIMIT);
        let present = Present::default();
        let hooks = Hooks::new(Arc::clone(&desk), ways, present.watch());
        let limiter = Limiter::new(memory);
        Self { _presence: present, table, wasi, preview1: None, http, hooks, open: None, granted, desk, limiter }
    }

    /// Replaces the WASI context: a command learns its request from its environment and standard input.
    pub(super) fn set_context(&mut self, wasi: WasiCtx) {
        self.wasi = wasi;
    }

    /// The same for a preview1 command.
    pub(super) fn set_preview1(&mut self, mut context: WasiP1Ctx) {
        // It keeps a table of its own: waiting for very many things at once would fill the host's memory.
        context.ctx().table.set_max_capacity(MAX_RESOURCES);
        self.preview1 = Some(context);
    }

    /// The host's objects that the guest holds.
    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// What functions of keys and values find here.
    pub(super) fn keeper(&mut self) -> Keeper<'_> {
        Keeper { table: &mut self.table, granted: &self.granted, desk: &self.desk }
    }

    /// What functions of SQL find here.
    pub(super) fn client(&mut self) -> Client<'_> {
        Client { table: &mut self.table, granted: &self.granted, desk: &self.desk, open: &mut self.open }
    }

    /// What a preview1 command's calls go to.
    ///
    /// # Panics
    /// In a store that was not made for one.
    pub(super) fn preview1(&mut self) -> &mut WasiP1Ctx {
        self.preview1.as_mut().expect("stores of commands are made with it, and only they are linked to it")
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}
