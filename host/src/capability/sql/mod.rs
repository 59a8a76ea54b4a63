//! SQL: the databases that a plugin's manifest grants it to open. Where the operator names a server it is there, else it is
//! an SQLite file of its tenant's.

mod address;
mod files;
pub mod mysql;
pub mod postgres;
pub mod server;
mod tls;

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use self::{address::Address, server::Server};
pub use self::{address::Engine, files::Connection};
use super::config::Supply;
use crate::{
    config::{Database, Manifest, SqlQuota, is_store},
    store::sql::{SqlFiles, Tenant as Files},
};

/// The way to every tenant's databases. Clones share it.
#[derive(Clone, Debug)]
pub struct Sql(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: SqlFiles,
    tenants: HashMap<String, Tenant>,
    supply: Supply,
    /// By tenant and database, those that were asked for.
    servers: Mutex<HashMap<(String, String), Place>>,
}

/// What the operator says of a tenant's databases.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    /// What those in files may hold and take.
    pub quota: SqlQuota,
    /// Those on servers, by name.
    pub databases: BTreeMap<String, Database>,
}

/// The databases that one plugin may open.
#[derive(Clone, Debug, Default)]
pub struct Databases(Option<Arc<Allowed>>);

#[derive(Debug)]
struct Allowed {
    tenant: Arc<Files>,
    places: BTreeMap<Arc<str>, Place>,
}

/// Where a database is.
#[derive(Clone, Debug)]
enum Place {
    File,
    Postgres(Arc<Server<postgres::Line>>),
    Mysql(Arc<Server<mysql::Line>>),
}

/// Why a database is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The manifest does not grant it.
    #[error("{plugin} may not open the database {database}: add \"{database}\" to grants.sql in plugin.toml")]
    NotGranted {
        /// Who asked.
        plugin: String,
        /// For what.
        database: String,
    },
    /// What was asked for cannot be a database's name. It may be an address with a password, and is not shown.
    #[error(
        "{plugin} may open databases by the names that grants.sql has for them, such as \"main\", not by an address: \
         addresses are in the operator's [databases]"
    )]
    NoName {
        /// Who asked.
        plugin: String,
    },
    /// It is asked in another way.
    #[error("the database {database} is {}, which is asked by other functions than those for {}", is.name(), asked.name())]
    OtherEngine {
        /// Which database.
        database: String,
        /// What it is.
        is: Engine,
        /// What the functions are for.
        asked: Engine,
    },
}

impl Sql {
    /// Files below the data folder, and servers, as each tenant has them by name. Nothing is opened.
    pub fn new(data: &Path, supply: Supply, tenants: impl IntoIterator<Item = (String, Tenant)>) -> Self {
        let tenants = tenants.into_iter().collect();
        Self(Arc::new(Inner { files: SqlFiles::new(data), tenants, supply, servers: Mutex::default() }))
    }

    /// The databases that a tenant's plugin is granted. Nothing is opened. Reads files: to be called where blocking does no
    /// harm.
    ///
    /// # Errors
    /// Each server whose address cannot be had; no message holds any of it.
    pub fn databases(&self, tenant: &str, manifest: &Manifest) -> Result<Databases, Vec<String>> {
        if manifest.grants.sql.is_empty() {
            return Ok(Databases::default());
        }
        let (mut places, mut faults) = (BTreeMap::new(), Vec::new());
        let nothing = Tenant::default();
        let own = self.0.tenants.get(tenant).unwrap_or(&nothing);
        for name in &manifest.grants.sql {
            let place = own.databases.get(name).map_or(Ok(Place::File), |database| self.server(tenant, name, database));
            match place {
                Ok(place) => drop(places.insert(Arc::from(name.as_str()), place)),
                Err(why) => faults.push(format!("grants.sql: the database {name}: {why}")),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let tenant = self.0.files.tenant(tenant, own.quota);
        Ok(Databases(Some(Arc::new(Allowed { tenant, places }))))
    }

    /// A database on a server: the one that is known, unless its address has changed since.
    fn server(&self, tenant: &str, name: &str, database: &Database) -> Result<Place, String> {
        let url = self.0.supply.secret(tenant, &database.secret)?;
        let address = Address::read(&url, database)?;
        let mut servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.to_owned(), name.to_owned());
        if let Some(known) = servers.get(&key)
            && known.is(&address, database)
        {
            return Ok(known.clone());
        }
        let (told, quota) = (format!("{tenant}/{name}"), database.quota);
        let place = match address.engine {
            Engine::Postgres => Place::Postgres(Arc::new(Server::new(told, address, quota))),
            Engine::Mysql => Place::Mysql(Arc::new(Server::new(told, address, quota))),
            Engine::Sqlite => return Err(format!("this host cannot ask {} on a server", Engine::Sqlite.name())),
        };
        servers.insert(key, place.clone());
        Ok(place)
    }
}

impl Databases {
    /// Opens one that is a file. It has no connection before its first statement. It holds `open` as long as it is.
    ///
    /// # Errors
    /// When it is not granted, or no file; the error says what would help.
    pub fn file(&self, plugin: &str, database: &str, open: &Arc<()>) -> Result<Connection, Denied> {
        let (allowed, name, place) = self.place(plugin, database)?;
        match place {
            Place::File => Ok(Connection::new(&allowed.tenant, name, open)),
            other => Err(other.not(name, Engine::Sqlite)),
        }
    }

    /// Opens one on a PostgreSQL server; see [`Databases::file`].
    ///
    /// # Errors
    /// When it is not granted, or elsewhere; the error says what would help.
    pub fn postgres(&self, plugin: &str, database: &str, open: &Arc<()>) -> Result<postgres::Connection, Denied> {
        let (_, name, place) = self.place(plugin, database)?;
        match place {
            Place::Postgres(server) => Ok(server::Connection::new(server, open)),
            other => Err(other.not(name, Engine::Postgres)),
        }
    }

    /// Opens one on a MySQL server; see [`Databases::file`].
    ///
    /// # Errors
    /// When it is not granted, or elsewhere; the error says what would help.
    pub fn mysql(&self, plugin: &str, database: &str, open: &Arc<()>) -> Result<mysql::Connection, Denied> {
        let (_, name, place) = self.place(plugin, database)?;
        match place {
            Place::Mysql(server) => Ok(server::Connection::new(server, open)),
            other => Err(other.not(name, Engine::Mysql)),
        }
    }

    /// What its databases are, each once.
    pub fn engines(&self) -> impl Iterator<Item = (&str, Engine)> {
        let places = self.0.iter().flat_map(|allowed| &allowed.places);
        places.map(|(name, place)| (&**name, place.engine()))
    }

    fn place(&self, plugin: &str, database: &str) -> Result<(&Allowed, &Arc<str>, &Place), Denied> {
        let found = self.0.as_ref().and_then(|allowed| Some((allowed, allowed.places.get_key_value(database)?)));
        if let Some((allowed, (name, place))) = found {
            return Ok((allowed, name, place));
        }
        let plugin = plugin.to_owned();
        Err(match is_store(database) {
            true => Denied::NotGranted { plugin, database: database.to_owned() },
            false => Denied::NoName { plugin },
        })
    }
}

impl Place {
    fn engine(&self) -> Engine {
        match self {
            Self::File => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
            Self::Mysql(_) => Engine::Mysql,
        }
    }

    fn is(&self, address: &Address, database: &Database) -> bool {
        match self {
            Self::File => false,
            Self::Postgres(server) => server.is(address, &database.quota),
            Self::Mysql(server) => server.is(address, &database.quota),
        }
    }

    fn not(&self, database: &str, asked: Engine) -> Denied {
        Denied::OtherEngine { database: database.to_owned(), is: self.engine(), asked }
    }
}

/// How long a connection is waited for. What goes on past its request's deadline has only the statement's own.
fn patience(statement: Duration, left: Duration) -> Duration {
    if left.is_zero() { statement } else { statement.min(left * 9 / 10) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn manifest(sql: &str) -> Manifest {
        let text =
            format!("manifest = 1\nname = \"shop\"\ncomponent = \"a.wasm\"\nlane = \"io\"\n[grants]\nsql = {sql}");
        Manifest::parse(&text, "plugin.toml").expect("a manifest")
    }

    fn databases(settings: &str, sql: &str) -> Result<Databases, Vec<String>> {
        let settings = Settings::parse(settings, "wasmbay.toml").expect("settings");
        let tenants = settings.tenants();
        let supply = Supply::new(tenants.clone().into_iter().map(|(name, tenant)| (name, tenant.supplies)));
        let tenants =
            tenants.into_iter().map(|(name, tenant)| (name, Tenant { quota: tenant.sql, databases: tenant.databases }));
        Sql::new(Path::new("/nowhere"), supply, tenants).databases("default", &manifest(sql))
    }

    #[test]
    fn what_is_not_granted_is_denied_with_the_line_that_grants_it() {
        for granted in ["[]", "[\"other\"]"] {
            let denied = databases("", granted)
                .expect("no server")
                .file("shop", "main", &Arc::default())
                .expect_err("it is not granted");
            let said = "shop may not open the database main: add \"main\" to grants.sql in plugin.toml";
            assert_eq!(denied.to_string(), said);
        }
        let databases = databases("", "[\"main\"]").expect("no server");
        assert_eq!(databases.file("shop", "main", &Arc::default()).expect("it is granted").changes(), 0);
        let address = "postgres://me:canary@db/main";
        let denied = databases.postgres("shop", address, &Arc::default()).expect_err("it is no name").to_string();
        assert!(denied.contains("by the names that grants.sql has for them") && !denied.contains("canary"), "{denied}");
    }

    #[test]
    fn a_database_is_asked_by_the_functions_for_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("url");
        let settings =
            format!("[secrets]\nDB = {{ file = {file:?} }}\n[databases.main]\nurl = {{ secret = \"DB\" }}\n");
        let with = |url: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::write(&file, url).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("changed");
            databases(&settings, "[\"main\", \"other\"]")
        };
        let there = with("postgres://me:canary@db.example/main").expect("an address");
        let wrong = there.file("shop", "main", &Arc::default()).expect_err("it is no file").to_string();
        assert_eq!(wrong, "the database main is PostgreSQL, which is asked by other functions than those for SQLite");
        let wrong = there.postgres("shop", "other", &Arc::default()).expect_err("it is a file").to_string();
        assert_eq!(wrong, "the database other is SQLite, which is asked by other functions than those for PostgreSQL");
        assert!(there.postgres("shop", "main", &Arc::default()).is_ok());
        assert!(!format!("{there:?}").contains("canary"), "{there:?}");
        for bad in ["canary", "oracle://me:canary@db/main", "postgres://me:canary@db/main?canary=1"] {
            let faults = with(bad).expect_err("no address");
            assert!(faults[0].starts_with("grants.sql: the database main: the secret DB "), "{faults:?}");
            assert!(!faults[0].contains("canary@"), "{faults:?}");
        }
    }

    #[test]
    fn a_connection_is_waited_for_while_it_can_still_be_told_that_there_is_none() {
        let seconds = Duration::from_secs;
        assert_eq!(patience(seconds(5), seconds(100)), seconds(5));
        assert_eq!(patience(seconds(5), seconds(2)), Duration::from_millis(1800));
        assert_eq!(patience(seconds(5), Duration::ZERO), seconds(5));
    }
}
