//! A host without sockets or folders, around one plugin at a time.

use std::{path::Path, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    runtime::Runtime,
    time::{interval, timeout},
};
use wasmbay::{
    body::{self, Body},
    capability::{
        Ways,
        config::Supply,
        http::{Outbound, OutboundSettings},
        jobs::Jobs,
        keys::Keys,
        sql::Sql,
    },
    config::{Lane, Manifest, TenantPlace},
    failure::{Code, Failure},
    guest::{EngineSettings, Engines, Plugin, compile},
    invoke::{Arrival, Invoker, Trigger},
    lanes::{
        LaneSettings, Lanes,
        admission::{Gates, HostLoad, Slots},
    },
    registry::{Current, TenantSpec, probe},
    telemetry::{Metrics, OpenRecord, RequestId},
    units::ByteSize,
};

use super::{
    Outcome,
    plan::{Plan, Sent, Taken},
};
use crate::{cgi::FORBIDDEN, routes::tenant};

/// Far beyond every limit in the manifests: what has not ended by then hangs.
const NEVER: Duration = Duration::from_secs(60);

/// Failures that are the host's, or that nothing in a plan can bring about.
const NOT_THE_GUESTS: [Code; 5] = [Code::HostPanic, Code::HostFull, Code::NoRoute, Code::Draining, Code::Unavailable];

/// Everything below the listeners.
pub(super) struct House {
    runtime: Runtime,
    engines: Arc<Engines>,
    settings: EngineSettings,
    tenants: [TenantSpec; 1],
    current: Current,
    invoker: Invoker,
    gates: Gates,
    metrics: Arc<Metrics>,
}

impl House {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads start");
        let _inside = runtime.enter();
        let lanes = LaneSettings { compute_threads: Some(1), compute_nice: 0 };
        let lanes = Lanes::new(&lanes, runtime.handle()).expect("threads start");
        let (io, compute) = (Slots::new(8), Slots::new(8));
        let settings = EngineSettings {
            wasi_http_03: true,
            max_memory: ByteSize(16 << 20),
            io_instances: io.total(),
            compute_instances: compute.total(),
        };
        let (metrics, gates) = (Metrics::new(), Gates::new(16, io, compute));
        let tenants = [tenant("default", TenantPlace::Everywhere)];
        let current = Current::new(&tenants);
        let invoker = Invoker::new(current.clone(), lanes.clone(), gates.clone(), Arc::clone(&metrics));
        let outbound = Outbound::new(&OutboundSettings::default()).expect("it has no authorities of its own");
        let ways = Ways {
            plugins: Arc::new(invoker.clone()),
            outbound,
            supply: Supply::default(),
            jobs: Jobs::none(),
            keys: Keys::new(Path::new("/nonexistent"), []),
            sql: Sql::new(Path::new("/nonexistent"), Supply::default(), []),
        };
        let engines = Engines::new(&settings, &lanes, ways).expect("the pools fit");
        drop(_inside);
        Self { runtime, engines, settings, tenants, current, invoker, gates, metrics }
    }

    /// Compiles an author's file as the compile child does.
    pub(super) fn compile(&self, lane: Lane, file: &[u8]) -> Result<Vec<u8>, Vec<String>> {
        let compiled = compile(&self.settings, lane, Path::new("guest.wasm"), file);
        compiled.map_err(|error| vec![format!("{error:#}")])
    }

    /// Loads what was compiled and makes the plan's requests.
    pub(super) fn try_out(&self, lane: Lane, code: Result<Vec<u8>, Vec<String>>, plan: &Plan) -> Outcome {
        match code.and_then(|code| self.load(lane, &code, plan)) {
            Ok((manifest, plugin)) => self.runtime.block_on(self.requests(manifest, plugin, plan)),
            Err(reasons) => {
                let said = !reasons.is_empty() && reasons.iter().all(|reason| !reason.trim().is_empty());
                assert!(said, "refused without a reason: {reasons:?}");
                let ours = reasons.iter().find(|reason| reason.contains("the host failed"));
                assert_eq!(ours, None);
                Outcome::Refused(reasons)
            }
        }
    }

    fn load(&self, lane: Lane, code: &[u8], plan: &Plan) -> Result<(Manifest, Plugin), Vec<String>> {
        let load = |is_command| {
            let text = plan.manifest(lane.name(), is_command);
            let manifest = Manifest::parse(&text, Manifest::FILE).expect("each plan has a good manifest");
            #[expect(unsafe_code, reason = "loading compiled code is")]
            // SAFETY: `compile` made it, in this process.
            let code = unsafe { self.engines.code(manifest.lane, code) }?;
            let loading = self.engines.load("default", &manifest, code, None);
            let loaded = self.runtime.block_on(async { timeout(NEVER, loading).await });
            loaded.expect("a plugin loads within its limits").map(|plugin| (manifest, plugin))
        };
        // What a command may not ask for is refused, so that its kind shows.
        load(false).or_else(|reasons| match reasons.iter().any(|reason| reason.contains("a CGI command")) {
            true => load(true),
            false => Err(reasons),
        })
    }

    async fn requests(&self, manifest: Manifest, plugin: Plugin, plan: &Plan) -> Outcome {
        let kind = plugin.kind();
        let limit = manifest.limits.response_body.0;
        let (table, _) = probe::table(&self.tenants, [(0, manifest, plugin)], &self.metrics);
        probe::publish(&self.current, table);
        let mut ended = Vec::new();
        for _ in 0..plan.requests() {
            let asked = timeout(NEVER, self.ask(plan, limit)).await.expect("a request ends within its limits");
            if let Some(Err(code)) = asked {
                assert!(!NOT_THE_GUESTS.contains(&code), "a guest's request ended as {code:?}");
            }
            ended.push(asked);
        }
        self.current.clear();
        timeout(NEVER, self.all_is_over()).await.unwrap_or_else(|_| panic!("left behind: {:?}", self.gates.host()));
        Outcome::Ran(kind, ended)
    }

    async fn ask(&self, plan: &Plan, limit: u64) -> Option<Result<u16, Code>> {
        let request = Request::builder().method(plan.method()).uri("http://a.example/some/path?query=1");
        let request = request.header("x-one", "1").body(sent(plan.sent())).expect("a request");
        let request_id = RequestId::generate();
        let path = request.uri().path().to_owned();
        let trigger = Trigger::Http.name();
        let record =
            OpenRecord::open(Arc::clone(&self.metrics), request_id, trigger, request.method().clone(), path, None);
        // On a task of the runtime's, as a connection's requests are.
        let invoker = self.invoker.clone();
        let asking = tokio::spawn(async move { invoker.call(Arrival { request_id, record }, request).await });
        if plan.taken() == Taken::Not {
            tokio::task::yield_now().await;
            asking.abort();
            // Whether it was over by then is nobody's promise; what panicked, is a finding.
            assert!(!asking.await.is_err_and(|error| error.is_panic()));
            return None;
        }
        let answered = asking.await.expect("the host does not panic");
        Some(match answered {
            Ok(response) => taken(response, plan.taken(), limit).await.map_err(|failure| failure.code),
            Err(failure) => Err(failure.code),
        })
    }

    /// Until no permit, slot or work is left.
    async fn all_is_over(&self) {
        self.invoker.background().idle().await;
        let none = HostLoad { in_flight: 0, waiting: 0, io_slots: 0, compute_slots: 0 };
        let mut looks = interval(Duration::from_millis(1));
        while self.gates.host() != none || !self.gates.plugins().is_empty() {
            looks.tick().await;
        }
    }
}

fn sent(what: Sent) -> Body {
    fn bytes(length: usize) -> Bytes {
        vec![b'a'; length].into()
    }
    let frame = |length| Ok(http_body::Frame::data(bytes(length)));
    match what {
        Sent::Nothing => body::empty(),
        Sent::Little => body::full(bytes(100)),
        Sent::TooMuch => StreamBody::new(stream::iter((0..8).map(move |_| frame(1024)))).boxed_unsync(),
        Sent::BreaksOff => {
            let broken = Err(Failure::plain(Code::ClientGone));
            StreamBody::new(stream::iter([frame(10), broken])).boxed_unsync()
        }
        Sent::NeverEnds => StreamBody::new(stream::iter([frame(10)]).chain(stream::pending())).boxed_unsync(),
    }
}

async fn taken(response: Response<Body>, taken: Taken, limit: u64) -> Result<u16, Failure> {
    check(response.headers());
    let status = response.status().as_u16();
    let mut body = pin!(response.into_body());
    let mut length = 0;
    while let Some(frame) = if taken == Taken::Head { None } else { body.frame().await } {
        length += frame?.data_ref().map_or(0, Bytes::len) as u64;
        assert!(length <= limit, "{length} bytes passed where {limit} may");
        if taken == Taken::Part {
            break;
        }
    }
    Ok(status)
}

fn check(headers: &HeaderMap) {
    let strays: Vec<_> = headers.keys().filter(|name| FORBIDDEN.contains(&name.as_str())).collect();
    assert!(strays.is_empty(), "{strays:?} in an answer");
}
