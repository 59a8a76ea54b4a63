//! The one body type that passes between the layers: bytes, or the [`Failure`] that ended them.

pub mod pieces;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

use crate::failure::Failure;

/// A request's or response's body. An error in it is the failure that broke it off: never a clean end.
pub type Body = UnsyncBoxBody<Bytes, Failure>;

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of bytes that are at hand.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
