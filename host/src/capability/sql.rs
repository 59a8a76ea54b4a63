//! SQL: the databases that a plugin's manifest grants it to open, in files of its tenant's.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use tokio::{sync::OnceCell, time::Instant};

use crate::{
    config::{Manifest, SqlQuota},
    store::sql::{Refusal, Rows, Session, SqlFiles, Statement, Tenant},
};

/// The way to every tenant's databases. Clones share it.
#[derive(Clone, Debug)]
pub struct Sql {
    files: SqlFiles,
    quotas: Arc<HashMap<String, SqlQuota>>,
}

/// The databases that one plugin may open.
#[derive(Clone, Debug, Default)]
pub struct Databases(Option<Arc<Allowed>>);

#[derive(Debug)]
struct Allowed {
    tenant: Arc<Tenant>,
    names: Vec<Arc<str>>,
}

/// An open database. From the first statement on it has a connection of its own, until the last clone of it is dropped, and
/// the last rows that came of it: then what was begun is rolled back.
#[derive(Clone, Debug)]
pub struct Connection {
    tenant: Arc<Tenant>,
    database: Arc<str>,
    session: Arc<OnceCell<Arc<Session>>>,
    /// Says to whoever counts that it is open.
    _open: Arc<()>,
}

/// A database that the manifest does not grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{plugin} may not open the database {database}: add \"{database}\" to grants.sql in plugin.toml")]
pub struct Denied {
    plugin: String,
    database: String,
}

impl Sql {
    /// Files below the data folder, with each tenant's quota by name.
    pub fn new(data: &Path, quotas: impl IntoIterator<Item = (String, SqlQuota)>) -> Self {
        Self { files: SqlFiles::new(data), quotas: Arc::new(quotas.into_iter().collect()) }
    }

    /// The databases that a tenant's plugin is granted. Nothing is opened.
    pub fn databases(&self, tenant: &str, manifest: &Manifest) -> Databases {
        let names: Vec<Arc<str>> = manifest.grants.sql.iter().map(|name| Arc::from(name.as_str())).collect();
        if names.is_empty() {
            return Databases::default();
        }
        let quota = self.quotas.get(tenant).copied().unwrap_or_default();
        Databases(Some(Arc::new(Allowed { tenant: self.files.tenant(tenant, quota), names })))
    }
}

impl Databases {
    /// Opens one. It has no connection before its first statement. It holds `open` as long as it is.
    ///
    /// # Errors
    /// When it is not granted; the error says what would grant it.
    pub fn open(&self, plugin: &str, database: &str, open: &Arc<()>) -> Result<Connection, Denied> {
        let allowed = self.0.as_ref();
        let found =
            allowed.and_then(|allowed| Some((allowed, allowed.names.iter().find(|name| ***name == *database)?)));
        match found {
            Some((allowed, name)) => Ok(Connection {
                tenant: Arc::clone(&allowed.tenant),
                database: Arc::clone(name),
                session: Arc::default(),
                _open: Arc::clone(open),
            }),
            None => Err(Denied { plugin: plugin.to_owned(), database: database.to_owned() }),
        }
    }
}

impl Connection {
    /// Runs a statement until its first rows. Waits on no thread, for a free connection, for locks and for what is computed.
    ///
    /// A connection is waited for as long as a statement may run, and not beyond nine tenths of what is left until
    /// `deadline`: whoever asks is told while it can still answer.
    ///
    /// # Errors
    /// Why it came to nothing.
    ///
    /// # Cancel safety
    /// Dropping the future interrupts the statement; it is done or not.
    pub async fn run(&self, statement: Statement, deadline: Instant) -> Result<Rows, Refusal> {
        let patience = patience(self.tenant.quota().statement, deadline.saturating_duration_since(Instant::now()));
        let session = self
            .session
            .get_or_try_init(|| async { self.tenant.session(&self.database, patience).await.map(Arc::new) });
        session.await?.run(statement).await
    }

    /// Rows that the last statement that is done has changed.
    pub fn changes(&self) -> u64 {
        self.session.get().map_or(0, |session| session.changes())
    }

    /// The rowid of the last row that was inserted; 0 before the first.
    pub fn last_rowid(&self) -> i64 {
        self.session.get().map_or(0, |session| session.last_rowid())
    }
}

/// How long a connection is waited for. What goes on past its request's deadline has only the statement's own.
fn patience(statement: Duration, left: Duration) -> Duration {
    if left.is_zero() { statement } else { statement.min(left * 9 / 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(sql: &str) -> Manifest {
        let text =
            format!("manifest = 1\nname = \"shop\"\ncomponent = \"a.wasm\"\nlane = \"io\"\n[grants]\nsql = {sql}");
        Manifest::parse(&text, "plugin.toml").expect("a manifest")
    }

    #[test]
    fn what_is_not_granted_is_denied_with_the_line_that_grants_it() {
        let sql = Sql::new(Path::new("/nowhere"), []);
        for granted in ["[]", "[\"other\"]"] {
            let denied = sql
                .databases("default", &manifest(granted))
                .open("shop", "main", &Arc::default())
                .expect_err("it is not granted");
            let said = "shop may not open the database main: add \"main\" to grants.sql in plugin.toml";
            assert_eq!(denied.to_string(), said);
        }
        let databases = sql.databases("default", &manifest("[\"main\"]"));
        assert_eq!(databases.open("shop", "main", &Arc::default()).expect("it is granted").changes(), 0);
    }

    #[test]
    fn a_connection_is_waited_for_while_it_can_still_be_told_that_there_is_none() {
        let seconds = Duration::from_secs;
        assert_eq!(patience(seconds(5), seconds(100)), seconds(5));
        assert_eq!(patience(seconds(5), seconds(2)), Duration::from_millis(1800));
        assert_eq!(patience(seconds(5), Duration::ZERO), seconds(5));
    }
}
