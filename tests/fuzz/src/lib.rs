//! Fuzz targets: plain functions that take any bytes and panic when a property does not hold.
//!
//! `cargo xtask test` replays each target's corpus (`corpus/NAME`); `cargo xtask soak fuzz` lets libFuzzer look for more.
//! What a target's input looks like stands at the top of its file.

pub mod cgi;
pub mod component;
pub mod filter;
pub mod manifest;
mod naive;
pub mod path;
pub mod routes;
mod schema;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its corpus.
    pub name: &'static str,
    /// Takes any input.
    ///
    /// # Panics
    /// When the property that it checks does not hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 6] = [
    Target { name: "manifest", run: manifest::run },
    Target { name: "routes", run: routes::run },
    Target { name: "path", run: path::run },
    Target { name: "cgi", run: cgi::run },
    Target { name: "filter", run: filter::run },
    Target { name: "component", run: component::run },
];
