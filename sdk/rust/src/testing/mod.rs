//! Tests of handlers, by plain `cargo test` on the author's machine: no server, no sockets, no waiting.
//!
//! ```
//! use wasmbay_sdk::prelude::*;
//!
//! #[get("/greet/{name}")]
//! async fn greet(Path(name): Path<String>) -> String {
//!     sleep(Duration::from_secs(60)).await;
//!     format!("hello, {name}")
//! }
//! routes!(greet);
//!
//! // #[cfg(test)] mod tests { use super::*; #[test] fn greets() {
//! use wasmbay_sdk::testing::Client;
//!
//! let answer = Client::new(PLUGIN).get("/greet/ann");
//! assert_eq!((answer.status().as_u16(), answer.text()), (200, "hello, ann"));
//! assert_eq!(answer.took(), Duration::from_secs(60));
//! // } }
//! ```

mod answer;
mod world;

use std::{future::Future, rc::Rc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;

pub use self::answer::Answer;
pub(crate) use self::world::{State, World};
use crate::{
    Body, IntoResponse, Plugin, Request,
    backend::native::{self, now},
    extract::REQUEST_ID,
    fetch::FetchFailure,
    logger,
    scope::Scope,
};

/// The name that the harness gives to requests, as the host would.
const ID: HeaderValue = HeaderValue::from_static("01TESTTESTTESTTESTTESTTEST");

/// Sends requests to a plugin, and stands for the world that the plugin asks.
///
/// What has no double is denied, as it would be without a grant.
#[derive(Clone)]
pub struct Client {
    plugin: Plugin,
    headers: HeaderMap,
    world: World,
}

impl Client {
    /// A client of a plugin: the `PLUGIN` that `routes!` and `#[handler]` define.
    pub fn new(plugin: Plugin) -> Self {
        Self {
            plugin,
            headers: HeaderMap::from_iter([(HeaderName::from_static(REQUEST_ID), ID)]),
            world: World::default(),
        }
    }

    /// Sends this header with every request, in the place of one of the same name.
    ///
    /// What the host would tell is told so: `wasmbay-param-id` for a parameter of the manifest's route.
    ///
    /// # Panics
    /// When the name or the value is none.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header's name");
        self.headers.insert(name, value.parse().expect("a header's value"));
        self
    }

    /// Answers in the place of a server: `origin` is scheme, host and port, as in the manifest's `grants.http`.
    #[must_use]
    pub fn origin<R: IntoResponse>(
        mut self,
        origin: &str,
        answer: impl Fn(http::Request<Bytes>) -> R + 'static,
    ) -> Self {
        self.world.add(origin, move |request| Ok(answer(request).into_response()));
        self
    }

    /// Answers in the place of a plugin, as in the manifest's `grants.plugins`.
    #[must_use]
    pub fn plugin<R: IntoResponse>(self, name: &str, answer: impl Fn(http::Request<Bytes>) -> R + 'static) -> Self {
        self.origin(&format!("http://{name}.plugin.internal"), answer)
    }

    /// Lets every call to this origin fail.
    #[must_use]
    pub fn failing(mut self, origin: &str, failure: FetchFailure) -> Self {
        self.world.add(origin, move |_| Err(failure));
        self
    }

    /// Hands over a variable, as `[grants.config]` and the operator would.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.world.state.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Grants a store of keys, as `grants.kv` does. It is empty at first; clones of the client share it.
    #[must_use]
    pub fn store(mut self, name: &str) -> Self {
        self.world.state.stores.insert(name.to_owned(), Rc::default());
        self
    }

    /// Grants a database, as `grants.sql` does, in memory, after these statements. Clones of the client share it.
    ///
    /// # Panics
    /// When a statement is wrong.
    #[cfg(feature = "sql")]
    #[must_use]
    pub fn database(mut self, name: &str, statements: &str) -> Self {
        let database = rusqlite::Connection::open_in_memory().expect("a database in memory");
        database.execute_batch(statements).expect("statements of SQLite's");
        self.world.state.databases.insert(name.to_owned(), Rc::new(database));
        self
    }

    /// GET.
    ///
    /// # Panics
    /// As [`Client::send`].
    pub fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, ())
    }

    /// POST.
    ///
    /// # Panics
    /// As [`Client::send`].
    pub fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.request(Method::POST, path, body)
    }

    /// POST of JSON, with its content type.
    ///
    /// # Panics
    /// As [`Client::send`], and for a value that cannot be written as JSON.
    pub fn post_json(&self, path: &str, value: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(value).expect("the value can be written as JSON");
        self.clone().header(header::CONTENT_TYPE.as_str(), "application/json").post(path, body)
    }

    /// A request with any method.
    ///
    /// # Panics
    /// As [`Client::send`].
    pub fn request(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = http::Request::builder().method(method).uri(path).body(body.into());
        self.send(request.expect("a path such as /items?page=2"))
    }

    /// Any request, with the client's headers added where it has none of the name.
    ///
    /// It is answered to the end: the body is read whole, and what was put off until after the response is done.
    ///
    /// # Panics
    /// When the handler panics, or waits for something that will never come.
    pub fn send(&self, mut request: Request) -> Answer {
        for (name, value) in &self.headers {
            request.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        logger::install();
        let (scope, begun) = (Rc::new(Scope::within(&self.world, request.headers())), now());
        native::block_on(async {
            let (parts, body) = scope.run(self.plugin.answer(&scope, request)).await.into_parts();
            let answer = scope.run(Box::pin(Answer::read(parts, body, begun))).await;
            scope.finish().await;
            answer
        })
    }
}

/// Runs a future to its end, for tests that call an `async fn` themselves. [`sleep`](crate::sleep) takes no time.
///
/// ```
/// use wasmbay_sdk::{prelude::*, testing::block_on};
///
/// #[get("/double/{n}")]
/// async fn double(Path(n): Path<u64>) -> String {
///     (2 * n).to_string()
/// }
/// routes!(double);
///
/// assert_eq!(block_on(double(Path(21))), "42");
/// ```
///
/// # Panics
/// When the future waits for something that will never come.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    native::block_on(future)
}
