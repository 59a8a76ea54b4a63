//! Open files: each connection is one, and the usual limit of 1024 was set for other times.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    admin,
    config::{Settings, Tenant},
};

/// More connections than these no host serves unless it is told to, whatever the system allows.
const MOST_CONNECTIONS: u64 = 50_000;

/// Kept for everything that is neither a client's nor an upstream's connection: plugins that are read, compiled code,
/// the compile child's pipes, what watches the folder, state.
const FILES: u64 = 256;

/// What one connection to an SQLite database has open: the file, what is written ahead of it, and their index.
const FILES_OF_CONNECTION: u64 = 3;

/// What a tenant's keys have open: the file and what is written ahead of it. Jobs have as many.
const FILES_OF_KEYS: u64 = 2;

/// Of what is left, the part for connections that guests make outward: one in this many.
const UPSTREAM_PART: u64 = 4;

/// More than these no host needs: guests wait for their turn at far less.
const MOST_UPSTREAM: u64 = 8192;

/// One address may have one in this many of the connections, so that it takes several to take them all. Far more
/// than a client needs; thousands of clients may be behind one address.
const ADDRESS_PART: usize = 4;

/// Raises the process's limit of open files to the most it may have. Where that is not allowed, it stays.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::info!(from = current, to = maximum, "the limit of open files was raised"),
        Err(error) => tracing::warn!(%error, current, "the limit of open files could not be raised"),
    }
}

/// How many connections may be open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// At once.
    pub(super) connections: usize,
    /// At once from one address.
    pub(super) per_address: usize,
    /// At once that guests make outward.
    pub(super) upstream: usize,
    /// What the operator asked for, when it is too much.
    refused: Option<u64>,
    /// The limit of open files.
    limit: u64,
}

impl Room {
    /// Says in the log how much there is, and why it is less than was asked for.
    pub(super) fn tell(&self) {
        let Self { connections, per_address, upstream, refused, limit } = self;
        if let Some(asked) = refused {
            tracing::warn!(asked, limit, connections, "max_connections is more than the open files leave room for");
        }
        tracing::info!(connections, per_address, upstream, open_files = limit, "room for connections");
    }
}

/// The room that the operator gives, as far as there are descriptors for it; else that which they leave.
pub(super) fn room(settings: &Settings) -> Room {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let (left, upstream) = left(limit, open().saturating_add(state(settings)));
    let (connections, refused) = match settings.max_connections.map(u64::from) {
        None => (left.min(MOST_CONNECTIONS), None),
        Some(asked) if asked <= left => (asked, None),
        Some(asked) => (left, Some(asked)),
    };
    let connections = usize::try_from(connections).unwrap_or(usize::MAX);
    let per_address = (connections / ADDRESS_PART).max(1);
    let per_address = settings.max_connections_per_address.map_or(per_address, |asked| asked as usize);
    Room { connections, per_address, upstream: usize::try_from(upstream).unwrap_or(usize::MAX), refused, limit }
}

/// Files that the jobs and all tenants' databases and keys may have open together.
fn state(settings: &Settings) -> u64 {
    let files = |tenant: &Tenant| FILES_OF_KEYS + u64::from(tenant.sql.connections) * FILES_OF_CONNECTION;
    // Beside each connection to a server one more may be open that asks the server to end a statement.
    let sockets = |tenant: &Tenant| {
        tenant.databases.values().map(|database| 2 * u64::from(database.quota.connections)).sum::<u64>()
    };
    FILES_OF_KEYS + settings.tenants().values().map(|tenant| files(tenant) + sockets(tenant)).sum::<u64>()
}

/// Files open now. Where that cannot be read, what a host opens on its way here.
fn open() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(64, |files| files.count() as u64)
}

/// The connections that leave enough files for everything else, and those that guests may make outward. Of a very low limit half is kept for that, which is
/// too little, and told as it fails.
fn left(limit: u64, open: u64) -> (u64, u64) {
    let kept = open.saturating_add(admin::CONNECTIONS as u64 + FILES).min(limit / 2);
    let rest = limit - kept;
    let upstream = rest / UPSTREAM_PART;
    ((rest - upstream).max(1), upstream.clamp(1, MOST_UPSTREAM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_everything_else() {
        assert_eq!(left(1024, 32), (384, 128));
        assert_eq!(left(2048, 32), (1128, 376));
        assert_eq!(left(64, 32), (24, 8));
        assert_eq!(left(1, 0), (1, 1));
        assert_eq!(left(u64::MAX, 32), (u64::MAX - 544 - (u64::MAX - 544) / 4, MOST_UPSTREAM));
        for limit in [256, 1024, 4096, 1 << 20] {
            let (connections, upstream) = left(limit, 32);
            assert!(connections + upstream < limit && left(limit + 4, 32).0 > connections, "{limit}");
        }
    }

    #[test]
    fn the_operators_word_counts_as_far_as_there_are_descriptors() {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let with = |connections, per_address| {
            room(&Settings {
                max_connections: connections,
                max_connections_per_address: per_address,
                ..Settings::default()
            })
        };
        let both = |room: Room| (room.connections, room.per_address);
        assert_eq!(both(with(Some(8), None)), (8, 2));
        assert_eq!(both(with(Some(2), Some(7))), (2, 7));
        let too_many = with(Some(u32::MAX), None);
        assert!((too_many.connections as u64) < limit && too_many.refused == Some(u32::MAX.into()));
        assert!(with(None, None).connections as u64 <= MOST_CONNECTIONS);
    }
}
