//! One request over a connection: sent at most twice, and a second time only where the first cannot have been acted on
//! or may be acted on again.

use std::{error::Error as _, io, sync::Arc};

use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header, request::Parts};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until};

use super::{
    Answer, Trouble,
    arriving::{After, Arriving, Awaited},
    leaving::{Leaving, Progress},
    limits::Waits,
    tenant::{Seat, Tenant},
    wire::Line,
};
use crate::{
    body::{self, Body},
    config::Origin,
};

/// A request that is ready to be sent, and all that it is sent by.
pub(super) struct Exchange {
    pub(super) tenant: Arc<Tenant>,
    pub(super) origin: Origin,
    pub(super) seat: Seat,
    pub(super) waits: Waits,
    /// For a connection.
    pub(super) deadline: Instant,
}

/// Why there is no response, and what may be done about it.
enum Missed {
    /// The connection was gone before any of the request was sent.
    Unsent(Box<Request<Leaving>>, Trouble),
    /// The connection died under the request.
    Died(Trouble),
    /// Anything else.
    Failed(Trouble),
}

impl Exchange {
    /// Sends the request and waits for the response's head.
    pub(super) async fn run(self, request: Request<Body>) -> Result<Response<Answer>, Trouble> {
        let (parts, sent) = request.into_parts();
        let (mut sent, progress) = Leaving::new(sent);
        if parts.method.is_safe() || parts.method == Method::DELETE {
            sent.settle().await;
        }
        let request = Request::from_parts(parts, sent);
        let again = Again::of(&request);
        let Some(line) = self.tenant.pool.take(&self.origin) else {
            return self.over_new(request, &progress).await;
        };
        // The server may have closed it meanwhile.
        match self.over(line, request, &progress).await {
            Ok((response, line)) => Ok(self.answer(response, line)),
            Err(Missed::Unsent(request, _)) => self.over_new(*request, &progress).await,
            Err(Missed::Died(trouble)) => match again {
                Some(again) if !progress.is_touched() => {
                    let (request, progress) = again.request();
                    self.over_new(request, &progress).await
                }
                _ => Err(trouble),
            },
            Err(Missed::Failed(trouble)) => Err(trouble),
        }
    }

    async fn over_new(self, request: Request<Leaving>, progress: &Progress) -> Result<Response<Answer>, Trouble> {
        let line = self.tenant.connect(&self.origin, self.deadline).await?;
        match self.over(line, request, progress).await {
            Ok((response, line)) => Ok(self.answer(response, line)),
            Err(Missed::Unsent(_, trouble) | Missed::Died(trouble) | Missed::Failed(trouble)) => Err(trouble),
        }
    }

    /// Sends the request over this connection. Dropping the future ends the request: over HTTP/1 with its connection.
    async fn over(
        &self,
        mut line: Line,
        request: Request<Leaving>,
        progress: &Progress,
    ) -> Result<(Response<Incoming>, Line), Missed> {
        let late = async {
            // The wait begins anew with each piece of the request that is sent.
            let wait = self.waits.for_head();
            let mut deadline = progress.moved() + wait;
            while deadline > Instant::now() {
                sleep_until(deadline).await;
                deadline = progress.moved() + wait;
            }
        };
        let result = tokio::select! {
            result = line.send(request, &self.origin) => result,
            () = late => return Err(Missed::Failed(Trouble::HeadTimeout)),
        };
        let mut error = match result {
            Ok(response) => {
                check_head(&response).map_err(Missed::Failed)?;
                return Ok((response, line));
            }
            Err(error) => error,
        };
        let trouble = match (progress.trouble(), line.is_flooded()) {
            (Some(trouble), _) => trouble,
            (None, true) => Trouble::HeadTooLarge,
            (None, false) => broken(error.error()),
        };
        Err(match error.take_message() {
            Some(request) => Missed::Unsent(Box::new(request), trouble),
            None if is_dead(error.error()) => Missed::Died(trouble),
            None => Missed::Failed(trouble),
        })
    }

    fn answer(self, mut response: Response<Incoming>, line: Line) -> Response<Answer> {
        let Self { tenant, origin, seat, waits, .. } = self;
        strip_hop_by_hop(response.headers_mut());
        // A connection over which more may follow than its response is not used again.
        let line = match line {
            Line::Http1(sender, budget) => Some((sender, budget)),
            Line::Http2(_) => None,
        };
        let after = After { line, tenant, origin, seat };
        response.map(|inner| Awaited::new(Arriving::new(inner, after), waits.for_piece()).boxed_unsync())
    }
}

/// A request that may be sent a second time, since doing it twice is doing it once (RFC 9110, 9.2.2), and has no body.
struct Again(Box<Parts>);

impl Again {
    fn of(request: &Request<Leaving>) -> Option<Self> {
        let is_idempotent = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE]
            .contains(request.method());
        (is_idempotent && http_body::Body::is_end_stream(request.body())).then(|| {
            let mut copy = Request::new(());
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.headers_mut() = request.headers().clone();
            Self(Box::new(copy.into_parts().0))
        })
    }

    fn request(self) -> (Request<Leaving>, Progress) {
        let (empty, progress) = Leaving::new(body::empty());
        (Request::from_parts(*self.0, empty), progress)
    }
}

/// Refuses heads that can be read in two ways, and those that end HTTP.
fn check_head(response: &Response<Incoming>) -> Result<(), Trouble> {
    let headers = response.headers();
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
    let wrong = if lengths > 1 {
        "it has more than one length"
    } else if lengths > 0 && headers.contains_key(header::TRANSFER_ENCODING) {
        "it has a length beside a transfer coding"
    } else if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        "it goes over to another protocol, which nobody asked for"
    } else if response.version() < Version::HTTP_10 {
        "its version is older than HTTP/1.0"
    } else {
        return Ok(());
    };
    Err(Trouble::Malformed(wrong.to_owned()))
}

/// Takes out what was said to this host alone (RFC 9110, 7.6.1).
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<_> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let known = ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
    for name in named.iter().map(String::as_str).chain(known) {
        headers.remove(name);
    }
}

/// What a connection's error means to the guest.
pub(super) fn broken(error: &hyper::Error) -> Trouble {
    if error.is_parse_too_large() {
        return Trouble::HeadTooLarge;
    }
    if error.is_incomplete_message() || is_dead(error) {
        return Trouble::Incomplete;
    }
    match error.source() {
        Some(source) => Trouble::Malformed(format!("{error}: {source}")),
        None => Trouble::Malformed(error.to_string()),
    }
}

/// Whether the connection is gone, rather than that something wrong came over it.
fn is_dead(error: &hyper::Error) -> bool {
    let kind = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    let is_gone = matches!(
        kind,
        Some(
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof
        )
    );
    is_gone || error.is_incomplete_message() || error.is_canceled() || error.is_closed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_sent_twice_is_idempotent_and_has_no_body() {
        let of = |method: &str, body: Body| {
            let (body, _) = Leaving::new(body);
            let request = Request::builder().method(method).uri("/").body(body).expect("a request");
            Again::of(&request).is_some()
        };
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            assert!(of(method, body::empty()), "{method}");
            assert!(!of(method, body::full("x")), "{method}");
        }
        for method in ["POST", "PATCH", "PURGE"] {
            assert!(!of(method, body::empty()), "{method}");
        }
    }

    #[test]
    fn what_was_said_to_the_host_alone_is_taken_out() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "close, X-Hop"), ("x-hop", "1"), ("keep-alive", "timeout=5"), ("x-end", "1")]
        {
            headers.append(name, value.parse().expect("a value"));
        }
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-end"]);
    }
}
