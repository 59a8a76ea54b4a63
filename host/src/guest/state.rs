//! What lives in a store beside the guest: its WASI contexts, its limits and the request it works for.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p1::WasiP1Ctx};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{
    body::Present, call::Desk, hooks::Hooks, instance::bare_context, keys::Keeper, limiter::Limiter, sql::Client,
};
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
    /// `None` until the guest asks for something of it: to make one, generators seeded and all, costs more than many a guest
    /// does for a request.
    wasi: Option<WasiCtx>,
    /// The same for a preview1 command; no other guest can ask for it.
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
    pub(super) fn new(desk: Arc<Desk>, ways: Arc<Ways>, granted: Arc<Granted>, memory: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELD_SIZE_LIMIT);
        let present = Present::default();
        let hooks = Hooks::new(Arc::clone(&desk), ways, present.watch());
        let limiter = Limiter::new(memory);
        Self { _presence: present, table, wasi: None, preview1: None, http, hooks, open: None, granted, desk, limiter }
    }

    /// Replaces the WASI context: a command learns its request from its environment and standard input.
    pub(super) fn set_context(&mut self, wasi: WasiCtx) {
        self.wasi = Some(wasi);
    }

    /// The same for a preview1 command.
    pub(super) fn set_preview1(&mut self, context: WasiP1Ctx) {
        self.preview1 = Some(bounded(context));
    }

    /// The host's objects that the guest holds: all that streams and waiting need.
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
    pub(super) fn preview1(&mut self) -> &mut WasiP1Ctx {
        self.preview1.get_or_insert_with(|| bounded(bare_context(&self.desk).build_p1()))
    }
}

/// It keeps a table of its own: waiting for very many things at once would fill the host's memory.
fn bounded(mut context: WasiP1Ctx) -> WasiP1Ctx {
    context.ctx().table.set_max_capacity(MAX_RESOURCES);
    context
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| bare_context(&self.desk).build());
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}
