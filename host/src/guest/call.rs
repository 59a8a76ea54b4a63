//! One request on its way through a guest: what comes in, what goes out, what it is charged for.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Request, Response};
use tokio::sync::oneshot;

use crate::{
    body::{
        Body,
        pieces::{Pace, Taken},
    },
    capability::Caller,
    failure::Failure,
    lanes::Task,
    telemetry::{GuestLog, LogBudget, PluginMetrics, RequestId, Stream},
};

/// One request for a plugin. See [`super::Plugin::run`].
pub struct Call {
    /// What is asked. Its URI carries the authority; the path is the one that was routed.
    pub request: Request<Body>,
    /// On whose behalf the guest acts when it calls out.
    pub caller: Caller,
    /// The work's account in its lane.
    pub task: Arc<Task>,
    /// Where the run reports what it used.
    pub meter: Arc<Meter>,
    /// Counts what the plugin does and labels its log.
    pub metrics: Arc<PluginMetrics>,
    /// Takes the response's head as soon as the guest gives one, or the guest's own refusal to answer.
    pub head: oneshot::Sender<Result<Response<Body>, Failure>>,
}

/// What one request used, readable while it runs.
#[derive(Debug, Default)]
pub struct Meter {
    fuel: AtomicU64,
    shared_cpu: AtomicU64,
    whole_cpu: AtomicU64,
    outbound: AtomicU64,
    told: AtomicU64,
}

impl Meter {
    /// Fuel burned so far, in units; 0 in the io lane, where fuel is not counted.
    pub fn fuel(&self) -> u64 {
        self.fuel.load(Relaxed)
    }

    /// CPU time the request used in an instance it shared with others, which its own task does not see.
    pub fn shared_cpu(&self) -> Duration {
        Duration::from_nanos(self.shared_cpu.load(Relaxed))
    }

    /// CPU time of the run as its own thread read it at its end; zero before that. A task's own figure lags by a poll
    /// when another thread reads it.
    pub fn whole_cpu(&self) -> Duration {
        Duration::from_nanos(self.whole_cpu.load(Relaxed))
    }

    /// Notes the CPU time of the run, to be called at its end on its own thread.
    pub fn ended(&self, cpu: Duration) {
        self.whole_cpu.store(nanos(cpu), Relaxed);
    }

    /// Requests that the guest sent to plugins and other servers.
    pub fn outbound(&self) -> u64 {
        self.outbound.load(Relaxed)
    }

    pub(super) fn add_cpu(&self, used: Duration) {
        self.shared_cpu.fetch_add(nanos(used), Relaxed);
    }

    pub(super) fn set_fuel(&self, burned: u64) {
        self.fuel.store(burned, Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What host functions need to know of the request they serve.
pub(super) struct Errand {
    pub(super) caller: Caller,
    pub(super) task: Arc<Task>,
    pub(super) meter: Arc<Meter>,
    pub(super) log: Log,
    /// At which its response begins.
    pub(super) pace: Pace,
}

/// What was not done for one request that is told in the log; outbound requests are all counted.
const MOST_TOLD: u64 = 16;

impl Errand {
    /// Counts an outbound request by how it ended.
    pub(super) fn called_out(&self, result: &'static str) {
        self.meter.outbound.fetch_add(1, Relaxed);
        if let Some(streams) = &self.log.0 {
            streams.metrics.called_out(result);
        }
    }

    /// Fuel that it may burn; `None` in the io lane, where fuel is not counted.
    pub(super) fn fuel(&self) -> Option<u64> {
        self.caller.limits().fuel.map(|fuel| fuel.0)
    }

    /// Whether no request is behind it: its guest starts for a trial, or ahead of need.
    pub(super) fn is_nobodys(&self) -> bool {
        self.caller.tenant.is_empty()
    }

    /// Counts a call on a store of keys by how it ended.
    pub(super) fn kept(&self, result: &'static str) {
        if let Some(streams) = &self.log.0 {
            streams.metrics.kept(result);
        }
    }

    /// Counts a call on an SQL database by how it ended.
    pub(super) fn queried(&self, result: &'static str) {
        if let Some(streams) = &self.log.0 {
            streams.metrics.queried(result);
        }
    }

    /// Tells the plugin's author why something was not done: the guest itself gets a code without words.
    pub(super) fn tell(&self, result: &'static str, why: &dyn fmt::Display) {
        let Caller { tenant, manifest, request_id, .. } = &self.caller;
        // A guest that fails in a loop must not fill the log.
        if self.meter.told.fetch_add(1, Relaxed) >= MOST_TOLD {
            return;
        }
        tracing::warn!(
            target: "wasmbay::guest",
            tenant = &**tenant,
            plugin = manifest.name,
            request_id = request_id.as_str(),
            result,
            "{why}"
        );
    }
}

/// Where a guest's two output streams go while it is on one errand; nowhere when it is only tried out.
pub(super) struct Log(Option<Streams>);

struct Streams {
    metrics: Arc<PluginMetrics>,
    stdout: Mutex<GuestLog>,
    stderr: Mutex<GuestLog>,
}

impl Log {
    pub(super) fn new(metrics: Arc<PluginMetrics>, request: RequestId) -> Self {
        let budget = LogBudget::default();
        let open = |stream| Mutex::new(GuestLog::new(Arc::clone(&metrics), request, stream, budget.clone()));
        let (stdout, stderr) = (open(Stream::Stdout), open(Stream::Stderr));
        Self(Some(Streams { metrics, stdout, stderr }))
    }

    pub(super) fn discard() -> Self {
        Self(None)
    }

    pub(super) fn write(&self, stream: Stream, bytes: &[u8]) {
        let Some(streams) = &self.0 else { return };
        let log = match stream {
            Stream::Stdout => &streams.stdout,
            Stream::Stderr => &streams.stderr,
        };
        log.lock().unwrap_or_else(PoisonError::into_inner).write(bytes);
    }

    /// Counts what the plugin does; `None` while it is only tried out.
    pub(super) fn metrics(&self) -> Option<&Arc<PluginMetrics>> {
        self.0.as_ref().map(|streams| &streams.metrics)
    }

    /// Counts and reports a panic in host code that no request hears of.
    pub(super) fn panicked(&self, text: &str) {
        tracing::error!(panic = text, "host code panicked while running a guest");
        if let Some(metrics) = self.metrics() {
            metrics.panicked();
        }
    }

    /// Counts an instance made for this errand.
    pub(super) fn instance_made(&self) {
        if let Some(streams) = &self.0 {
            streams.metrics.instances.inc();
        }
    }
}

/// The request and the way out, once the errand is taken off a [`Call`].
pub(super) struct Job {
    pub(super) errand: Arc<Errand>,
    pub(super) request: Request<Body>,
    pub(super) head: oneshot::Sender<Result<Response<Body>, Failure>>,
}

impl From<Call> for Job {
    fn from(call: Call) -> Self {
        let Call { request, caller, task, meter, metrics, head } = call;
        let log = Log::new(metrics, caller.request_id);
        let pace = Pace::begin(request.extensions().get::<Taken>());
        Self { errand: Arc::new(Errand { caller, task, meter, log, pace }), request, head }
    }
}

/// Which errand a store is on: one at a time, or, in an instance that serves several requests at once, the one whose
/// chain of plugin calls is the longest, so that no loop hides among them.
pub(super) struct Desk(Mutex<Arc<Errand>>);

impl Desk {
    pub(super) fn new(errand: Arc<Errand>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(errand)))
    }

    pub(super) fn errand(&self) -> Arc<Errand> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn assign(&self, errand: Arc<Errand>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = errand;
    }
}
