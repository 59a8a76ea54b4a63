//! Asking others: servers that the manifest grants, and plugins of the same tenant.

use std::{error, fmt, time::Duration};

use http::{StatusCode, Uri, header, request::Builder, uri::PathAndQuery};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Body, Bytes, Problem, Request, Response, Result, backend};

/// Sends a request and waits for the head of its answer; the body is read from the answer.
///
/// A text or a [`Uri`] is fetched with GET. Anything else is built with `http::Request` (see [`BuilderExt`]).
///
/// The origin has to be in the manifest's `grants.http`.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[derive(Deserialize, Serialize)]
/// struct Weather {
///     celsius: f32,
/// }
///
/// #[get("/weather")]
/// async fn weather() -> Result<Json<Weather>> {
///     Ok(Json(fetch("https://weather.example/today").await?.ok()?.json().await?))
/// }
/// routes!(weather);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN)
///     .origin("https://weather.example", |_| Json(Weather { celsius: 21.5 }));
/// assert_eq!(client.get("/weather").json::<Weather>().celsius, 21.5);
/// ```
///
/// # Errors
/// No answer: what kept it from coming. An answer with a status of 400 or more is one all the same; see
/// [`ResponseExt::ok`].
pub async fn fetch(request: impl IntoRequest) -> Result<Response, FetchError> {
    backend::send(request.into_request()?).await
}

/// Runs a request in another plugin of the same tenant, in process.
///
/// A text is the path of a GET; a request that was built has the path in its address, whose host is replaced. The
/// plugin's own routes decide. Its name has to be in the manifest's `grants.plugins`.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[get("/between")]
/// async fn between() -> Result<String> {
///     // Both are counted at the same time, in the compute lane.
///     let (low, high) = try_join(call_plugin("primes", "/primes/10"), call_plugin("primes", "/primes/100")).await?;
///     Ok(format!("{} and {}", low.text().await?, high.text().await?))
/// }
/// routes!(between);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN).plugin("primes", |request| request.uri().path().len().to_string());
/// assert_eq!(client.get("/between").text(), "10 and 11");
/// ```
///
/// # Errors
/// As [`fetch()`].
pub async fn call_plugin(name: &str, request: impl IntoRequest) -> Result<Response, FetchError> {
    let mut request = request.into_request()?;
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let address = format!("http://{name}.plugin.internal{path}");
    *request.uri_mut() =
        address.parse().map_err(|_| FetchError::new(FetchFailure::Invalid, &address, "it is no address"))?;
    backend::send(request).await
}

/// Something that can be fetched.
pub trait IntoRequest {
    /// The request.
    ///
    /// # Errors
    /// A text that is no address.
    fn into_request(self) -> Result<Request, FetchError>;
}

impl<B: Into<Body>> IntoRequest for http::Request<B> {
    fn into_request(self) -> Result<Request, FetchError> {
        Ok(self.map(Into::into))
    }
}

impl IntoRequest for Uri {
    fn into_request(self) -> Result<Request, FetchError> {
        let mut request = Request::default();
        *request.uri_mut() = self;
        Ok(request)
    }
}

impl IntoRequest for &str {
    fn into_request(self) -> Result<Request, FetchError> {
        let uri = self.parse::<Uri>();
        uri.map_err(|error| FetchError::new(FetchFailure::Invalid, self, error))?.into_request()
    }
}

impl IntoRequest for String {
    fn into_request(self) -> Result<Request, FetchError> {
        self.as_str().into_request()
    }
}

/// How long the answer's head may take: in the extensions of a request.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "a test's doubles take no time of their own"))]
pub(crate) struct Timeout(pub(crate) Duration);

/// What requests are built with, beside what `http::request::Builder` has.
///
/// ```
/// use std::time::Duration;
///
/// use wasmbay_sdk::{Request, fetch::BuilderExt as _};
///
/// # fn build() -> Result<(), wasmbay_sdk::http::Error> {
/// let request = Request::put("https://api.example/lamp").timeout(Duration::from_secs(2)).json(&["on"])?;
/// # assert_eq!(request.headers()["content-type"], "application/json");
/// # Ok(())
/// # }
/// # build().unwrap();
/// ```
pub trait BuilderExt: Sized {
    /// How long the head of the answer may take. Without it the request's own deadline decides.
    #[must_use]
    fn timeout(self, wait: Duration) -> Self;

    /// Ends with a body of JSON and its content type.
    ///
    /// # Errors
    /// What was wrong with the parts before. A value that cannot be written as JSON becomes `null`.
    fn json(self, value: &impl Serialize) -> Result<Request, http::Error>;
}

impl BuilderExt for Builder {
    fn timeout(self, wait: Duration) -> Self {
        self.extension(Timeout(wait))
    }

    fn json(self, value: &impl Serialize) -> Result<Request, http::Error> {
        let text = serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec());
        self.header(header::CONTENT_TYPE, "application/json").body(text.into())
    }
}

/// Reading an answer.
#[expect(async_fn_in_trait, reason = "guests have one thread: nothing needs to be Send")]
pub trait ResponseExt: Sized {
    /// The answer, if its status is below 400.
    ///
    /// # Errors
    /// [`FetchFailure::Status`] otherwise.
    fn ok(self) -> Result<Self, FetchError>;

    /// All of its body.
    ///
    /// # Errors
    /// A body that breaks off.
    async fn bytes(self) -> Result<Bytes>;

    /// All of its body as text.
    ///
    /// # Errors
    /// A body that breaks off or is no UTF-8.
    async fn text(self) -> Result<String>;

    /// All of its body as JSON.
    ///
    /// # Errors
    /// A body that breaks off or is no JSON of this shape.
    async fn json<T: DeserializeOwned>(self) -> Result<T>;
}

impl ResponseExt for Response {
    fn ok(self) -> Result<Self, FetchError> {
        match self.status() {
            status if status.as_u16() < 400 => Ok(self),
            status => Err(FetchError::new(FetchFailure::Status(status), "the server asked", status)),
        }
    }

    async fn bytes(self) -> Result<Bytes> {
        self.into_body().bytes().await
    }

    async fn text(self) -> Result<String> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8(bytes.into())?)
    }

    async fn json<T: DeserializeOwned>(self) -> Result<T> {
        self.into_body().json().await
    }
}

/// Why there is no answer. In a handler that passes it on by `?`, the client gets 502, or 504 for a timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    failure: FetchFailure,
    to: String,
    said: String,
}

/// The kinds of [`FetchError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchFailure {
    /// The manifest does not grant it, or the operator forbids it.
    Denied,
    /// The address or a header is none that can be sent.
    Invalid,
    /// The plugin or the host takes no more now.
    Full,
    /// It took too long.
    Timeout,
    /// Plugins call each other in a circle, or too deep.
    Loop,
    /// No route of the plugin has this path, or no server this name.
    NotFound,
    /// The answer has a status of 400 or more: see [`ResponseExt::ok`].
    Status(StatusCode),
    /// Anything else: the connection broke, the plugin crashed.
    Failed,
}

impl FetchError {
    pub(crate) fn new(failure: FetchFailure, to: impl fmt::Display, said: impl fmt::Display) -> Self {
        Self { failure, to: to.to_string(), said: said.to_string() }
    }

    /// What kind it is.
    pub fn failure(&self) -> FetchFailure {
        self.failure
    }

    /// What a client is told: not whom the plugin asked.
    pub(crate) fn problem(&self) -> Problem {
        let (status, code) = match self.failure {
            FetchFailure::Timeout => (StatusCode::GATEWAY_TIMEOUT, "upstream-timeout"),
            FetchFailure::Full => (StatusCode::SERVICE_UNAVAILABLE, "upstream-full"),
            _ => (StatusCode::BAD_GATEWAY, "upstream-failed"),
        };
        let problem = Problem::new(status, code, "a server that the handler asked did not answer as it should");
        if status == StatusCode::SERVICE_UNAVAILABLE { problem.header(header::RETRY_AFTER, "1") } else { problem }
    }

    /// Where to grant what was denied.
    fn remedy(&self) -> Option<String> {
        if self.failure != FetchFailure::Denied {
            return None;
        }
        let host = self.to.parse::<Uri>().ok()?.host()?.to_owned();
        // What the host answers of jobs has its remedy in it.
        if host == crate::jobs::HOST {
            return None;
        }
        Some(match host.strip_suffix(".plugin.internal") {
            Some(plugin) => format!("add {plugin:?} to grants.plugins in plugin.toml"),
            None => format!("add the origin of {host} to grants.http in plugin.toml"),
        })
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.to, self.said)?;
        match self.remedy() {
            Some(remedy) => write!(f, " ({remedy})"),
            None => Ok(()),
        }
    }
}

impl error::Error for FetchError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_denied_names_the_grant() {
        let denied = |to| FetchError::new(FetchFailure::Denied, to, "denied").to_string();
        let plugin = "http://primes.plugin.internal/x";
        assert_eq!(denied(plugin), format!("{plugin}: denied (add \"primes\" to grants.plugins in plugin.toml)"));
        assert!(denied("https://api.example/").contains("grants.http"));
    }

    #[test]
    fn a_client_is_told_the_kind_and_not_the_address() {
        for (failure, status) in [(FetchFailure::Timeout, 504), (FetchFailure::Full, 503), (FetchFailure::Denied, 502)]
        {
            let problem = FetchError::new(failure, "http://secret.plugin.internal/", "x").problem();
            assert_eq!(problem.status().as_u16(), status);
            assert!(!problem.to_string().contains("secret"));
        }
    }
}
