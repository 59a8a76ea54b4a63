//! Spin's interface of WASI 0.3: its functions are async, and its list of keys is a stream.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::oneshot;
use wasmtime::{
    Result, StoreContextMut,
    component::{Accessor, Destination, FutureReader, Resource, StreamProducer, StreamReader, StreamResult, VecBuffer},
};

use super::{
    Errand, Keeper, Kept,
    bindings::spin::key_value::key_value::{Error, Host, HostStore, HostStoreWithStore},
};
use crate::{
    capability::keys::Store,
    store::keys::{PAGE, Refusal},
};

impl Host for Keeper<'_> {}

impl HostStore for Keeper<'_> {
    async fn drop(&mut self, this: Resource<Store>) -> Result<()> {
        self.close(this)
    }
}

impl<T: Send + 'static> HostStoreWithStore<T> for Kept {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Result<Result<Resource<Store>, Error>> {
        Ok(accessor.with(|mut access| access.get().open(&label)).map_err(Into::into))
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, Error>> {
        let answer = opened(accessor, &this)?.get(key).await;
        Ok(told(accessor, answer))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), Error>> {
        let answer = opened(accessor, &this)?.set(key, value).await;
        Ok(told(accessor, answer))
    }

    async fn delete(accessor: &Accessor<T, Self>, this: Resource<Store>, key: String) -> Result<Result<(), Error>> {
        let answer = opened(accessor, &this)?.delete(key).await;
        Ok(told(accessor, answer))
    }

    async fn exists(accessor: &Accessor<T, Self>, this: Resource<Store>, key: String) -> Result<Result<bool, Error>> {
        let answer = opened(accessor, &this)?.exists(key).await;
        Ok(told(accessor, answer))
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
    ) -> Result<(StreamReader<String>, FutureReader<Result<(), Error>>)> {
        let store = opened(accessor, &this)?;
        let errand = accessor.with(|mut access| access.get().desk.errand());
        let (ended, end) = oneshot::channel();
        let pages = Pages { store, errand, after: None, page: None, ended: Some(ended) };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, pages)?;
            // A reader that leaves before the last page has no fault to be told.
            let end = async { Ok::<_, wasmtime::Error>(end.await.unwrap_or(Ok(()))) };
            Ok((keys, FutureReader::new(&mut access, end)?))
        })
    }
}

fn opened<T: 'static>(accessor: &Accessor<T, Kept>, handle: &Resource<Store>) -> Result<Store> {
    accessor.with(|mut access| access.get().store(handle))
}

fn told<T: 'static, A: 'static>(accessor: &Accessor<T, Kept>, answer: Result<A, Refusal>) -> Result<A, Error> {
    accessor.with(|mut access| access.get().told(answer))
}

/// The keys of a store as a stream: the next page is asked for when this one has been read.
struct Pages {
    store: Store,
    errand: Arc<Errand>,
    after: Option<String>,
    page: Option<BoxFuture<'static, Result<Vec<String>, Refusal>>>,
    ended: Option<oneshot::Sender<Result<(), Error>>>,
}

impl Pages {
    fn end(&mut self, how: Result<(), Error>) -> Poll<Result<StreamResult>> {
        if let Some(ended) = self.ended.take() {
            // Whoever reads the keys may not care.
            let _ = ended.send(how);
        }
        Poll::Ready(Ok(StreamResult::Dropped))
    }
}

impl<D> StreamProducer<D> for Pages {
    type Item = String;
    type Buffer = VecBuffer<String>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: StoreContextMut<'a, D>,
        mut destination: Destination<'a, String, VecBuffer<String>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let Self { store, after, page, .. } = &mut *self;
        let asked = page.get_or_insert_with(|| {
            let (store, after) = (store.clone(), after.clone());
            async move { store.keys(after).await }.boxed()
        });
        let answered = match asked.poll_unpin(cx) {
            Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
            polled => ready!(polled),
        };
        self.page = None;
        match super::told(&self.errand, answered) {
            Err(error) => self.end(Err(error)),
            Ok(keys) if keys.is_empty() => self.end(Ok(())),
            Ok(keys) => {
                let is_last = keys.len() < PAGE;
                self.after = keys.last().cloned();
                destination.set_buffer(keys.into());
                if is_last { self.end(Ok(())) } else { Poll::Ready(Ok(StreamResult::Completed)) }
            }
        }
    }
}
