//! `wasi:keyvalue`: pages of keys, and what is done as a whole. Its functions make their guest wait.

use wasmtime::{Result, component::Resource};

use super::{
    Keeper,
    bindings::wasi::keyvalue::{atomics, store as buckets},
};
use crate::{
    capability::keys::{Seen, Store},
    store::keys::PAGE,
};

impl buckets::Host for Keeper<'_> {
    async fn open(&mut self, identifier: String) -> Result<Result<Resource<Store>, buckets::Error>> {
        Ok(self.open_sync(&identifier).map_err(Into::into))
    }
}

impl buckets::HostBucket for Keeper<'_> {
    async fn get(&mut self, this: Resource<Store>, key: String) -> Result<Result<Option<Vec<u8>>, buckets::Error>> {
        let answer = self.store(&this)?.get(key).await;
        Ok(self.told(answer))
    }

    async fn set(&mut self, this: Resource<Store>, key: String, value: Vec<u8>) -> Result<Result<(), buckets::Error>> {
        let answer = self.store(&this)?.set(key, value).await;
        Ok(self.told(answer))
    }

    async fn delete(&mut self, this: Resource<Store>, key: String) -> Result<Result<(), buckets::Error>> {
        let answer = self.store(&this)?.delete(key).await;
        Ok(self.told(answer))
    }

    async fn exists(&mut self, this: Resource<Store>, key: String) -> Result<Result<bool, buckets::Error>> {
        let answer = self.store(&this)?.exists(key).await;
        Ok(self.told(answer))
    }

    async fn list_keys(
        &mut self,
        this: Resource<Store>,
        cursor: Option<String>,
    ) -> Result<Result<buckets::KeyResponse, buckets::Error>> {
        let answer = self.store(&this)?.keys(cursor).await;
        Ok(self.told(answer).map(|keys: Vec<String>| {
            let cursor = keys.last().filter(|_| keys.len() == PAGE).cloned();
            buckets::KeyResponse { keys, cursor }
        }))
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
        let answer = self.store(&bucket)?.increment(key, delta).await;
        Ok(self.told(answer))
    }

    async fn swap(&mut self, cas: Resource<Seen>, value: Vec<u8>) -> Result<Result<(), atomics::CasError>> {
        let seen = self.table.delete(cas)?;
        let answer = seen.swap(value).await;
        Ok(match self.told(answer) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(now)) => Err(match self.hand_out(now) {
                Ok(cas) => atomics::CasError::CasFailed(cas),
                Err(trouble) => atomics::CasError::StoreError(trouble.into()),
            }),
            Err(error) => Err(atomics::CasError::StoreError(error)),
        })
    }
}

impl atomics::HostCas for Keeper<'_> {
    async fn new(&mut self, bucket: Resource<Store>, key: String) -> Result<Result<Resource<Seen>, buckets::Error>> {
        let answer = self.store(&bucket)?.see(key).await;
        let seen: Result<Seen, buckets::Error> = self.told(answer);
        Ok(seen.and_then(|seen| self.hand_out(seen).map_err(Into::into)))
    }

    async fn current(&mut self, this: Resource<Seen>) -> Result<Result<Option<Vec<u8>>, buckets::Error>> {
        let mut seen = self.table.get(&this)?.clone();
        let answer = seen.current().await;
        *self.table.get_mut(&this)? = seen;
        Ok(self.told(answer))
    }

    async fn drop(&mut self, this: Resource<Seen>) -> Result<()> {
        self.close(this)
    }
}
