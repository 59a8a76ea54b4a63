//! Behaviours that wait, burn CPU, or take memory.

use shared::{Target, busy};
use wasip3::{
    clocks::monotonic_clock::now,
    http::types::{Request, Response},
};

use crate::{
    bodies,
    reply::{self, sleep_ms, spawn},
};

fn nanos(target: &Target) -> u64 {
    target.number_or("ms", 10) * 1_000_000
}

/// Waits on the clock.
pub(crate) async fn wait(target: &Target) -> Response {
    let start = now();
    sleep_ms(target.number_or("ms", 10)).await;
    reply::text(200, &format!("waited {} us\n", (now() - start) / 1000))
}

/// Burns CPU until so many microseconds have passed.
pub(crate) fn work(target: &Target) -> Response {
    let steps = busy::spin(now, target.number_or("us", 1000) * 1000);
    reply::text(200, &format!("worked {steps} steps\n"))
}

/// A fixed number of steps of arithmetic.
pub(crate) fn burn(target: &Target) -> Response {
    reply::text(200, &format!("{:x}\n", busy::burn(target.number_or("n", 1_000_000))))
}

/// Burns CPU for `ms`, or for ever.
pub(crate) fn spin(target: &Target) -> Response {
    let Some(ms) = target.number("ms") else { busy::for_ever() };
    let steps = busy::spin(now, ms * 1_000_000);
    reply::text(200, &format!("spun {steps} steps\n"))
}

/// Loads from random places.
pub(crate) fn loads(target: &Target) -> Response {
    let count = busy::loads(now, nanos(target), target.number_or("mib", 32) as usize);
    reply::text(200, &format!("{count} loads\n"))
}

/// Reads the clock in a loop.
pub(crate) fn host_calls(target: &Target) -> Response {
    reply::text(200, &format!("{} calls\n", busy::host_calls(now, nanos(target))))
}

/// Writes to fresh pages of memory; with `hold=1` it then sends the body back, and so holds them until its client ends it.
pub(crate) async fn pages(request: Request, target: &Target) -> Response {
    let mib = target.number_or("mib", 64);
    assert!(busy::touch_pages(mib as usize), "the host gave no {mib} MiB");
    if let Some(ms) = target.number("ms") {
        sleep_ms(ms).await;
    }
    if target.number("hold").is_some() {
        return bodies::echo(request);
    }
    reply::text(200, &format!("touched {mib} MiB\n"))
}

/// Grows memory, and dies if the host refuses.
pub(crate) fn alloc(target: &Target) -> Response {
    std::hint::black_box(vec![1_u8; target.number_or("mib", 64) as usize * (1 << 20)]);
    reply::text(200, "allocated\n")
}

/// Answers, then goes on waiting or spinning for `ms`, then says so on stdout.
pub(crate) fn after(target: Target) -> Response {
    spawn(async move {
        // The answer goes out at the first wait.
        sleep_ms(if target.number("spin").is_some() { 1 } else { target.number_or("ms", 10) }).await;
        if target.number("spin").is_some() {
            busy::spin(now, nanos(&target));
        }
        println!("work after the response is done");
    });
    reply::text(200, "answered\n")
}
