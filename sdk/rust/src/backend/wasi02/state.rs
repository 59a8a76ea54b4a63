//! Variables, keys and databases by Spin's interfaces of WASI 0.2. Whoever asks stands still, on none of the host's threads.

use bytes::Bytes;

use self::bindings::fermyon::spin::{key_value, variables};
use crate::{StateError, state::StateFailure};

mod bindings {
    wit_bindgen::generate!({ path: "wit/state-0.2.wit", world: "state", generate_all });
}

/// The interfaces for databases.
#[cfg(feature = "sql")]
pub(crate) mod databases {
    pub(crate) use super::bindings::{fermyon::spin::sqlite, spin::postgres::postgres};
}

pub(crate) async fn variable(name: &str) -> Result<String, StateError> {
    use variables::Error;
    variables::get(name).map_err(|error| {
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
        let store = key_value::Store::open(name).map_err(|error| failed(name, error))?;
        Ok(Self { name: name.to_owned(), store })
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StateError> {
        Ok(self.told(self.store.get(key))?.map(Bytes::from))
    }

    pub(crate) async fn set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.told(self.store.set(key, value))
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StateError> {
        self.told(self.store.delete(key))
    }

    pub(crate) async fn exists(&self, key: &str) -> Result<bool, StateError> {
        self.told(self.store.exists(key))
    }

    pub(crate) async fn keys(&self) -> Result<Vec<String>, StateError> {
        self.told(self.store.get_keys())
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
