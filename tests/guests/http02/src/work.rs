//! Behaviours that wait, burn CPU, or take memory.

use shared::{Target, busy};
use wasip2::{
    clocks::monotonic_clock::now,
    http::types::{IncomingRequest, ResponseOutparam},
};

use crate::{
    bodies,
    io::{self, Reply},
};

fn nanos(target: &Target) -> u64 {
    target.number_or("ms", 10) * 1_000_000
}

/// Waits on the clock.
pub(crate) fn wait(target: &Target, out: ResponseOutparam) {
    let start = now();
    io::sleep_ms(target.number_or("ms", 10));
    io::text(out, 200, &format!("waited {} us\n", (now() - start) / 1000));
}

/// Burns CPU until so many microseconds have passed.
pub(crate) fn work(target: &Target, out: ResponseOutparam) {
    let steps = busy::spin(now, target.number_or("us", 1000) * 1000);
    io::text(out, 200, &format!("worked {steps} steps\n"));
}

/// A fixed number of steps of arithmetic.
pub(crate) fn burn(target: &Target, out: ResponseOutparam) {
    io::text(out, 200, &format!("{:x}\n", busy::burn(target.number_or("n", 1_000_000))));
}

/// Burns CPU for `ms`, or for ever.
pub(crate) fn spin(target: &Target, out: ResponseOutparam) {
    let Some(ms) = target.number("ms") else { busy::for_ever() };
    let steps = busy::spin(now, ms * 1_000_000);
    io::text(out, 200, &format!("spun {steps} steps\n"));
}

/// Loads from random places.
pub(crate) fn loads(target: &Target, out: ResponseOutparam) {
    let count = busy::loads(now, nanos(target), target.number_or("mib", 32) as usize);
    io::text(out, 200, &format!("{count} loads\n"));
}

/// Reads the clock in a loop.
pub(crate) fn host_calls(target: &Target, out: ResponseOutparam) {
    io::text(out, 200, &format!("{} calls\n", busy::host_calls(now, nanos(target))));
}

/// Writes to fresh pages of memory; with `hold=1` it then sends the body back, and so holds them until its client ends it.
pub(crate) fn pages(request: &IncomingRequest, target: &Target, out: ResponseOutparam) {
    let mib = target.number_or("mib", 64);
    assert!(busy::touch_pages(mib as usize), "the host gave no {mib} MiB");
    if let Some(ms) = target.number("ms") {
        io::sleep_ms(ms);
    }
    if target.number("hold").is_some() {
        return bodies::echo(request, out);
    }
    io::text(out, 200, &format!("touched {mib} MiB\n"));
}

/// Grows memory; with `try=1` it answers that the host refused, else it dies of it.
pub(crate) fn alloc(target: &Target, out: ResponseOutparam) {
    let bytes = target.number_or("mib", 64) as usize * (1 << 20);
    if target.number("try").is_none() {
        // As most programs do: a failed allocation aborts.
        std::hint::black_box(vec![1_u8; bytes]);
        return io::text(out, 200, "allocated\n");
    }
    let given = Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
    io::text(out, 200, if given { "allocated\n" } else { "refused\n" });
}

/// Calls itself until the stack is full, or `n` deep.
pub(crate) fn recurse(target: &Target, out: ResponseOutparam) {
    io::text(out, 200, &format!("{:x}\n", busy::recurse(target.number_or("n", u64::MAX))));
}

/// Measures how many steps of `burn` fit in a millisecond here and now.
pub(crate) fn calibrate(target: &Target, out: ResponseOutparam) {
    let ms = target.number_or("ms", 200);
    let steps = busy::spin(now, ms * 1_000_000) / ms.max(1);
    io::json(out, &shared::json::object([("steps_per_ms", steps.to_string())]));
}

/// Answers, then goes on waiting or spinning for `ms`, then says so on stdout.
pub(crate) fn after(target: &Target, out: ResponseOutparam) {
    let reply = Reply::start(out, 200, &[("content-type", "text/plain")]);
    let _ = reply.write(b"answered\n");
    reply.finish(None);
    match target.number("spin") {
        Some(_) => drop(busy::spin(now, nanos(target))),
        None => io::sleep_ms(target.number_or("ms", 10)),
    }
    println!("work after the response is done");
}
