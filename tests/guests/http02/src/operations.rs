//! Single operations that nothing interrupts: how long one takes, by the guest's own clock.

use std::hint::black_box;

use shared::Target;
use wasip2::{
    clocks::monotonic_clock::now,
    http::types::{Fields, ResponseOutparam},
    random::random::get_random_bytes,
};

use crate::io;

/// A table of this many entries is as large as the host lets a header map be.
const FIELDS: usize = 256;

/// Does the operation `name` `n` times and answers with the microseconds of one.
///
/// The host's clock goes in steps of a millisecond: quick ones are asked for often.
pub(crate) fn run(target: &Target, out: ResponseOutparam) {
    let bytes = target.number_or("mib", 64) as usize * (1 << 20);
    let times = target.number_or("n", 1).max(1);
    let mut block = Vec::<u8>::new();
    let name = target.text("name").unwrap_or_default();
    let fields = headers();
    if matches!(name.as_str(), "fill" | "copy") {
        // There before the clock runs: these are about memory that was used already.
        block = vec![1; bytes];
    }
    let start = now();
    for round in 0..times {
        match name.as_str() {
            "fresh-fill" => block = black_box(vec![1; bytes]),
            "fill" => black_box(&mut block).fill(round as u8),
            "copy" => black_box(&mut block).copy_within(..bytes / 2, bytes / 2),
            "grow" => block = Vec::with_capacity(bytes),
            "random" => drop(black_box(get_random_bytes(64 << 10))),
            "headers" => drop(black_box(Fields::from_list(&fields).expect("the host takes as much"))),
            _ => return io::text(out, 404, "no such operation\n"),
        }
    }
    let micros = (now() - start) as f64 / 1000.0 / times as f64;
    black_box(block);
    io::text(out, 200, &format!("{micros:.3}\n"));
}

fn headers() -> Vec<(String, Vec<u8>)> {
    (0..FIELDS).map(|n| (format!("x-header-{n}"), vec![b'v'; 64])).collect()
}
