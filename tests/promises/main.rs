//! The promises: what users rely on, checked from outside.

mod layers;
mod manifests;
