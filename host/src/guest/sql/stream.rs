//! A result on its way to an async function's caller: the rows as a stream, read no faster than they are taken, and whether
//! those were all; of whatever engine.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;
use wasmtime::{
    AsContextMut, Result, StoreContextMut,
    component::{Destination, FutureReader, Lift, Lower, StreamProducer, StreamReader, StreamResult, VecBuffer},
};

use super::{Counted, told};
use crate::{capability::sql::server, guest::call::Errand, store};

/// What a guest takes rows from, and asks afterwards whether those were all.
pub(super) type Handed<R, E> = (StreamReader<R>, FutureReader<Result<(), E>>);

/// Rows that have come, or why no more do; `None` after the last.
type Next<S> = Option<Result<Vec<<S as Source>::Row>, <S as Source>::Refusal>>;

/// Rows that come as they are read.
pub(super) trait Source: Sized + Send + 'static {
    /// One of them.
    type Row;
    /// Why there are no more.
    type Refusal: Counted;

    /// The next of them, however many there are.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<Self>>;
}

impl Source for store::sql::Rows {
    type Row = store::sql::Row;
    type Refusal = store::sql::Refusal;

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<Self>> {
        self.poll_next(cx)
    }
}

impl<W: server::Wire> Source for server::Rows<W> {
    type Row = Vec<W::Value>;
    type Refusal = server::Refusal;

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<Self>> {
        self.poll_next(cx)
    }
}

/// Gives rows to the guest, each as `row` makes it.
///
/// # Errors
/// When the store has no room for another stream.
pub(super) fn hand_over<S, R, E>(
    mut store: impl AsContextMut,
    rows: S,
    errand: Arc<Errand>,
    row: fn(S::Row) -> R,
) -> Result<Handed<R, E>>
where
    S: Source,
    R: Lift + Lower + Send + Sync + 'static,
    E: From<S::Refusal> + Lift + Lower + Send + Sync + 'static,
{
    let (ended, end) = oneshot::channel();
    let rows = StreamReader::new(&mut store, Stream { rows, row, errand, ended: Some(ended) })?;
    // A reader that leaves before the last row has no fault to be told.
    let end = async { Ok::<_, wasmtime::Error>(end.await.unwrap_or(Ok(()))) };
    Ok((rows, FutureReader::new(&mut store, end)?))
}

struct Stream<S: Source, R, E> {
    rows: S,
    row: fn(S::Row) -> R,
    errand: Arc<Errand>,
    ended: Option<oneshot::Sender<Result<(), E>>>,
}

impl<S: Source, R, E> Stream<S, R, E> {
    fn end(&mut self, how: Result<(), E>) -> Poll<Result<StreamResult>> {
        if let Some(ended) = self.ended.take() {
            // Whoever reads the rows may not care.
            let _ = ended.send(how);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl<S: Source, R, E> Unpin for Stream<S, R, E> {}

impl<D, S, R, E> StreamProducer<D> for Stream<S, R, E>
where
    S: Source,
    R: Lower + Send + Sync + 'static,
    E: From<S::Refusal> + Send + 'static,
{
    type Item = R;
    type Buffer = VecBuffer<R>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, R, VecBuffer<R>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let next = match self.rows.poll_next(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            polled => ready!(polled),
        };
        match next {
            None => self.end(Ok(())),
            Some(Ok(rows)) => {
                destination.set_buffer(rows.into_iter().map(self.row).collect::<Vec<_>>().into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            // It was counted as one that went well when it began.
            Some(Err(refusal)) => {
                let error = told::<(), S::Refusal, E>(&self.errand, Err(refusal)).expect_err("it is one");
                self.end(Err(error))
            }
        }
    }
}
