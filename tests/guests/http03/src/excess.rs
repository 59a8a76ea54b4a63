//! Asking the host for more than it gives.

use shared::{Target, busy, reach};
use wasip3::{
    clocks::monotonic_clock::now,
    http::types::{Fields, Response},
    random::random,
    wit_stream,
};

use crate::reply::{self, sleep_ms};

/// Takes all the memory there is.
pub(crate) fn grow() -> Response {
    reply::text(200, &format!("{}\n", reach::grow()))
}

/// Sleeps and spins in turn, each for a millisecond, for `ms`.
pub(crate) async fn dodge(target: &Target) -> Response {
    let start = now();
    while now() - start < target.number_or("ms", 60_000) * 1_000_000 {
        sleep_ms(1).await;
        busy::spin(now, 1_000_000);
    }
    reply::text(200, "dodged\n")
}

/// Adds `n` headers to one map. Answers how many it took.
pub(crate) fn many_headers(target: &Target) -> Response {
    let fields = Fields::new();
    let taken = (0..target.number_or("n", 1_000_000)).take_while(|n| fields.append(&format!("x-{n}"), b"v").is_ok());
    let taken = taken.count();
    reply::text(200, &format!("{taken}\n"))
}

/// Adds a header of `kib` KiB.
pub(crate) fn long_header(target: &Target) -> Response {
    let value = vec![b'v'; target.number_or("kib", 10 << 10) as usize * 1024];
    let said = match Fields::new().append("x-long", &value) {
        Ok(()) => "taken\n".to_owned(),
        Err(error) => format!("{error:?}\n"),
    };
    reply::text(200, &said)
}

/// Makes `n` header maps and drops none.
pub(crate) fn handles(target: &Target) -> Response {
    (0..target.number_or("n", 1_000_000)).for_each(|_| std::mem::forget(Fields::new()));
    reply::text(200, "held\n")
}

/// Makes `n` streams and drops neither end of any.
pub(crate) fn streams(target: &Target) -> Response {
    (0..target.number_or("n", 1_000_000)).for_each(|_| std::mem::forget(wit_stream::new::<u8>()));
    reply::text(200, "held\n")
}

/// Asks for `n` random bytes in one call.
pub(crate) fn random_bytes(target: &Target) -> Response {
    let bytes = random::get_random_bytes(target.number_or("n", u64::MAX));
    reply::text(200, &format!("{}\n", bytes.len()))
}
