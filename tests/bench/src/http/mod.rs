//! A minimal HTTP/1.1 client: one request at a time on a kept connection, every reply read to its last byte.
//!
//! Written by hand because a generator must be far cheaper than what it measures; it knows just what the
//! measured servers may answer: a length, chunks, or an end of stream.

mod chunk;
mod connection;
mod head;

pub(crate) use connection::{Connection, Fault, fetch, request_bytes, upload_bytes};
