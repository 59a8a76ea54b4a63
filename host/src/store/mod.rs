//! Durable state: the compiled-code cache, keys with values, databases, jobs. Beside it, the files of what is live.

mod code_cache;
pub mod jobs;
pub mod keys;
mod shelf;
pub mod sql;
mod sqlite;

pub use code_cache::{CacheStats, CodeCache, CodeKey, MAX_CACHE, OpenError};
pub use shelf::{Kept, Shelf};
