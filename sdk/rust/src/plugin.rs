//! A plugin: its routes, and which of them answers a request.

use std::{future::Future, pin::Pin, rc::Rc};

use crate::{
    IntoResponse, Params, Problem, Request, Response, StatusCode,
    pattern::{Captures, Pattern, same_text},
    scope::Scope,
};

/// Which of the host's threads run a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// An async task of the event loop: waiting costs no thread.
    Io,
    /// A pool of threads for what burns CPU.
    Compute,
}

/// The future of a response. Guests have one thread, so it need not be sent to another.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response>>>;

/// One handler, as its attribute describes it.
#[derive(Clone, Copy)]
pub struct Route {
    /// The function's name.
    pub name: &'static str,
    /// By whether the function is `async`.
    pub lane: Lane,
    /// `None` for all methods.
    pub method: Option<&'static str>,
    /// `None` for all paths.
    pub pattern: Option<Pattern>,
    /// Takes the arguments out of a request and calls the function.
    pub call: fn(Request) -> Pin<Box<dyn Future<Output = Response>>>,
}

/// A function with a route: what `#[get("/path")]` and its like make of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    note = "write `#[get(\"/path\")]` or another method above the function"
)]
pub trait Handler {
    /// What the attribute says.
    const ROUTE: Route;
}

/// The handlers that `routes!` lists, or the one of `#[handler]`.
#[derive(Clone, Copy)]
pub struct Plugin {
    routes: &'static [Route],
}

/// A plugin of these routes, of which there is at least one.
pub const fn plugin(routes: &'static [Route]) -> Plugin {
    Plugin { routes }
}

/// Fails to compile if the route with this number cannot stand beside the ones before it.
pub const fn fits(plugin: Plugin, number: usize) {
    let this = &plugin.routes[number];
    let mut at = 0;
    while at < number {
        let other = &plugin.routes[at];
        if this.lane as u8 != other.lane as u8 {
            panic!(
                "a plugin runs in one lane: its handlers are all `async fn` (io) or all `fn` (compute); make two plugins, \
                 of which one calls the other with `call_plugin`"
            );
        }
        if same_method(this.method, other.method) && same_pattern(&this.pattern, &other.pattern) {
            panic!("a handler that is listed before has the same method and path");
        }
        at += 1;
    }
}

const fn same_method(this: Option<&str>, that: Option<&str>) -> bool {
    match (this, that) {
        (Some(this), Some(that)) => same_text(this, that),
        (this, that) => this.is_none() && that.is_none(),
    }
}

const fn same_pattern(this: &Option<Pattern>, that: &Option<Pattern>) -> bool {
    match (this, that) {
        (Some(this), Some(that)) => this.same(that),
        (this, that) => this.is_none() && that.is_none(),
    }
}

impl Plugin {
    /// The lane that the handlers are written for.
    pub const fn lane(&self) -> Lane {
        self.routes[0].lane
    }

    /// Answers a request within a scope, with what the host told about it.
    pub(crate) fn answer(self, scope: &Rc<Scope>, mut request: Request) -> Answering {
        match self.find(&request) {
            Ok((route, captures)) => {
                let params = Params::new(captures, request.headers());
                scope.found(params.clone());
                request.extensions_mut().insert(params);
                (route.call)(request)
            }
            Err(problem) => Box::pin(std::future::ready(problem.into_response())),
        }
    }

    /// The route that answers, and its parameters. A plugin has few routes and an instance few requests: looking at
    /// each costs less than any structure that would have to be made first.
    fn find(&self, request: &Request) -> Result<(&'static Route, Captures), Problem> {
        let mut best: Option<(&'static Route, Captures)> = None;
        let mut others = Vec::new();
        for route in self.routes {
            let Some(captures) = route.captures(request.uri().path()) else { continue };
            if !route.takes(request.method().as_str()) {
                others.extend(route.method);
            } else if best.as_ref().is_none_or(|(best, _)| route.before(best)) {
                best = Some((route, captures));
            }
        }
        match best {
            Some(found) => Ok(found),
            None if others.is_empty() => Err(Problem::new(StatusCode::NOT_FOUND, "no-route", "no route has this path")),
            None => Err(not_allowed(others)),
        }
    }
}

impl Route {
    fn captures(&self, path: &str) -> Option<Captures> {
        match &self.pattern {
            Some(pattern) => pattern.captures(path),
            None => Some(Vec::new()),
        }
    }

    /// GET answers HEAD: the host drops the body.
    fn takes(&self, method: &str) -> bool {
        self.method.is_none_or(|own| own == method || (own == "GET" && method == "HEAD"))
    }

    /// The more specific path goes first; of the same path, the handler of one method before that of all.
    fn before(&self, other: &Self) -> bool {
        match (&self.pattern, &other.pattern) {
            (Some(this), Some(that)) if !this.same(that) => this.before(that),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            _ => self.method.is_some() && other.method.is_none(),
        }
    }
}

/// The problem of a path that other methods have.
fn not_allowed(mut methods: Vec<&'static str>) -> Problem {
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    let allow = methods.join(", ");
    let detail = format!("this path answers {allow}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).header(http::header::ALLOW, &allow)
}
