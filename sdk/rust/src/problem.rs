//! Errors that a client is told of: RFC 9457 problem details.

use std::{borrow::Cow, error, fmt};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{FetchError, IntoResponse, Response};

/// The result of a handler: what it answers, or an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that is the client's to know: `application/problem+json` with a status.
///
/// The members are those of the host's own failures: `type`, `title`, `status`, `detail` and `code`, which tells cases of
/// one status apart.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[get("/items/{id}")]
/// async fn item(Path(id): Path<u64>) -> Result<String> {
///     if id > 99 {
///         return Err(Problem::new(StatusCode::GONE, "sold-out", format!("item {id} is sold out")).with("id", id).into());
///     }
///     Ok(format!("item {id}"))
/// }
/// routes!(item);
///
/// let answer = wasmbay_sdk::testing::Client::new(PLUGIN).get("/items/100");
/// assert_eq!(answer.status(), 410);
/// assert_eq!(answer.json::<wasmbay_sdk::serde_json::Value>()["code"], "sold-out");
/// ```
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

/// In a box: it travels in the error of many a `Result`.
#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    members: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem with a code in kebab case, and a sentence about this case.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        let (code, detail) = (code.into(), detail.into());
        Self(Box::new(Parts { status, code, detail, members: Map::new(), headers: HeaderMap::new() }))
    }

    /// 400 `bad-request`.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 404 `not-found`.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 409 `conflict`.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 422 `unprocessable`.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail)
    }

    /// Adds a member of its own. One that cannot be written as JSON is left out.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.0.members.insert(name.into(), value);
        }
        self
    }

    /// Adds a header. A value that no header can have is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }

    /// The status that the client gets.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What tells cases of one status apart.
    pub fn code(&self) -> &str {
        &self.0.code
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl error::Error for Problem {}

/// As it is sent.
#[derive(Serialize)]
struct Sent<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts { status, code, detail, members, headers } = *self.0;
        let sent = Sent {
            // The title is the status's own; `code` tells the cases apart.
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: &detail,
            code: &code,
            members: &members,
        };
        let text = serde_json::to_vec(&sent).expect("a problem is texts, a number and JSON");
        let mut response = Response::new(text.into());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

/// What a handler failed with: anything that is an error, by `?`.
///
/// A [`Problem`] anywhere in it, also under `.context(…)`, is what the client is told. A call to another server or plugin
/// that failed is 502 or 504. Everything else is 500 `internal`, and the client learns nothing more: what went wrong is in
/// the host's log, with all its causes.
pub struct Error(anyhow::Error);

impl Error {
    /// The problem that the client is told.
    fn problem(&self) -> Problem {
        if let Some(problem) = self.0.downcast_ref::<Problem>() {
            return problem.clone();
        }
        match self.0.downcast_ref::<FetchError>() {
            Some(failed) => failed.problem(),
            None => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the handler failed"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<Error> for Box<dyn error::Error + Send + Sync> {
    fn from(error: Error) -> Self {
        error.0.into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let problem = self.problem();
        if problem.status().is_server_error() {
            log::error!("{self}");
        }
        problem.into_response()
    }
}

/// `?` on what may be missing.
pub trait OptionExt<T> {
    /// The value, or 404 with this sentence.
    ///
    /// # Errors
    /// 404 `not-found` for `None`.
    fn or_not_found(self, detail: impl Into<String>) -> Result<T, Problem>;
}

impl<T> OptionExt<T> for Option<T> {
    fn or_not_found(self, detail: impl Into<String>) -> Result<T, Problem> {
        self.ok_or_else(|| Problem::not_found(detail))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn status_of(error: impl Into<Error>) -> u16 {
        error.into().into_response().status().as_u16()
    }

    #[test]
    fn a_problem_keeps_its_status_under_a_context() {
        let failed: Result<(), Problem> = Err(Problem::conflict("taken"));
        assert_eq!(status_of(failed.context("while saving").unwrap_err()), 409);
    }

    #[test]
    fn what_is_no_problem_is_500_and_says_nothing() {
        let error: Error = std::io::Error::other("the password is 1234").into();
        let problem = error.problem();
        assert_eq!((problem.status().as_u16(), problem.to_string().as_str()), (500, "the handler failed"));
        assert!(error.to_string().contains("1234"), "the log is told");
    }
}
