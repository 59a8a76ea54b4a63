//! Variables, keys and databases by Spin's interfaces of WASI 0.3: whoever waits holds up no other request of the instance.

use bytes::Bytes;

use self::bindings::spin::{key_value::key_value, variables::variables};
use crate::{StateError, state::StateFailure};

mod bindings {
    wit_bindgen::generate!({ path: "wit/state-0.3.wit", world: "state", generate_all });
}

/// The interfaces for databases.
#[cfg(feature = "sql")]
pub(crate) mod databases {
    pub(crate) use super::bindings::spin::{postgres::postgres, sqlite::sqlite};
}

pub(crate) async fn variable(name: &str) -> Result<String, StateError> {
    use variables::Error;
    variables::get(name.to_owned()).await.map_err(|error| {
        let what = format!("the variable {name}");
        match error {
            Error::Undefined(_) => StateError::denied(what, format!("{name} to [grants.config]")),
            Error::InvalidName(said) | Error::Provider(said) | Error::Other(said) => {
                StateError::new(StateFailure::Failed, what, said)
            }
        }
    })
}

pub(crate) struct Store {
    name: String,
    store: key_value::Store,
}

impl Store {
    pub(crate) async fn open(name: &str) -> Result<Self, StateError> {
        let store = key_value::Store::open(name.to_owned()).await.map_err(|error| failed(name, error))?;
        Ok(Self { name: name.to_owned(), store })
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StateError> {
        Ok(self.told(self.store.get(key.to_owned()).await)?.map(Bytes::from))
    }

    pub(crate) async fn set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.told(self.store.set(key.to_owned(), value.to_vec()).await)
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StateError> {
        self.told(self.store.delete(key.to_owned()).await)
    }

    pub(crate) async fn exists(&self, key: &str) -> Result<bool, StateError> {
        self.told(self.store.exists(key.to_owned()).await)
    }

    pub(crate) async fn keys(&self) -> Result<Vec<String>, StateError> {
        let (keys, end) = self.store.get_keys().await;
        let keys = keys.collect().await;
        self.told(end.await).map(|()| keys)
    }

    fn told<T>(&self, answer: Result<T, key_value::Error>) -> Result<T, StateError> {
        answer.map_err(|error| failed(&self.name, error))
    }
}

fn failed(store: &str, error: key_value::Error) -> StateError {
    use key_value::Error;
    let what = format!("the store {store}");
    match error {
        Error::AccessDenied => StateError::denied(what, format!("{store:?} to grants.kv")),
        Error::StoreTableFull => StateError::new(StateFailure::Full, what, "too many stores are open"),
        Error::NoSuchStore => StateError::new(StateFailure::Failed, what, "there is no such store"),
        Error::Other(said) => StateError::said(what, said),
    }
}

#[cfg(feature = "sql")]
pub(crate) use crate::backend::sql::Database;
