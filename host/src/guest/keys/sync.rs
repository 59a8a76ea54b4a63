//! Spin's interface of WASI 0.2: its functions make their guest wait.

use wasmtime::{Result, component::Resource};

use super::{
    Keeper, MOST_LISTED, Trouble,
    bindings::fermyon::spin::key_value::{Error, Host, HostStore},
};
use crate::{capability::keys::Store, store::keys::PAGE};

impl Host for Keeper<'_> {}

impl HostStore for Keeper<'_> {
    async fn open(&mut self, label: String) -> Result<Result<Resource<Store>, Error>> {
        Ok(self.open_sync(&label).map_err(Into::into))
    }

    async fn get(&mut self, this: Resource<Store>, key: String) -> Result<Result<Option<Vec<u8>>, Error>> {
        let answer = self.store(&this)?.get(key).await;
        Ok(self.told(answer))
    }

    async fn set(&mut self, this: Resource<Store>, key: String, value: Vec<u8>) -> Result<Result<(), Error>> {
        let answer = self.store(&this)?.set(key, value).await;
        Ok(self.told(answer))
    }

    async fn delete(&mut self, this: Resource<Store>, key: String) -> Result<Result<(), Error>> {
        let answer = self.store(&this)?.delete(key).await;
        Ok(self.told(answer))
    }

    async fn exists(&mut self, this: Resource<Store>, key: String) -> Result<Result<bool, Error>> {
        let answer = self.store(&this)?.exists(key).await;
        Ok(self.told(answer))
    }

    async fn get_keys(&mut self, this: Resource<Store>) -> Result<Result<Vec<String>, Error>> {
        let store = self.store(&this)?;
        Ok(self.all_keys(&store).await.map_err(Into::into))
    }

    async fn drop(&mut self, this: Resource<Store>) -> Result<()> {
        self.close(this)
    }
}

impl Keeper<'_> {
    /// All keys of a store at once.
    async fn all_keys(&mut self, store: &Store) -> Result<Vec<String>, Trouble> {
        let (mut all, mut bytes, mut after) = (Vec::new(), 0, None);
        loop {
            let page = store.keys(after).await;
            let page: Vec<String> = self.told::<_, Trouble>(page)?;
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
}
