//! Open files: each connection is one, and the usual limit of 1024 was set for other times.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than these no host serves, whatever the system allows.
const MOST_CONNECTIONS: u64 = 50_000;

/// Raises the process's limit of open files to the most it may have. Where that is not allowed, it stays.
pub fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// How many connections leave enough files for everything else: three quarters of those that may be open.
pub(super) fn connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (files / 4 * 3).clamp(16, MOST_CONNECTIONS) as usize
}
