//! Measures the host beside a native control, over loopback sockets alone.

mod clock;
mod control;
mod http;
mod load;
mod stats;

fn main() {}
