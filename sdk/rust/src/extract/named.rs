//! What has names: the path's parameters, the query, the headers.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::FromRequest;
use crate::{
    Error, Problem, Request,
    pattern::{Captures, decoded},
    values::{Fault, Values},
};

/// The beginning of the headers in which the host tells the parameters of the manifest's route.
const PARAMETER: &str = "wasmbay-param-";

/// 400 with what does not fit.
fn refuse(code: &'static str) -> impl FnOnce(Fault) -> Error {
    move |fault| Problem::new(StatusCode::BAD_REQUEST, code, fault.to_string()).into()
}

/// The parameters of the route, percent-decoded.
///
/// Those of the plugin's own route come first, in its order; then those of the manifest's route that have other names.
#[derive(Clone, Debug, Default)]
pub struct Params(Arc<Captures>);

impl Params {
    pub(crate) fn new(mut captures: Captures, headers: &HeaderMap) -> Self {
        for (name, value) in headers {
            let Some(name) = name.as_str().strip_prefix(PARAMETER) else { continue };
            let value = value.to_str().ok().and_then(decoded);
            if let (Some(value), false) = (value, captures.iter().any(|(known, _)| known == name)) {
                captures.push((Cow::Owned(name.to_owned()), value.into_owned()));
            }
        }
        Self(Arc::new(captures))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl FromRequest for Params {
    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        Ok(request.extensions().get::<Self>().cloned().unwrap_or_default())
    }
}

/// The route's parameters as a type: one value, a tuple by their order, or a struct by their names.
///
/// What does not fit is 400 `bad-path`.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[get("/users/{user}/items/{id}")]
/// async fn item(Path((user, id)): Path<(String, u64)>) -> String {
///     format!("{user}'s item {id}")
/// }
/// routes!(item);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN);
/// assert_eq!(client.get("/users/ann/items/7").text(), "ann's item 7");
/// assert_eq!(client.get("/users/ann/items/x").status(), 400);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Path<T> {
    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        let params = Params::from_request(request).await?;
        let values: Values<'_> = params.iter().map(|(name, value)| (name.into(), value.into())).collect();
        values.read().map(Self).map_err(refuse("bad-path"))
    }
}

/// The query as a struct by its names. A name that stands several times fills a `Vec`.
///
/// What does not fit is 400 `bad-query`; what may be missing is an `Option` or has `#[serde(default)]`.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Search {
///     text: String,
///     page: Option<u32>,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// #[get("/search")]
/// async fn search(Query(search): Query<Search>) -> String {
///     format!("{} on page {} with {} tags", search.text, search.page.unwrap_or(1), search.tag.len())
/// }
/// routes!(search);
///
/// let answer = wasmbay_sdk::testing::Client::new(PLUGIN).get("/search?text=a%20lamp&tag=new&tag=red");
/// assert_eq!(answer.text(), "a lamp on page 1 with 2 tags");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        let query = request.uri().query().unwrap_or_default();
        let values: Values<'_> = form_urlencoded::parse(query.as_bytes()).collect();
        values.read().map(Self).map_err(refuse("bad-query"))
    }
}

/// The headers as a struct by their names, with `_` for `-`. Values that are no ASCII are passed over.
///
/// What does not fit is 400 `bad-headers`.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Asked {
///     user_agent: Option<String>,
///     x_depth: u8,
/// }
///
/// #[get("/dive")]
/// async fn dive(Headers(asked): Headers<Asked>) -> String {
///     format!("{} dives {}", asked.user_agent.as_deref().unwrap_or("somebody"), asked.x_depth)
/// }
/// routes!(dive);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN).header("x-depth", "9");
/// assert_eq!(client.get("/dive").text(), "somebody dives 9");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Headers<T> {
    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let value = value.to_str().ok()?.to_owned();
            Some((name.as_str().replace('-', "_").into(), value.into()))
        };
        let values: Values<'_> = request.headers().iter().filter_map(text).collect();
        values.read().map(Self).map_err(refuse("bad-headers"))
    }
}
