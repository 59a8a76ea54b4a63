//! The one way in to a plugin.

use std::net::SocketAddr;

use crate::telemetry::RequestId;

/// What started a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A client of the public listener.
    Http,
}

/// How a request came to the host.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The request's id.
    pub request_id: RequestId,
    /// What started it.
    pub trigger: Trigger,
    /// The other end of its connection, where there is one.
    pub peer: Option<SocketAddr>,
}
