//! The one body type that passes between the layers: bytes, or the [`Failure`] that ended them.

pub mod pieces;

use std::task::{Context, Waker};

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

/// A context that wakes nobody: for a look at a channel whose sender is about to run in this very poll, or whose reader is woken
/// by somebody else.
///
/// With the waker of the poll before still in the channel, what a guest in place sends would wake the very task that is
/// running: one more poll for nothing, and often another thread of the runtime roused to do it.
pub fn unheard() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
