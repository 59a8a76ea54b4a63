//! What holds where an operator says nothing. Each default is named once, with its reason.

use std::{net::SocketAddr, time::Duration};

use crate::units::ByteSize;

/// Reachable from this machine alone until the operator says otherwise.
pub(super) fn listen() -> SocketAddr {
    ([127, 0, 0, 1], 8080).into()
}

/// Beside the public listener, and loopback as every admin address must be.
pub(super) fn admin() -> SocketAddr {
    ([127, 0, 0, 1], 8081).into()
}

/// Computation gives way to the threads that serve the sockets, yet is not starved by other programs (19 would be).
pub(super) const COMPUTE_NICE: u8 = 10;

/// A manifest's default `limits.memory`, so that a plugin without limits fits.
pub(super) const MAX_MEMORY: ByteSize = ByteSize(128 << 20);

/// A slot that is not in use costs address space alone, and thousands wait at once in this lane.
pub(super) const IO_INSTANCES: u32 = 8192;

/// Work that burns CPU gains nothing from more instances than it has turns; a queue holds the rest.
pub(super) const COMPUTE_INSTANCES: u32 = 512;

/// Both lanes' instances, and as many again for 0.3 guests that serve several requests in one.
pub(super) const MAX_CONCURRENT: u32 = 16384;

/// As many as may run: who waits behind more than that waits longer than clients do.
pub(super) const MAX_WAITING: u32 = MAX_CONCURRENT;

/// `limits.after_response`'s 30 s and the default `limits.timeout` of 10 s.
pub(super) const DRAIN: Duration = Duration::from_secs(40);

/// Tenants are equals unless told apart.
pub(super) const WEIGHT: u32 = 1;
