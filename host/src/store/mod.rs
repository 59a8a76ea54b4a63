//! Durable state: the compiled-code cache.

mod code_cache;

pub use code_cache::{CacheStats, CodeCache, CodeKey, MAX_CACHE, OpenError};
