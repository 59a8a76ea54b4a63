//! Outbound HTTP: what a guest's request to another server becomes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Sleep, sleep, timeout};

use super::{
    Caller,
    plugins::{self, CallPlugin},
};
use crate::{
    body::Body,
    failure::{Code, Failure},
};

/// Why an outbound request was not sent, or not answered.
pub enum Refused {
    /// Nothing grants it; the text names the key that would.
    Denied(String),
    /// It was granted and failed.
    Failed(Failure),
}

/// The shortest wait a guest can ask for. Less is a mistake in units, and would fail every call.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long the caller itself wants to wait, within the deadline of its request; `None` is as long as that allows. There
/// is nothing to connect to yet, so a guest's `connect-timeout` is met by every call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// For the response's head.
    pub first_byte: Option<Duration>,
    /// For each further piece of its body.
    pub between_bytes: Option<Duration>,
}

/// Sends one outbound request.
///
/// # Errors
/// [`Refused::Denied`] before anything is resolved or connected; [`Refused::Failed`] once it was on its way.
///
/// # Cancel safety
/// Dropping the future cancels the request, and the callee with it.
pub(crate) async fn send(
    caller: &Caller,
    plugins: &Arc<dyn CallPlugin>,
    request: Request<Body>,
    waits: Waits,
) -> Result<Response<Body>, Refused> {
    let host = request.uri().host().unwrap_or_default().to_ascii_lowercase();
    let Some(callee) = plugins::callee(&host) else {
        return Err(Refused::Denied(format!(
            "{} may not call {host}: other servers are granted by grants.http, which is not available yet",
            caller.manifest.name
        )));
    };
    if !caller.manifest.grants.plugins.iter().any(|granted| granted == callee) {
        return Err(Refused::Denied(format!(
            "{} may not call the plugin {callee}: add \"{callee}\" to grants.plugins",
            caller.manifest.name
        )));
    }
    if caller.hop >= plugins::HOP_LIMIT {
        return Err(Refused::Failed(Failure::plain(Code::Loop)));
    }
    let answer = plugins.call(caller, callee, request);
    let answered = match waits.first_byte {
        Some(longest) => timeout(longest.max(SHORTEST), answer).await.unwrap_or_else(|_| Err(too_late())),
        None => answer.await,
    };
    let response = answered.map_err(Refused::Failed)?;
    Ok(match waits.between_bytes {
        Some(longest) => {
            let longest = longest.max(SHORTEST);
            response.map(|inner| Awaited { inner, longest, gap: None }.boxed_unsync())
        }
        None => response,
    })
}

fn too_late() -> Failure {
    Failure::new(Code::Timeout, "The callee took longer than its caller wanted to wait.")
}

/// A response's body that its caller does not wait for longer than it said.
struct Awaited {
    inner: Body,
    longest: Duration,
    /// Runs while the next piece is waited for.
    gap: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Awaited {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.gap = None;
            return Poll::Ready(frame);
        }
        let longest = self.longest;
        let gap = self.gap.get_or_insert_with(|| Box::pin(sleep(longest)));
        gap.as_mut().poll(cx).map(|()| Some(Err(too_late())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
