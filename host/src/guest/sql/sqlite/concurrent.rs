//! The functions of SQLite that are async: rows are a stream, read no faster than they are taken.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;
use wasmtime::{
    Result, StoreContextMut,
    component::{Accessor, Destination, FutureReader, Resource, StreamProducer, StreamReader, StreamResult, VecBuffer},
};

use super::{
    super::{Asked, told},
    later::{Error, HostConnectionWithStore, RowResult, Value},
    statement,
};
use crate::{
    capability::sql::{Connection, Databases},
    guest::call::Errand,
    store::sql::{Refusal, Rows},
};

/// A result on its way: the columns' names, the rows, and whether those were all.
type Answer = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

impl<T: Send + 'static> HostConnectionWithStore<T> for Asked {
    async fn open_async(accessor: &Accessor<T, Self>, database: String) -> Result<Result<Resource<Connection>, Error>> {
        Ok(accessor.with(|mut access| access.get().open(&database, Databases::file)).map_err(Into::into))
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        this: Resource<Connection>,
        text: String,
        parameters: Vec<Value>,
    ) -> Result<Result<Answer, Error>> {
        let (connection, errand) = accessor.with(|mut access| access.get().opened(&this))?;
        let rows = connection.run(statement(text, parameters), errand.caller.deadline).await;
        let rows = match told(&errand, rows) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        let columns = rows.columns().to_vec();
        let (ended, end) = oneshot::channel();
        let stream = Stream { rows, errand, ended: Some(ended) };
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, stream)?;
            // A reader that leaves before the last row has no fault to be told.
            let end = async { Ok::<_, wasmtime::Error>(end.await.unwrap_or(Ok(()))) };
            Ok(Ok((columns, rows, FutureReader::new(&mut access, end)?)))
        })
    }

    async fn last_insert_rowid_async(accessor: &Accessor<T, Self>, this: Resource<Connection>) -> Result<i64> {
        accessor.with(|mut access| Ok(access.get().opened(&this)?.0.last_rowid()))
    }

    async fn changes_async(accessor: &Accessor<T, Self>, this: Resource<Connection>) -> Result<u64> {
        accessor.with(|mut access| Ok(access.get().opened(&this)?.0.changes()))
    }
}

/// The rows of a statement.
struct Stream {
    rows: Rows,
    errand: Arc<Errand>,
    ended: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Stream {
    fn end(&mut self, how: Result<(), Error>) -> Poll<Result<StreamResult>> {
        if let Some(ended) = self.ended.take() {
            // Whoever reads the rows may not care.
            let _ = ended.send(how);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl<D> StreamProducer<D> for Stream {
    type Item = RowResult;
    type Buffer = VecBuffer<RowResult>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, RowResult, VecBuffer<RowResult>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let next = match self.rows.poll_next(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            polled => ready!(polled),
        };
        match next {
            None => self.end(Ok(())),
            Some(Ok(rows)) => {
                destination.set_buffer(rows.into_iter().map(Into::into).collect::<Vec<_>>().into());
                Poll::Ready(Ok(StreamResult::Completed))
            }
            // It was counted as one that went well when it began.
            Some(Err(refusal)) => {
                let error = told::<(), Refusal, Error>(&self.errand, Err(refusal)).expect_err("it is one");
                self.end(Err(error))
            }
        }
    }
}
