//! The functions of PostgreSQL that are async: rows are a stream, read no faster than they are taken.

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
    later::{Column, DbValue, Error, HostConnectionBuilderWithStore, HostConnectionWithStore, ParameterValue},
    statement,
};
use crate::{
    capability::sql::{
        Databases,
        postgres::{Builder, Connection as Handle, Line},
        server::{Refusal, Rows},
    },
    guest::call::Errand,
};

/// A row on its way.
type Row = Vec<DbValue>;

/// A result on its way: the columns, the rows, and whether those were all.
type Answer = (Vec<Column>, StreamReader<Row>, FutureReader<Result<(), Error>>);

impl<T: Send + 'static> HostConnectionBuilderWithStore<T> for Asked {
    async fn build_async(
        accessor: &Accessor<T, Self>,
        this: Resource<Builder>,
    ) -> Result<Result<Resource<Handle>, Error>> {
        accessor.with(|mut access| {
            let mut client = access.get();
            let database = client.table.get(&this)?.database().to_owned();
            Ok(client.open(&database, Databases::postgres).map_err(Into::into))
        })
    }
}

impl<T: Send + 'static> HostConnectionWithStore<T> for Asked {
    async fn open_async(accessor: &Accessor<T, Self>, address: String) -> Result<Result<Resource<Handle>, Error>> {
        Ok(accessor.with(|mut access| access.get().open(&address, Databases::postgres)).map_err(Into::into))
    }

    async fn query_async(
        accessor: &Accessor<T, Self>,
        this: Resource<Handle>,
        text: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Result<Answer, Error>> {
        let (connection, errand) = accessor.with(|mut access| access.get().opened(&this))?;
        let rows = connection.run(statement(text, parameters), errand.caller.deadline).await;
        let rows = match told(&errand, rows) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        let columns = rows.columns().iter().map(Into::into).collect();
        let (ended, end) = oneshot::channel();
        let stream = Stream { rows, errand, ended: Some(ended) };
        accessor.with(|mut access| {
            let rows = StreamReader::new(&mut access, stream)?;
            // A reader that leaves before the last row has no fault to be told.
            let end = async { Ok::<_, wasmtime::Error>(end.await.unwrap_or(Ok(()))) };
            Ok(Ok((columns, rows, FutureReader::new(&mut access, end)?)))
        })
    }

    async fn execute_async(
        accessor: &Accessor<T, Self>,
        this: Resource<Handle>,
        text: String,
        parameters: Vec<ParameterValue>,
    ) -> Result<Result<u64, Error>> {
        let (connection, errand) = accessor.with(|mut access| access.get().opened(&this))?;
        Ok(told(&errand, connection.count(statement(text, parameters), errand.caller.deadline).await))
    }
}

/// The rows of a statement.
struct Stream {
    rows: Rows<Line>,
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
    type Item = Row;
    type Buffer = VecBuffer<Row>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, Row, VecBuffer<Row>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let next = match self.rows.poll_next(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            polled => ready!(polled),
        };
        match next {
            None => self.end(Ok(())),
            Some(Ok(rows)) => {
                let rows = rows.into_iter().map(|row| row.into_iter().map(Into::into).collect::<Row>());
                destination.set_buffer(rows.collect::<Vec<_>>().into());
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
