//! The ways an outbound request can fail, as its guest and the metrics are told.

use super::addresses::Prohibited;
use crate::failure::Failure;

/// Why an outbound request was not sent, not answered, or not answered to the end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Trouble {
    /// Nothing grants it; the text names the key that would.
    #[error("{0}")]
    Denied(String),
    /// The address behind a granted name is one that guests may not reach; the text says which and who may open it.
    #[error("{0}")]
    Prohibited(String),
    /// The request's target cannot be read, or is none.
    #[error("{0}")]
    BadTarget(String),
    /// CONNECT makes a tunnel, and nothing here would look into it.
    #[error("the method CONNECT is not available to guests")]
    BadMethod,
    /// The name could not be resolved.
    #[error("{0}: {1}")]
    Name(String, NameTrouble),
    /// Nobody listens there.
    #[error("{0} refuses connections")]
    ConnectionRefused(String),
    /// There is no way there.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// No connection in time: waiting for a turn, the name, TCP and TLS together.
    #[error("no connection to {0} in time")]
    ConnectTimeout(String),
    /// The server's certificate is not one to be trusted.
    #[error("the certificate of {0} is not accepted: {1}")]
    Certificate(String, String),
    /// The TLS handshake failed otherwise.
    #[error("the TLS handshake with {0} failed: {1}")]
    Tls(String, String),
    /// No response's head in time.
    #[error("no response's head came in time")]
    HeadTimeout,
    /// The response's body made a longer pause than was to be waited for.
    #[error("the response's body stalled")]
    BodyTimeout,
    /// The response's head is larger than is read.
    #[error("the response's head is too large")]
    HeadTooLarge,
    /// The response's body is larger than is read, in bytes.
    #[error("the response's body is larger than {0} bytes")]
    BodyTooLarge(u64),
    /// The request's body is larger than is sent, in bytes.
    #[error("the request's body is larger than {0} bytes")]
    RequestTooLarge(u64),
    /// What came is not HTTP, or not such that it has one meaning.
    #[error("the response is malformed: {0}")]
    Malformed(String),
    /// The connection ended before the response did.
    #[error("the connection ended before the response did")]
    Incomplete,
    /// One request of the plugin may make no more than so many.
    #[error("more than {0} outbound requests for one request")]
    TooMany(u32),
    /// The request has come round by way of other servers too often.
    #[error("the request has passed through this kind of host too often")]
    Loop,
    /// A plugin that was called failed, or the guest's own body did.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameTrouble {
    /// There is no such name, or it has no address.
    #[error("there is no such name, or it has no address")]
    Unknown,
    /// The name server will not or cannot say; its code.
    #[error("the name server answers {0}")]
    Refused(String),
    /// No name server answers.
    #[error("no name server answers")]
    Silent,
}

impl Trouble {
    /// How a metric or log line calls it: one of [`crate::telemetry::OUTBOUND_RESULTS`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Prohibited(_) => "prohibited",
            Self::BadTarget(_) | Self::BadMethod => "bad-request",
            Self::Name(..) => "name",
            Self::ConnectionRefused(_) | Self::Unreachable(..) => "connect",
            Self::Certificate(..) | Self::Tls(..) => "tls",
            Self::ConnectTimeout(_) | Self::HeadTimeout | Self::BodyTimeout => "timeout",
            Self::HeadTooLarge | Self::BodyTooLarge(_) | Self::RequestTooLarge(_) => "too-large",
            Self::Malformed(_) | Self::Incomplete => "protocol",
            Self::TooMany(_) => "limit",
            Self::Loop => "loop",
            Self::Failed(_) => "failed",
        }
    }
}

impl From<Prohibited> for Trouble {
    fn from(prohibited: Prohibited) -> Self {
        Self::Prohibited(prohibited.to_string())
    }
}
