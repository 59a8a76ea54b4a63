//! What an operator hands to plugins: values of their variables, and where secrets are kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use schemars::JsonSchema;

use super::databases::WrittenDatabases;
use crate::config::{
    checks,
    fault::{At, Faults, Place, Wrong},
    names,
    tree::Section,
};

/// What the plugins of one tenant are given. It holds no secret, only where each is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supplies {
    /// For each plugin the variables whose value the operator decides, over what its manifest says.
    pub config: BTreeMap<String, BTreeMap<String, String>>,
    /// Where each secret is.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Those that are addresses of databases, which no plugin is told.
    pub addresses: BTreeSet<String>,
    /// Whether a secret that is kept nowhere has a stand-in: the environment's variable of its name, else its name.
    pub stand_ins: bool,
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file of its own, closed to other users.
    File(PathBuf),
    /// In a variable of the host's own environment.
    Env(String),
}

/// For each plugin its variables, as they are written.
#[derive(Default)]
pub(super) struct WrittenConfig(Vec<(At<String>, Texts)>);

type Texts = Vec<(At<String>, At<String>)>;

/// Where each secret is, as it is written.
#[derive(Default)]
pub(super) struct WrittenSecrets(Vec<(At<String>, WrittenSource)>);

/// Where a secret is kept: one of the two.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenSource {
    /// A file that holds nothing else, closed to other users (`chmod o=`); relative to this file. A line end at its end
    /// is not part of the secret.
    pub(super) file: Option<At<PathBuf>>,
    /// A variable of the host's environment.
    env: Option<At<String>>,
    #[schemars(skip)]
    place: Place,
}

impl WrittenConfig {
    /// Takes the key `config`.
    pub(super) fn read(table: &mut Section<'_>, faults: &mut Faults) -> Self {
        let plugins = table.named_tables(faults, "config").into_iter();
        Self(plugins.map(|(plugin, texts)| (plugin, texts.all_texts(faults))).collect())
    }

    fn meant(self, faults: &mut Faults, above: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut config = BTreeMap::new();
        for (plugin, texts) in self.0 {
            let key = format!("{above}config.{}", plugin.value.escape_debug());
            faults.keep(&plugin.place, &key, names::kebab(&plugin.value));
            let mut values = BTreeMap::new();
            for (name, text) in texts {
                let key = format!("{key}.{}", name.value.escape_debug());
                faults.keep(&name.place, &key, names::variable(&name.value));
                faults.keep(&text.place, &key, checks::variable(&text.value));
                values.insert(name.value, text.value);
            }
            config.insert(plugin.value, values);
        }
        config
    }
}

impl WrittenSecrets {
    /// Takes the key `secrets`.
    pub(super) fn read(table: &mut Section<'_>, faults: &mut Faults) -> Self {
        let secrets = table.named_tables(faults, "secrets").into_iter();
        Self(secrets.map(|(name, source)| (name, WrittenSource::read(source, faults))).collect())
    }

    /// The paths that begin where they are written.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut At<PathBuf>> {
        self.0.iter_mut().filter_map(|(_, source)| source.file.as_mut())
    }

    fn meant(self, faults: &mut Faults, above: &str) -> BTreeMap<String, SecretSource> {
        let mut secrets = BTreeMap::new();
        for (name, source) in self.0 {
            let key = format!("{above}secrets.{}", name.value.escape_debug());
            faults.keep(&name.place, &key, names::secret(&name.value));
            secrets.extend(source.meant(faults, &key).map(|source| (name.value, source)));
        }
        secrets
    }
}

/// Checks everything. `above` is what stands before the keys: empty, or ending with a dot.
pub(super) fn meant(faults: &mut Faults, above: &str, config: WrittenConfig, secrets: WrittenSecrets) -> Supplies {
    let (config, secrets) = (config.meant(faults, above), secrets.meant(faults, above));
    Supplies { config, secrets, ..Supplies::default() }
}

/// Complains of supplies at the top of settings whose tenants each have their own: nobody would get them.
pub(super) fn refuse(
    faults: &mut Faults,
    config: &WrittenConfig,
    secrets: &WrittenSecrets,
    databases: &WrittenDatabases,
) {
    let first = [
        ("config", config.0.first().map(|(name, _)| &name.place)),
        ("secrets", secrets.0.first().map(|(name, _)| &name.place)),
        ("databases", databases.first()),
    ];
    for (key, place) in first {
        let Some(place) = place else { continue };
        let wrong = Wrong::new("belongs to no tenant").remedy(format!("write [tenant.NAME.{key}]"));
        faults.add(place, key, wrong);
    }
}

impl WrittenSource {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self { place: table.place(), file: table.leaf(faults, "file"), env: table.leaf(faults, "env") };
        if !table.has("file") && !table.has("env") {
            let wrong = Wrong::new("is missing").remedy("write { file = \"PATH\" } or { env = \"VARIABLE\" }");
            faults.add(&written.place, &table.name("file"), wrong);
        }
        table.finish(faults, &[]);
        written
    }

    fn meant(self, faults: &mut Faults, key: &str) -> Option<SecretSource> {
        match (self.file, self.env) {
            (Some(_), Some(env)) => {
                let wrong = Wrong::new("stands beside `file`").remedy("keep one of the two");
                faults.add(&env.place, &format!("{key}.env"), wrong);
                None
            }
            (Some(file), None) => Some(SecretSource::File(file.value)),
            (None, Some(env)) => {
                faults.keep(&env.place, &format!("{key}.env"), names::secret(&env.value))?;
                Some(SecretSource::Env(env.value))
            }
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{SecretSource, Settings};

    fn faults(text: &str) -> Vec<String> {
        let faults = Settings::parse(text, "wasmbay.toml").expect_err("it has faults");
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_host_without_tenants_supplies_its_plain_folder() {
        let text =
            "[config.shop]\ngreeting = \"hi\"\n[secrets]\nKEY = { file = \"key\" }\nOTHER = { env = \"OTHER\" }\n";
        let tenants = Settings::parse(text, "wasmbay.toml").expect("good settings").tenants();
        let supplies = &tenants["default"].supplies;
        assert_eq!(supplies.config["shop"]["greeting"], "hi");
        assert_eq!(supplies.secrets["KEY"], SecretSource::File("key".into()));
        assert_eq!(supplies.secrets["OTHER"], SecretSource::Env("OTHER".to_owned()));
    }

    #[test]
    fn each_tenant_has_its_own_and_what_belongs_to_none_is_refused() {
        let tenant = "[tenant.a]\nfolder = \"a\"\nprefix = \"/a\"\n[tenant.a.secrets]\nKEY = { env = \"A\" }\n";
        let tenants = Settings::parse(tenant, "wasmbay.toml").expect("good settings").tenants();
        assert_eq!(tenants["a"].supplies.secrets["KEY"], SecretSource::Env("A".to_owned()));
        let faults = faults(&format!("[secrets]\nKEY = {{ env = \"A\" }}\n{tenant}"));
        assert_eq!(faults, ["wasmbay.toml:2: `secrets` belongs to no tenant (write [tenant.NAME.secrets])"]);
    }

    #[test]
    fn every_fault_has_its_line_and_a_remedy() {
        let faults = faults(
            "[secrets]\nA-B = { env = \"X\" }\nC = {}\nD = { env = \"X\", file = \"x\" }\nE = { env = \"a=b\" }\nF = \"x\"\n\
             G = { evn = \"X\" }\n[config.Shop]\nGreeting = \"\"\nb = 1\n",
        );
        let starts = [
            "wasmbay.toml:2: `secrets.A-B` = \"A-B\" is no name of a secret",
            "wasmbay.toml:3: `secrets.C.file` is missing (write { file",
            "wasmbay.toml:4: `secrets.D.env` stands beside `file`",
            "wasmbay.toml:5: `secrets.E.env` = \"a=b\" is no name",
            "wasmbay.toml:6: `secrets.F` must be a table",
            "wasmbay.toml:7: `secrets.G.file` is missing",
            "wasmbay.toml:7: `secrets.G.evn` is an unknown key",
            "wasmbay.toml:8: `config.Shop` = \"Shop\" is not kebab-case",
            "wasmbay.toml:9: `config.Shop.Greeting` is no name of a variable (write \"greeting\")",
            "wasmbay.toml:10: `config.Shop.b` must be a string",
        ];
        assert_eq!(faults.len(), starts.len(), "{faults:#?}");
        for (fault, start) in faults.iter().zip(starts) {
            assert!(fault.starts_with(start), "{fault}\n{start}");
        }
    }
}
