//! Reading a small text file whole, and no more of it than a person would write.

use std::{fs::File, io::Read, path::Path};

use super::fault::Wrong;

/// Checks hold what is sent and what is awaited, for each of some dozen requests.
pub(super) const MAX_CHECKS: u64 = 256 << 10;

/// Settings hold a few lines for each of thousands of tenants.
pub(super) const MAX_SETTINGS: u64 = 4 << 20;

/// Reads a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<String, Wrong> {
    let unreadable = |error: std::io::Error| Wrong::new(format!("cannot be read: {error}"));
    // Opening a pipe would wait for a writer.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(Wrong::new("cannot be read: it is no regular file"));
    }
    let mut bytes = Vec::new();
    // One more than the limit tells a file that is too long from one that just fits.
    File::open(path).map_err(unreadable)?.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(Wrong::new(format!("is longer than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Wrong::new("is not UTF-8 text"))
}
