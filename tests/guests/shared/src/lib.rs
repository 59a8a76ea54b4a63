//! What the test guests have in common, whichever WASI they speak: the request target, JSON text, busy work, files.

pub mod busy;
pub mod files;
pub mod json;
pub mod reach;
pub mod sql;
mod target;

pub use target::Target;

/// The bytes of every generated body: byte `i` of the body is `i % 256`, so a client can check any part of it.
///
/// `len` bytes from position `from`.
pub fn pattern(from: u64, len: usize) -> Vec<u8> {
    (from..from + len as u64).map(|i| i as u8).collect()
}
