//! What the tests share.

pub mod canary;
pub mod client;
pub mod house;
pub mod serving;
pub mod text;
pub mod tls;
