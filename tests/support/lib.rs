//! What the tests share.

pub mod canary;
pub mod client;
pub mod databases;
pub mod faults;
pub mod house;
pub mod names;
pub mod serving;
pub mod soak;
pub mod text;
pub mod tls;
pub mod upstream;
