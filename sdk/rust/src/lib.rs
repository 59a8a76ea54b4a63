//! HTTP handlers in Rust for the Wasmbay plugin host.
//!
//! A plugin is functions with a path above them. `async fn` runs in the host's io lane, where waiting costs no thread;
//! `fn` runs in the compute lane, which has threads and budgets of its own. The manifest's `lane` says the same, and
//! `wasmbay check` holds the two against each other.
//!
//! ```
//! use wasmbay_sdk::prelude::*;
//!
//! #[derive(Serialize)]
//! struct Item {
//!     id: u64,
//!     name: String,
//! }
//!
//! #[get("/items/{id}")]
//! async fn item(Path(id): Path<u64>) -> Result<Json<Item>> {
//!     let name = name_of(id).or_not_found("no such item")?;
//!     Ok(Json(Item { id, name }))
//! }
//!
//! fn name_of(id: u64) -> Option<String> {
//!     (id == 7).then(|| "lamp".to_owned())
//! }
//!
//! routes!(item);
//!
//! // In `#[cfg(test)]`, run by plain `cargo test`, without a server:
//! let answer = wasmbay_sdk::testing::Client::new(PLUGIN).get("/items/7");
//! assert_eq!(answer.text(), r#"{"id":7,"name":"lamp"}"#);
//! ```
//!
//! * Arguments are taken out of the request by [`FromRequest`]: [`Path`], [`Query`], [`Headers`], [`Json`], [`Form`],
//!   `String`, [`Bytes`], [`Body`] (a stream), [`Request`] itself.
//! * What a handler returns is made a response by [`IntoResponse`]: text, [`Json`], [`Html`], bytes, a status, a pair of
//!   a status and any of these, [`Redirect`], [`Body`], [`Sse`], [`Response`] itself, or a [`Result`] of any.
//! * An error is a [`Problem`] with a status of its own, or any error by `?`, which the client sees as status 500 and
//!   nothing more, and the host's log in full.
//! * [`fetch()`] and [`call_plugin`] ask others, [`sleep`] waits, [`join`] does two things at once,
//!   [`spawn_after_response`] goes on after the answer, [`Job`] is work that must happen, [`params`] and [`request_id`] tell what the host told.
//! * [`kv`] keeps bytes under keys, [`sql`] (with the feature of that name) asks databases, [`variable`] tells what the operator hands over.
//! * [`log`]'s macros write to the host's log, as standard output and standard error do.
//! * [`testing`] runs handlers on the author's machine, with the clock and the outside world in the test's hands.
//!
//! # Building
//!
//! `cargo build --release --target wasm32-wasip2`, with `crate-type = ["cdylib"]`. The plugin is a wasi:http 0.2 guest; with
//! the feature `wasi03` the same source becomes a 0.3 guest, of which one instance can serve many requests at once.
//!
//! With the feature `allocator` (a default) the plugin has an allocator whose first 256 KiB lie in the memory that an
//! instance begins with: a small request does not grow the memory, which is what makes fresh instances quick.

pub mod body;
pub mod extract;
pub mod fetch;
pub mod jobs;
pub mod kv;
pub mod problem;
pub mod respond;
#[cfg(feature = "sql")]
pub mod sql;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

#[cfg(all(target_family = "wasm", feature = "allocator"))]
mod allocator;
mod backend;
mod logger;
mod pattern;
mod plugin;
mod scope;
mod section;
mod values;
mod variables;

pub use anyhow;
pub use bytes::Bytes;
pub use futures_util::future::{join, join_all, try_join, try_join_all};
pub use http;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
pub use log;
pub use serde;
pub use serde_json;
pub use wasmbay_sdk_macros::{any, delete, get, handler, options, patch, post, put, routes};

pub use self::{
    backend::sleep,
    body::Body,
    extract::{Form, FromRequest, Headers, Json, Params, Path, Query},
    fetch::{FetchError, call_plugin, fetch},
    jobs::{Enqueued, Job},
    plugin::{Lane, Plugin},
    problem::{Error, OptionExt, Problem, Result},
    respond::{Event, Html, IntoResponse, Redirect, Sse},
    scope::{params, request_id, spawn_after_response},
    state::StateError,
    variables::variable,
};

/// A request with a body that can be read.
pub type Request<T = Body> = http::Request<T>;

/// A response with a body that can be sent.
pub type Response<T = Body> = http::Response<T>;

/// What nearly every plugin needs: `use wasmbay_sdk::prelude::*;`.
pub mod prelude {
    pub use std::time::Duration;

    pub use anyhow::Context as _;
    pub use serde::{Deserialize, Serialize};

    pub use crate::{
        Body, Bytes, Error, Event, Form, FromRequest, HeaderMap, Headers, Html, IntoResponse, Job, Json, Method,
        OptionExt as _, Params, Path, Problem, Query, Redirect, Request, Response, Result, Sse, StateError, StatusCode,
        Uri, any, call_plugin, delete, fetch,
        fetch::{BuilderExt as _, ResponseExt as _},
        get, handler, join, join_all, log, options, params, patch, post, put, request_id, routes, serde, serde_json,
        sleep, spawn_after_response, try_join, try_join_all, variable,
    };
}

/// For the code that the attributes write; no part of the SDK's promises.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::backend::serve;
    #[cfg(all(target_family = "wasm", not(feature = "wasi03")))]
    pub use wasip2;
    #[cfg(all(target_family = "wasm", feature = "wasi03"))]
    pub use wasip3;

    pub use crate::{
        extract::takes_what_is_left,
        pattern::{Pattern, Segment},
        plugin::{Handler, Route, fits, plugin},
        section::{length, section},
    };
}
