//! Keys and values: what a plugin's manifest grants it to keep, in its tenant's file.

use std::{collections::HashMap, path::Path, sync::Arc};

use crate::{
    config::{KeyQuota, Manifest},
    store::keys::{Answer, KeyFiles, Op, Refusal, Tenant, Version},
};

/// The way to every tenant's keys. Clones share it.
#[derive(Clone, Debug)]
pub struct Keys {
    files: KeyFiles,
    quotas: Arc<HashMap<String, KeyQuota>>,
}

/// The stores that one plugin may open.
#[derive(Clone, Debug)]
pub struct Stores {
    tenant: Arc<Tenant>,
    names: Arc<[String]>,
}

/// An open store. It holds nothing: a handle more costs its name.
#[derive(Clone, Debug)]
pub struct Store {
    tenant: Arc<Tenant>,
    name: String,
}

/// What a key's entry was when it was looked at.
#[derive(Clone, Debug)]
pub struct Seen {
    store: Store,
    key: String,
    version: Version,
}

/// A store that the manifest does not grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{plugin} may not open the store {store}: add \"{store}\" to grants.kv in plugin.toml")]
pub struct Denied {
    plugin: String,
    store: String,
}

impl Keys {
    /// Files below the data folder, with each tenant's quota by name.
    pub fn new(data: &Path, quotas: impl IntoIterator<Item = (String, KeyQuota)>) -> Self {
        Self { files: KeyFiles::new(data), quotas: Arc::new(quotas.into_iter().collect()) }
    }

    /// The stores that a tenant's plugin is granted. Nothing is opened.
    pub fn stores(&self, tenant: &str, manifest: &Manifest) -> Stores {
        let quota = self.quotas.get(tenant).copied().unwrap_or_default();
        Stores { tenant: self.files.tenant(tenant, quota), names: manifest.grants.kv.clone().into() }
    }
}

impl Stores {
    /// Opens one.
    ///
    /// # Errors
    /// When it is not granted; the error says what would grant it.
    pub fn open(&self, plugin: &str, store: &str) -> Result<Store, Denied> {
        match self.names.iter().any(|granted| granted == store) {
            true => Ok(Store { tenant: Arc::clone(&self.tenant), name: store.to_owned() }),
            false => Err(Denied { plugin: plugin.to_owned(), store: store.to_owned() }),
        }
    }
}

/// Each of these waits for the disk on no thread, and is done or not when its future is dropped. A write that is answered is on the disk.
impl Store {
    /// The value of a key.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub async fn get(&self, key: String) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(self.look(key).await?.0)
    }

    /// Sets a value, whatever was there.
    ///
    /// # Errors
    /// A quota, or a file that cannot be used.
    pub async fn set(&self, key: String, value: Vec<u8>) -> Result<(), Refusal> {
        self.ask(Op::Set(key, value)).await.map(drop)
    }

    /// Removes a key, if it is there.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn delete(&self, key: String) -> Result<(), Refusal> {
        self.ask(Op::Delete(key)).await.map(drop)
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn exists(&self, key: String) -> Result<bool, Refusal> {
        Ok(self.ask(Op::Exists(key)).await? == Answer::Is(true))
    }

    /// The keys behind this one, in their order, a page at most.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn keys(&self, after: Option<String>) -> Result<Vec<String>, Refusal> {
        match self.ask(Op::Keys(after)).await? {
            Answer::Keys(keys) => Ok(keys),
            _ => Err(unfit()),
        }
    }

    /// Adds to a number that is written in decimal digits; no value is zero. Answers the sum.
    ///
    /// # Errors
    /// What is no number, a quota, or a file that cannot be used.
    pub async fn increment(&self, key: String, delta: i64) -> Result<i64, Refusal> {
        match self.ask(Op::Increment(key, delta)).await? {
            Answer::Number(sum) => Ok(sum),
            _ => Err(unfit()),
        }
    }

    /// What a key's entry is now, for a swap.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn see(&self, key: String) -> Result<Seen, Refusal> {
        let (_, version) = self.look(key.clone()).await?;
        Ok(Seen { store: self.clone(), key, version })
    }

    async fn look(&self, key: String) -> Result<(Option<Vec<u8>>, Version), Refusal> {
        match self.ask(Op::Get(key)).await? {
            Answer::Value(value, version) => Ok((value, version)),
            _ => Err(unfit()),
        }
    }

    async fn ask(&self, op: Op) -> Result<Answer, Refusal> {
        self.tenant.ask(&self.name, op).await
    }
}

impl Seen {
    /// The value as it is now, which a swap is then held against.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub async fn current(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let (value, version) = self.store.look(self.key.clone()).await?;
        self.version = version;
        Ok(value)
    }

    /// Sets the value if the entry is as it was seen. Answers what there is instead when it is not.
    ///
    /// # Errors
    /// A quota, or a file that cannot be used.
    pub async fn swap(self, value: Vec<u8>) -> Result<Result<(), Self>, Refusal> {
        let Self { store, key, version } = self;
        match store.ask(Op::Swap(key.clone(), version, value)).await? {
            Answer::Is(true) => Ok(Ok(())),
            _ => store.see(key).await.map(Err),
        }
    }
}

/// An answer to another question: a mistake of the host's that must not look like an empty store.
fn unfit() -> Refusal {
    Refusal::Broken("the answer was to another question".to_owned())
}
