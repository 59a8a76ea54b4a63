//! One engine per lane: its configuration, its instance slots, its heartbeat.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use tokio::sync::Semaphore;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures, component::Linker,
};

use super::{idle::Idles, links, state::State};
use crate::{capability::Ways, config::Lane, lanes::Lanes, units::ByteSize};

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

/// Stack for wasm frames. Rust's own main thread has 8 MiB, but guests that recurse that deep are broken; the rest of
/// the 2 MiB fiber stack stays free for host frames, whose overflow would abort the process.
pub(super) const MAX_WASM_STACK: usize = 512 << 10;

/// Address space per memory. With 4 GiB and a guard behind it, 32-bit guests need no explicit bounds checks.
pub(super) const MEMORY_RESERVATION: u64 = 4 << 30;

/// Up to this many bytes of a used slot are zeroed by writing instead of being given back to the kernel: a page fault
/// costs more than a write to a page that is there.
const MEMORY_KEEP_RESIDENT: usize = 2 << 20;

/// The same for tables, which are small.
const TABLE_KEEP_RESIDENT: usize = 64 << 10;

/// The same for stacks, which are zeroed whether they were used so far or not, and stay resident ever after: as much as a
/// hello uses, host functions included.
const STACK_KEEP_RESIDENT: usize = 8 << 10;

/// What one component may hold: a preview1 guest with its adapter needs four core instances, a memory and two tables; one
/// composed of two twice that. Each slot of the pool has room for all of it, so that no guest holds what another's slot
/// stands for.
pub(super) const CORE_INSTANCES_PER_COMPONENT: u32 = 16;
pub(super) const MEMORIES_PER_COMPONENT: u32 = 2;
pub(super) const TABLES_PER_COMPONENT: u32 = 8;

/// Slots beyond what admission hands out: instances kept for reuse, and those being dropped while their successors start.
pub(super) const SPARE_SLOTS: u32 = 32;

/// One slot in so many may be held by instances that no request has asked for yet: readiness is paid for with memory.
const AHEAD_PART: u32 = 4;

/// Elements of one table; each takes 8 bytes of address space in every slot.
pub(super) const TABLE_ELEMENTS: usize = 20_000;

/// One engine per lane, with its instance slots and links.
pub struct Engines {
    io: LaneEngine,
    compute: LaneEngine,
    pub(super) settings: EngineSettings,
    pub(super) lanes: Lanes,
    pub(super) ways: Arc<Ways>,
}

/// What one lane's guests are loaded into.
pub(super) struct LaneEngine {
    pub(super) engine: Engine,
    pub(super) linker: Linker<State>,
    pub(super) commands: wasmtime::Linker<State>,
    pub(super) idles: Arc<Idles>,
    /// Slots that instances made ahead of need may hold.
    pub(super) ahead: Arc<Semaphore>,
}

impl Engines {
    /// Allocates both engines' pools and ties their epochs to the lanes' tick.
    ///
    /// # Errors
    /// When the machine does not hold the instance slots, which [`super::Pools::fit`] finds out beforehand.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(settings: &EngineSettings, lanes: &Lanes, ways: Ways) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            io: LaneEngine::new(settings, Lane::Io, settings.io_instances, lanes)?,
            compute: LaneEngine::new(settings, Lane::Compute, settings.compute_instances, lanes)?,
            settings: settings.clone(),
            lanes: lanes.clone(),
            ways: Arc::new(ways),
        }))
    }

    /// What compiled code must have been made with to be loaded in `lane`: hashes every setting that matters and the
    /// full engine version. A key of the code cache.
    pub fn compatibility(&self, lane: Lane) -> u64 {
        // The hash covers the full version; the engine's own check at load compares the major only.
        let mut hasher = DefaultHasher::new();
        self.lane(lane).engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn lane(&self, lane: Lane) -> &LaneEngine {
        match lane {
            Lane::Io => &self.io,
            Lane::Compute => &self.compute,
        }
    }
}

impl LaneEngine {
    fn new(settings: &EngineSettings, lane: Lane, slots: u32, lanes: &Lanes) -> anyhow::Result<Self> {
        let mut config = config(settings, lane);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
            settings,
            slots.saturating_add(SPARE_SLOTS),
        )));
        let engine = Engine::new(&config)?;
        let weak = engine.weak();
        lanes.on_tick(Box::new(move || match weak.upgrade() {
            Some(engine) => {
                engine.increment_epoch();
                true
            }
            None => false,
        }));
        let linker = links::link(&engine, settings.wasi_http_03)?;
        let ahead = Arc::new(Semaphore::new((slots / AHEAD_PART) as usize));
        let commands = links::link_commands(&engine)?;
        Ok(Self { engine, linker, commands, idles: Idles::reaped(), ahead })
    }
}

/// Everything that decides what code looks like; shared with the compile child.
pub(super) fn config(settings: &EngineSettings, lane: Lane) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Fuel is the compute lane's deterministic budget; io guests do not pay for its counting.
    config.consume_fuel(lane == Lane::Compute);
    // Without it a fresh instance is a fifth cheaper, and 0.3 guests do not load.
    config.concurrency_support(settings.wasi_http_03);
    config.wasm_component_model_async(settings.wasi_http_03);
    config.max_wasm_stack(MAX_WASM_STACK);
    config.async_stack_zeroing(true);
    config.memory_reservation(MEMORY_RESERVATION);
    // Shared memory is a clock fine enough for timing attacks; the engine is built without threads.
    config.shared_memory(false);
    for unneeded in UNNEEDED {
        config.wasm_features(unneeded, false);
    }
    config
}

/// Features that no toolchain for guests needs: each is code of the engine's that only an attacker would reach.
/// Fuel was once not counted around typed calls and handlers of exceptions; relaxed SIMD differs from CPU to CPU.
const UNNEEDED: [WasmFeatures; 6] = [
    WasmFeatures::MEMORY64,
    WasmFeatures::MULTI_MEMORY,
    WasmFeatures::FUNCTION_REFERENCES,
    WasmFeatures::GC,
    WasmFeatures::EXCEPTIONS,
    WasmFeatures::RELAXED_SIMD,
];

fn pool(settings: &EngineSettings, slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_memories(slots.saturating_mul(MEMORIES_PER_COMPONENT))
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_tables(slots.saturating_mul(TABLES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_memory_size(usize::try_from(settings.max_memory.0).unwrap_or(usize::MAX))
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    pool
}
