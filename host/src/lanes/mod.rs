//! Which threads run what: the io lane on the runtime's threads, the compute lane on a pool of its own.
//!
//! This module knows tasks and tenants, neither wasm nor HTTP.

use std::{future::Future, pin::Pin, sync::Arc, task, time::Duration};

use crate::config::Lane;

/// A tenant, for fair share and permits. Given out once per name and kept across revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u32);

/// A plugin, unique over all tenants. Given out once per tenant and name and kept across revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(pub u32);

/// Whose work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who {
    /// The plugin's owner.
    pub tenant: TenantId,
    /// The plugin.
    pub plugin: PluginId,
}

/// What a running task has to do at an interruption. See [`Task::interrupted`].
pub enum Verdict {
    /// Nothing: run on until the next tick.
    Continue,
    /// Wait for this future, then run on until the next tick.
    Yield(Pin<Box<dyn Future<Output = ()> + Send + Sync>>),
    /// End: the task is past its CPU budget.
    CpuExhausted,
    /// End: nobody waits for the result any more.
    Cancelled,
}

/// One piece of work in a lane: whose it is, the CPU time it has used and may use.
pub struct Task(());

impl Task {
    /// A task that has not run yet. `budget` is the CPU time it may use.
    pub fn new(_who: Who, _lane: Lane, _budget: Duration) -> Arc<Self> {
        unimplemented!()
    }
    /// CPU time used so far, by the threads' own clocks, the current poll included.
    pub fn cpu(&self) -> Duration {
        unimplemented!()
    }
    /// To be called by running work, on its own thread, at each epoch interruption.
    pub fn interrupted(self: &Arc<Self>) -> Verdict {
        unimplemented!()
    }
}

/// The lanes of one host.
#[derive(Clone)]
pub struct Lanes(());

impl Lanes {
    /// Runs `future` as `task` in its lane. Dropping the handle cancels the work.
    pub fn run<T: Send + 'static>(
        &self,
        _task: Arc<Task>,
        _future: impl Future<Output = T> + Send + 'static,
    ) -> Running<T> {
        unimplemented!()
    }
}

/// Work under way: a future of its result.
pub struct Running<T>(std::marker::PhantomData<T>);

/// The work panicked; the text is the panic's message.
#[derive(Debug)]
pub struct Panicked(pub String);

impl<T> Future for Running<T> {
    type Output = Result<T, Panicked>;
    fn poll(self: Pin<&mut Self>, _cx: &mut task::Context<'_>) -> task::Poll<Self::Output> {
        unimplemented!()
    }
}
