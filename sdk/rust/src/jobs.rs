//! Jobs: requests that the host keeps on the disk and makes until they are answered well.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::{
    FetchError, Request, Result, backend,
    fetch::{FetchFailure, ResponseExt as _},
};

/// Where jobs are handed in.
pub(crate) const HOST: &str = "jobs.wasmbay.internal";

/// A request to a plugin that happens whatever becomes of this one: once [`Job::enqueue`] has answered, it is on the disk, and runs at least
/// once, after a restart as well.
///
/// The manifest needs `jobs = true` under `[grants]`, and the plugin's name in `grants.plugins` unless it is the plugin itself. The job is a POST
/// to one of the plugin's own routes, under the limits of its `[jobs]`. An answer of 2xx ends it; 408, 425, 429 and 5xx are tried again
/// after a pause; with any other it is given up and kept for the operator.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[post("/orders/{id}")]
/// async fn order(Path(id): Path<u64>) -> Result<(StatusCode, String)> {
///     // A second click hands the same job in again, which is this one.
///     let job = Job::new("mailer", "/confirm").key(format!("order-{id}")).json(&id).enqueue().await?;
///     Ok((StatusCode::ACCEPTED, job.id))
/// }
///
/// #[post("/confirm")]
/// async fn confirm(headers: HeaderMap, Json(id): Json<u64>) -> Result<StatusCode> {
///     // Jobs run at least once: whoever must not do it twice asks whether this key was seen to.
///     let _key = headers.get("wasmbay-job-key");
///     log::info!("confirming order {id}");
///     Ok(StatusCode::NO_CONTENT)
/// }
/// routes!(order, confirm);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN).origin("http://jobs.wasmbay.internal", |request| {
///     assert_eq!(request.uri().path(), "/mailer/confirm");
///     assert_eq!(request.headers()["wasmbay-job-key"], "order-7");
///     (StatusCode::ACCEPTED, Json(serde_json::json!({ "id": "01J0", "state": "ready", "known": false })))
/// });
/// assert_eq!(client.post("/orders/7", "").text(), "01J0");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a job is handed in by `enqueue`"]
pub struct Job {
    address: String,
    headers: HeaderMap,
    body: Bytes,
    /// The first thing that cannot be said.
    wrong: Option<String>,
}

/// A job that the host has taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Enqueued {
    /// Its id: the job's handlers are told it as `wasmbay-job-id`, and `wasmbay jobs show` finds it by it.
    pub id: String,
    /// Whether it was there before, under its key.
    pub known: bool,
}

/// What the host says when it takes none.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    remedy: Option<String>,
}

impl Job {
    /// A job for this plugin: a POST of nothing to this path, which may have a query.
    pub fn new(plugin: &str, path: &str) -> Self {
        let slash = if path.starts_with('/') { "" } else { "/" };
        let address = format!("http://{HOST}/{plugin}{slash}{path}");
        Self { address, headers: HeaderMap::new(), body: Bytes::new(), wrong: None }
    }

    /// The same key is the same job: handed in twice, it is stored once. Up to 256 characters.
    pub fn key(self, key: impl AsRef<str>) -> Self {
        self.header("wasmbay-job-key", key)
    }

    /// It does not run before; up to 31 days.
    pub fn delay(self, delay: Duration) -> Self {
        self.header("wasmbay-job-delay", format!("{}ms", delay.as_millis()))
    }

    /// How long after it is due it is tried; at most what the operator allows, which is what it has without this.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.header("wasmbay-job-deadline", format!("{}ms", deadline.as_millis()))
    }

    /// How often it is tried, 1 to 100; 10 without this.
    pub fn attempts(self, attempts: u32) -> Self {
        self.header("wasmbay-job-attempts", attempts.to_string())
    }

    /// Higher ones of a tenant run first, -9 to 9; 0 without this.
    pub fn priority(self, priority: i8) -> Self {
        self.header("wasmbay-job-priority", priority.to_string())
    }

    /// A header of the request.
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.as_ref())) {
            (Ok(name), Ok(value)) => drop(self.headers.insert(name, value)),
            _ => self.wrong = self.wrong.or(Some(format!("{name} cannot be {:?}", value.as_ref()))),
        }
        self
    }

    /// The body of the request.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// A body of JSON and its content type.
    pub fn json(self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(text) => self.header(header::CONTENT_TYPE.as_str(), "application/json").body(text),
            Err(error) => Self { wrong: self.wrong.clone().or(Some(format!("the body is no JSON: {error}"))), ..self },
        }
    }

    /// Hands it in. When this is answered, the job is on the disk.
    ///
    /// # Errors
    /// Why the host takes none, with the manifest's line where one is missing: [`FetchFailure::Denied`], [`FetchFailure::Invalid`], or
    /// [`FetchFailure::Full`] where it may take it later. After any other error it is not known whether the job was taken: with a
    /// [`Job::key`] it can be handed in again.
    pub async fn enqueue(self) -> Result<Enqueued, FetchError> {
        let Self { address, headers, body, wrong } = self;
        let failed = |failure, said: &dyn std::fmt::Display| FetchError::new(failure, &address, said);
        if let Some(wrong) = wrong {
            return Err(failed(FetchFailure::Invalid, &wrong));
        }
        let mut request: Request =
            http::Request::post(&address).body(body.into()).map_err(|error| failed(FetchFailure::Invalid, &error))?;
        *request.headers_mut() = headers;
        let answer = backend::send(request).await?;
        let status = answer.status();
        if status == StatusCode::ACCEPTED {
            return answer.json().await.map_err(|error| failed(FetchFailure::Failed, &format!("{error:?}")));
        }
        let said = match answer.json().await {
            Ok(Problem { detail, remedy: Some(remedy) }) => format!("{detail}: {remedy}"),
            Ok(Problem { detail, remedy: None }) => detail,
            Err(_) => status.to_string(),
        };
        Err(failed(failure(status), &said))
    }
}

fn failure(status: StatusCode) -> FetchFailure {
    match status.as_u16() {
        403 => FetchFailure::Denied,
        429 | 503 | 507 => FetchFailure::Full,
        400 | 405 | 409 | 413 => FetchFailure::Invalid,
        _ => FetchFailure::Status(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_job_is_in_its_headers() {
        let job = Job::new("mailer", "send?now=1")
            .key("k")
            .delay(Duration::from_secs(90))
            .deadline(Duration::from_mins(5))
            .attempts(3)
            .priority(-2)
            .json(&[1, 2]);
        assert_eq!(job.address, "http://jobs.wasmbay.internal/mailer/send?now=1");
        for (name, value) in [
            ("wasmbay-job-key", "k"),
            ("wasmbay-job-delay", "90000ms"),
            ("wasmbay-job-deadline", "300000ms"),
            ("wasmbay-job-attempts", "3"),
            ("wasmbay-job-priority", "-2"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(job.headers[name], value);
        }
        assert_eq!((&*job.body, job.wrong), (&b"[1,2]"[..], None));
    }

    #[test]
    fn a_refusal_has_its_kind_and_the_hosts_words() {
        for (status, kind) in [
            (403, FetchFailure::Denied),
            (429, FetchFailure::Full),
            (507, FetchFailure::Full),
            (409, FetchFailure::Invalid),
        ] {
            assert_eq!(failure(StatusCode::from_u16(status).expect("a status")), kind);
        }
        assert!(Job::new("p", "/").key("a\nb").wrong.is_some());
    }
}
