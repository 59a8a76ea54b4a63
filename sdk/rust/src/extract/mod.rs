//! What a handler's arguments are taken out of.

mod contents;
mod named;

use std::{future::Future, mem};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};

pub use self::{
    contents::{Form, Json},
    named::{Headers, Params, Path, Query},
};
use crate::{Body, Error, Request};

/// The host's header with the request's name.
pub(crate) const REQUEST_ID: &str = "wasmbay-request-id";

/// Something that a handler can take as an argument.
///
/// Arguments are taken from left to right. One of them may take the body; [`Request`], which takes everything, is the last.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// /// Who sends the request.
/// struct User(String);
///
/// impl FromRequest for User {
///     async fn from_request(request: &mut Request) -> Result<Self> {
///         let name = request.headers().get("x-user").and_then(|name| name.to_str().ok());
///         let unknown = || Problem::new(StatusCode::UNAUTHORIZED, "who", "the header x-user says who you are");
///         Ok(Self(name.ok_or_else(unknown)?.to_owned()))
///     }
/// }
///
/// #[get("/me")]
/// async fn me(User(name): User) -> String {
///     name
/// }
/// routes!(me);
///
/// assert_eq!(wasmbay_sdk::testing::Client::new(PLUGIN).get("/me").status(), 401);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken out of a request",
    label = "no argument of a handler",
    note = "take Path<T>, Query<T>, Headers<T>, Json<T>, Form<T>, Params, String, Bytes, Body, HeaderMap, Method, Uri \
            or Request, or implement `FromRequest`"
)]
pub trait FromRequest: Sized {
    /// What it leaves nothing of.
    const TAKES: Takes = Takes::Nothing;

    /// Takes it.
    ///
    /// # Errors
    /// What the client is answered instead.
    fn from_request(request: &mut Request) -> impl Future<Output = Result<Self, Error>>;
}

/// What an argument leaves nothing of, for those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// It only looks.
    Nothing,
    /// The body.
    Body,
    /// Head and body.
    Everything,
}

/// Fails to compile where an argument wants what those before it have taken.
pub const fn takes_what_is_left(before: &[Takes], this: Takes) {
    let mut at = 0;
    while at < before.len() {
        match (before[at], this) {
            (Takes::Everything, _) => panic!("`Request` takes everything: it must be the last argument"),
            (Takes::Body, Takes::Body | Takes::Everything) => {
                panic!("an argument before takes the body, of which there is one")
            }
            _ => {}
        }
        at += 1;
    }
}

impl FromRequest for Request {
    const TAKES: Takes = Takes::Everything;

    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(mem::take(request))
    }
}

impl FromRequest for Body {
    const TAKES: Takes = Takes::Body;

    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(mem::take(request.body_mut()))
    }
}

impl FromRequest for Bytes {
    const TAKES: Takes = Takes::Body;

    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        mem::take(request.body_mut()).bytes().await
    }
}

/// The body as text; one that is no UTF-8 is 400.
impl FromRequest for String {
    const TAKES: Takes = Takes::Body;

    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        mem::take(request.body_mut()).text().await
    }
}

impl FromRequest for HeaderMap {
    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.headers().clone())
    }
}

impl FromRequest for Method {
    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.method().clone())
    }
}

impl FromRequest for Uri {
    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.uri().clone())
    }
}
