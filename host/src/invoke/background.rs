//! Work that goes on when nobody waits for it: after the response, or after the client left a guest that finishes.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::{sync::watch, time};

use super::{answer::Answer, flight::Flight};
use crate::{body::Body, failure::Failure};

/// Counts the work under way, so that a shutdown can wait for it.
#[derive(Clone)]
pub struct Background(Arc<watch::Sender<usize>>);

impl Default for Background {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

/// One piece of work under way.
struct Tracked(Background);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

impl Background {
    /// Waits until nothing is under way.
    ///
    /// Cancel safe.
    pub async fn idle(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Pieces of work under way.
    pub fn count(&self) -> usize {
        *self.0.borrow()
    }

    fn track(&self) -> Tracked {
        self.0.send_modify(|count| *count += 1);
        Tracked(self.clone())
    }

    /// Reads a response nobody reads any more to its end, within the limits it has.
    pub(super) fn read_out(&self, mut answer: Answer) {
        let tracked = self.track();
        tokio::spawn(async move {
            while let Some(Ok(_)) = answer.frame().await {}
            drop(tracked);
        });
    }

    /// Lets a guest go on after its response for at most `limit`.
    pub(super) fn go_on(&self, mut flight: Flight, body: Body, limit: Duration) {
        let tracked = self.track();
        tokio::spawn(async move {
            let rest = async {
                // The guest may still be writing what nobody reads: to a HEAD, or past its own Content-Length.
                let mut body = Some(body);
                poll_fn(|cx| {
                    drain(&mut body, cx);
                    flight.poll_guest(cx).map_or(Poll::Pending, Poll::Ready)
                })
                .await
            };
            let how = match time::timeout(limit, rest).await {
                Ok(Ok(())) => "done",
                Ok(Err(failure)) => {
                    log(&flight, &failure);
                    "failed"
                }
                Err(_) => "deadline",
            };
            flight.end();
            flight.plugin.metrics.background_ended(how);
            drop((flight, tracked));
        });
    }
}

/// Throws away what is there to read.
fn drain(body: &mut Option<Body>, cx: &mut Context<'_>) {
    while let Some(reading) = body {
        match Pin::new(reading).poll_frame(cx) {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(_) => *body = None,
            Poll::Pending => return,
        }
    }
}

fn log(flight: &Flight, failure: &Failure) {
    tracing::warn!(
        target: "wasmbay::background",
        tenant = &*flight.plugin.owner.tenant,
        plugin = flight.plugin.name(),
        request_id = flight.request_id.as_str(),
        code = failure.code.row().name,
        inside = failure.inside.as_deref(),
        "work after the response failed"
    );
}
