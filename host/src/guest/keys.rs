//! The interfaces through which a guest keeps keys and values.
//!
//! The functions of Spin's newer interface are async: whoever waits for one holds nothing up. Those of the other two make
//! their guest wait as a whole, on no thread.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::oneshot;
use wasmtime::{
    Result, StoreContextMut,
    component::{
        Accessor, Component, Destination, FutureReader, HasData, Linker, Resource, ResourceTable, ResourceTableError,
        StreamProducer, StreamReader, StreamResult, VecBuffer,
    },
};

use self::bindings::{
    fermyon::spin::key_value as sync,
    spin::key_value::key_value as concurrent,
    wasi::keyvalue::{atomics, store as buckets},
};
use super::{call::Desk, state::State};
use crate::{
    capability::{
        Granted,
        keys::{Seen, Store},
    },
    store::keys::{PAGE, Refusal},
};

mod bindings {
    wasmtime::component::bindgen!({
        path: ["wit/spin-key-value.wit", "wit/fermyon-spin.wit", "wit/wasi-keyvalue.wit"],
        inline: "
            package wasmbay:keys;
            world keys {
                import spin:key-value/key-value@3.0.0;
                import fermyon:spin/key-value@2.0.0;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
            }
        ",
        imports: { default: async | trappable },
        with: {
            "spin:key-value/key-value.store": crate::capability::keys::Store,
            "fermyon:spin/key-value.store": crate::capability::keys::Store,
            "wasi:keyvalue/store.bucket": crate::capability::keys::Store,
            "wasi:keyvalue/atomics.cas": crate::capability::keys::Seen,
        },
        require_store_data_send: true,
    });
}

/// Bytes of keys that a list may have which is handed over as a whole.
const MOST_LISTED: usize = 4 << 20;

/// Links all of them; the one whose functions are async to engines that know such.
pub(super) fn link(linker: &mut Linker<State>, wasi_http_03: bool) -> Result<()> {
    sync::add_to_linker::<_, Kept>(linker, State::keeper)?;
    buckets::add_to_linker::<_, Kept>(linker, State::keeper)?;
    atomics::add_to_linker::<_, Kept>(linker, State::keeper)?;
    if wasi_http_03 {
        concurrent::add_to_linker::<_, Kept>(linker, State::keeper)?;
    }
    Ok(())
}

/// By which of the interfaces a component can reach its stores.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    /// By functions that make the whole guest wait.
    pub(super) sync: bool,
    /// By functions that are async.
    pub(super) concurrent: bool,
}

impl Reach {
    /// Of this component, by its imports.
    pub(super) fn of(component: &Component) -> Self {
        let ty = component.component_type();
        let imports: Vec<_> = ty.imports(component.engine()).map(|(name, _)| name.to_owned()).collect();
        let has = |start: &str| imports.iter().any(|name| name.starts_with(start));
        Self {
            sync: has("fermyon:spin/key-value@") || has("wasi:keyvalue/"),
            concurrent: has("spin:key-value/key-value@"),
        }
    }
}

/// What the functions find in a store.
pub(super) struct Keeper<'a> {
    pub(super) table: &'a mut ResourceTable,
    pub(super) granted: &'a Granted,
    pub(super) desk: &'a Arc<Desk>,
}

/// Stands for [`Keeper`] where a type without a lifetime is wanted.
struct Kept;

impl HasData for Kept {
    type Data<'a> = Keeper<'a>;
}

/// Why a guest does not get what it asks for, in what all interfaces have words for.
enum Trouble {
    Full,
    Denied,
    Other(String),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal.to_string())
    }
}

/// What a guest is told by a function that would make all requests in its instance wait.
const STALLS: &str = "this function would hold up the other requests of this instance: call spin:key-value@3.0.0, or set \
    instances.max_concurrent = 1";

impl Keeper<'_> {
    fn open(&mut self, label: &str) -> Result<Resource<Store>, Trouble> {
        match self.granted.stores.open(&self.granted.plugin, label) {
            Ok(store) => self.hand_out(store),
            Err(denied) => {
                self.desk.errand().tell("denied", &denied);
                Err(Trouble::Denied)
            }
        }
    }

    /// The same for an interface whose functions make the guest wait.
    fn open_sync(&mut self, label: &str) -> Result<Resource<Store>, Trouble> {
        match self.granted.shared {
            true => Err(Trouble::Other(STALLS.to_owned())),
            false => self.open(label),
        }
    }

    fn hand_out<T: Send + 'static>(&mut self, thing: T) -> Result<Resource<T>, Trouble> {
        self.table.push(thing).map_err(|error| match error {
            ResourceTableError::Full => Trouble::Full,
            other => Trouble::Other(other.to_string()),
        })
    }

    fn store(&self, handle: &Resource<Store>) -> Result<Store> {
        Ok(self.table.get(handle)?.clone())
    }

    fn close<T: 'static>(&mut self, handle: Resource<T>) -> Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

/// All keys of a store at once.
async fn all_keys(store: &Store) -> Result<Vec<String>, Trouble> {
    let (mut all, mut bytes, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.keys(after).await?;
        let is_last = page.len() < PAGE;
        bytes += page.iter().map(String::len).sum::<usize>();
        if bytes > MOST_LISTED {
            let why = format!("the keys of this store are more than {MOST_LISTED} bytes: list them in pages");
            return Err(Trouble::Other(why));
        }
        all.extend(page);
        if is_last {
            return Ok(all);
        }
        after = all.last().cloned();
    }
}

macro_rules! error {
    ($($error:path, $full:expr;)+) => {$(
        impl From<Trouble> for $error {
            fn from(trouble: Trouble) -> Self {
                match trouble {
                    Trouble::Full => $full,
                    Trouble::Denied => Self::AccessDenied,
                    Trouble::Other(why) => Self::Other(why),
                }
            }
        }

        impl From<Refusal> for $error {
            fn from(refusal: Refusal) -> Self {
                Trouble::from(refusal).into()
            }
        }
    )+};
}

error! {
    sync::Error, Self::StoreTableFull;
    concurrent::Error, Self::StoreTableFull;
    buckets::Error, Self::Other("more stores are open than one request may have".to_owned());
}

impl sync::Host for Keeper<'_> {}

impl sync::HostStore for Keeper<'_> {
    async fn open(&mut self, label: String) -> Result<Result<Resource<Store>, sync::Error>> {
        Ok(self.open_sync(&label).map_err(Into::into))
    }

    async fn get(&mut self, this: Resource<Store>, key: String) -> Result<Result<Option<Vec<u8>>, sync::Error>> {
        Ok(self.store(&this)?.get(key).await.map_err(Into::into))
    }

    async fn set(&mut self, this: Resource<Store>, key: String, value: Vec<u8>) -> Result<Result<(), sync::Error>> {
        Ok(self.store(&this)?.set(key, value).await.map_err(Into::into))
    }

    async fn delete(&mut self, this: Resource<Store>, key: String) -> Result<Result<(), sync::Error>> {
        Ok(self.store(&this)?.delete(key).await.map_err(Into::into))
    }

    async fn exists(&mut self, this: Resource<Store>, key: String) -> Result<Result<bool, sync::Error>> {
        Ok(self.store(&this)?.exists(key).await.map_err(Into::into))
    }

    async fn get_keys(&mut self, this: Resource<Store>) -> Result<Result<Vec<String>, sync::Error>> {
        Ok(all_keys(&self.store(&this)?).await.map_err(Into::into))
    }

    async fn drop(&mut self, this: Resource<Store>) -> Result<()> {
        self.close(this)
    }
}

impl concurrent::Host for Keeper<'_> {}

impl concurrent::HostStore for Keeper<'_> {
    async fn drop(&mut self, this: Resource<Store>) -> Result<()> {
        self.close(this)
    }
}

impl<T: Send + 'static> concurrent::HostStoreWithStore<T> for Kept {
    async fn open(accessor: &Accessor<T, Self>, label: String) -> Result<Result<Resource<Store>, concurrent::Error>> {
        Ok(accessor.with(|mut access| access.get().open(&label)).map_err(Into::into))
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
    ) -> Result<Result<Option<Vec<u8>>, concurrent::Error>> {
        Ok(opened(accessor, &this)?.get(key).await.map_err(Into::into))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> Result<Result<(), concurrent::Error>> {
        Ok(opened(accessor, &this)?.set(key, value).await.map_err(Into::into))
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
    ) -> Result<Result<(), concurrent::Error>> {
        Ok(opened(accessor, &this)?.delete(key).await.map_err(Into::into))
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
        key: String,
    ) -> Result<Result<bool, concurrent::Error>> {
        Ok(opened(accessor, &this)?.exists(key).await.map_err(Into::into))
    }

    async fn get_keys(
        accessor: &Accessor<T, Self>,
        this: Resource<Store>,
    ) -> Result<(StreamReader<String>, FutureReader<Result<(), concurrent::Error>>)> {
        let store = opened(accessor, &this)?;
        let (ended, end) = oneshot::channel();
        let pages = Pages { store, after: None, page: None, ended: Some(ended) };
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

/// The keys of a store as a stream: the next page is asked for when this one has been read.
struct Pages {
    store: Store,
    after: Option<String>,
    page: Option<BoxFuture<'static, Result<Vec<String>, Refusal>>>,
    ended: Option<oneshot::Sender<Result<(), concurrent::Error>>>,
}

impl Pages {
    fn end(&mut self, how: Result<(), Refusal>) -> Poll<Result<StreamResult>> {
        if let Some(ended) = self.ended.take() {
            // Whoever reads the keys may not care.
            let _ = ended.send(how.map_err(Into::into));
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
        match answered {
            Err(refusal) => self.end(Err(refusal)),
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

impl buckets::Host for Keeper<'_> {
    async fn open(&mut self, identifier: String) -> Result<Result<Resource<Store>, buckets::Error>> {
        Ok(self.open_sync(&identifier).map_err(Into::into))
    }
}

impl buckets::HostBucket for Keeper<'_> {
    async fn get(&mut self, this: Resource<Store>, key: String) -> Result<Result<Option<Vec<u8>>, buckets::Error>> {
        Ok(self.store(&this)?.get(key).await.map_err(Into::into))
    }

    async fn set(&mut self, this: Resource<Store>, key: String, value: Vec<u8>) -> Result<Result<(), buckets::Error>> {
        Ok(self.store(&this)?.set(key, value).await.map_err(Into::into))
    }

    async fn delete(&mut self, this: Resource<Store>, key: String) -> Result<Result<(), buckets::Error>> {
        Ok(self.store(&this)?.delete(key).await.map_err(Into::into))
    }

    async fn exists(&mut self, this: Resource<Store>, key: String) -> Result<Result<bool, buckets::Error>> {
        Ok(self.store(&this)?.exists(key).await.map_err(Into::into))
    }

    async fn list_keys(
        &mut self,
        this: Resource<Store>,
        cursor: Option<String>,
    ) -> Result<Result<buckets::KeyResponse, buckets::Error>> {
        let keys = match self.store(&this)?.keys(cursor).await {
            Ok(keys) => keys,
            Err(refusal) => return Ok(Err(refusal.into())),
        };
        let cursor = keys.last().filter(|_| keys.len() == PAGE).cloned();
        Ok(Ok(buckets::KeyResponse { keys, cursor }))
    }

    async fn drop(&mut self, this: Resource<Store>) -> Result<()> {
        self.close(this)
    }
}

impl atomics::Host for Keeper<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Store>,
        key: String,
        delta: i64,
    ) -> Result<Result<i64, buckets::Error>> {
        Ok(self.store(&bucket)?.increment(key, delta).await.map_err(Into::into))
    }

    async fn swap(&mut self, cas: Resource<Seen>, value: Vec<u8>) -> Result<Result<(), atomics::CasError>> {
        let seen = self.table.delete(cas)?;
        Ok(match seen.swap(value).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(now)) => Err(match self.hand_out(now) {
                Ok(cas) => atomics::CasError::CasFailed(cas),
                Err(trouble) => atomics::CasError::StoreError(trouble.into()),
            }),
            Err(refusal) => Err(atomics::CasError::StoreError(refusal.into())),
        })
    }
}

impl atomics::HostCas for Keeper<'_> {
    async fn new(&mut self, bucket: Resource<Store>, key: String) -> Result<Result<Resource<Seen>, buckets::Error>> {
        Ok(match self.store(&bucket)?.see(key).await {
            Ok(seen) => self.hand_out(seen).map_err(Into::into),
            Err(refusal) => Err(refusal.into()),
        })
    }

    async fn current(&mut self, this: Resource<Seen>) -> Result<Result<Option<Vec<u8>>, buckets::Error>> {
        let mut seen = self.table.get(&this)?.clone();
        let value = seen.current().await;
        *self.table.get_mut(&this)? = seen;
        Ok(value.map_err(Into::into))
    }

    async fn drop(&mut self, this: Resource<Seen>) -> Result<()> {
        self.close(this)
    }
}
