//! Which plugins are live: the routing table, load, reconcile, watch.
//!
//! An edit of a file changes what is *wanted*; one task ([`Registry`]) reads every folder that changed, makes guests
//! out of what it read ([`Loader`]), resolves all folders into one candidate table and swaps it in with one pointer
//! store. Nothing on the way there touches what is live.

mod compile_child;
mod current;
mod files;
mod live;
mod loader;
mod path_tree;
mod resolve;
mod revision;
mod table;
mod tenants;

pub use compile_child::{COMMAND as COMPILE_COMMAND, CompileFault, CompileLimits, Compiler, child_main};
pub use current::Current;
pub use live::{LivePlugin, Owner, Params};
pub use loader::{EngineLoader, Loader};
pub use revision::{Digest, MANIFEST_FILE, MAX_COMPONENT, QUIET, Revision};
pub use table::{Found, Table};
pub use tenants::{DEFAULT_TENANT, TenantSpec};

#[cfg(test)]
mod testing;
