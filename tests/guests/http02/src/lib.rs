//! A wasi:http 0.2 handler for tests: the last segment of the path names what it does.
//!
//! Work: `hello`, `wait?ms=`, `work?us=`, `burn?n=`, `spin[?ms=]`, `loads?ms=&mib=`, `hostcalls?ms=`, `pages?mib=[&hold=1]`,
//! `alloc?mib=[&try=1]`, `recurse?n=`, `calibrate?ms=`, `operation?name=&mib=&n=`. Bodies: `echo`, `sink[?each=]`,
//! `read-none`, `big?mib=[&ms=]`, `slowbig?n=&ms=&bytes=`, `sse?n=&ms=`, `trailers`. Ways to go wrong: `trap`,
//! `panic`, `exit`, `trap-late?n=`, `drop-late?n=`, `exit-without-response`, `error`, `bad-header`. The rest:
//! `after?ms=[&spin=1]`, `print[?long=]`, `headers`, `grow`, `plant?mib=`, `scan`, `dodge?ms=`, `many-headers?n=`,
//! `long-header?kib=`, `handles?n=`, `random-bytes?n=`,
//! `call?url=[&method=&bytes=&pass=&first_ns=&between_ns=&connect_ns=]`, `fan?url=&n=`,
//! `repeat?url=&n=`, `half-a-post?url=&ms=`, `count`, `status?code=`, `file`, `random`, `clocks`.

mod bodies;
mod calls;
mod excess;
mod faults;
mod io;
mod operations;
mod reports;
mod work;

use std::sync::atomic::{AtomicU64, Ordering};

use shared::Target;
use wasip2::{
    exports::http::incoming_handler::Guest,
    http::types::{IncomingRequest, ResponseOutparam},
};

/// How many requests this instance was given.
static SERVED: AtomicU64 = AtomicU64::new(0);

struct Handler;
wasip2::http::proxy::export!(Handler);

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let served = SERVED.fetch_add(1, Ordering::Relaxed) + 1;
        let target = Target::new(&request.path_with_query().unwrap_or_default());
        match target.behaviour() {
            "" | "hello" => io::text(out, 200, "hello from 0.2\n"),
            "count" => io::text(out, 200, &format!("{served}\n")),
            "status" => io::text(out, target.number_or("code", 204) as u16, ""),
            "wait" => work::wait(&target, out),
            "work" => work::work(&target, out),
            "burn" => work::burn(&target, out),
            "spin" => work::spin(&target, out),
            "loads" => work::loads(&target, out),
            "hostcalls" => work::host_calls(&target, out),
            "pages" => work::pages(&request, &target, out),
            "alloc" => work::alloc(&target, out),
            "recurse" => work::recurse(&target, out),
            "calibrate" => work::calibrate(&target, out),
            "operation" => operations::run(&target, out),
            "after" => work::after(&target, out),
            "echo" => bodies::echo(&request, out),
            "sink" => bodies::sink(&request, &target, out),
            "read-none" => io::text(out, 200, "read nothing\n"),
            "big" => bodies::big(&target, out),
            "slowbig" => bodies::slow_big(&target, out),
            "sse" => bodies::events(&target, out),
            "trailers" => bodies::trailers(&request, out),
            "read" => io::text(out, 200, &shared::files::read(&target)),
            "list" => io::text(out, 200, &shared::files::list(&target)),
            "change" => io::text(out, 200, &shared::files::change(&target)),
            "grow" => excess::grow(out),
            "plant" => excess::plant(&target, out),
            "scan" => excess::scan(out),
            "dodge" => excess::dodge(&target, out),
            "many-headers" => excess::many_headers(&target, out),
            "long-header" => excess::long_header(&target, out),
            "handles" => excess::handles(&target, out),
            "random-bytes" => excess::random_bytes(&target, out),
            "trap" => faults::trap(),
            "panic" => panic!("asked to panic"),
            "exit" => std::process::exit(target.number_or("code", 3) as i32),
            "trap-late" => faults::trap_late(&target, out),
            "drop-late" => faults::drop_late(&target, out),
            "exit-without-response" => drop(out),
            "error" => faults::error(out),
            "bad-header" => faults::bad_header(out),
            "print" => reports::print(&target, out),
            "headers" => reports::headers(&request, out),
            "file" => reports::files(out),
            "random" => reports::random(out),
            "clocks" => reports::clocks(out),
            "call" => calls::call(&request, &target, out),
            "fan" => calls::fan(&target, out),
            "repeat" => calls::repeat(&target, out),
            "half-a-post" => calls::half_a_post(&target),
            _ => io::text(out, 404, "no such behaviour\n"),
        }
    }
}
