//! What belongs to one request and is at hand without an argument: a guest has one thread, but may have many requests.

use std::{
    cell::RefCell,
    future::Future,
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use http::HeaderMap;

use crate::{Params, extract::REQUEST_ID};

/// Work of a request that outlives the handler.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Scope>>> = const { RefCell::new(None) };
}

/// One request's own.
#[derive(Default)]
pub(crate) struct Scope {
    request_id: String,
    params: RefCell<Params>,
    after: RefCell<Vec<Work>>,
    /// The outside world as the test has it.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) world: Option<Rc<crate::testing::World>>,
}

impl Scope {
    /// The scope of a request with these headers.
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let request_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        Self { request_id: request_id.unwrap_or_default().to_owned(), ..Self::default() }
    }

    /// The same in a test's world.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn within(world: &crate::testing::World, headers: &HeaderMap) -> Self {
        Self { world: Some(Rc::new(world.clone())), ..Self::new(headers) }
    }

    /// The scope that the future which is polled now runs in.
    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT.with_borrow(Option::clone)
    }

    pub(crate) fn found(&self, params: Params) {
        self.params.replace(params);
    }

    /// Runs a future in this scope.
    pub(crate) fn run<F: Future + ?Sized>(self: &Rc<Self>, future: Pin<Box<F>>) -> Scoped<F> {
        Scoped { scope: Rc::clone(self), future }
    }

    /// Does the work that was put off until after the response, and what that puts off in turn, side by side.
    pub(crate) async fn finish(self: &Rc<Self>) {
        loop {
            let work = self.after.take();
            if work.is_empty() {
                return;
            }
            self.run(Box::pin(futures_util::future::join_all(work))).await;
        }
    }
}

/// A future in a scope: see [`Scope::run`].
pub(crate) struct Scoped<F: ?Sized> {
    scope: Rc<Scope>,
    future: Pin<Box<F>>,
}

impl<F: Future + ?Sized> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _within = Within::enter(Rc::clone(&self.scope));
        self.future.as_mut().poll(cx)
    }
}

/// Puts the scope back that was current before, also past a panic.
struct Within(Option<Rc<Scope>>);

impl Within {
    fn enter(scope: Rc<Scope>) -> Self {
        Self(CURRENT.replace(Some(scope)))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        CURRENT.replace(mem::take(&mut self.0));
    }
}

/// Goes on with `work` once the response's last byte has been handed to the host.
///
/// The manifest's `limits.after_response` says how long it may take; it spends what the request has left of `limits.cpu`
/// and `limits.fuel`. Several pieces of work are done side by side. A client that leaves early does not stop it.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[post("/orders")]
/// async fn order() -> StatusCode {
///     spawn_after_response(async {
///         if let Err(error) = call_plugin("mailer", "/send").await {
///             log::warn!("no mail was sent: {error}");
///         }
///     });
///     StatusCode::ACCEPTED
/// }
/// ```
///
/// # Panics
/// Where no request is being answered: outside of handlers and of what they call and await.
pub fn spawn_after_response(work: impl Future<Output = ()> + 'static) {
    let scope = Scope::current().expect("spawn_after_response is called while a request is answered");
    scope.after.borrow_mut().push(Box::pin(work));
}

/// The parameters of the route: those of the plugin's own router, else those of the manifest's routes.
///
/// Empty where no request is being answered. [`Path`](crate::Path) takes them as an argument, with types.
///
/// ```
/// use wasmbay_sdk::prelude::*;
///
/// #[get("/items/{id}")]
/// async fn item() -> String {
///     format!("item {}", params().get("id").unwrap_or("?"))
/// }
/// routes!(item);
///
/// assert_eq!(wasmbay_sdk::testing::Client::new(PLUGIN).get("/items/7").text(), "item 7");
/// ```
pub fn params() -> Params {
    Scope::current().map(|scope| scope.params.borrow().clone()).unwrap_or_default()
}

/// The host's name for the request, which is also in its log and in the answer's `wasmbay-request-id`.
///
/// Empty where no request is being answered.
pub fn request_id() -> String {
    Scope::current().map(|scope| scope.request_id.clone()).unwrap_or_default()
}
