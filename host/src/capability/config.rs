//! Variables: what a plugin's manifest grants it to know, from the manifest, the operator or a secret.
//!
//! Every value is read when its plugin loads. None of them is ever shown: [`Hidden`] has no way to.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
};

use crate::config::{DEFAULT_TENANT, Given, MAX_VARIABLE, Manifest, SecretSource, Supplies, is_variable};

/// A text that nothing prints: what it holds is for the guest alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(Arc<str>);

impl Hidden {
    /// The text itself, to be handed to the guest and to nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// What the operator hands to each tenant's plugins. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Supply(Arc<HashMap<String, Supplies>>);

/// The variables of one plugin. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Variables(Arc<BTreeMap<String, Hidden>>);

/// Why a variable is not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// What was asked for cannot be a variable's name.
    #[error("a variable's name is made of lower-case letters, digits and single underscores between them")]
    BadName,
    /// The manifest does not grant it.
    #[error("{plugin} may not read the variable {name}: add {name} to [grants.config] in plugin.toml")]
    Denied {
        /// Who asked.
        plugin: String,
        /// For what.
        name: String,
    },
}

impl Supply {
    /// From what the settings say of each tenant, by name.
    pub fn new(tenants: impl IntoIterator<Item = (String, Supplies)>) -> Self {
        Self(Arc::new(tenants.into_iter().collect()))
    }

    /// A secret of a tenant's, for the host's own use. Reads a file, perhaps.
    ///
    /// # Errors
    /// Why it cannot be had. The message does not hold it.
    pub fn secret(&self, tenant: &str, name: &str) -> Result<Hidden, String> {
        let none = Supplies::default();
        supplied(self.0.get(tenant).unwrap_or(&none), tenant, name)
    }

    /// The values of all variables that the manifest grants. Reads files: to be called where blocking does no harm.
    ///
    /// # Errors
    /// Each variable that cannot be had, with what to do about it. No message holds a value.
    pub fn variables(&self, tenant: &str, manifest: &Manifest) -> Result<Variables, Vec<String>> {
        let (mut values, mut faults) = (BTreeMap::new(), Vec::new());
        let none = Supplies::default();
        let supplies = self.0.get(tenant).unwrap_or(&none);
        let own = supplies.config.get(&manifest.name);
        for (name, given) in &manifest.grants.config {
            let value = match given {
                Given::Text(text) => Ok(own.and_then(|own| own.get(name)).unwrap_or(text).clone().into()),
                Given::Secret(secret) if supplies.addresses.contains(secret) => Err(format!(
                    "the secret {secret} is the address of a database, which no plugin is told: grant the database by its \
                     name in grants.sql"
                )),
                Given::Secret(secret) => supplied(supplies, tenant, secret),
            };
            match value {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(why) => faults.push(format!("grants.config.{name}: {why}")),
            }
        }
        for name in own.into_iter().flat_map(BTreeMap::keys) {
            if !matches!(manifest.grants.config.get(name), Some(Given::Text(_))) {
                let table = table(tenant, &format!("config.{}", manifest.name));
                faults.push(format!(
                    "grants.config: the operator's {table} sets {name}, which the manifest grants as no text: \
                     remove it there, or grant it here"
                ));
            }
        }
        if faults.is_empty() { Ok(Variables(Arc::new(values))) } else { Err(faults) }
    }
}

impl Variables {
    /// The value of one.
    ///
    /// # Errors
    /// When it is not granted; the error is for the guest and says what would grant it.
    pub fn get(&self, plugin: &str, name: &str) -> Result<&Hidden, Untold> {
        if !is_variable(name) {
            return Err(Untold::BadName);
        }
        self.0.get(name).ok_or_else(|| Untold::Denied { plugin: plugin.to_owned(), name: name.to_owned() })
    }

    /// Each of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Hidden)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// What the operator calls a table of a tenant's.
fn table(tenant: &str, name: &str) -> String {
    if tenant == DEFAULT_TENANT { format!("[{name}]") } else { format!("[tenant.{tenant}.{name}]") }
}

fn supplied(supplies: &Supplies, tenant: &str, secret: &str) -> Result<Hidden, String> {
    match supplies.secrets.get(secret) {
        None if supplies.stand_ins => usable(std::env::var(secret).unwrap_or_else(|_| secret.to_owned())),
        None => Err(format!(
            "the operator keeps no secret {secret}: add {secret} to {} in wasmbay.toml",
            table(tenant, "secrets")
        )),
        Some(SecretSource::File(path)) => {
            from_file(path).map_err(|why| format!("the secret {secret} in {} {why}", path.display()))
        }
        Some(SecretSource::Env(variable)) => match std::env::var(variable) {
            Ok(text) => usable(text).map_err(|why| format!("the secret {secret} in the variable {variable} {why}")),
            Err(_) => {
                Err(format!("the secret {secret}: the host's environment has no text in the variable {variable}"))
            }
        },
    }
}

/// A secret that every user of the machine can read is none; a group may, which is how secrets are shared with servers.
fn from_file(path: &Path) -> Result<Hidden, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    // A pipe would be waited for.
    let open = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = open.map_err(unreadable)?;
    // Of the file that is open, not of what the name leads to by now.
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err("cannot be read: it is no regular file".to_owned());
    }
    if found.mode() & 0o007 != 0 {
        let mode = found.mode() & 0o777;
        return Err(format!("is open to every user (mode {mode:03o}): chmod o= {}", path.display()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_VARIABLE as u64 + 3).read_to_end(&mut bytes).map_err(unreadable)?;
    // Two more for a line end.
    if bytes.len() > MAX_VARIABLE + 2 {
        return Err(too_long());
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    // Editors and `echo` leave one.
    let end = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(end.unwrap_or(text.len()));
    usable(text)
}

fn too_long() -> String {
    format!("is longer than {MAX_VARIABLE} bytes")
}

/// What a guest can be given: a text that also an environment can hold.
fn usable(text: String) -> Result<Hidden, String> {
    if text.len() > MAX_VARIABLE {
        return Err(too_long());
    }
    match text {
        text if text.is_empty() => Err("is empty".to_owned()),
        text if text.contains('\0') => Err("has a zero byte in it".to_owned()),
        text => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::config::Settings;

    fn manifest(config: &str) -> Manifest {
        let text =
            format!("manifest = 1\nname = \"shop\"\ncomponent = \"a.wasm\"\nlane = \"io\"\n[grants.config]\n{config}");
        Manifest::parse(&text, "plugin.toml").expect("a manifest")
    }

    fn resolve(settings: &str, config: &str) -> Result<Variables, Vec<String>> {
        let settings = Settings::parse(settings, "wasmbay.toml").expect("settings");
        let supply = Supply::new(settings.tenants().into_iter().map(|(name, tenant)| (name, tenant.supplies)));
        supply.variables("default", &manifest(config))
    }

    #[test]
    fn the_operators_word_goes_over_the_manifests() {
        let settings = "[config.shop]\ngreeting = \"from the operator\"\n[config.other]\nplain = \"not for this one\"";
        let variables =
            resolve(settings, "greeting = \"from the manifest\"\nplain = \"as it is\"").expect("all are there");
        let of = |name| variables.get("shop", name).map(|value| value.expose().to_owned());
        assert_eq!(of("greeting").as_deref(), Ok("from the operator"));
        assert_eq!(of("plain").as_deref(), Ok("as it is"));
        assert_eq!(of("Plain"), Err(Untold::BadName));
        let denied = of("other").expect_err("it is not granted").to_string();
        assert_eq!(denied, "shop may not read the variable other: add other to [grants.config] in plugin.toml");
    }

    #[test]
    fn what_the_operator_sets_for_nobody_and_what_nobody_keeps_is_refused() {
        let faults = resolve("[config.shop]\nkey = \"x\"", "key = { secret = \"KEY\" }").expect_err("both are wrong");
        assert!(faults[0].contains("the operator keeps no secret KEY"), "{faults:?}");
        assert!(faults[1].contains("sets key, which the manifest grants as no text"), "{faults:?}");
    }

    #[test]
    fn a_secret_in_a_file_is_read_without_its_line_end_and_only_if_it_is_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let settings = format!("[secrets]\nKEY = {{ file = {path:?} }}");
        let read = || {
            let variables = resolve(&settings, "key = { secret = \"KEY\" }").map_err(|faults| faults.join("\n"))?;
            Ok::<_, String>(variables.get("shop", "key").expect("it is granted").expose().to_owned())
        };
        assert!(read().expect_err("it is missing").contains("cannot be read: No such file"));
        for (text, mode, expected) in [
            ("s3cret\n", 0o600, Ok("s3cret")),
            ("s3cret\r\n", 0o640, Ok("s3cret")),
            ("two\nlines\n\n", 0o400, Ok("two\nlines\n")),
            ("s3cret", 0o644, Err("is open to every user (mode 644): chmod o=")),
            ("", 0o600, Err("is empty")),
            ("\n", 0o600, Err("is empty")),
            ("a\0b", 0o600, Err("has a zero byte in it")),
            (&"x".repeat(MAX_VARIABLE), 0o600, Ok(&"x".repeat(MAX_VARIABLE))),
            (&"x".repeat(MAX_VARIABLE + 1), 0o600, Err("is longer than 65536 bytes")),
        ] {
            let _ = fs::remove_file(&path);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
            match (read(), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(fault), Err(words)) => assert!(fault.contains(words) && !fault.contains("s3cret"), "{fault}"),
                (found, _) => panic!("{text:?}: {found:?}"),
            }
        }
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a folder in its place");
        assert!(read().expect_err("it is a folder").contains("no regular file"));
    }

    #[test]
    fn the_address_of_a_database_is_told_to_no_plugin() {
        let settings = "[secrets]\nDB = { env = \"PATH\" }\n[databases.main]\nurl = { secret = \"DB\" }";
        let faults = resolve(settings, "url = { secret = \"DB\" }").expect_err("it is for the host");
        assert!(faults[0].starts_with("grants.config.url: the secret DB is the address of a database"), "{faults:?}");
    }

    #[test]
    fn nothing_prints_a_value() {
        let variables = resolve("", "greeting = \"canary\"").expect("it is there");
        assert!(!format!("{variables:?} {:?}", variables.get("shop", "greeting")).contains("canary"));
    }
}
