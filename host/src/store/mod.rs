//! Durable state: the compiled-code cache. Beside it, the files of what is live.

mod code_cache;
mod shelf;

pub use code_cache::{CacheStats, CodeCache, CodeKey, MAX_CACHE, OpenError};
pub use shelf::{Kept, Shelf};
