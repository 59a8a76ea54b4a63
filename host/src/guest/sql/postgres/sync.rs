//! The functions of PostgreSQL that make their guest wait.

use wasmtime::{Result, component::Resource};

use super::{
    super::{Client, told},
    AUTHORITIES, STALLS, earlier, first, first_types, later, second, statement,
};
use crate::capability::sql::{
    Databases,
    postgres::{Builder, Connection as Handle},
};

impl first_types::Host for Client<'_> {}

impl first::Host for Client<'_> {}

impl second::Host for Client<'_> {}

impl earlier::Host for Client<'_> {}

impl later::Host for Client<'_> {}

/// What all versions have; `types` is where its types are.
macro_rules! functions {
    ($types:ident) => {
        async fn open(&mut self, address: String) -> Result<Result<Resource<Handle>, $types::Error>> {
            let opened = self.may_wait().and_then(|()| self.open(&address, Databases::postgres));
            Ok(opened.map_err(Into::into))
        }

        async fn query(
            &mut self,
            this: Resource<Handle>,
            text: String,
            parameters: Vec<$types::ParameterValue>,
        ) -> Result<Result<$types::RowSet, $types::Error>> {
            // A handle that an async function has opened.
            if self.granted.shared {
                return Ok(Err($types::Error::Other(STALLS.to_owned())));
            }
            let (connection, errand) = self.opened(&this)?;
            let answer = connection.all(statement(text, parameters), errand.caller.deadline).await;
            let answer: Result<_, $types::Error> = told(&errand, answer);
            Ok(answer.map(|(columns, rows)| $types::RowSet {
                columns: columns.iter().map(Into::into).collect(),
                rows: rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect(),
            }))
        }

        async fn execute(
            &mut self,
            this: Resource<Handle>,
            text: String,
            parameters: Vec<$types::ParameterValue>,
        ) -> Result<Result<u64, $types::Error>> {
            if self.granted.shared {
                return Ok(Err($types::Error::Other(STALLS.to_owned())));
            }
            let (connection, errand) = self.opened(&this)?;
            Ok(told(&errand, connection.count(statement(text, parameters), errand.caller.deadline).await))
        }

        async fn drop(&mut self, this: Resource<Handle>) -> Result<()> {
            self.close(this)
        }
    };
}

/// What the versions from 4.1 on have.
macro_rules! builder {
    ($version:ident) => {
        impl $version::HostConnectionBuilder for Client<'_> {
            async fn new(&mut self, address: String) -> Result<Resource<Builder>> {
                Ok(self.table.push(Builder::new(address))?)
            }

            async fn set_ca_root(&mut self, _: Resource<Builder>, _: String) -> Result<Result<(), $version::Error>> {
                Ok(Err($version::Error::Other(AUTHORITIES.to_owned())))
            }

            async fn build(&mut self, this: Resource<Builder>) -> Result<Result<Resource<Handle>, $version::Error>> {
                let database = self.table.get(&this)?.database().to_owned();
                let opened = self.may_wait().and_then(|()| self.open(&database, Databases::postgres));
                Ok(opened.map_err(Into::into))
            }

            async fn drop(&mut self, this: Resource<Builder>) -> Result<()> {
                self.close(this)
            }
        }
    };
}

impl first::HostConnection for Client<'_> {
    functions!(first_types);
}

impl second::HostConnection for Client<'_> {
    functions!(second);
}

impl earlier::HostConnection for Client<'_> {
    functions!(earlier);
}

impl later::HostConnection for Client<'_> {
    functions!(later);
}

builder!(earlier);

builder!(later);
