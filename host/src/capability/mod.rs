//! What a plugin may do, as plain async Rust, denied unless its manifest grants it.
//!
//! A capability knows the [`Caller`], never the wasm behind it: `guest` translates, and nothing here names the engine.

pub mod config;
pub mod hops;
pub mod http;
pub mod jobs;
pub mod keys;
pub mod plugins;
pub mod sql;
mod trace;

use std::sync::Arc;

use tokio::time::Instant;

pub use self::trace::Trace;
use self::{
    config::{Supply, Variables},
    http::{Allowance, Outbound},
    jobs::Jobs,
    keys::{Keys, Stores},
    plugins::CallPlugin,
    sql::{Databases, Sql},
};
use crate::{
    config::{Limits, Manifest},
    lanes::Who,
    store::Kept,
    telemetry::RequestId,
};

/// The request on whose behalf a guest acts: whose it is, what it may do and how much it has left.
#[derive(Clone)]
pub struct Caller {
    /// The plugin, for permits and fair share.
    pub who: Who,
    /// The tenant's name.
    pub tenant: Arc<str>,
    /// Its manifest, which names it and what it is granted.
    pub manifest: Arc<Manifest>,
    /// The request's id; nested requests carry it on.
    pub request_id: RequestId,
    /// How many plugin calls and other hosts like this one lie behind this request.
    pub hop: u8,
    /// When the request has to be answered; nested requests inherit it.
    pub deadline: Instant,
    /// The trace it belongs to; outbound requests carry it on.
    pub trace: Trace,
    /// What it may still call out.
    pub allowance: Allowance,
    /// Whether it is a job, or a schedule's run, which has limits of its own.
    pub is_job: bool,
}

impl Caller {
    /// What the request may use.
    pub fn limits(&self) -> &Limits {
        self.manifest.limits_of(self.is_job)
    }
}

/// The ways out of a guest.
pub struct Ways {
    /// To other plugins of its tenant.
    pub plugins: Arc<dyn CallPlugin>,
    /// To other servers.
    pub outbound: Outbound,
    /// What operators hand to plugins.
    pub supply: Supply,
    /// To the keys that tenants keep.
    pub keys: Keys,
    /// To the host's jobs.
    pub jobs: Jobs,
    /// To SQL databases.
    pub sql: Sql,
}

/// What a plugin's grants came to when it loaded.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The plugin, for what it is told.
    pub plugin: String,
    /// What it may know.
    pub variables: Variables,
    /// What it may keep.
    pub stores: Stores,
    /// What it may ask.
    pub databases: Databases,
    /// Whether its instances serve several requests at once, so that none may make its whole guest wait.
    pub shared: bool,
    /// What it may read, if anything.
    pub assets: Option<Kept>,
    /// What it is granted and cannot have, in sentences for its author.
    pub barred: Vec<String>,
}

impl Ways {
    /// What the manifest of a tenant's plugin asks for, as far as the operator has it, and the files that came with it.
    /// Reads files: to be called where blocking does no harm.
    ///
    /// # Errors
    /// Everything that cannot be had; each begins with the manifest's key.
    pub fn grant(&self, tenant: &str, manifest: &Manifest, assets: Option<Kept>) -> Result<Granted, Vec<String>> {
        let variables = self.supply.variables(tenant, manifest)?;
        let stores = self.keys.stores(tenant, manifest);
        let databases = self.sql.databases(tenant, manifest)?;
        let shared = manifest.instances.max_concurrent > 1;
        let barred = self.outbound.barred(&manifest.grants.http);
        Ok(Granted { plugin: manifest.name.clone(), variables, stores, databases, shared, assets, barred })
    }
}
