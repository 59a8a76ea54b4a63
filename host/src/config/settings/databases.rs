//! Databases on servers: `[databases.NAME]` on a host without tenants, `[tenant.NAME.databases.NAME]` else.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;

use super::{SqlQuota, Supplies};
use crate::{
    config::{
        checks::{self, Zero},
        fault::{At, Faults, Place, Wrong},
        leaf::{Count, Leaf, one_of},
        names,
        tree::Section,
    },
    units::{ByteSize, Interval},
};

/// A database on a server, as the operator gives it to a tenant. It holds no address, only which secret is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The secret of the tenant's that is the address: `postgres://…`, `mysql://…`.
    pub secret: String,
    /// How the connection is protected; `None` is as the address says.
    pub tls: Option<TlsMode>,
    /// A file of authorities, in PEM form, that the server has to be certified by; `None` is the public ones.
    pub authorities: Option<PathBuf>,
    /// What a statement may take.
    pub quota: DatabaseQuota,
}

/// What a tenant's plugins may take of one database on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseQuota {
    /// Connections of the host to it at once.
    pub connections: u32,
    /// How long one statement may run; and how long a connection is waited for.
    pub statement: Duration,
    /// Rows of one result.
    pub rows: u64,
    /// Bytes of one result, as the host holds it; and of any one message of the server's.
    pub result: u64,
    /// Bytes of one value.
    pub value: u64,
}

/// How a connection to a database server is protected, the weakest first. The words mean what they mean to `libpq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema)]
#[schemars(rename_all = "kebab-case", inline)]
pub enum TlsMode {
    /// It is not.
    Disable,
    /// By TLS where the server has it. Whoever stands between can have it not.
    Prefer,
    /// By TLS with whoever answers.
    Require,
    /// By TLS with a server that an authority has certified, for whatever name.
    VerifyCa,
    /// By TLS with a server that an authority has certified for the name it was called by.
    VerifyFull,
}

/// Connections to one database by default: a tenth of what PostgreSQL allows in all where nobody says otherwise.
const CONNECTIONS_BY_DEFAULT: u32 = 10;

/// Far above what a server holds.
const CONNECTIONS: (u32, u32) = (1, 1000);

/// A value may be of any size up to half of what a guest may hand to the host in one call.
const VALUE: (ByteSize, ByteSize) = (ByteSize(1 << 10), ByteSize(4 << 20));

/// What the host holds of one result while it is read.
const RESULT: (ByteSize, ByteSize) = (ByteSize(1 << 10), ByteSize(1 << 30));

/// Databases under names of the operator's choice, as they are written.
#[derive(Default)]
pub(super) struct WrittenDatabases(Vec<(At<String>, WrittenDatabase)>);

/// A database on a server.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenDatabase {
    /// Where it is, and as whom: a secret that begins with `postgres://`, `mysql://` or `mariadb://`.
    #[schemars(required)]
    url: Option<WrittenUrl>,
    /// How the connection is protected, as libpq's `sslmode`. None: as the address says, else `prefer`.
    tls: Option<At<TlsMode>>,
    /// A file of authorities, in PEM form and relative to this file, that the server has to be certified by in place of
    /// the public ones.
    authorities: Option<At<PathBuf>>,
    /// Connections of the host to it at once.
    #[schemars(extend("default" = CONNECTIONS_BY_DEFAULT, "minimum" = CONNECTIONS.0, "maximum" = CONNECTIONS.1))]
    connections: Option<At<u32>>,
    /// How long one statement may run; and how long a connection is waited for. None: as in `[sql]`.
    statement: Option<At<Interval>>,
    /// Rows of one result. None: as in `[sql]`.
    #[schemars(extend("minimum" = 1))]
    rows: Option<At<Count>>,
    /// The size of one result as the host holds it, and of any one message of the server's. None: as in `[sql]`.
    result: Option<At<ByteSize>>,
    /// The size of one value. None: as in `[sql]`.
    value: Option<At<ByteSize>>,
}

/// The address of a database: a secret of the operator's.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenUrl {
    /// Its name in `[secrets]`.
    #[schemars(required)]
    secret: Option<At<String>>,
}

impl WrittenDatabases {
    /// Takes the key `databases`.
    pub(super) fn read(table: &mut Section<'_>, faults: &mut Faults) -> Self {
        let databases = table.named_tables(faults, "databases").into_iter();
        Self(databases.map(|(name, table)| (name, WrittenDatabase::read(table, faults))).collect())
    }

    /// The paths that begin where they are written.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut At<PathBuf>> {
        self.0.iter_mut().filter_map(|(_, database)| database.authorities.as_mut())
    }

    /// Where the first stands.
    pub(super) fn first(&self) -> Option<&Place> {
        self.0.first().map(|(name, _)| &name.place)
    }

    /// Checks everything. What is not said is as in `rest`. `above` is what stands before the key: empty, or ending with
    /// a dot. A secret that is an address is kept from the plugins that could name it.
    pub(super) fn meant(
        self,
        faults: &mut Faults,
        above: &str,
        supplies: &mut Supplies,
        rest: SqlQuota,
    ) -> BTreeMap<String, Database> {
        let mut databases = BTreeMap::new();
        for (name, written) in self.0 {
            let key = format!("{above}databases.{}", name.value.escape_debug());
            faults.keep(&name.place, &key, names::store("database", &name.value));
            databases.extend(written.meant(faults, &key, supplies, rest).map(|database| (name.value, database)));
        }
        supplies.addresses = databases.values().map(|database| database.secret.clone()).collect::<BTreeSet<_>>();
        databases
    }
}

impl WrittenDatabase {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        const REMEDY: &str = "write url = { secret = \"NAME\" }, and the address in that secret";
        if !table.has("url") {
            faults.add(&table.place(), &table.name("url"), Wrong::new("is missing").remedy(REMEDY));
        }
        let written = Self {
            url: table.table(faults, "url").map(|mut url| {
                let secret = url.required(faults, "secret", REMEDY);
                url.finish(faults, &[]);
                WrittenUrl { secret }
            }),
            tls: table.leaf(faults, "tls"),
            authorities: table.leaf(faults, "authorities"),
            connections: table.leaf(faults, "connections"),
            statement: table.leaf(faults, "statement"),
            rows: table.leaf(faults, "rows"),
            result: table.leaf(faults, "result"),
            value: table.leaf(faults, "value"),
        };
        table.finish(faults, &[]);
        written
    }

    fn meant(self, faults: &mut Faults, above: &str, supplies: &Supplies, rest: SqlQuota) -> Option<Database> {
        let key = |name: &str| format!("{above}.{name}");
        let mut size = |name: &str, ends, written: Option<At<ByteSize>>, rest: u64| {
            written.map_or(rest, |size| checks::within(faults, &key(name), ends, &size).0)
        };
        let value = size("value", VALUE, self.value, rest.value);
        let result = size("result", RESULT, self.result, rest.result);
        let connections = self.connections.map_or(CONNECTIONS_BY_DEFAULT, |written| {
            checks::within(faults, &key("connections"), CONNECTIONS, &written)
        });
        let statement = self
            .statement
            .map_or(rest.statement, |written| checks::interval(faults, &key("statement"), Zero::Refused, &written));
        let rows = self.rows.map_or(rest.rows, |written| checks::above_zero(faults, &key("rows"), &written).into());
        let quota = DatabaseQuota { connections, statement, rows, result, value };
        let At { value: secret, place } = self.url?.secret?;
        if !supplies.secrets.contains_key(&secret) {
            let table = above.split_once("databases.").map_or("", |(tenant, _)| tenant);
            let wrong = Wrong::new(format!("= {secret:?} is no secret of [{table}secrets]"));
            let remedy = format!("write it there: {secret} = {{ file = \"PATH\" }} or {{ env = \"VARIABLE\" }}");
            faults.add(&place, &key("url.secret"), wrong.remedy(remedy));
        }
        let authorities = self.authorities.map(|file| file.value);
        Some(Database { secret, tls: self.tls.map(|tls| tls.value), authorities, quota })
    }
}

impl TlsMode {
    /// Each of them by its name.
    const NAMES: [(&str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// The mode of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode)
    }
}

impl Leaf for TlsMode {
    const WHAT: &'static str = "\"disable\", \"prefer\", \"require\", \"verify-ca\" or \"verify-full\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        one_of(text, &Self::NAMES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn faults(text: &str) -> Vec<String> {
        let faults = Settings::parse(text, "wasmbay.toml").expect_err("it has faults");
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_database_has_what_sql_says_but_for_what_it_is_given_itself() {
        let text = "[sql]\nrows = 7\n[secrets]\nDB = { env = \"DB\" }\n[databases.main]\nurl = { secret = \"DB\" }\n\
                    tls = \"verify-full\"\nstatement = \"2s\"\n";
        let tenants = Settings::parse(text, "wasmbay.toml").expect("good settings").tenants();
        let rest = SqlQuota::default();
        let quota = DatabaseQuota {
            connections: CONNECTIONS_BY_DEFAULT,
            statement: Duration::from_secs(2),
            rows: 7,
            result: rest.result,
            value: rest.value,
        };
        let database = Database { secret: "DB".to_owned(), tls: Some(TlsMode::VerifyFull), authorities: None, quota };
        assert_eq!(tenants["default"].databases, BTreeMap::from([("main".to_owned(), database)]));
        assert!(tenants["default"].supplies.addresses.contains("DB"));
    }

    #[test]
    fn each_tenant_has_its_own_and_what_belongs_to_none_is_refused() {
        let tenant = "[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\n[tenant.a.secrets]\nDB = { env = \"A\" }\n\
                      [tenant.a.databases.main]\nurl = { secret = \"DB\" }\n";
        let tenants = Settings::parse(tenant, "wasmbay.toml").expect("good settings").tenants();
        assert_eq!(tenants["a"].databases["main"].secret, "DB");
        let faults = faults(&format!("[databases.main]\nurl = {{ secret = \"DB\" }}\n{tenant}"));
        let first = "wasmbay.toml:1: `databases` belongs to no tenant (write [tenant.NAME.databases])";
        assert!(faults.iter().any(|fault| fault == first), "{faults:#?}");
    }

    #[test]
    fn every_fault_has_its_line_and_a_remedy() {
        let faults = faults(
            "[secrets]\nDB = { env = \"DB\" }\n[databases.Main]\nurl = { secret = \"DB\" }\n[databases.a]\ntls = \"verify\"\n\
             [databases.b]\nurl = { secret = \"D\" }\nconnections = 0\nvalu = 1\n[databases.c]\nurl = \"postgres://x\"\n\
             [databases.d]\nurl = {}\n",
        );
        let starts = [
            "wasmbay.toml:3: `databases.Main` = \"Main\" is no name of a database",
            "wasmbay.toml:5: `databases.a.url` is missing (write url = { secret",
            "wasmbay.toml:6: `databases.a.tls` ",
            "wasmbay.toml:8: `databases.b.url.secret` = \"D\" is no secret of [secrets] (write it there",
            "wasmbay.toml:9: `databases.b.connections` = 0 is out of range",
            "wasmbay.toml:10: `databases.b.valu` is an unknown key (did you mean `databases.b.value`?)",
            "wasmbay.toml:12: `databases.c.url` must be a table",
            "wasmbay.toml:14: `databases.d.url.secret` is missing",
        ];
        for start in starts {
            assert!(faults.iter().any(|fault| fault.starts_with(start)), "{start}: {faults:#?}");
        }
        assert_eq!(faults.len(), starts.len(), "{faults:#?}");
        assert!(!format!("{faults:?}").contains("postgres://"), "{faults:#?}");
    }
}
