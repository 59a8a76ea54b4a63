//! Durable state: the compiled-code cache, and keys with values.

mod code_cache;
pub mod keys;

pub use code_cache::{CacheStats, CodeCache, CodeKey, MAX_CACHE, OpenError};
