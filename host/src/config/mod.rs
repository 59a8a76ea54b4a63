//! The host's settings and the plugins' manifests: as written → as meant, every fault at once.
//!
//! What a person wrote is private to this module; what leaves it ([`Manifest`], [`Settings`]) cannot hold a bad value.

mod check_file;
mod checks;
mod cron;
mod fault;
mod file;
mod leaf;
mod manifest;
mod names;
mod origins;
mod paths;
mod schema;
mod settings;
mod tree;

pub use check_file::{Check, CheckFile, Expected, Sent};
pub(crate) use checks::MAX_VARIABLE;
pub(crate) use cron::http_date;
pub use cron::{Cron, timestamp};
pub use manifest::{
    Build, CapNote, Figure, Given, Grants, HostPattern, Instances, Lane, Limits, Manifest, Methods, OnDisconnect,
    Raise, Route, Schedule, Serves,
};
pub(crate) use names::{is_store, is_variable};
pub use origins::{Origin, OriginPattern, Scheme};
pub use schema::{checks_schema, manifest_schema, settings_schema};
pub use settings::{
    Caps, DEFAULT_TENANT, Database, DatabaseQuota, Flags, JobQuota, JobSettings, KeyQuota, OutboundQuota, SecretSource,
    Settings, SqlQuota, Supplies, Tenant, TenantPlace, TlsFiles, TlsMode,
};
