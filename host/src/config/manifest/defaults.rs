//! What a manifest means where it says nothing. Each default is named once, with its reason.

use std::time::Duration;

use crate::units::{ByteSize, Fuel};

/// For authors who do not number their work.
pub(super) const VERSION: &str = "0.0.0";

/// The usual folder of sources; the whole folder would hold the build's own output.
pub(super) const WATCH: &str = "src";

/// About the CPU time of [`CPU`] in arithmetic, several times over: fuel is for exact budgets, `cpu` for time.
pub(super) const FUEL: Fuel = Fuel(2_000_000_000);

/// Far above what a handler needs, far below what a person calls slow.
pub(super) const CPU: Duration = Duration::from_millis(500);

/// A client that waits longer has usually given up.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Twice the heartbeat (15 s) that is usual for server-sent events.
pub(super) const STREAM_IDLE: Duration = Duration::from_secs(30);

/// Room for a garbage-collected language's runtime; also the default size of an instance slot.
pub(super) const MEMORY: ByteSize = ByteSize(128 << 20);

/// A form or a JSON document; an upload asks for more by name.
pub(super) const REQUEST_BODY: ByteSize = ByteSize(1 << 20);

/// A large download; a guest in an endless loop of writes stops here.
pub(super) const RESPONSE_BODY: ByteSize = ByteSize(64 << 20);

/// Half of the default memory times this fits a machine of 4 GiB.
pub(super) const MAX_CONCURRENT: u32 = 64;

/// Jobs leave the plugin to its clients: of four requests in flight one may be a job.
pub(super) fn jobs_at_once(max_concurrent: u32) -> u32 {
    (max_concurrent / 4).max(1)
}

/// Four times what is in flight: a burst passes, a flood is refused.
pub(super) const QUEUE: u32 = 256;

/// Past this, an answer that the client can retry is worth more than a place in the queue.
pub(super) const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);

/// As long as a drain lets it live by default, with 10 s to spare.
pub(super) const AFTER_RESPONSE: Duration = Duration::from_secs(30);

/// A fresh sandbox for each request: nothing of one request is there for the next.
pub(super) const MAX_REQUESTS: u32 = 1;

/// One request at a time in an instance: a failure costs just its own request.
pub(super) const INSTANCE_CONCURRENT: u32 = 1;

/// None is made before it is needed: a guest that starts in microseconds gains nothing by it.
pub(super) const WARM: u32 = 0;
