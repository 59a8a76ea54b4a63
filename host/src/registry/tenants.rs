//! The tenants as the registry sees them, and the numbers given out to tenants and plugins.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::live::Owner;
use crate::{
    config::{Caps, Settings, Tenant, TenantPlace},
    lanes::{PluginId, TenantId, Who},
};

/// One tenant: where its plugins lie, where its routes live, what it may have.
#[derive(Clone, Debug)]
pub struct TenantSpec {
    /// Its name in the settings.
    pub name: Arc<str>,
    /// Holds the folders of its plugins.
    pub folder: PathBuf,
    /// Which hosts or paths are its own.
    pub place: TenantPlace,
    /// Share of CPU time beside other tenants; at least 1.
    pub weight: u32,
    /// Upper bounds on what its manifests may ask for.
    pub caps: Caps,
}

impl TenantSpec {
    /// The tenants of a host that serves `dir`, in the order of their names.
    pub fn from_settings(settings: &Settings, dir: &Path) -> Vec<Self> {
        let spec = |(name, tenant): (String, Tenant)| Self {
            name: name.into(),
            folder: dir.join(tenant.folder),
            place: tenant.place,
            weight: tenant.weight,
            caps: tenant.caps,
        };
        settings.tenants().into_iter().map(spec).collect()
    }

    pub(super) fn owner(&self) -> Owner {
        let base_path = match &self.place {
            TenantPlace::Prefix(prefix) => prefix.as_str().into(),
            TenantPlace::Everywhere | TenantPlace::Hosts(_) => "".into(),
        };
        Owner { tenant: self.name.clone(), weight: self.weight, max_concurrent: self.caps.max_concurrent, base_path }
    }
}

/// Gives each tenant and plugin a number at its first sight, and the same one ever after.
#[derive(Debug, Default)]
pub(super) struct Ids(Mutex<HashMap<(Arc<str>, String), PluginId>>);

impl Ids {
    pub(super) fn who(&self, tenant: usize, spec: &TenantSpec, plugin: &str) -> Who {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = PluginId(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        let plugin = *ids.entry((spec.name.clone(), plugin.to_owned())).or_insert(next);
        // The tenants are settled for the life of the host: a place in their list is a number for good.
        Who { tenant: TenantId(u32::try_from(tenant).unwrap_or(u32::MAX)), plugin }
    }
}
