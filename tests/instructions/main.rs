//! How many instructions a request takes on the host's hot path: a figure that a busy machine does not move, so that a
//! regression shows wherever the tests run.
//!
//! The test starts itself once more for each kind of request. That process serves real requests through the real door, on one
//! thread with its client; this one counts what that thread executes, from the request's first byte to its answer's last
//! ([`steps`]). `budget.toml` says what each may take; `host/decisions/0082-counted-instructions.md`, why in this way.

mod budget;
mod requests;
mod steps;

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use budget::Budget;
use requests::KINDS;

/// Set in the process that is counted: the kind of its requests.
const KIND: &str = "WASMBAY_INSTRUCTIONS_OF";

/// Set to write what was counted as the new budget.
const WRITE: &str = "WASMBAY_WRITE_INSTRUCTIONS";

/// What the counted process says when its request is about to come, before its thread's number.
const READY: &str = "counted thread: ";

/// How often a request is counted that takes more than it may: one in many does work for those before it, such as giving back
/// the memory of their instances.
const COUNTS: usize = 4;

#[test]
fn a_request_takes_no_more_instructions_than_its_budget() {
    if env::var_os(WRITE).is_some() {
        return budget::write(&KINDS.map(|kind| (kind.name, least(kind.name, |_| false))));
    }
    let budget = Budget::read();
    let counted = KINDS.map(|kind| (kind.name, least(kind.name, |count| budget.holds(kind.name, count))));
    let over = budget.over(&counted);
    assert!(
        over.is_empty(),
        "{}\nWhere the work is wanted, write the new counts: {WRITE}=1 cargo xtask test a_request_takes",
        over.join("\n")
    );
}

/// The least that a request of this kind takes: of several counts, or the first that is enough.
fn least(kind: &str, is_enough: impl Fn(u64) -> bool) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..COUNTS {
        least = least.min(counted(kind));
        if is_enough(least) {
            break;
        }
    }
    least
}

/// The instructions of one request of this kind.
fn counted(kind: &str) -> u64 {
    let mut run = Command::new(env::current_exe().expect("this program has a path"));
    run.args(["--exact", "requests_that_are_counted", "--ignored", "--test-threads=1", "--nocapture"]);
    run.env(KIND, kind).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = run.spawn().expect("this program starts once more");
    let mut said = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines().map_while(Result::ok);
    let thread = said.find_map(|line| line.split(READY).nth(1)?.parse().ok());
    let thread = thread.expect("it gets ready, or says on standard error why not");
    let steps = steps::count(&mut child, thread);
    // To the end: a program that nobody listens to fails.
    said.for_each(drop);
    assert!(child.wait().expect("it ends").success(), "{kind}: the requests failed");
    steps
}

#[test]
#[ignore = "started by the test above"]
fn requests_that_are_counted() {
    let kind = env::var(KIND).expect("the test above says which requests");
    let kind = KINDS.iter().find(|known| known.name == kind).expect("the test above names one there is");
    requests::run(kind, || {
        println!("\n{READY}{}", steps::this_thread());
        std::io::stdout().flush().expect("the test above listens");
        std::io::stdin().read_line(&mut String::new()).expect("the test above answers");
    });
}
