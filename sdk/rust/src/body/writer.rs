//! A body that code writes: the code is polled when a piece is wanted, and stands still while one waits to be taken.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;

use crate::{Error, Result};

/// Takes the pieces of a body: see [`Body::writer`](crate::Body::writer).
pub struct Writer(Slot);

/// The one piece that waits to be taken. No waker: whoever takes it polls the code that filled it next.
type Slot = Rc<RefCell<Option<Bytes>>>;

impl Writer {
    /// Sends a piece, once the one before has been taken. A client that left is no error: the code is dropped instead.
    ///
    /// Dropped before it is ready, it has sent nothing.
    pub async fn write(&mut self, piece: impl Into<Bytes>) {
        let mut piece = Some(piece.into()).filter(|piece: &Bytes| !piece.is_empty());
        poll_fn(|_| {
            let mut slot = self.0.borrow_mut();
            if slot.is_some() {
                return Poll::Pending;
            }
            *slot = piece.take();
            Poll::Ready(())
        })
        .await;
    }
}

/// The code and what it wrote.
pub(super) struct Written {
    slot: Slot,
    /// `None` once it has ended.
    code: Option<Pin<Box<dyn Future<Output = Result<()>>>>>,
    /// What it failed with, told after its last piece.
    failed: Option<Error>,
}

impl Written {
    pub(super) fn new<F>(write: F) -> Self
    where
        F: AsyncFnOnce(&mut Writer) -> Result<()> + 'static,
    {
        let slot = Slot::default();
        let mut writer = Writer(Rc::clone(&slot));
        let code = Box::pin(async move { write(&mut writer).await });
        Self { slot, code: Some(code), failed: None }
    }
}

impl http_body::Body for Written {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let mut waits = false;
        if this.slot.borrow().is_none()
            && let Some(code) = &mut this.code
        {
            match code.as_mut().poll(cx) {
                Poll::Pending => waits = true,
                Poll::Ready(ended) => (this.code, this.failed) = (None, ended.err()),
            }
        }
        if let Some(piece) = this.slot.take() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match waits {
            true => Poll::Pending,
            false => Poll::Ready(this.failed.take().map(Err)),
        }
    }
}
