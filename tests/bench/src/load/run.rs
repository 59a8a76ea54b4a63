//! Runs a plan: connects, warms up, counts, waits for what is in flight.

use std::{
    cell::{Cell, RefCell},
    io::Write as _,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinSet};

use super::{
    closed, hold, open,
    plan::{Group, Plan, Shape, Tail},
    tally::{Exchange, LoadReport, Tally},
};
use crate::{
    clock,
    http::{Connection, Fault, request_bytes, upload_bytes},
};

/// How long a connection that failed waits before it tries again: a server that is gone must not become a busy loop.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);

/// A line on the generator's standard output: the first reply of a newer revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    /// The revision.
    pub(crate) marker: u64,
    /// The machine's monotonic clock when the reply was whole.
    pub(crate) at_ns: u64,
}

/// What the tasks of one group share.
pub(crate) struct Work {
    pub(crate) group: Group,
    pub(crate) request: Vec<u8>,
    pub(crate) tally: RefCell<Tally>,
    pub(crate) window: Rc<Window>,
}

/// The time that counts.
pub(crate) struct Window {
    closed: Cell<Option<Instant>>,
    over: watch::Sender<bool>,
}

impl Window {
    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.closed.get().is_some()
    }

    /// When the time was over, if it is.
    pub(crate) fn closed_at(&self) -> Option<Instant> {
        self.closed.get()
    }

    /// Returns once the time is over.
    pub(crate) async fn over(&self) {
        // The sender lives in `self`: the wait ends by the value alone.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    fn close(&self) {
        self.closed.set(Some(Instant::now()));
        self.over.send_replace(true);
    }
}

impl Work {
    /// One exchange on `slot`'s connection, made if need be and kept if it can be; counted from `begun`.
    pub(crate) async fn exchange(&self, slot: &mut Option<Connection>, begun: Instant) -> Result<(), Fault> {
        let newest_then = self.tally.borrow().newest;
        let limit = Duration::from_millis(self.group.reply_timeout_ms);
        let attempt = async {
            let mut connection = match slot.take() {
                Some(connection) => connection,
                None => Connection::open(self.group.address).await?,
            };
            let reply = connection.exchange(&self.request).await?;
            Ok((connection, reply))
        };
        let (connection, reply) = tokio::time::timeout(limit, attempt)
            .await
            .unwrap_or(Err(Fault::Timeout))
            .inspect_err(|fault| self.tally.borrow_mut().fault(*fault))?;
        let (done, status) = (Instant::now(), reply.status);
        let in_time = !self.window.is_over();
        let exchange = Exchange { begun, done, status, body: connection.body(), newest_then, in_time };
        if let Some(marker) = self.tally.borrow_mut().reply(&self.group.body, &exchange) {
            announce(marker);
        }
        if !reply.close {
            *slot = Some(connection);
        }
        Ok(())
    }

    /// As [`Work::exchange`], pausing after a fault.
    pub(crate) async fn exchange_patiently(&self, slot: &mut Option<Connection>, begun: Instant) {
        if self.exchange(slot, begun).await.is_err() {
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }
}

fn announce(marker: u64) {
    let line = serde_json::to_string(&Marker { marker, at_ns: clock::monotonic_ns() });
    // Whoever started the generator and left needs no news.
    let _ = writeln!(std::io::stdout(), "{}", line.unwrap_or_default());
}

/// Runs `plan`; must be called on a single-threaded runtime inside a `LocalSet`. `stop` ends a plan without a time of its own.
///
/// # Errors
///
/// When a group has nothing to send, or its timer cannot be made.
pub(crate) async fn run(plan: Plan, stop: impl Future<Output = ()>) -> anyhow::Result<LoadReport> {
    let opens = Instant::now() + Duration::from_millis(plan.warmup_ms);
    let window = Rc::new(Window { closed: Cell::new(None), over: watch::Sender::new(false) });
    let (mut finish, mut cut) = (JoinSet::new(), JoinSet::new());
    let mut works = Vec::new();
    for group in plan.groups {
        let request = match group.upload {
            0 => request_bytes(group.address, &group.target),
            bytes => upload_bytes(group.address, &group.target, bytes),
        };
        let work = Rc::new(Work { request, tally: RefCell::new(Tally::new(opens)), window: window.clone(), group });
        let tasks = if work.group.tail == Tail::Finish { &mut finish } else { &mut cut };
        match work.group.shape {
            Shape::Closed { connections } => closed::start(&work, connections, tasks),
            Shape::Open { rate, connections } => open::start(&work, rate, connections, tasks)?,
            Shape::Hold { requests, ramp_ms } => hold::start(&work, requests, Duration::from_millis(ramp_ms), tasks),
        }
        works.push(work);
    }
    let held = works.iter().all(|work| matches!(work.group.shape, Shape::Hold { .. }));
    match plan.measure_ms {
        _ if held => join(&mut finish).await?,
        Some(ms) => tokio::time::sleep_until((opens + Duration::from_millis(ms)).into()).await,
        None => stop.await,
    }
    window.close();
    let seconds = Instant::now().saturating_duration_since(opens);
    cut.shutdown().await;
    join(&mut finish).await?;
    report(works, seconds)
}

async fn join(tasks: &mut JoinSet<()>) -> anyhow::Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended.context("a generator task failed")?;
    }
    Ok(())
}

fn report(works: Vec<Rc<Work>>, seconds: Duration) -> anyhow::Result<LoadReport> {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let mut groups = Vec::new();
    for work in works {
        let work = Rc::into_inner(work).context("a generator task outlived its run")?;
        groups.push(work.tally.into_inner().report(work.group.name, seconds));
    }
    Ok(LoadReport { groups, generator_cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9 })
}
