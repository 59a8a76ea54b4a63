//! What a plugin may do, as plain async Rust, denied unless its manifest grants it.
//!
//! A capability knows the [`Caller`], never the wasm behind it: `guest` translates, and nothing here names the engine.

pub mod http;
pub mod plugins;

use std::sync::Arc;

use tokio::time::Instant;

use crate::{config::Manifest, lanes::Who, telemetry::RequestId};

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
    /// How many plugin calls lie behind this request; 0 for one from the door.
    pub hop: u8,
    /// When the request has to be answered; nested requests inherit it.
    pub deadline: Instant,
}
