//! The public listener: a request gets its id, its span and its record, and every answer leaves in one shape.

mod dev;
mod outgoing;
pub mod reply;

use std::{any::Any, future::Future, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{
    FutureExt,
    future::{Either, lazy, ready},
};
use http::{HeaderValue, Method, Request, Response, Version, header};
use tracing::Instrument;

pub use self::dev::{Author, Look};
use crate::{
    body::Body,
    failure::{Code, Failure, Retry},
    invoke::Arrival,
    server::{Acceptor, Arrived, BodyWatch, Limits, Server},
    telemetry::{Metrics, OpenRecord, PluginMetrics, RequestId},
};

/// Serves requests from `acceptor`. `invoke` answers each one that the request filter let through, and notes on
/// its record what becomes known. An `author` reads what is inside a failure.
///
/// A panic in `invoke` costs one request. Dropping its future means that the client has left.
pub fn serve<I, F>(
    acceptor: Acceptor,
    limits: Limits,
    metrics: Arc<Metrics>,
    author: Option<Author>,
    invoke: I,
) -> Server
where
    I: Fn(Arrival, Request<Body>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Failure>> + Send + 'static,
{
    let invoke = Arc::new(invoke);
    let counting = metrics.clone();
    Server::start(acceptor, "public", limits, metrics, move |arrived| {
        Exchange::begin(&arrived, counting.clone(), author.clone()).run(arrived, invoke.clone())
    })
}

/// One request and its answer.
struct Exchange {
    id: RequestId,
    record: OpenRecord,
    metrics: Arc<Metrics>,
    method: Method,
    version: Version,
    arriving: BodyWatch,
    /// Who reads failures, and whether they would have a page.
    author: Option<(Author, bool)>,
    answered: bool,
}

impl Exchange {
    fn begin(arrived: &Arrived, metrics: Arc<Metrics>, author: Option<Author>) -> Self {
        let id = RequestId::generate();
        let request = &arrived.request;
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
        let record = OpenRecord::open(metrics.clone(), id, "http", method.clone(), path, Some(arrived.client));
        let (version, arriving) = (request.version(), arrived.body.clone());
        let author = author.map(|author| (author, dev::prefers_html(request.headers())));
        Self { id, record, metrics, method, version, arriving, author, answered: false }
    }

    /// Its future is made of others without `async`, which would keep room for what it was handed as long as it runs:
    /// there may be thousands of requests that wait.
    fn run<I, F>(mut self, arrived: Arrived, invoke: Arc<I>) -> impl Future<Output = Response<Body>>
    where
        I: Fn(Arrival, Request<Body>) -> F,
        F: Future<Output = Result<Response<Body>, Failure>>,
    {
        let Arrived { request, refused, .. } = arrived;
        if let Some(failure) = refused {
            // What may be sent again was well formed: the connection is still in step.
            return Either::Left(ready(self.refuse(&failure, failure.code.row().retry == Retry::Never)));
        }
        let arrival = Arrival { request_id: self.id, record: self.record.clone() };
        let span = tracing::debug_span!("request", request_id = self.id.as_str());
        let work = AssertUnwindSafe(lazy(move |_| invoke(arrival, request)).flatten()).catch_unwind().instrument(span);
        Either::Right(work.map(move |result| {
            let result = result.unwrap_or_else(|panic| Err(self.panicked(&*panic)));
            self.end(result)
        }))
    }

    /// The answer for what came of the request.
    fn end(&mut self, result: Result<Response<Body>, Failure>) -> Response<Body> {
        // Whatever was made of a body that broke, the client did not send what it meant to send.
        if let Some(fault) = self.arriving.fault().cloned() {
            return self.refuse(&fault, true);
        }
        match result.and_then(|response| outgoing::check(response, &self.method)) {
            Ok(response) => self.answer(response),
            Err(failure) => self.refuse(&failure, false),
        }
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Failure {
        self.metrics.panicked();
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        Failure::plain(Code::HostPanic).inside(text)
    }

    /// The reply for a failure. With `close`, an HTTP/1 connection ends with it: what follows on the wire may be
    /// anything.
    fn refuse(&mut self, failure: &Failure, close: bool) -> Response<Body> {
        let plugin = self.record.read(|record| record.plugin.clone()).flatten();
        self.record.note(|record| record.fail(failure));
        let plugin = plugin.as_deref().map(PluginMetrics::plugin);
        let mut about = reply::About { request_id: self.id, plugin, report: None };
        let report = self.author.as_ref().map(|(author, _)| author.report(failure, &self.record, &about));
        about.report = report.as_ref();
        let mut response = reply::reply(failure, about);
        if let Some((_, wants_page)) = self.author {
            dev::as_page(&mut response, wants_page, failure, &about);
        }
        if close && self.version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.method == Method::HEAD {
            reply::without_body(&mut response);
        }
        self.answer(response)
    }

    fn answer(&mut self, mut response: Response<Body>) -> Response<Body> {
        self.answered = true;
        let status = response.status().as_u16();
        self.record.note(|record| record.status = status);
        response.headers_mut().insert(reply::REQUEST_ID, self.id.header());
        let bodiless = self.method == Method::HEAD;
        outgoing::watched(response, self.record.clone(), self.arriving.clone(), bodiless)
    }
}

impl Drop for Exchange {
    /// Without an answer the client has left: that is told now, even if something of the request goes on.
    fn drop(&mut self) {
        if !self.answered {
            self.record.note(|record| record.bytes_in = self.arriving.bytes());
            self.record.close();
        }
    }
}
