//! Core dumps: an image of the host's memory, with every tenant's secrets in it, must not end up in a file.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Less than a dump begins with, so that none is written; and the one size at which Linux does not hand it to a program either
/// (`kernel.core_pattern` with a `|`), for which a limit of zero means nothing.
const NOT_EVEN_PIPED: u64 = 1;

/// From now on this process, and what it starts, leaves no core dump.
///
/// # Errors
/// A system that does not take the limit; none is known to.
pub fn forbid_core_dumps() -> io::Result<()> {
    let most = getrlimit(Resource::Core).maximum.map_or(NOT_EVEN_PIPED, |most| most.min(NOT_EVEN_PIPED));
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(most), maximum: Some(most) })?)
}
