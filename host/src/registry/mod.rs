//! Which plugins are live: the routing table, load, reconcile, watch.
//!
//! An edit of a file changes what is *wanted*; one task ([`Registry`]) reads every folder that changed, makes guests
//! out of what it read ([`Loader`]), resolves all folders into one candidate table and swaps it in with one pointer
//! store. Nothing on the way there touches what is live.

mod build;
mod build_plan;
mod check;
mod compile_child;
mod current;
mod enclosed;
mod files;
mod handle;
mod live;
mod loader;
mod path_tree;
#[doc(hidden)]
pub mod probe;
mod reconcile;
mod resolve;
mod revision;
mod scan;
mod sources;
mod statics;
mod status;
mod table;
mod tenants;
mod toolchain;
mod wanted;
mod watch;

pub use build::{BUILD_TIMEOUT, BuildFault, build};
pub use check::{CheckReport, check};
pub use compile_child::{COMMAND as COMPILE_COMMAND, CompileFault, CompileLimits, Compiler, child_main};
pub use current::Current;
pub use enclosed::{MAX_BYTES as MAX_FILE_BYTES, MAX_FILES};
pub use handle::{LEAVE_AFTER, Registry, RegistrySettings};
pub use live::{LivePlugin, Owner, Params};
pub use loader::{EngineLoader, Loader, Ready};
pub use revision::{Digest, MANIFEST_FILE, MAX_COMPONENT, QUIET, Revision};
pub use statics::{Coding, StaticFile, Statics};
pub use status::{LiveStatus, PluginStatus, State, Status};
pub use table::{Found, Table};
pub use tenants::TenantSpec;
pub use watch::WatchMode;

#[cfg(test)]
mod testing;
