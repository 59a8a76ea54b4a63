//! The address of a database server, as the operator's secret has it. Nothing here prints any of it.

use std::{fmt, fs, path::Path, time::Duration};

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::tls::Client;
use crate::{
    capability::config::Hidden,
    config::{Database, TlsMode},
};

/// What keeps a database, and how it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file of this host's.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
    /// A MySQL or MariaDB server.
    Mysql,
}

/// Where a server is, as whom it is asked, and how that is protected.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) engine: Engine,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<Hidden>,
    pub(super) database: String,
    pub(super) tls: TlsMode,
    /// The operator's authorities, in PEM form.
    pub(super) authorities: Option<Vec<u8>>,
    /// The host's side of TLS.
    pub(super) client: Client,
    /// The longest time that making a connection may take, where the address says so.
    pub(super) connect: Option<Duration>,
    /// What the server is told of a session as it begins: `options` and `application_name` of PostgreSQL's.
    pub(super) options: Option<String>,
    pub(super) application: Option<String>,
}

/// Bytes of the largest file of authorities.
const MAX_AUTHORITIES: u64 = 1 << 20;

impl Engine {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mysql];

    /// As its makers call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
        }
    }

    /// By the scheme of an address, with the port that is meant where none is said.
    fn of(scheme: &str) -> Option<(Self, u16)> {
        match scheme {
            "postgres" | "postgresql" => Some((Self::Postgres, 5432)),
            "mysql" | "mariadb" => Some((Self::Mysql, 3306)),
            _ => None,
        }
    }
}

impl Address {
    /// Reads an address: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`, and what the settings say beside it.
    /// Reads a file, where there is one of authorities.
    ///
    /// # Errors
    /// What is wrong with it, in words that hold none of it.
    pub(super) fn read(url: &Hidden, database: &Database) -> Result<Self, String> {
        let secret = &database.secret;
        let wrong = |why: &str| format!("the secret {secret} {why}");
        let url = Url::parse(url.expose()).map_err(|error| {
            wrong(&format!("is no address such as postgres://USER:PASSWORD@HOST/DATABASE: {error}"))
        })?;
        let (engine, port) = Engine::of(url.scheme())
            .ok_or_else(|| wrong("begins with none of postgres://, postgresql://, mysql:// and mariadb://"))?;
        let text = |part: &str, what: &str| {
            let text =
                percent_decode_str(part).decode_utf8().map_err(|_| wrong(&format!("has a {what} that is no UTF-8")))?;
            if text.contains('\0') {
                Err(wrong(&format!("has a zero byte in its {what}")))
            } else {
                Ok(text.into_owned())
            }
        };
        let host = match url.host() {
            Some(Host::Ipv6(ip)) => ip.to_string(),
            Some(host) if !host.to_string().is_empty() => text(&host.to_string(), "host")?,
            _ => return Err(wrong("names no host")),
        };
        let user = match url.username() {
            "" => return Err(wrong("names no user")),
            user => text(user, "user")?,
        };
        let authorities = database.authorities.as_deref().map(authorities).transpose()?;
        let mut read = Self {
            engine,
            host,
            port: url.port().unwrap_or(port),
            password: url.password().map(|password| text(password, "password")).transpose()?.map(Hidden::from),
            database: match url.path().trim_start_matches('/') {
                "" => user.clone(),
                name => text(name, "database")?,
            },
            user,
            tls: TlsMode::Prefer,
            client: Client::new(TlsMode::Prefer, None)?,
            authorities,
            connect: None,
            options: None,
            application: None,
        };
        for (name, value) in url.query_pairs() {
            read.take(&name, &value).map_err(|why| wrong(&why))?;
        }
        read.tls = database.tls.unwrap_or(read.tls);
        if read.authorities.is_some() && read.tls <= TlsMode::Prefer {
            return Err("authorities certify nobody without TLS: write tls = \"verify-full\"".to_owned());
        }
        read.client = Client::new(read.tls, read.authorities.as_deref())?;
        Ok(read)
    }

    /// Takes a parameter of the address.
    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        match (name, self.engine) {
            ("sslmode", Engine::Postgres) => {
                self.tls = TlsMode::of(&value.replace("allow", "prefer"))
                    .ok_or_else(|| "has an sslmode that is none of libpq's".to_owned())?;
            }
            ("ssl-mode", Engine::Mysql) => {
                self.tls = match value.to_ascii_uppercase().as_str() {
                    "DISABLED" => TlsMode::Disable,
                    "PREFERRED" => TlsMode::Prefer,
                    "REQUIRED" => TlsMode::Require,
                    "VERIFY_CA" => TlsMode::VerifyCa,
                    "VERIFY_IDENTITY" => TlsMode::VerifyFull,
                    _ => return Err("has an ssl-mode that is none of MySQL's".to_owned()),
                };
            }
            ("connect_timeout", _) => {
                let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.ok_or("has a connect_timeout that is no number of seconds above 0")?;
                self.connect = Some(Duration::from_secs(seconds));
            }
            ("options", Engine::Postgres) => self.options = Some(value.to_owned()),
            ("application_name", Engine::Postgres) => self.application = Some(value.to_owned()),
            ("sslrootcert" | "ssl-ca", _) => {
                return Err(format!("has {name}: write authorities = \"FILE\" beside url in the settings"));
            }
            _ => {
                return Err("has a parameter that this host does not know: it may have sslmode (ssl-mode for MySQL), \
                            connect_timeout, options and application_name"
                    .to_owned());
            }
        }
        Ok(())
    }
}

fn authorities(file: &Path) -> Result<Vec<u8>, String> {
    let unusable = |why: &dyn fmt::Display| format!("authorities = {} {why}", file.display());
    let size = fs::metadata(file).map_err(|error| unusable(&format!("cannot be read: {error}")))?.len();
    if size > MAX_AUTHORITIES {
        return Err(unusable(&"is larger than a mebibyte"));
    }
    fs::read(file).map_err(|error| unusable(&format!("cannot be read: {error}")))
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("engine", &self.engine).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn read(url: &str, more: &str) -> Result<Address, String> {
        let text =
            format!("[secrets]\nDB = {{ env = \"DB\" }}\n[databases.main]\nurl = {{ secret = \"DB\" }}\n{more}\n");
        let settings = Settings::parse(&text, "wasmbay.toml").expect("good settings");
        Address::read(&Hidden::from(url.to_owned()), &settings.databases["main"])
    }

    #[test]
    fn an_address_says_where_and_as_whom() {
        let full = read("postgresql://m%65:p%40ss@[::1]:6543/sh%20op?sslmode=verify-full&connect_timeout=3", "")
            .expect("an address");
        assert_eq!((full.engine, &*full.host, full.port), (Engine::Postgres, "::1", 6543));
        assert_eq!((&*full.user, &*full.database), ("me", "sh op"));
        assert_eq!(full.password.as_ref().map(Hidden::expose), Some("p@ss"));
        assert_eq!((full.tls, full.connect), (TlsMode::VerifyFull, Some(Duration::from_secs(3))));
        let short = read("mariadb://me@db.example", "").expect("an address");
        assert_eq!((short.engine, short.port, &*short.database), (Engine::Mysql, 3306, "me"));
        assert_eq!((short.tls, short.password), (TlsMode::Prefer, None));
        let over = read("postgres://me@db/x?sslmode=disable", "tls = \"require\"").expect("an address");
        assert_eq!(over.tls, TlsMode::Require, "the settings go over the address");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_address() {
        for (url, why) in [
            ("canary", "is no address"),
            ("http://canary@db", "begins with none of"),
            ("postgres:///canary", "names no host"),
            ("postgres://db/canary", "names no user"),
            ("postgres://canary@db?sslmode=canary", "has an sslmode"),
            ("postgres://canary@db?canary=1", "has a parameter that this host does not know"),
            ("postgres://canary@db?sslrootcert=canary", "write authorities"),
            ("postgres://canary@db?connect_timeout=0", "connect_timeout"),
            ("postgres://canary@a:1,b:2/x", "is no address"),
            ("postgres://can%00ary@db", "zero byte"),
            ("postgres://canary%ff@db", "no UTF-8"),
        ] {
            let fault = read(url, "").expect_err(url);
            assert!(fault.starts_with("the secret DB ") && fault.contains(why), "{url}: {fault}");
            assert!(!fault.contains("canary"), "{fault}");
        }
        let fault = read("postgres://me@db", "authorities = \"/nowhere.pem\"").expect_err("no such file");
        assert!(fault.contains("authorities = /nowhere.pem cannot be read"), "{fault}");
    }
}
