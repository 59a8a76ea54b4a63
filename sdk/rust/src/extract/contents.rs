//! What the body holds: JSON and forms.

use std::mem;

use bytes::Bytes;
use http::{StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use super::{FromRequest, Takes};
use crate::{Error, IntoResponse, Problem, Request, Response, respond::with_type, values::Values};

/// JSON: as an argument the request's body, as an answer the response's.
///
/// A body of another type is 415, one that is no JSON 400 `bad-json`, and JSON that is no `T` 422.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[derive(Deserialize, Serialize)]
/// struct Item {
///     name: String,
///     price: u32,
/// }
///
/// #[post("/items")]
/// async fn create(Json(item): Json<Item>) -> (StatusCode, Json<Item>) {
///     (StatusCode::CREATED, Json(item))
/// }
/// routes!(create);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN);
/// let answer = client.post_json("/items", &Item { name: "lamp".to_owned(), price: 3 });
/// assert_eq!((answer.status().as_u16(), answer.json::<Item>().price), (201, 3));
/// assert_eq!(client.post_json("/items", &"lamp").status(), 422);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Json<T> {
    const TAKES: Takes = Takes::Body;

    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        let bytes = contents(request, |kind| kind == "application/json" || kind.ends_with("+json")).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            Category::Data => Problem::unprocessable(error.to_string()).into(),
            _ => Problem::new(StatusCode::BAD_REQUEST, "bad-json", error.to_string()).into(),
        })
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => with_type("application/json", text.into()),
            Err(error) => Error::from(error).into_response(),
        }
    }
}

/// A form (`application/x-www-form-urlencoded`) as a struct by its fields' names.
///
/// A body of another type is 415; what does not fit is 422.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Login {
///     user: String,
///     #[serde(default)]
///     stay: bool,
/// }
///
/// #[post("/login")]
/// async fn login(Form(login): Form<Login>) -> String {
///     format!("{} stays: {}", login.user, login.stay)
/// }
/// routes!(login);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN).header("content-type", "application/x-www-form-urlencoded");
/// assert_eq!(client.post("/login", "user=ann+b&stay=true").text(), "ann b stays: true");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Form<T> {
    const TAKES: Takes = Takes::Body;

    async fn from_request(request: &mut Request) -> Result<Self, Error> {
        let bytes = contents(request, |kind| kind == "application/x-www-form-urlencoded").await?;
        let values: Values<'_> = form_urlencoded::parse(&bytes).collect();
        values.read().map(Self).map_err(|fault| Problem::unprocessable(fault.to_string()).into())
    }
}

/// The body, if it is of a type that is wanted.
async fn contents(request: &mut Request, wanted: impl FnOnce(&str) -> bool) -> Result<Bytes, Error> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !wanted(&kind) {
        let said = if kind.is_empty() { "nothing" } else { &kind };
        let detail = format!("content-type says {said}, which is not what this route reads");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail).into());
    }
    mem::take(request.body_mut()).bytes().await
}
