//! The caps that neither a manifest nor an operator sets, as the documentation lists them: each figure is the constant
//! that enforces it.

use super::{cgi, clock, engine, instance, keys, sql, state, stdio};
use crate::{
    capability::{
        http::{self as outbound, limits},
        sql::server::MOST_WAITING,
    },
    config::MAX_VARIABLE,
    lanes::admission::HOPS,
    store::{
        keys::{MAX_KEY, WAITING},
        sql::{HEAP, HEAP_OF_STATEMENTS, MAX_STATEMENT},
    },
    telemetry::{MAX_LINE, MAX_REQUEST},
    units::{ByteSize, Interval},
};

/// One row: what is capped, the figure, what becomes of a guest past it, and why it is this much.
pub(crate) struct Cap {
    pub(crate) what: &'static str,
    pub(crate) most: String,
    pub(crate) past: &'static str,
    pub(crate) reason: &'static str,
}

fn cap(what: &'static str, most: impl ToString, past: &'static str, reason: &'static str) -> Cap {
    Cap { what, most: most.to_string(), past, reason }
}

/// Every one of them, in the order of a plugin's life.
pub(crate) fn caps() -> Vec<Cap> {
    let size = |bytes: usize| ByteSize(bytes as u64);
    vec![
        cap(
            "core instances in a component",
            engine::CORE_INSTANCES_PER_COMPONENT,
            "refused at load",
            "a preview1 guest with its adapter needs 4, one composed of two twice that",
        ),
        cap(
            "memories in a component",
            engine::MEMORIES_PER_COMPONENT,
            "refused at load",
            "each takes 4 GiB of address space in every slot of the pool",
        ),
        cap(
            "tables in a component",
            engine::TABLES_PER_COMPONENT,
            "refused at load",
            "a preview1 guest with its adapter needs 2",
        ),
        cap(
            "elements of a table",
            engine::TABLE_ELEMENTS,
            "refused at load, or `table.grow` answers -1",
            "8 bytes each in every slot of the pool; they count towards `limits.memory` as well",
        ),
        cap(
            "stack of wasm frames",
            size(engine::MAX_WASM_STACK),
            "`trap`",
            "the rest of the fiber's 2 MiB is for the host's frames, whose overflow would end the process",
        ),
        cap(
            "resource handles in a component",
            instance::COMPONENT_HANDLES,
            "`trap`",
            "a request uses a dozen; without a cap a guest grows the host's tables",
        ),
        cap(
            "host objects: streams, pollables, bodies, headers",
            state::MAX_RESOURCES,
            "`trap`",
            "a request uses a dozen; each lives in the host's memory, not in the guest's",
        ),
        cap(
            "bytes passed to the host in one call",
            size(instance::HOSTCALL_BYTES),
            "`trap`",
            "strings and lists are copied into the host's memory before the call begins",
        ),
        cap(
            "a header map, bookkeeping included",
            size(state::FIELD_SIZE_LIMIT),
            "an error or a trap in the guest",
            "as much as the front door takes of a client",
        ),
        cap(
            "random bytes asked for in one call",
            ByteSize(instance::RANDOM_BYTES),
            "`trap`; a 0.3 guest gets as many as these",
            "a key needs 32; the host makes them in its own memory, in one go",
        ),
        cap(
            "the head of a CGI response",
            size(cgi::head::MAX_HEAD),
            "`bad-response`",
            "as much as the front door takes of a client",
        ),
        cap(
            "one write to standard output or error",
            size(stdio::WRITE),
            "the write is refused; a guest writes it in pieces",
            "what is written is copied before it is cut into lines",
        ),
        cap(
            "a line of a guest's log",
            size(MAX_LINE),
            "the line goes on in the next one",
            "a line is held in memory until it ends",
        ),
        cap(
            "a guest's log for one request, both streams together",
            ByteSize(MAX_REQUEST),
            "further lines are dropped, counted and said once",
            "a chatty plugin must not crowd the others out of the log",
        ),
        cap("hops from plugin to plugin", HOPS, "`loop`", "a chain of calls holds an instance at each hop"),
        cap(
            "resolution of a guest's clocks, at best",
            Interval(clock::STEP),
            "times are rounded down",
            "takes the cheap timer out of a guest's hands",
        ),
    ]
    .into_iter()
    .chain(outbound_caps())
    .chain(kept_caps())
    .chain(sql_caps())
    .collect()
}

/// Those of requests to other servers.
fn outbound_caps() -> Vec<Cap> {
    vec![
        cap(
            "outbound requests of one request",
            outbound::IN_ALL,
            "`connection-limit-reached`",
            "far above any page's needs; a loop that calls out ends here",
        ),
        cap(
            "outbound requests of one request at once",
            outbound::AT_ONCE,
            "it waits, within the time for its connection",
            "a fan-out holds no more of what its tenant shares",
        ),
        cap(
            "the wait for an outbound connection: a turn, the name, TCP and TLS",
            Interval(limits::CONNECT),
            "`DNS-timeout` or `connection-timeout`",
            "a guest may ask for less, not for more",
        ),
        cap(
            "the wait for an outbound response's head, or for a piece of its body",
            Interval(limits::LONGEST),
            "`HTTP-response-timeout`, `connection-read-timeout`",
            "30 s where the guest does not say; `limits.timeout` and `limits.stream_idle` end the request that calls",
        ),
        cap(
            "an outbound response's head",
            ByteSize(outbound::HEAD_BYTES as u64),
            "`HTTP-response-header-section-size`",
            "100 lines at most; it is held in memory",
        ),
        cap(
            "an outbound request's or response's body",
            ByteSize(outbound::MOST_SENT.max(limits::MOST_RECEIVED)),
            "`HTTP-request-body-size`, `HTTP-response-body-size`",
            "it is streamed at the guest's pace, never held",
        ),
    ]
}

/// Those of variables, and of keys and values.
fn kept_caps() -> Vec<Cap> {
    let size = |bytes: usize| ByteSize(bytes as u64);
    vec![
        cap(
            "the value of a variable",
            size(MAX_VARIABLE),
            "refused at load",
            "a chain of certificates fits; all of them are in the host's memory for as long as the plugin is",
        ),
        cap("a key", size(MAX_KEY), "`other`", "keys are listed, and looked for, in memory"),
        cap(
            "the keys of a list that is handed over at once",
            size(keys::MOST_LISTED),
            "`other`",
            "it is copied into the guest in one piece; streams and pages go on to the end",
        ),
        cap(
            "calls of one tenant that wait at its keys",
            WAITING,
            "the next ones wait before it",
            "each holds a value in the host's memory",
        ),
    ]
}

/// Those of SQL databases.
fn sql_caps() -> Vec<Cap> {
    vec![
        cap(
            "databases that one instance has open at once",
            sql::MOST_OPEN,
            "an error of the call",
            "each that has begun a statement has a connection, of which its tenant has few",
        ),
        cap(
            "a statement's text",
            ByteSize(MAX_STATEMENT as u64),
            "an error of the call",
            "values belong in parameters; what is prepared takes several times its text",
        ),
        cap(
            "statements that wait on one handle to a database server",
            MOST_WAITING,
            "an error of the call",
            "each is held in the host's memory with its parameters",
        ),
        cap(
            "memory of all SQLite databases of the host, those of keys included",
            ByteSize(HEAP),
            "an error of the call",
            "what is sorted and joined is held in memory: no temporary file is written",
        ),
        cap(
            "the same, when a statement of a guest asks for more",
            ByteSize(HEAP_OF_STATEMENTS),
            "an error of the call",
            "statements end before keys have to",
        ),
    ]
}
