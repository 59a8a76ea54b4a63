//! Asking the host for more than it gives.

use shared::{Target, busy, reach};
use wasip2::{
    clocks::monotonic_clock::now,
    http::types::{Fields, ResponseOutparam},
    random::random,
};

use crate::io;

/// Takes all the memory there is.
pub(crate) fn grow(out: ResponseOutparam) {
    io::text(out, 200, &format!("{}\n", reach::grow()));
}

/// Leaves secrets in `mib` MiB of memory.
pub(crate) fn plant(target: &Target, out: ResponseOutparam) {
    reach::plant(target.number_or("mib", 2) as usize);
    io::text(out, 200, "planted\n");
}

/// Counts the secrets in all the memory there is.
pub(crate) fn scan(out: ResponseOutparam) {
    io::text(out, 200, &format!("{}\n", reach::scan()));
}

/// Sleeps and spins in turn, each for a millisecond, for `ms`.
pub(crate) fn dodge(target: &Target, out: ResponseOutparam) {
    let start = now();
    while now() - start < target.number_or("ms", 60_000) * 1_000_000 {
        io::sleep_ms(1);
        busy::spin(now, 1_000_000);
    }
    io::text(out, 200, "dodged\n");
}

/// Adds `n` headers to one map. Answers how many it took.
pub(crate) fn many_headers(target: &Target, out: ResponseOutparam) {
    let fields = Fields::new();
    let taken = (0..target.number_or("n", 1_000_000)).take_while(|n| fields.append(&format!("x-{n}"), b"v").is_ok());
    let taken = taken.count();
    io::text(out, 200, &format!("{taken}\n"));
}

/// Adds a header of `kib` KiB.
pub(crate) fn long_header(target: &Target, out: ResponseOutparam) {
    let value = vec![b'v'; target.number_or("kib", 10 << 10) as usize * 1024];
    let said = match Fields::new().append("x-long", &value) {
        Ok(()) => "taken\n".to_owned(),
        Err(error) => format!("{error:?}\n"),
    };
    io::text(out, 200, &said);
}

/// Makes `n` header maps and drops none.
pub(crate) fn handles(target: &Target, out: ResponseOutparam) {
    (0..target.number_or("n", 1_000_000)).for_each(|_| std::mem::forget(Fields::new()));
    io::text(out, 200, "held\n");
}

/// Asks for `n` random bytes in one call.
pub(crate) fn random_bytes(target: &Target, out: ResponseOutparam) {
    let bytes = random::get_random_bytes(target.number_or("n", u64::MAX));
    io::text(out, 200, &format!("{}\n", bytes.len()));
}
