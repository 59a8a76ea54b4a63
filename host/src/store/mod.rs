//! Durable state: the compiled-code cache.
