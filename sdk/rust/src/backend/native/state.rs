//! What a test grants, in memory.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use bytes::Bytes;

use crate::{StateError, scope::Scope, testing::State};

/// What the test has; nothing outside of one.
fn state() -> State {
    Scope::current().and_then(|scope| Some(scope.world.as_ref()?.state.clone())).unwrap_or_default()
}

pub(crate) async fn variable(name: &str) -> Result<String, StateError> {
    let denied = || StateError::denied(format!("the variable {name}"), format!("{name} to [grants.config]"));
    state().variables.get(name).cloned().ok_or_else(denied)
}

pub(crate) struct Store(Rc<RefCell<BTreeMap<String, Bytes>>>);

impl Store {
    pub(crate) async fn open(name: &str) -> Result<Self, StateError> {
        let denied = || StateError::denied(format!("the store {name}"), format!("{name:?} to grants.kv"));
        state().stores.get(name).cloned().map(Self).ok_or_else(denied)
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StateError> {
        Ok(self.0.borrow().get(key).cloned())
    }

    pub(crate) async fn set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.0.borrow_mut().insert(key.to_owned(), Bytes::copy_from_slice(value));
        Ok(())
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StateError> {
        self.0.borrow_mut().remove(key);
        Ok(())
    }

    pub(crate) async fn exists(&self, key: &str) -> Result<bool, StateError> {
        Ok(self.0.borrow().contains_key(key))
    }

    pub(crate) async fn keys(&self) -> Result<Vec<String>, StateError> {
        Ok(self.0.borrow().keys().cloned().collect())
    }
}

#[cfg(feature = "sql")]
pub(crate) use self::sql::Database;

#[cfg(feature = "sql")]
mod sql {
    use std::rc::Rc;

    use rusqlite::{Connection, params_from_iter, types};

    use super::state;
    use crate::{
        StateError,
        sql::{Engine, Value},
        state::StateFailure,
    };

    /// All handles of a test's database are one connection: a test has no others beside it.
    pub(crate) struct Database(Rc<Connection>);

    impl Database {
        pub(crate) async fn open(name: &str) -> Result<Self, StateError> {
            let denied = || StateError::denied(format!("the database {name}"), format!("{name:?} to grants.sql"));
            state().databases.get(name).cloned().map(Self).ok_or_else(denied)
        }

        pub(crate) fn engine(&self) -> Engine {
            Engine::Sqlite
        }

        pub(crate) async fn run(
            &self,
            name: &str,
            statement: &str,
            parameters: Vec<Value>,
        ) -> Result<(Vec<String>, Vec<Vec<Value>>), StateError> {
            let failed =
                |error| StateError::new(StateFailure::Failed, format!("the database {name}"), format!("{error}"));
            self.rows(statement, parameters).map_err(failed)
        }

        fn rows(&self, statement: &str, parameters: Vec<Value>) -> rusqlite::Result<(Vec<String>, Vec<Vec<Value>>)> {
            let mut statement = self.0.prepare(statement)?;
            let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
            let (parameters, width) = (parameters.into_iter().map(given), columns.len());
            let row = |row: &rusqlite::Row<'_>| (0..width).map(|place| row.get(place).map(taken)).collect();
            let rows = statement.query_map(params_from_iter(parameters), row)?.collect::<rusqlite::Result<_>>()?;
            Ok((columns, rows))
        }
    }

    impl Drop for Database {
        fn drop(&mut self) {
            // As the host does with what was begun and not committed.
            if !self.0.is_autocommit() {
                let _ = self.0.execute_batch("ROLLBACK");
            }
        }
    }

    fn given(value: Value) -> types::Value {
        match value {
            Value::Null => types::Value::Null,
            Value::Integer(number) => types::Value::Integer(number),
            Value::Real(number) => types::Value::Real(number),
            Value::Text(text) => types::Value::Text(text),
            Value::Blob(bytes) => types::Value::Blob(bytes),
        }
    }

    fn taken(value: types::Value) -> Value {
        match value {
            types::Value::Null => Value::Null,
            types::Value::Integer(number) => Value::Integer(number),
            types::Value::Real(number) => Value::Real(number),
            types::Value::Text(text) => Value::Text(text),
            types::Value::Blob(bytes) => Value::Blob(bytes),
        }
    }
}
