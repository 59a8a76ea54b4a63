//! Keys and values: stores that the manifest's `grants.kv` names, shared by the plugins of a tenant.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{StateError, backend, state::StateFailure};

/// A store of bytes under keys. What [`Store::set`] has answered is on the disk.
///
/// ```
/// use wasmbay_sdk::{kv::Store, prelude::*};
///
/// #[derive(Deserialize, Serialize)]
/// struct Visit {
///     count: u64,
/// }
///
/// #[get("/visits/{name}")]
/// async fn visits(Path(name): Path<String>) -> Result<Json<Visit>> {
///     let store = Store::open("visits").await?;
///     let count = store.get_json(&name).await?.map_or(0, |visit: Visit| visit.count) + 1;
///     store.set_json(&name, &Visit { count }).await?;
///     Ok(Json(Visit { count }))
/// }
/// routes!(visits);
///
/// let client = wasmbay_sdk::testing::Client::new(PLUGIN).store("visits");
/// client.get("/visits/ann");
/// assert_eq!(client.get("/visits/ann").json::<Visit>().count, 2);
/// ```
pub struct Store {
    name: String,
    store: backend::state::Store,
}

impl Store {
    /// Opens a store, which the first write makes.
    ///
    /// # Errors
    /// One that `grants.kv` does not name.
    pub async fn open(name: &str) -> Result<Self, StateError> {
        Ok(Self { name: name.to_owned(), store: backend::state::Store::open(name).await? })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StateError> {
        self.store.get(key).await
    }

    /// The value of a key, as JSON.
    ///
    /// # Errors
    /// A value that is no JSON of this shape; a file that cannot be used.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        let Some(value) = self.get(key).await? else { return Ok(None) };
        serde_json::from_slice(&value).map(Some).map_err(|error| self.shape(key, &error))
    }

    /// Sets a value, whatever was there.
    ///
    /// # Errors
    /// A quota; a file that cannot be used: then it is not known whether it was set.
    pub async fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), StateError> {
        self.store.set(key, value.as_ref()).await
    }

    /// Sets a value, written as JSON.
    ///
    /// # Errors
    /// As [`Store::set`]; a value that cannot be written.
    pub async fn set_json(&self, key: &str, value: &impl Serialize) -> Result<(), StateError> {
        let text = serde_json::to_vec(value).map_err(|error| self.shape(key, &error))?;
        self.set(key, text).await
    }

    /// Removes a key, if it is there.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn delete(&self, key: &str) -> Result<(), StateError> {
        self.store.delete(key).await
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn exists(&self, key: &str) -> Result<bool, StateError> {
        self.store.exists(key).await
    }

    /// All keys, in the order of their bytes.
    ///
    /// # Errors
    /// A file that cannot be used; in a plugin of WASI 0.2, more than 4 MiB of keys.
    pub async fn keys(&self) -> Result<Vec<String>, StateError> {
        self.store.keys().await
    }

    fn shape(&self, key: &str, error: &serde_json::Error) -> StateError {
        StateError::new(StateFailure::Shape, format!("the key {key} of the store {}", self.name), error)
    }
}
