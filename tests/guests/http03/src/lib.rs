//! A wasi:http 0.3 handler for tests: the last segment of the path names what it does.
//!
//! Work: `hello`, `wait?ms=`, `work?us=`, `burn?n=`, `spin[?ms=]`, `loads?ms=&mib=`, `hostcalls?ms=`, `pages?mib=[&hold=1]`,
//! `alloc?mib=`, `after?ms=[&spin=1]`. Bodies: `echo`, `relay`, `sink`, `big?mib=`, `slowbig?n=&ms=&bytes=`, `sse?n=&ms=`,
//! `trailers`. Ways to go wrong: `trap`, `trap-late?n=`, `drop-late?n=`, `never`, `error`. The rest: `print`,
//! `headers`, `call?url=`, `fan?url=&n=`, `repeat?url=&n=`, `count`, `inside`, `status?code=`, `recurse?n=`, `grow`, `dodge?ms=`,
//! `many-headers?n=`, `long-header?kib=`, `handles?n=`, `streams?n=`, `random-bytes?n=`.

mod bodies;
mod calls;
mod excess;
mod reply;
mod reports;
mod work;

use std::sync::atomic::{AtomicU64, Ordering};

use shared::Target;
use wasip3::{
    exports::http::handler::Guest,
    http::types::{ErrorCode, Request, Response},
};

/// How many requests this instance was given.
static SERVED: AtomicU64 = AtomicU64::new(0);

/// How many requests are inside this instance now.
static INSIDE: AtomicU64 = AtomicU64::new(0);

struct Handler;
wasip3::http::service::export!(Handler);

impl Guest for Handler {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        SERVED.fetch_add(1, Ordering::Relaxed);
        INSIDE.fetch_add(1, Ordering::Relaxed);
        let answer = answer(request).await;
        INSIDE.fetch_sub(1, Ordering::Relaxed);
        answer
    }
}

async fn answer(request: Request) -> Result<Response, ErrorCode> {
    let target = Target::new(&request.get_path_with_query().unwrap_or_default());
    match target.behaviour() {
        "" | "hello" => Ok(reply::text(200, "hello from 0.3\n")),
        "count" => Ok(reply::text(200, &format!("{}\n", SERVED.load(Ordering::Relaxed)))),
        "inside" => Ok(inside(&target).await),
        "status" => Ok(reply::text(target.number_or("code", 204) as u16, "")),
        "wait" => Ok(work::wait(&target).await),
        "work" => Ok(work::work(&target)),
        "burn" => Ok(work::burn(&target)),
        "spin" => Ok(work::spin(&target)),
        "loads" => Ok(work::loads(&target)),
        "hostcalls" => Ok(work::host_calls(&target)),
        "pages" => Ok(work::pages(request, &target).await),
        "alloc" => Ok(work::alloc(&target)),
        "after" => Ok(work::after(target)),
        "echo" => Ok(bodies::echo(request)),
        "relay" => Ok(bodies::relay(request)),
        "sink" => Ok(bodies::sink(request).await),
        "big" => Ok(bodies::big(&target)),
        "slowbig" => Ok(bodies::slow_big(target)),
        "sse" => Ok(bodies::events(target)),
        "trailers" => Ok(bodies::trailers(request).await),
        "read" => Ok(reply::text(200, &shared::files::read(&target))),
        "list" => Ok(reply::text(200, &shared::files::list(&target))),
        "change" => Ok(reply::text(200, &shared::files::change(&target))),
        "grow" => Ok(excess::grow()),
        "dodge" => Ok(excess::dodge(&target).await),
        "many-headers" => Ok(excess::many_headers(&target)),
        "long-header" => Ok(excess::long_header(&target)),
        "handles" => Ok(excess::handles(&target)),
        "streams" => Ok(excess::streams(&target)),
        "random-bytes" => Ok(excess::random_bytes(&target)),
        "recurse" => Ok(reply::text(200, &format!("{:x}\n", shared::busy::recurse(target.number_or("n", u64::MAX))))),
        "trap" => trap(),
        "trap-late" => Ok(bodies::broken(target, || trap())),
        "drop-late" => Ok(bodies::broken(target, || ())),
        "never" => std::future::pending().await,
        "error" => Err(ErrorCode::InternalError(Some("asked to fail".to_owned()))),
        "print" => Ok(reports::print(&target).await),
        "headers" => Ok(reports::headers(&request)),
        "call" => calls::call(&target).await,
        "fan" => Ok(calls::fan(&target).await),
        "repeat" => Ok(calls::repeat(&target).await),
        _ => Ok(reply::text(404, "no such behaviour\n")),
    }
}

/// Waits, then answers how many requests were inside at the time: more than one shows they share the instance.
async fn inside(target: &Target) -> Response {
    reply::sleep_ms(target.number_or("ms", 10)).await;
    reply::text(200, &format!("{}\n", INSIDE.load(Ordering::Relaxed)))
}

/// Executes `unreachable`.
fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    std::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}
