//! What a generator is asked to do: written by the harness as one line of JSON, or made from flags.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

/// One measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// What is sent, all groups at once.
    pub(crate) groups: Vec<Group>,
    /// How long load runs before anything counts, in milliseconds.
    pub(crate) warmup_ms: u64,
    /// How long counts, in milliseconds; `None` is until the generator's standard input ends.
    pub(crate) measure_ms: Option<u64>,
}

/// Requests of one sort.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Names the group in the report.
    pub(crate) name: String,
    /// Whom to ask.
    pub(crate) address: SocketAddr,
    /// The request's path and query.
    pub(crate) target: String,
    /// Bytes of the request's body; with any it is a POST.
    pub(crate) upload: usize,
    /// When requests are sent.
    pub(crate) shape: Shape,
    /// What the body of a 2xx reply must be.
    pub(crate) body: Body,
    /// What becomes of requests in flight when the time is over.
    pub(crate) tail: Tail,
    /// After this many milliseconds without a whole reply the request counts as a timeout.
    pub(crate) reply_timeout_ms: u64,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Shape {
    /// Each connection sends its next request when it has the reply to the last.
    Closed {
        /// How many connections.
        connections: usize,
    },
    /// At a steady rate, whatever the replies do; latency counts from when a request was due.
    Open {
        /// Requests a second.
        rate: f64,
        /// At most this many at once; what is due beyond waits, and its waiting counts.
        connections: usize,
    },
    /// So many requests open at once, each on a connection of its own; the run ends with the last reply.
    Hold {
        /// How many requests.
        requests: usize,
        /// They start evenly over this time, in milliseconds.
        ramp_ms: u64,
    },
}

/// What the body of a 2xx reply must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Body {
    /// Anything.
    Any,
    /// Exactly this.
    Exact(String),
    /// Anything with this in it.
    Contains(String),
    /// So many bytes.
    Length(usize),
    /// One line `r` + digits, repeated to the end: all of one revision. Never an older revision than one already seen
    /// when the request was sent.
    Marker,
}

/// What becomes of requests in flight when the time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tail {
    /// They are awaited, and their latency counts: a stalled request is never left out.
    Finish,
    /// They are dropped: for load whose latency nobody reads.
    Cut,
}

impl Group {
    /// A closed loop that expects any 2xx body and waits for its last replies.
    pub(crate) fn closed(name: &str, address: SocketAddr, target: &str, connections: usize) -> Self {
        Self {
            name: name.to_owned(),
            address,
            target: target.to_owned(),
            upload: 0,
            shape: Shape::Closed { connections },
            body: Body::Any,
            tail: Tail::Finish,
            reply_timeout_ms: 30_000,
        }
    }

    /// The same group, sending by another rule.
    #[must_use]
    pub(crate) fn shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// The same group, checking bodies.
    #[must_use]
    pub(crate) fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    /// The same group, sending so many bytes with each request.
    #[must_use]
    pub(crate) fn upload(self, bytes: usize) -> Self {
        Self { upload: bytes, ..self }
    }

    /// The same group, waiting so long for a whole reply.
    #[must_use]
    pub(crate) fn patience(self, limit: Duration) -> Self {
        Self { reply_timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX), ..self }
    }

    /// The same group as mere load: dropped at the end.
    #[must_use]
    pub(crate) fn cut(self) -> Self {
        Self { tail: Tail::Cut, ..self }
    }
}
