//! What differs between the two engines: programs, words, how an administrator asks, how a user is made.

use std::{path::Path, process::Command};

use super::scratch::SCRATCH;

/// A database server's make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    PostgreSql,
    /// MariaDB, which speaks MySQL's protocol.
    MariaDb,
}

impl Engine {
    /// The folder with a fresh data folder in it, and what to call its copy.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql.data",
            Self::MariaDb => "mariadb.data",
        }
    }

    /// The server over a data folder, on this port of loopback; administrators come in by a socket in `home`.
    ///
    /// What is written reaches the system before it is answered, though not the disk: it outlives the server, however
    /// that ends.
    pub(super) fn server(self, home: &Path, port: u16, settings: &[String]) -> Command {
        let data = home.join("data");
        match self {
            Self::PostgreSql => {
                let mut command = SCRATCH.program("postgresql/bin/postgres", self.end(), home);
                command.arg("-D").arg(data).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"]).arg(home);
                let own = [
                    "fsync=off",
                    "shared_buffers=16MB",
                    "max_connections=60",
                    "dynamic_shared_memory_type=mmap",
                    "jit=off",
                ];
                for setting in own.into_iter().chain(settings.iter().map(String::as_str)) {
                    command.args(["-c", setting]);
                }
                command
            }
            Self::MariaDb => {
                let mut command = SCRATCH.program("mariadb/bin/mariadbd", self.end(), home);
                // The first of all words, or the machine's own settings are read.
                command.arg("--no-defaults");
                let base = SCRATCH.programs.join("mariadb");
                let mut word = |name: &str, value: &Path| {
                    command.arg(format!("--{name}={}", value.display()));
                };
                word("basedir", &base);
                word("lc-messages-dir", &base.join("share"));
                word("character-sets-dir", &base.join("share/charsets"));
                word("datadir", &data);
                word("socket", &home.join("socket"));
                word("pid-file", &home.join("pid"));
                command.arg(format!("--port={port}"));
                command.args([
                    "--bind-address=127.0.0.1",
                    // Who comes over TCP is never `localhost`, and so never root.
                    "--skip-name-resolve",
                    "--innodb-data-file-path=ibdata1:5M:autoextend",
                    "--innodb-buffer-pool-size=16M",
                    "--innodb-flush-log-at-trx-commit=2",
                    "--innodb-flush-method=nosync",
                    "--innodb-use-native-aio=0",
                    "--max-connections=60",
                ]);
                command.args(settings.iter().map(|setting| format!("--{setting}")));
                command
            }
        }
    }

    /// The signal that ends it soonest and leaves nothing behind: PostgreSQL takes its processes and its shared memory
    /// along, which it could not if it were killed.
    pub(super) fn end(self) -> &'static str {
        match self {
            Self::PostgreSql => "QUIT",
            Self::MariaDb => "KILL",
        }
    }

    /// The engine's own client, as the administrator: prints rows, a line each, their values parted by tabs.
    pub(super) fn client(self, home: &Path, port: u16, database: &str, sql: &str) -> Command {
        match self {
            Self::PostgreSql => {
                let mut command = SCRATCH.program("postgresql/bin/psql", "KILL", home);
                command.arg("-h").arg(home).args(["-p", &port.to_string(), "-U", "postgres", "-d", database]);
                command.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
                command
            }
            Self::MariaDb => {
                let mut command = SCRATCH.program("mariadb/bin/mariadb", "KILL", home);
                command.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"]);
                command.arg(format!("--socket={}", home.join("socket").display()));
                command
                    .arg(format!("--character-sets-dir={}", SCRATCH.programs.join("mariadb/share/charsets").display()));
                command.args(["-D", database, "-e", sql]);
                command
            }
        }
    }

    /// The database that is always there.
    pub(super) fn first(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgres",
            Self::MariaDb => "mysql",
        }
    }

    /// Statements that make a database and its only user, both of one name.
    pub(super) fn creation(self, name: &str, password: &str) -> Vec<String> {
        match self {
            Self::PostgreSql => vec![
                format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"),
                format!("CREATE DATABASE {name} OWNER {name}"),
            ],
            Self::MariaDb => vec![
                format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"),
                format!("CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{password}'"),
                format!("GRANT ALL ON {name}.* TO {name}@'127.0.0.1'"),
            ],
        }
    }

    /// What a URL begins with.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgres",
            Self::MariaDb => "mysql",
        }
    }
}
