//! What a handler may return.

mod events;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};

pub use self::events::{Event, Events, Sse};
use crate::{Body, Error, Problem, Response};

/// Something that a handler can return.
///
/// Text, bytes, [`Json`](crate::Json), [`Html`], a status, [`Redirect`], [`Body`], [`Sse`], a [`Response`]; a pair of a
/// status and any of these; a triple with headers between; an `Option`, of which `None` is 404; a `Result`; nothing,
/// which is 204.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[get("/tea")]
/// async fn tea() -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
///     (StatusCode::IM_A_TEAPOT, [("x-pot", "short and stout")], "no coffee")
/// }
/// routes!(tea);
///
/// let answer = wasmbay_sdk::testing::Client::new(PLUGIN).get("/tea");
/// assert_eq!((answer.status().as_u16(), answer.header("x-pot")), (418, Some("short and stout")));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no response",
    label = "a handler cannot return this",
    note = "return String, Json<T>, Html<T>, Bytes, StatusCode, (StatusCode, T), Redirect, Body, Sse, Response, or a \
            Result of any, or implement `IntoResponse`"
)]
pub trait IntoResponse {
    /// The response.
    fn into_response(self) -> Response;
}

/// A response with a content type.
pub(crate) fn with_type(kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = self;
        response
    }
}

macro_rules! of_type {
    ($kind:literal: $($body:ty),*) => {
        $(
            impl IntoResponse for $body {
                fn into_response(self) -> Response {
                    with_type($kind, self.into())
                }
            }
        )*
    };
}

of_type!("text/plain; charset=utf-8": String, &'static str);
of_type!("application/octet-stream": Bytes, Vec<u8>, &'static [u8], Body);

/// A page.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[handler]
/// async fn page() -> Html<String> {
///     Html(format!("<h1>Hello</h1><p>Request {}", request_id()))
/// }
///
/// let answer = wasmbay_sdk::testing::Client::new(PLUGIN).get("/");
/// assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Html<T>(pub T);

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        with_type("text/html; charset=utf-8", self.0.into())
    }
}

/// Another address. A tenant's prefix (the header `wasmbay-base-path`) is the handler's to put before a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    to: String,
}

impl Redirect {
    /// 303: go there with GET, as after a form.
    pub fn to(address: impl Into<String>) -> Self {
        Self { status: StatusCode::SEE_OTHER, to: address.into() }
    }

    /// 307: ask there, with the same method and body.
    pub fn temporary(address: impl Into<String>) -> Self {
        Self { status: StatusCode::TEMPORARY_REDIRECT, to: address.into() }
    }

    /// 308: ask there, now and in future.
    pub fn permanent(address: impl Into<String>) -> Self {
        Self { status: StatusCode::PERMANENT_REDIRECT, to: address.into() }
    }
}

/// An address that no header can hold is an error of the handler: 500.
impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        (self.status, [(header::LOCATION, self.to)], ()).into_response()
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        *response.status_mut() = self.0;
        response
    }
}

/// Names and values that are no header's are an error of the handler: 500.
impl<K, V, T, const N: usize> IntoResponse for (StatusCode, [(K, V); N], T)
where
    K: TryInto<HeaderName, Error: Into<http::Error>>,
    V: TryInto<HeaderValue, Error: Into<http::Error>>,
    T: IntoResponse,
{
    fn into_response(self) -> Response {
        let (status, headers, answer) = self;
        let mut response = (status, answer).into_response();
        for (name, value) in headers {
            let header =
                || Ok::<_, http::Error>((name.try_into().map_err(Into::into)?, value.try_into().map_err(Into::into)?));
            match header() {
                Ok((name, value)) => response.headers_mut().insert(name, value),
                Err(error) => return Error::from(error).into_response(),
            };
        }
        response
    }
}

impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Response {
        match self {
            Some(answer) => answer.into_response(),
            None => Problem::not_found("there is nothing here").into_response(),
        }
    }
}

impl<T: IntoResponse, E: Into<Error>> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into().into_response(),
        }
    }
}
