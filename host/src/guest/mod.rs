//! The guests: the only module that knows wasmtime.
//!
//! [`Engines`] holds one engine per lane. [`compile`] turns what an author wrote into code for one of them, [`Engines::code`] links it,
//! [`Engines::load`] makes a [`Plugin`] of it, and [`Plugin::run`] is the one way to run it, whatever its [`Kind`].

mod absent;
mod adapt;
mod body;
mod call;
#[cfg(test)]
pub(crate) mod caps;
mod cgi;
mod clock;
mod code;
mod compile;
mod declared;
mod engine;
mod fit;
mod hooks;
mod idle;
mod instance;
mod keys;
mod limiter;
mod links;
mod load;
mod outcome;
mod outlet;
mod p2;
mod p3;
mod plugin;
mod pools;
#[doc(hidden)]
pub mod probe;
mod reach;
mod rewrite;
mod shared;
mod slim;
mod sql;
mod state;
mod stdio;
mod stock;
mod unroll;
mod variables;

#[cfg(test)]
mod tests;

pub use adapt::runnable;
pub use call::{Call, Meter};
pub use code::{Code, Codes};
pub use compile::{RECIPE, compile};
pub use declared::Declared;
pub use engine::{EngineSettings, Engines};
pub use plugin::{Kind, Plugin};
pub use pools::{Machine, Pools};
pub use slim::slim;
