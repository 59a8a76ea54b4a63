//! What the tests share.

pub mod client;
pub mod house;
pub mod text;
