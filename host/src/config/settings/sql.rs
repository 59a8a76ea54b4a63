//! What SQL databases may hold and take: `[sql]` for all tenants, `[tenant.NAME.sql]` for one.

use std::time::Duration;

use schemars::JsonSchema;

use crate::{
    config::{
        checks::{self, Zero},
        fault::{At, Faults},
        leaf::Count,
        tree::Section,
    },
    units::{ByteSize, Interval},
};

/// What the databases of one tenant may hold, and what a statement may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlQuota {
    /// SQLite databases of the tenant.
    pub databases: u64,
    /// Bytes of one SQLite database.
    pub bytes: u64,
    /// Connections of the tenant to SQLite databases at once.
    pub connections: u32,
    /// How long one statement may compute, or wait for a lock; and how long a connection is waited for.
    pub statement: Duration,
    /// Rows of one result.
    pub rows: u64,
    /// Bytes of one result, as the host holds it.
    pub result: u64,
    /// Bytes of one value, and of one row in an SQLite file.
    pub value: u64,
}

impl SqlQuota {
    /// A database of the size that fits a page cache; results that fit a guest's memory several times over; connections
    /// that a quarter of a plugin's requests can hold at once.
    const DEFAULT: Self = Self {
        databases: 8,
        bytes: 256 << 20,
        connections: 16,
        statement: Duration::from_secs(5),
        rows: 100_000,
        result: 8 << 20,
        value: 1 << 20,
    };
}

impl Default for SqlQuota {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Threads of one tenant: each connection has one.
const CONNECTIONS: (u32, u32) = (1, 1000);

/// A value may be of any size up to half of what a guest may hand to the host in one call. Below a kilobyte SQLite cannot
/// keep its own tables.
const VALUE: (ByteSize, ByteSize) = (ByteSize(1 << 10), ByteSize(4 << 20));

/// Room for SQLite's own tables and some more, up to what SQLite can count.
const BYTES: (ByteSize, ByteSize) = (ByteSize(64 << 10), ByteSize(16 << 40));

/// What databases may hold and take.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenSql {
    /// SQLite databases of one tenant; 0 is none.
    #[schemars(extend("default" = SqlQuota::DEFAULT.databases))]
    databases: Option<At<Count>>,
    /// The size of one SQLite database.
    #[schemars(extend("default" = ByteSize(SqlQuota::DEFAULT.bytes)))]
    bytes: Option<At<ByteSize>>,
    /// Connections of one tenant to SQLite databases at once.
    #[schemars(extend("default" = SqlQuota::DEFAULT.connections, "minimum" = CONNECTIONS.0, "maximum" = CONNECTIONS.1))]
    connections: Option<At<u32>>,
    /// How long one statement may compute, or wait for a lock; and how long a connection is waited for.
    #[schemars(extend("default" = Interval(SqlQuota::DEFAULT.statement)))]
    statement: Option<At<Interval>>,
    /// Rows of one result.
    #[schemars(extend("default" = SqlQuota::DEFAULT.rows, "minimum" = 1))]
    rows: Option<At<Count>>,
    /// The size of one result as the host holds it: some 32 bytes a value beside its own.
    #[schemars(extend("default" = ByteSize(SqlQuota::DEFAULT.result)))]
    result: Option<At<ByteSize>>,
    /// The size of one value, and of one row in an SQLite file.
    #[schemars(extend("default" = ByteSize(SqlQuota::DEFAULT.value)))]
    value: Option<At<ByteSize>>,
}

impl WrittenSql {
    /// Takes every key of the table.
    pub(super) fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            databases: table.leaf(faults, "databases"),
            bytes: table.leaf(faults, "bytes"),
            connections: table.leaf(faults, "connections"),
            statement: table.leaf(faults, "statement"),
            rows: table.leaf(faults, "rows"),
            result: table.leaf(faults, "result"),
            value: table.leaf(faults, "value"),
        };
        table.finish(faults, &[]);
        written
    }

    /// Checks everything. What is not said is as in `rest`. `table` is the table's name.
    pub(super) fn meant(self, faults: &mut Faults, table: &str, rest: SqlQuota) -> SqlQuota {
        let key = |name: &str| format!("{table}.{name}");
        let mut size = |name: &str, ends, written: Option<At<ByteSize>>, rest: u64| {
            written.map_or(rest, |size| checks::within(faults, &key(name), ends, &size).0)
        };
        let bytes = size("bytes", BYTES, self.bytes, rest.bytes);
        let value = size("value", VALUE, self.value, rest.value);
        let result = size("result", (VALUE.0, BYTES.1), self.result, rest.result);
        let connections = self
            .connections
            .map_or(rest.connections, |written| checks::within(faults, &key("connections"), CONNECTIONS, &written));
        let statement = self
            .statement
            .map_or(rest.statement, |written| checks::interval(faults, &key("statement"), Zero::Refused, &written));
        let rows = self.rows.map_or(rest.rows, |written| checks::above_zero(faults, &key("rows"), &written).into());
        let databases = self.databases.map_or(rest.databases, |written| written.value.0.into());
        SqlQuota { databases, bytes, connections, statement, rows, result, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_tenant_has_what_the_host_says_but_for_what_it_is_given_itself() {
        let text = "[sql]\nbytes = \"1MiB\"\nstatement = \"2s\"\n[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\n\
                    sql = { databases = 0, connections = 2, statement = \"3s\" }\n";
        let tenants = Settings::parse(text, "wasmbay.toml").expect("good settings").tenants();
        let statement = Duration::from_secs(3);
        let quota = SqlQuota { databases: 0, bytes: 1 << 20, connections: 2, statement, ..SqlQuota::DEFAULT };
        assert_eq!(tenants["a"].sql, quota);
        let plain = Settings::parse("[sql]\nrows = 7", "wasmbay.toml").expect("good settings").tenants();
        assert_eq!(plain["default"].sql, SqlQuota { rows: 7, ..SqlQuota::DEFAULT });
    }

    #[test]
    fn every_fault_has_its_line() {
        let text =
            "[sql]\nbytes = \"1KiB\"\nconnections = 0\nstatement = \"0s\"\nrows = 0\nvalue = \"5MiB\"\nrow = 1\n";
        let faults = Settings::parse(text, "wasmbay.toml").expect_err("it has faults");
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        for (line, key) in (2..).zip(["bytes", "connections", "statement", "rows", "value", "row"]) {
            let start = format!("wasmbay.toml:{line}: `sql.{key}` ");
            assert!(faults.iter().any(|fault| fault.starts_with(&start)), "{start}: {faults:#?}");
        }
        assert_eq!(faults.len(), 6, "{faults:#?}");
    }
}
