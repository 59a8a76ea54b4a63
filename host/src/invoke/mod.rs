//! The one way in to a plugin: route, admit, run, meter, answer or fail.
//!
//! Requests from the door, plugin calls and whatever else starts a plugin pass through [`Invoker`]; what differs between
//! them is a [`Trigger`] and who admits them, nothing else.

mod answer;
mod background;
mod flight;
mod hold;
mod prepare;
mod statics;

use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, ready};
use http::{HeaderMap, Request, Response};
use tokio::time::Instant;

pub use self::background::Background;
use self::flight::Flight;
use crate::{
    body::Body,
    capability::{
        Caller, hops,
        plugins::{CallPlugin, HOP_LIMIT},
    },
    config::Limits,
    failure::{Code, Failure},
    lanes::{
        Lanes,
        admission::{Admitted, Claim, Gate, Gates, Refusal, Refused},
    },
    registry::{Current, Found, LivePlugin},
    telemetry::{Metrics, OpenRecord, RequestId},
};

/// What started a request, as the guest is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A client of the public listener.
    Http,
    /// Another plugin.
    Plugin,
    /// A job that a plugin handed in.
    Job,
    /// The clock.
    Schedule,
}

impl Trigger {
    /// The word in `wasmbay-trigger` and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Plugin => "plugin",
            Self::Job => "job",
            Self::Schedule => "schedule",
        }
    }

    /// Whether the host itself made the request, which then has limits of its own.
    fn is_job(self) -> bool {
        matches!(self, Self::Job | Self::Schedule)
    }
}

/// A request from the door, before it has a plugin.
#[derive(Clone)]
pub struct Arrival {
    /// Its id, made by the host.
    pub request_id: RequestId,
    /// Its record, opened when its head arrived.
    pub record: OpenRecord,
}

/// A request that the host itself makes of a plugin.
pub struct Order {
    /// Whose plugin it is.
    pub tenant: String,
    /// The plugin.
    pub plugin: String,
    /// [`Trigger::Job`] or [`Trigger::Schedule`].
    pub trigger: Trigger,
    /// What the plugin is told beside what every request tells it: names that only the host may say.
    pub told: HeaderMap,
}

/// Finds a plugin for each request and runs it there. Clones share one host.
#[derive(Clone)]
pub struct Invoker(Arc<Inner>);

struct Inner {
    current: Current,
    lanes: Lanes,
    gates: Gates,
    metrics: Arc<Metrics>,
    background: Background,
}

/// How a request comes to a plugin: in what the doors differ.
struct Entry {
    trigger: Trigger,
    /// How many plugin calls and other hosts like this one lie behind it.
    hop: u8,
    record: OpenRecord,
    request_id: RequestId,
    /// The caller's deadline, which a nested call may not outlive.
    latest: Option<Instant>,
    /// What the guest is told beside what every request tells it.
    told: HeaderMap,
}

/// What an admitted request carries into its flight.
struct Passage {
    found: Found,
    entry: Entry,
    admitted: Admitted,
}

impl Passage {
    /// What the request may use.
    fn limits(&self) -> &Limits {
        limits(&self.found.plugin, self.entry.trigger)
    }
}

/// What a request of a plugin may use.
fn limits(plugin: &LivePlugin, trigger: Trigger) -> &Limits {
    plugin.manifest.limits_of(trigger.is_job())
}

impl Invoker {
    /// An invoker of whatever plugins are live.
    pub fn new(current: Current, lanes: Lanes, gates: Gates, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner { current, lanes, gates, metrics, background: Background::default() }))
    }

    /// Work that went on after its response, to be waited for at shutdown.
    pub fn background(&self) -> &Background {
        &self.0.background
    }

    /// Runs a request from the door.
    ///
    /// # Errors
    /// Why there is no response. A response that breaks off later does so in its body.
    ///
    /// # Cancel safety
    /// Dropping the future, or the response's body before its end, is the client leaving: the guest is dropped unless
    /// its manifest says `on_disconnect = "finish"`.
    pub fn call(
        &self,
        arrival: Arrival,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Failure>> + Send + use<> {
        let Arrival { request_id, record } = arrival;
        let host = request.uri().authority().map(|authority| authority.as_str());
        match self.0.current.table().find(host, request.uri().path(), request.method()) {
            Err(failure) => Either::Left(ready(Err(failure))),
            Ok(found) => {
                let hop = hops::behind(request.headers());
                let (trigger, told) = (Trigger::Http, HeaderMap::new());
                Either::Right(self.admit(
                    found,
                    Entry { trigger, hop, record, request_id, latest: None, told },
                    request,
                ))
            }
        }
    }

    /// Runs a request that the host itself makes, in the plugin's own lane, on the revision that is live now.
    ///
    /// # Errors
    /// Why there is no response. A response that breaks off later does so in its body.
    ///
    /// # Cancel safety
    /// As [`Invoker::call`].
    pub async fn work(&self, order: Order, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let Order { tenant, plugin, trigger, told } = order;
        let live = self.live(&tenant, &plugin)?;
        let request_id = RequestId::generate();
        let record = self.open_record(request_id, trigger, &request);
        let entry = Entry { trigger, hop: 0, record, request_id, latest: None, told };
        self.enter_by_name(live, entry, request).await
    }

    /// Runs a request of one plugin in another of the same tenant.
    async fn call_plugin(
        self,
        caller: Caller,
        callee: String,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let live = self.live(&caller.tenant, &callee)?;
        let (trigger, request_id) = (Trigger::Plugin, caller.request_id);
        let record = self.open_record(request_id, trigger, &request);
        let (hop, latest, told) = (caller.hop + 1, Some(caller.deadline), HeaderMap::new());
        let entry = Entry { trigger, hop, record, request_id, latest, told };
        self.enter_by_name(live, entry, request).await
    }

    fn open_record(&self, id: RequestId, trigger: Trigger, request: &Request<Body>) -> OpenRecord {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        OpenRecord::open(Arc::clone(&self.0.metrics), id, trigger.name(), method, path, None)
    }

    fn live(&self, tenant: &str, plugin: &str) -> Result<Arc<LivePlugin>, Failure> {
        self.0
            .current
            .table()
            .find_plugin(tenant, plugin)
            .cloned()
            .ok_or_else(|| Failure::new(Code::Unavailable, format!("The tenant has no plugin {plugin} that is live.")))
    }

    /// Runs a request that names its plugin, and notes its end: nobody else does.
    async fn enter_by_name(
        &self,
        live: Arc<LivePlugin>,
        entry: Entry,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let record = entry.record.clone();
        let ended = match live.own_route(request.uri().path(), request.method()) {
            Ok((route, params)) => self.admit(Found { plugin: live, route, params }, entry, request).await,
            Err(failure) => Err(failure),
        };
        note_end(&record, &ended);
        ended
    }

    /// Every door's way in: files are answered, everything else waits at the gates and takes off.
    ///
    /// A block, which holds what it is handed once: an `async fn` would hold it twice.
    fn admit(
        &self,
        found: Found,
        entry: Entry,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Failure>> + Send + use<> {
        let host = Arc::clone(&self.0);
        async move {
            note_plugin(&entry.record, &found);
            if found.plugin.statics.serves(found.route) {
                return statics::answer(&found, &request.into_parts().0).await;
            }
            prepare::check_length(&request, limits(&found.plugin, entry.trigger))?;
            if entry.hop > HOP_LIMIT {
                return Err(Failure::plain(Code::Loop));
            }
            let claim = claim(&found.plugin);
            let entered = match entry.latest {
                None => host.gates.enter(claim).await,
                Some(latest) => {
                    let remaining = latest.saturating_duration_since(Instant::now());
                    host.gates.enter_nested(claim, entry.hop, remaining).await
                }
            };
            let admitted = entered.map_err(|refused| refusal(refused, &entry.record))?;
            Flight::start(&host, Passage { found, entry, admitted }, request).await
        }
    }
}

impl CallPlugin for Invoker {
    fn call(
        &self,
        caller: &Caller,
        callee: &str,
        request: Request<Body>,
    ) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        Box::pin(self.clone().call_plugin(caller.clone(), callee.to_owned(), request))
    }
}

/// What nobody else notes of a request that did not come by the door.
fn note_end(record: &OpenRecord, ended: &Result<Response<Body>, Failure>) {
    record.note(|record| match ended {
        Ok(response) => record.status = response.status().as_u16(),
        Err(failure) => {
            record.status = failure.code.row().status;
            record.fail(failure);
        }
    });
}

/// Who serves the request, for its line in the log.
fn note_plugin(record: &OpenRecord, found: &Found) {
    let plugin = &found.plugin;
    record.note(|record| {
        record.plugin = Some(Arc::clone(&plugin.metrics));
        record.revision = Some(Arc::clone(&plugin.revision));
        record.lane = Some(plugin.manifest.lane.name());
        record.route = Some(Arc::clone(&plugin.told(found.route).path));
    });
}

/// What the plugin asks of the gates for one request.
fn claim(plugin: &LivePlugin) -> Claim {
    let limits = &plugin.manifest.limits;
    Claim {
        who: plugin.who,
        lane: plugin.manifest.lane,
        plugin_max: limits.max_concurrent,
        tenant_max: plugin.owner.max_concurrent.unwrap_or(u32::MAX),
        tenant_weight: plugin.owner.weight,
        queue: limits.queue,
        queue_timeout: limits.queue_timeout,
        per_instance: plugin.manifest.instances.max_concurrent,
    }
}

/// What a refusal at the gates means, naming the gate that held the request.
fn refusal(refused: Refused, record: &OpenRecord) -> Failure {
    record.note(|record| record.queue = refused.waited);
    let (code, what) = match refused.refusal {
        Refusal::Full => (Code::QueueFull, "Too many requests wait already"),
        Refusal::Timeout => (Code::QueueTimeout, "The request waited too long for its turn"),
    };
    let (held, remedy) = match refused.gate {
        Gate::Plugin => ("the plugin's limits.max_concurrent", "raise limits.max_concurrent or limits.queue"),
        Gate::Tenant => ("the tenant's caps.max_concurrent", "raise the tenant's caps.max_concurrent in wasmbay.toml"),
        Gate::Host => {
            ("the host's max_concurrent, or a tenant's reach into it", "raise max_concurrent in wasmbay.toml")
        }
        Gate::Waiting => ("the host's max_waiting", "raise max_waiting in wasmbay.toml"),
        Gate::Share => {
            ("the tenant's share of a host under too much load", "raise the tenant's weight in wasmbay.toml")
        }
        Gate::Slots => (
            "the lane's instance slots, or a tenant's reach into them",
            "raise io_instances or compute_instances in wasmbay.toml",
        ),
    };
    Failure::new(code, format!("{what}, held by {held}.")).remedy(remedy)
}
