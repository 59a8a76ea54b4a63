//! How long outbound requests may take and how many there may be.

use std::time::Duration;

/// For a connection: the wait for a turn, the name, TCP and TLS together. Also the most that a guest can ask for.
pub const CONNECT: Duration = Duration::from_secs(10);

/// From a request's last sent byte to its response's head, where the guest does not say.
pub const HEAD: Duration = Duration::from_secs(30);

/// Between two pieces of a response's body, where the guest does not say.
pub const PIECE: Duration = Duration::from_secs(30);

/// The longest wait for a head or a piece that a guest can ask for. What it does beside is under the limits of its
/// own request, whose end ends its calls.
pub const LONGEST: Duration = Duration::from_mins(10);

/// The shortest wait a guest can ask for. Less is a mistake in units, and would fail every call.
pub const SHORTEST: Duration = Duration::from_millis(1);

/// The largest body of a response, in bytes.
pub const MOST_RECEIVED: u64 = 256 << 20;

/// How long a connection is kept without a request. Shorter than most servers keep it, who would close it just as the
/// next request is sent.
pub const IDLE_FOR: Duration = Duration::from_secs(20);

/// How long the guest itself wants to wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// For a connection.
    pub connect: Option<Duration>,
    /// For the response's head.
    pub first_byte: Option<Duration>,
    /// For each further piece of its body.
    pub between_bytes: Option<Duration>,
}

impl Waits {
    pub(super) fn for_connection(&self) -> Duration {
        self.connect.map_or(CONNECT, |asked| asked.clamp(SHORTEST, CONNECT))
    }

    pub(super) fn for_head(&self) -> Duration {
        self.first_byte.map_or(HEAD, |asked| asked.clamp(SHORTEST, LONGEST))
    }

    pub(super) fn for_piece(&self) -> Duration {
        self.between_bytes.map_or(PIECE, |asked| asked.clamp(SHORTEST, LONGEST))
    }
}
