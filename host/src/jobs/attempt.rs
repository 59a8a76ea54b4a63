//! One attempt at a job: a request by the one way in, and what its end means.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use tokio::time::sleep;

use super::pause;
use crate::{
    body::{self, Body},
    config::timestamp,
    failure::{Code, Failure, Retry},
    invoke::{Invoker, Order, Trigger},
    store::jobs::{Claimed, Ended, Jobs, State},
    telemetry::PluginMetrics,
};

/// How long after the file failed an end is told again.
const AGAIN: Duration = Duration::from_secs(1);

/// What an attempt works with.
pub(super) struct Attempt {
    pub(super) invoker: Invoker,
    pub(super) jobs: Jobs,
    pub(super) backoff: Duration,
    pub(super) metrics: Option<Arc<PluginMetrics>>,
}

impl Attempt {
    /// Runs a job once and tells its end until that is on the disk.
    pub(super) async fn make(self, job: Claimed) {
        let ended = self.run(&job).await;
        let state = loop {
            match self.jobs.settle(job.lease, ended.clone()).await {
                Ok(state) => break state,
                Err(_) => sleep(AGAIN).await,
            }
        };
        let how = how(&ended, state);
        if let Some(metrics) = &self.metrics {
            metrics.attempted(how);
        }
        tell(&job, &ended, how);
    }

    async fn run(&self, job: &Claimed) -> Ended {
        let request = match request(job) {
            Ok(request) => request,
            Err(error) => return Ended::Hopeless(format!("its request cannot be made: {error}")),
        };
        let trigger = if job.tick.is_some() { Trigger::Schedule } else { Trigger::Job };
        let order = Order { tenant: job.tenant.clone(), plugin: job.plugin.clone(), trigger, told: told(job) };
        match self.invoker.work(order, request).await {
            Ok(response) => self.answered(job, response).await,
            Err(failure) => self.failed(job, &failure),
        }
    }

    async fn answered(&self, job: &Claimed, response: Response<Body>) -> Ended {
        let (head, mut body) = response.into_parts();
        // It is done when its answer is whole, though nobody reads it.
        while let Some(frame) = body.frame().await {
            if let Err(failure) = frame {
                return self.failed(job, &failure);
            }
        }
        let status = head.status.as_u16();
        match status {
            200..=299 => Ended::Done,
            408 | 425 | 429 | 500..=599 => {
                let asked =
                    head.headers.get(header::RETRY_AFTER).and_then(|value| pause::retry_after(value.to_str().ok()?));
                Ended::Failed(
                    format!("status {status}"),
                    asked.unwrap_or_else(|| pause::before(self.backoff, job.attempt + 1)),
                )
            }
            _ => Ended::Hopeless(format!("status {status}")),
        }
    }

    fn failed(&self, job: &Claimed, failure: &Failure) -> Ended {
        let row = failure.code.row();
        let why = failure.to_string();
        let pause = failure.retry_after.unwrap_or_else(|| pause::before(self.backoff, job.attempt + 1));
        match row.status {
            // The host had no room for it.
            _ if row.retry == Retry::Later && failure.code != Code::QuotaExceeded => Ended::Unbegun(why, pause),
            408 | 429 | 500..=599 => Ended::Failed(why, pause),
            _ => Ended::Hopeless(why),
        }
    }
}

/// The request as it was handed in.
fn request(job: &Claimed) -> anyhow::Result<Request<Body>> {
    let uri: Uri = format!("http://{}.plugin.internal{}", job.plugin, job.path).parse()?;
    let mut request = Request::post(uri).body(body::full(job.body.clone()))?;
    for (name, value) in &job.headers {
        request.headers_mut().append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(value)?);
    }
    request.headers_mut().insert(header::CONTENT_LENGTH, job.body.len().into());
    Ok(request)
}

/// What the plugin is told of the job.
fn told(job: &Claimed) -> HeaderMap {
    let mut told = HeaderMap::new();
    let mut say = |name: &'static str, value: &str| {
        // What no header can carry is not said; ids, numbers and times can be.
        if let Ok(value) = HeaderValue::from_str(value) {
            told.insert(HeaderName::from_static(name), value);
        }
    };
    say("wasmbay-job-id", &job.id);
    say("wasmbay-job-attempt", &job.attempt.to_string());
    say("wasmbay-job-attempts", &job.attempts.to_string());
    job.key.iter().for_each(|key| say("wasmbay-job-key", key));
    job.tick.iter().for_each(|tick| say("wasmbay-job-tick", &timestamp(*tick)));
    told
}

/// How a metric calls an attempt's end: one of [`crate::telemetry::JOB_ENDS`].
fn how(ended: &Ended, state: Option<State>) -> &'static str {
    match (state, ended) {
        (None, _) => "cancelled",
        (Some(State::Dead), _) => "dead",
        (_, Ended::Done) => "done",
        (_, Ended::Unbegun(..)) => "unbegun",
        (_, Ended::CutShort) => "cut-short",
        (_, Ended::Failed(..) | Ended::Hopeless(_)) => "retry",
    }
}

/// What did not end well has a line in the log, beside the one of its request.
fn tell(job: &Claimed, ended: &Ended, how: &'static str) {
    let (Ended::Failed(why, _) | Ended::Unbegun(why, _) | Ended::Hopeless(why)) = ended else { return };
    tracing::warn!(
        target: "wasmbay::job",
        job = job.id,
        tenant = job.tenant,
        plugin = job.plugin,
        attempt = job.attempt,
        attempts = job.attempts,
        how,
        "{why}"
    );
}
