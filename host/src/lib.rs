//! Wasmbay: a WebAssembly plugin host.
//!
//! Five layers; a module imports only from its own layer and from lower ones (`ARCHITECTURE.md`).

// 1 base
pub mod body;
pub mod diagnostic;
pub mod failure;
pub mod telemetry;
pub mod units;
// 2 means
pub mod config;
pub mod lanes;
pub mod server;
pub mod store;
// 3 plugins
pub mod capability;
pub mod guest;
// 4 live
pub mod invoke;
pub mod jobs;
pub mod registry;
// 5 faces
pub mod admin;
pub mod cli;
pub mod front;
pub mod host;
