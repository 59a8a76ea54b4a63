//! Variables, keys and databases by Spin's interfaces of WASI 0.2. Whoever asks stands still, on none of the host's threads.

use bytes::Bytes;

use self::bindings::fermyon::spin::{key_value, variables};
use crate::{StateError, state::StateFailure};

mod bindings {
    wit_bindgen::generate!({ path: "wit/state-0.2.wit", world: "state", generate_all });
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
pub(crate) use self::sql::Database;

#[cfg(feature = "sql")]
mod sql {
    use super::bindings::fermyon::spin::sqlite::{Connection, Error, Value as Theirs};
    use crate::{StateError, sql::Value, state::StateFailure};

    pub(crate) struct Database(Connection);

    impl Database {
        pub(crate) async fn open(name: &str) -> Result<Self, StateError> {
            Connection::open(name).map(Self).map_err(|error| failed(name, error))
        }

        pub(crate) async fn run(
            &self,
            name: &str,
            statement: &str,
            parameters: Vec<Value>,
        ) -> Result<(Vec<String>, Vec<Vec<Value>>), StateError> {
            let parameters: Vec<_> = parameters.into_iter().map(given).collect();
            let result = self.0.execute(statement, &parameters).map_err(|error| failed(name, error))?;
            let rows = result.rows.into_iter().map(|row| row.values.into_iter().map(taken).collect());
            Ok((result.columns, rows.collect()))
        }
    }

    fn failed(database: &str, error: Error) -> StateError {
        let what = format!("the database {database}");
        match error {
            Error::AccessDenied => StateError::denied(what, format!("{database:?} to grants.sql")),
            Error::DatabaseFull => StateError::new(StateFailure::Full, what, "it has the size that it may have"),
            Error::Io(said) => StateError::said(what, said),
            other => StateError::new(StateFailure::Failed, what, format!("{other:?}")),
        }
    }

    fn given(value: Value) -> Theirs {
        match value {
            Value::Null => Theirs::Null,
            Value::Integer(number) => Theirs::Integer(number),
            Value::Real(number) => Theirs::Real(number),
            Value::Text(text) => Theirs::Text(text),
            Value::Blob(bytes) => Theirs::Blob(bytes),
        }
    }

    fn taken(value: Theirs) -> Value {
        match value {
            Theirs::Null => Value::Null,
            Theirs::Integer(number) => Value::Integer(number),
            Theirs::Real(number) => Value::Real(number),
            Theirs::Text(text) => Value::Text(text),
            Theirs::Blob(bytes) => Value::Blob(bytes),
        }
    }
}
