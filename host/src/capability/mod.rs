//! What a plugin may do, as plain async Rust, denied unless granted.
