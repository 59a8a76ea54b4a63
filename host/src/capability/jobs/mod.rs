//! Jobs: `POST http://jobs.wasmbay.internal/<plugin>/<path>` stores a request and answers once it is on the disk.
//!
//! Whatever is wrong is an answer with words (`application/problem+json`), so that any language's HTTP client shows it.

mod asked;

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub(crate) use self::asked::ATTEMPTS;
use self::asked::Asked;
use super::Caller;
use crate::{
    body::{self, Body},
    config::JobQuota,
    failure::Failure,
    store::jobs::{Broken, Enqueued, Jobs as Store, Line, Refusal, Unfit},
    telemetry::Metrics,
};

/// The host name that a guest asks.
pub const HOST: &str = "jobs.wasmbay.internal";

/// What a guest may say of a job begins so.
pub(crate) const PREFIX: &str = "wasmbay-job-";

/// Jobs of a tenant that wait for the disk at once; each holds its body in memory.
const WAITING: usize = 64;

/// The way to the host's jobs. Clones share it.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    /// None where nothing is kept.
    store: Option<Store>,
    deadline: Duration,
    tenants: HashMap<String, (JobQuota, Semaphore)>,
    metrics: Arc<Metrics>,
}

/// On a response: why nothing was done, for the plugin's log.
#[derive(Clone, Debug)]
pub struct Refused(pub String);

/// Why nothing was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct No {
    status: StatusCode,
    /// How a metric calls it: one of [`crate::telemetry::JOB_RESULTS`].
    result: &'static str,
    detail: String,
    remedy: Option<String>,
}

impl No {
    fn new(status: StatusCode, result: &'static str, detail: impl Into<String>) -> Self {
        Self { status, result, detail: detail.into(), remedy: None }
    }

    fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl From<Broken> for No {
    fn from(broken: Broken) -> Self {
        // A disk without room is the one that somebody can do something about.
        let is_full = broken.to_string().contains("full");
        let status = if is_full { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::SERVICE_UNAVAILABLE };
        Self::new(status, "broken", broken.to_string())
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        let (status, result, remedy) = match &refusal {
            Refusal::Count(_, dead) if *dead > 0 => (
                StatusCode::TOO_MANY_REQUESTS,
                "quota",
                "come again later; the operator can requeue or cancel dead jobs, or raise jobs.count",
            ),
            Refusal::Count(..) => {
                (StatusCode::TOO_MANY_REQUESTS, "quota", "come again later, or have the operator raise jobs.count")
            }
            Refusal::Bytes(_) => {
                (StatusCode::INSUFFICIENT_STORAGE, "quota", "come again later, or have the operator raise jobs.bytes")
            }
            Refusal::Key(_) => (StatusCode::CONFLICT, "invalid", "give each request a key of its own"),
        };
        Self::new(status, result, refusal.to_string()).remedy(remedy)
    }
}

impl From<Unfit> for No {
    fn from(unfit: Unfit) -> Self {
        let status = match unfit {
            Unfit::Unknown(_) => StatusCode::NOT_FOUND,
            Unfit::State(..) => StatusCode::CONFLICT,
        };
        Self::new(status, "invalid", unfit.to_string())
    }
}

/// Takes away what a guest says of a job, from a request to somebody else.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    names.iter().for_each(|name| drop(headers.remove(name)));
}

impl Jobs {
    /// Jobs in this store, with each tenant's quota by name. A job is tried for at most `deadline` after it is due.
    pub fn new(
        store: Store,
        deadline: Duration,
        quotas: impl IntoIterator<Item = (String, JobQuota)>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let seats = |(tenant, quota)| (tenant, (quota, Semaphore::new(WAITING)));
        let tenants = quotas.into_iter().map(seats).collect();
        Self(Arc::new(Inner { store: Some(store), deadline, tenants, metrics }))
    }

    /// No jobs: whoever asks is refused.
    pub fn none() -> Self {
        let (deadline, tenants) = (Duration::ZERO, HashMap::new());
        Self(Arc::new(Inner { store: None, deadline, tenants, metrics: Metrics::new() }))
    }

    /// Answers a guest's request to [`HOST`].
    ///
    /// # Errors
    /// When the guest's own body breaks off.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the answer: the job is stored, or not.
    pub(crate) async fn answer(&self, caller: &Caller, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let done = match method {
            Method::POST => self.take(caller, request).await?,
            Method::GET => self.look(caller, uri.path(), false).await,
            Method::DELETE => self.look(caller, uri.path(), true).await,
            _ => Err(No::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", "jobs are handed in by POST")),
        };
        let (result, response) = match done {
            Ok((result, response)) => (result, response),
            Err(no) => (no.result, refusal(&no, &caller.manifest.name)),
        };
        self.0.metrics.plugin(&caller.tenant, &caller.manifest.name).handed_in(result);
        Ok(response)
    }

    /// Takes a job in.
    async fn take(
        &self,
        caller: &Caller,
        request: Request<Body>,
    ) -> Result<Result<(&'static str, Response<Body>), No>, Failure> {
        let (asked, store, (quota, seats)) = match self.asked(caller, &request) {
            Ok(asked) => asked,
            Err(no) => return Ok(Err(no)),
        };
        let Ok(_seat) = seats.acquire().await else { return Ok(Err(closed())) };
        let Some(body) = collect(request.into_body(), quota.body).await? else {
            let detail = format!("a job's body may have {} bytes and this one has more", quota.body);
            return Ok(Err(No::new(StatusCode::PAYLOAD_TOO_LARGE, "quota", detail)));
        };
        let taken = match store.enqueue(asked.job(caller, body), *quota).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(refusal)) => return Ok(Err(refusal.into())),
            Err(broken) => return Ok(Err(broken.into())),
        };
        let result = if taken.is_known { "known" } else { "ok" };
        Ok(Ok((result, accepted(&taken))))
    }

    fn asked(&self, caller: &Caller, request: &Request<Body>) -> Result<(Asked, &Store, &(JobQuota, Semaphore)), No> {
        granted(caller)?;
        let asked = Asked::read(request, self.0.deadline)?;
        let target = &asked.plugin;
        let grants = &caller.manifest.grants.plugins;
        if *target != caller.manifest.name && !grants.contains(target) {
            let detail = format!("{} may not hand in jobs for the plugin {target}", caller.manifest.name);
            let no = No::new(StatusCode::FORBIDDEN, "denied", detail);
            return Err(no.remedy(format!("add \"{target}\" to grants.plugins in plugin.toml")));
        }
        let tenant = self.0.tenants.get(&*caller.tenant).ok_or_else(closed)?;
        Ok((asked, self.0.store.as_ref().ok_or_else(closed)?, tenant))
    }

    /// Shows or calls off a job that the caller handed in.
    async fn look(&self, caller: &Caller, path: &str, cancels: bool) -> Result<(&'static str, Response<Body>), No> {
        granted(caller)?;
        let id = path.trim_start_matches('/');
        let store = self.0.store.as_ref().ok_or_else(closed)?;
        let found = store.find(id, &caller.tenant, &caller.manifest.name).await?;
        let line = found.ok_or_else(|| Unfit::Unknown(id.to_owned()))?;
        if cancels {
            store.cancel(id).await??;
            return Ok(("ok", answered(StatusCode::OK, &json!({ "id": id, "state": "cancelled" }))));
        }
        Ok(("ok", answered(StatusCode::OK, &told(&line))))
    }
}

fn granted(caller: &Caller) -> Result<(), No> {
    let plugin = &caller.manifest.name;
    match caller.manifest.grants.jobs {
        true => Ok(()),
        false => Err(No::new(StatusCode::FORBIDDEN, "denied", format!("{plugin} may not hand in jobs"))
            .remedy("add jobs = true to [grants] in plugin.toml")),
    }
}

fn closed() -> No {
    No::new(StatusCode::SERVICE_UNAVAILABLE, "broken", "this host keeps no jobs")
}

/// The whole body, or nothing of one that is larger.
async fn collect(body: Body, most: u64) -> Result<Option<bytes::Bytes>, Failure> {
    match http_body_util::Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX)).collect().await {
        Ok(whole) => Ok(Some(whole.to_bytes())),
        Err(error) => match error.downcast::<Failure>() {
            Ok(failure) => Err(*failure),
            Err(_) => Ok(None),
        },
    }
}

/// What its owner is told of a job.
fn told(line: &Line) -> Value {
    json!({
        "id": line.id,
        "state": line.state,
        "plugin": line.plugin,
        "path": line.path,
        "key": line.key,
        "attempt": line.attempt,
        "attempts": line.attempts,
        "why": line.why,
    })
}

fn accepted(taken: &Enqueued) -> Response<Body> {
    let text = json!({ "id": taken.id, "state": taken.state, "known": taken.is_known });
    let mut response = answered(StatusCode::ACCEPTED, &text);
    let place = HeaderValue::try_from(format!("http://{HOST}/{}", taken.id)).expect("an id is plain");
    response.headers_mut().insert(header::LOCATION, place);
    response
}

fn answered(status: StatusCode, text: &Value) -> Response<Body> {
    let mut response = Response::new(body::full(text.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn refusal(no: &No, plugin: &str) -> Response<Body> {
    let No { status, detail, remedy, result } = no;
    let title = status.canonical_reason();
    let text = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "code": format!("job-{result}"),
        "plugin": plugin,
        "remedy": remedy,
    });
    let mut response = answered(*status, &text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if matches!(status.as_u16(), 429 | 503 | 507) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    let why = remedy.as_ref().map_or_else(|| detail.clone(), |remedy| format!("{detail}: {remedy}"));
    response.extensions_mut().insert(Refused(why));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_problem_that_says_when_to_come_again() {
        for (no, status, retry) in [
            (No::from(Refusal::Count(3, 1)), 429, true),
            (No::from(Refusal::Bytes(3)), 507, true),
            (No::from(Refusal::Key("X".to_owned())), 409, false),
            (closed(), 503, true),
            (No::invalid("no"), 400, false),
        ] {
            let response = refusal(&no, "p");
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), retry, "{status}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert!(response.extensions().get::<Refused>().is_some_and(|why| why.0.starts_with(&no.detail)));
        }
    }
}
