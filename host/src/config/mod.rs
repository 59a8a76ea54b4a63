//! The host's settings and the plugins' manifests: as written → as meant, every fault at once.
//!
//! What a person wrote is private to this module; what leaves it ([`Manifest`], [`Settings`]) cannot hold a bad value.

mod manifest;
mod settings;

pub use manifest::{Build, Grants, HostPattern, Instances, Lane, Limits, Manifest, Methods, OnDisconnect, Route};
pub use settings::{Caps, Settings, Tenant, TenantPlace};
