//! The end of a connection: the reply reaches the client, and a broken response never looks whole.

use std::{
    error::Error,
    sync::{Arc, atomic::Ordering},
};

use tokio::{io::AsyncWriteExt, net::tcp::OwnedWriteHalf, time::timeout};

use super::{Shared, connection::State};

/// What is thrown away at most of a body nobody wanted, so that the client sees the reply instead of a reset.
const LINGER_BYTES: usize = 256 * 1024;

/// How a connection ended.
pub(super) enum End {
    /// hyper is done with it.
    Done(hyper::Result<()>),
    /// The peer has gone, or has at least stopped sending.
    Gone,
    /// The drain's deadline has passed.
    Cut,
    /// It was idle, was asked to leave and stayed.
    Idle,
    /// A panic went through it.
    Panicked,
}

/// Closes the socket as the end demands. hyper has let go of its halves.
pub(super) async fn finish<S>(end: End, state: &State, shared: &Shared<S>, write: Arc<OwnedWriteHalf>) {
    let linger = state.unread.load(Ordering::Relaxed);
    let (whole, linger) = match &end {
        End::Done(Ok(())) => (true, linger),
        End::Gone => (true, false),
        End::Done(Err(error)) => {
            tracing::debug!(peer = %state.link.peer(), error = error as &dyn Error, "a connection ended early");
            shared.listener.cut(reason(error));
            (error.is_parse(), linger || error.is_parse())
        }
        End::Cut => {
            shared.listener.cut("drain");
            (false, false)
        }
        End::Idle => {
            shared.listener.cut("idle");
            (true, false)
        }
        End::Panicked => {
            shared.metrics.panicked();
            tracing::error!(peer = %state.link.peer(), "a connection's task panicked");
            shared.listener.cut("panic");
            (false, false)
        }
    };
    let Some(write) = Arc::into_inner(write) else { return };
    if !whole && state.http10.load(Ordering::Relaxed) {
        // HTTP/1.0 ends a response by closing: only a reset tells the client that it is not whole. The half is
        // forgotten because dropping it would say goodbye politely first.
        let _ = write.as_ref().set_zero_linger();
        write.forget();
    } else if linger {
        let _ = timeout(shared.limits.linger, read_away(write)).await;
    }
}

fn reason(error: &hyper::Error) -> &'static str {
    if error.is_timeout() {
        "head"
    } else if error.is_user() {
        "broken-response"
    } else if error.is_parse() {
        "malformed"
    } else {
        "io"
    }
}

/// Says that we are done and throws away what the peer still sends: closing a socket with bytes unread would reset
/// it, and the reply would be lost with it.
async fn read_away(mut write: OwnedWriteHalf) {
    if write.shutdown().await.is_err() {
        return;
    }
    let socket = write.as_ref();
    let mut left = LINGER_BYTES;
    while left > 0 && socket.readable().await.is_ok() {
        // Of each read alone: what is there while it waits is a part of every connection, from its first moment.
        let mut scratch = [0; 8192];
        match socket.try_read(&mut scratch) {
            Ok(0) => return,
            Ok(length) => left = left.saturating_sub(length),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
