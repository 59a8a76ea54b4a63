//! One live guest in its store.

use std::{sync::Arc, time::Instant};

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};
use wasmtime_wasi_http::{p2, p3};

use super::{
    call::{Desk, Errand},
    cgi::{self, Entry},
    clock::CoarseClock,
    code::Binding,
    outcome::{self, Ended},
    plugin::Loaded,
    state::State,
    stdio::LogStream,
};
use crate::{
    capability::Granted,
    failure::{Code, Failure},
    lanes::Verdict,
    telemetry::Stream,
};

/// Bytes a guest may pass to the host in one call.
pub(super) const HOSTCALL_BYTES: usize = 8 << 20;

/// Resource handles a component may hold at once.
pub(super) const COMPONENT_HANDLES: usize = 8192;

/// Bytes of randomness a guest may ask for in one call.
pub(super) const RANDOM_BYTES: u64 = 64 << 10;

/// A guest in its store.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    pub(super) guest: Guest,
    served: u32,
    pub(super) idle_since: Instant,
    /// Its part of what may be made ahead of need, until a request takes it.
    ahead: Option<OwnedSemaphorePermit>,
}

/// What an instance that finds no slot does about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// It takes the slot of the one that has been idle for longest.
    Evict,
    /// It is not made.
    GiveUp,
}

/// The typed exports of one instance.
pub(super) enum Guest {
    Http02(p2::bindings::Proxy),
    Http03(p3::bindings::Service),
    Cgi(cgi::Entry),
}

/// Where a guest finds what it may read.
const ASSETS: &str = "/";

/// The context every guest starts from: clocks, a bounded source of randomness, the log; nothing else is there.
pub(super) fn bare_context(desk: &Arc<Desk>) -> WasiCtxBuilder {
    let mut context = WasiCtx::builder();
    context
        .monotonic_clock(CoarseClock)
        .wall_clock(CoarseClock)
        .max_random_size(RANDOM_BYTES)
        .stdout(LogStream::new(desk, Stream::Stdout))
        .stderr(LogStream::new(desk, Stream::Stderr));
    context
}

/// The same with the files that came with the plugin.
pub(super) fn context(desk: &Arc<Desk>, granted: &Granted) -> wasmtime::Result<WasiCtxBuilder> {
    let mut context = bare_context(desk);
    if let Some(assets) = &granted.assets {
        context.preopened_dir(assets.path(), ASSETS, FsPerms::ReadOnly)?;
    }
    Ok(context)
}

/// A store for guests of `plugin`, with every budget armed before any of their code can run.
fn store(plugin: &Loaded, desk: &Arc<Desk>) -> wasmtime::Result<Store<State>> {
    let engines = &plugin.engines;
    let mut state = State::new(Arc::clone(desk), Arc::clone(&engines.ways), Arc::clone(&plugin.granted), plugin.memory);
    if plugin.granted.assets.is_some() {
        // Opening them may fail; a context without files is made when the guest asks for it.
        let mut context = context(desk, &plugin.granted)?;
        match plugin.code.0.binding {
            Binding::Command(_) => state.set_preview1(context.build_p1()),
            _ => state.set_context(context.build()),
        }
    }
    let mut store = Store::new(&engines.lane(plugin.lane).engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_max_component_handles(COMPONENT_HANDLES);
    if let Some(fuel) = desk.errand().fuel() {
        store.set_fuel(fuel)?;
    }
    store.set_epoch_deadline(1);
    Ok(store)
}

/// What a running guest does at a tick, when its store serves one request at a time.
fn tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let errand = store.data_mut().desk.errand();
    if let Some(limit) = errand.fuel() {
        errand.meter.set_fuel(limit.saturating_sub(store.get_fuel()?));
    }
    obey(errand.task.interrupted())
}

/// A lane's verdict in the engine's terms.
pub(super) fn obey(verdict: Verdict) -> wasmtime::Result<UpdateDeadline> {
    match verdict {
        Verdict::Continue => Ok(UpdateDeadline::Continue(1)),
        Verdict::Yield(turn) => Ok(UpdateDeadline::YieldCustom(1, turn)),
        Verdict::CpuExhausted => Err(Ended::Cpu.into()),
        Verdict::Cancelled => Err(Ended::Cancelled.into()),
    }
}

/// An instance in a store of its own that `arm` sets the ticks of.
pub(super) async fn made(
    plugin: &Loaded,
    desk: &Arc<Desk>,
    when_full: WhenFull,
    arm: impl Fn(&mut Store<State>),
) -> Result<(Store<State>, Guest), Failure> {
    loop {
        let mut store = store(plugin, desk).map_err(|error| outcome::failure(&error, None))?;
        arm(&mut store);
        let failure = match plugin.instantiate(&mut store).await {
            Ok(guest) => return Ok((store, guest)),
            Err(error) => outcome::failure(&error, Some(&store.data().limiter)),
        };
        // What was begun goes back first.
        drop(store);
        let is_full = failure.code == Code::HostFull && when_full == WhenFull::Evict;
        // Another newcomer may take the slot that this one frees: each try costs one idle instance, so tries end.
        if !(is_full && plugin.engines.lane(plugin.lane).idles.evict().await) {
            return Err(failure);
        }
    }
}

impl Instance {
    /// A fresh guest that serves one request at a time, beginning with this errand's.
    pub(super) async fn create(plugin: &Loaded, errand: Arc<Errand>, when_full: WhenFull) -> Result<Self, Failure> {
        errand.log.instance_made();
        let arm = |store: &mut Store<State>| store.epoch_deadline_callback(tick);
        let (store, guest) = made(plugin, &Desk::new(errand), when_full, arm).await?;
        Ok(Self { store, guest, served: 0, idle_since: Instant::now(), ahead: None })
    }

    /// The same instance, made ahead of need by this permit.
    pub(super) fn ahead(mut self, permit: OwnedSemaphorePermit) -> Self {
        self.ahead = Some(permit);
        self
    }

    /// Puts an idle instance to work again, with fresh budgets.
    pub(super) fn reassign(&mut self, errand: Arc<Errand>) -> wasmtime::Result<()> {
        self.ahead = None;
        let fuel = errand.fuel();
        self.store.data().desk.assign(errand);
        if let Some(fuel) = fuel {
            self.store.set_fuel(fuel)?;
        }
        Ok(())
    }

    /// Counts a request that ended well; says whether the instance may serve another.
    pub(super) fn done(&mut self, max_requests: u32) -> bool {
        self.served += 1;
        self.idle_since = Instant::now();
        self.served < max_requests && !self.store.data().limiter.nearly_full()
    }
}

impl Loaded {
    pub(super) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Guest> {
        Ok(match &self.code.0.binding {
            Binding::Http02(pre) => Guest::Http02(pre.instantiate_async(store).await?),
            Binding::Http03(pre) => Guest::Http03(pre.instantiate_async(store).await?),
            Binding::Cgi(pre) => Guest::Cgi(Entry::Component(pre.instantiate_async(store).await?)),
            Binding::Command(pre) => Guest::Cgi(Entry::module(pre.instantiate_async(&mut *store).await?, store)?),
        })
    }
}
