//! The interfaces through which a guest asks SQL databases.

mod mysql;
mod postgres;
mod sqlite;
mod stream;

use std::sync::Arc;

use wasmtime::{
    Result,
    component::{HasData, Linker, Resource, ResourceTable},
};

use super::{
    call::{Desk, Errand},
    state::State,
};
use crate::{
    capability::{
        Granted,
        sql::{Databases, Denied, server},
    },
    store,
};

/// Databases that the guests of one instance may have open at once.
pub(super) const MOST_OPEN: usize = 64;

/// Links all of them; those with functions that are async to engines that know such.
pub(super) fn link(linker: &mut Linker<State>, wasi_http_03: bool) -> Result<()> {
    sqlite::link(linker, wasi_http_03)?;
    postgres::link(linker, wasi_http_03)?;
    mysql::link(linker, wasi_http_03)
}

/// What the functions find in a store.
pub(super) struct Client<'a> {
    pub(super) table: &'a mut ResourceTable,
    pub(super) granted: &'a Granted,
    pub(super) desk: &'a Arc<Desk>,
    /// Held once for each database that is open, beside here.
    pub(super) open: &'a mut Option<Arc<()>>,
}

/// Stands for [`Client`] where a type without a lifetime is wanted.
struct Asked;

impl HasData for Asked {
    type Data<'a> = Client<'a>;
}

/// Why a guest gets no connection.
enum Trouble {
    Denied(Denied),
    Other(String),
}

/// What a guest is told by a function that would make all requests in its instance wait.
const STALLS: &str = "this function would hold up the other requests of this instance: call its async form, or set \
    instances.max_concurrent = 1";

/// What start code is told: a plugin that is only tried out, by `wasmbay check` for one, must not write to anything.
const TOO_EARLY: &str = "no database can be opened before there is a request";

impl Client<'_> {
    /// Opens a database by one of the ways that [`Databases`] has.
    fn open<C: Send + 'static>(
        &mut self,
        database: &str,
        way: impl FnOnce(&Databases, &str, &str, &Arc<()>) -> Result<C, Denied>,
    ) -> Result<Resource<C>, Trouble> {
        let errand = self.desk.errand();
        if errand.is_nobodys() {
            return Err(Trouble::Other(TOO_EARLY.to_owned()));
        }
        let open = self.open.get_or_insert_default();
        if Arc::strong_count(open) > MOST_OPEN {
            return Err(Trouble::Other(format!("{MOST_OPEN} databases are open, and no more may be: drop some")));
        }
        let connection = way(&self.granted.databases, &self.granted.plugin, database, open).map_err(|denied| {
            // Asking in another way than the database is kept is how a guest finds out; it is told, and nobody else.
            if !matches!(denied, Denied::OtherEngine { .. }) {
                errand.queried("denied");
                errand.tell("denied", &denied);
            }
            Trouble::Denied(denied)
        })?;
        self.table.push(connection).map_err(|error| Trouble::Other(error.to_string()))
    }

    /// Why a function that makes the guest wait does not, where it would stall others.
    fn may_wait(&self) -> Result<(), Trouble> {
        match self.granted.shared {
            true => Err(Trouble::Other(STALLS.to_owned())),
            false => Ok(()),
        }
    }

    /// A handle, and the request it works for.
    fn opened<C: Clone + 'static>(&self, handle: &Resource<C>) -> Result<(C, Arc<Errand>)> {
        Ok((self.table.get(handle)?.clone(), self.desk.errand()))
    }

    fn close<C: 'static>(&mut self, handle: Resource<C>) -> Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

/// Why a statement came to nothing, of whatever engine.
trait Counted {
    /// How a metric calls it.
    fn name(&self) -> &'static str;
}

impl Counted for store::sql::Refusal {
    fn name(&self) -> &'static str {
        self.name()
    }
}

impl Counted for server::Refusal {
    fn name(&self) -> &'static str {
        self.name()
    }
}

/// What a guest is told of a call that has ended, which is counted.
fn told<T, R: Counted, E: From<R>>(errand: &Errand, answer: Result<T, R>) -> Result<T, E> {
    errand.queried(answer.as_ref().map_or_else(Counted::name, |_| "ok"));
    answer.map_err(E::from)
}
