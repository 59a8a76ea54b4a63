//! `docs/limits.md`: meanings and defaults from the schemas, what lowers a limit from the caps' own code, the rest told
//! here for every key that the schema has.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use super::{keep, table};
use crate::{
    config::{Caps, Manifest, manifest_schema, settings_schema},
    failure::Code,
    guest::caps::caps,
    units::{ByteSize, Fuel},
};

const HEAD: &str = "\
# Limits

Every limit is on by default. A size, a time or an amount is written with its unit (`\"64MiB\"`, `\"250ms\"`, `\"2G\"`). What
cannot be enforced in a lane or for a kind of guest is refused when the plugin loads, never ignored. `wasmbay check`
names each value that the operator's caps lower.

This page is made from the code: `WASMBAY_WRITE_DOCS=1 cargo test --workspace --lib docs`.

";

/// What the schema does not know of a manifest's limit.
struct Limit {
    key: &'static str,
    bounds: &'static str,
    holds: &'static str,
    /// What a request past it ends in; nothing where the limit shapes and does not fail.
    ends: &'static [Code],
}

const TIME: &str = "above 0, to 24h";
const EVERYWHERE: &str = "both lanes, every kind";

#[rustfmt::skip]
const LIMITS: &[Limit] = &[
    Limit { key: "limits.fuel", bounds: "above 0", holds: "`lane = \"compute\"`, every kind; refused in `io`, where fuel is not counted", ends: &[Code::FuelExhausted] },
    Limit { key: "limits.cpu", bounds: TIME, holds: EVERYWHERE, ends: &[Code::CpuExhausted] },
    Limit { key: "limits.timeout", bounds: TIME, holds: EVERYWHERE, ends: &[Code::Timeout] },
    Limit { key: "limits.stream_idle", bounds: TIME, holds: EVERYWHERE, ends: &[Code::Timeout] },
    Limit { key: "limits.memory", bounds: "64KiB to the operator's `max_memory`", holds: EVERYWHERE, ends: &[Code::MemoryExhausted] },
    Limit { key: "limits.request_body", bounds: "any; 0B is no body", holds: EVERYWHERE, ends: &[Code::BodyTooLarge] },
    Limit { key: "limits.response_body", bounds: "any; 0B is no body", holds: EVERYWHERE, ends: &[Code::ResponseTooLarge] },
    Limit { key: "limits.max_concurrent", bounds: "at least 1", holds: EVERYWHERE, ends: &[Code::QueueFull, Code::QueueTimeout] },
    Limit { key: "limits.queue", bounds: "any; 0 lets nothing wait", holds: EVERYWHERE, ends: &[Code::QueueFull] },
    Limit { key: "limits.queue_timeout", bounds: TIME, holds: EVERYWHERE, ends: &[Code::QueueTimeout] },
    Limit { key: "limits.after_response", bounds: "0s to 24h; 0s ends work with the response", holds: EVERYWHERE, ends: &[] },
    Limit { key: "instances.max_requests", bounds: "at least 1", holds: "both lanes, wasi:http guests; refused above 1 for CGI commands", ends: &[] },
    Limit { key: "instances.max_concurrent", bounds: "1 to `instances.max_requests`", holds: "`lane = \"io\"`, wasi:http 0.3 guests; refused above 1 elsewhere", ends: &[] },
    Limit { key: "instances.warm", bounds: "0 to `limits.max_concurrent`; all plugins of a lane together hold a quarter of its slots", holds: "both lanes, every kind; refused beside `instances.max_concurrent` above 1", ends: &[] },
];

/// The operator's figures, and what a request that meets one ends in.
const OPERATOR: &[(&str, &[Code])] = &[
    ("max_memory", &[Code::MemoryExhausted]),
    ("io_instances", &[Code::QueueFull, Code::QueueTimeout, Code::HostFull]),
    ("compute_instances", &[Code::QueueFull, Code::QueueTimeout, Code::HostFull]),
    ("max_concurrent", &[Code::QueueFull, Code::QueueTimeout]),
    ("drain", &[Code::Draining]),
];

#[test]
fn the_page_of_limits_is_what_the_code_says() {
    let (manifest, settings) = (manifest_schema(), settings_schema());
    let mut page = HEAD.to_owned();
    page += "## What a manifest asks for (`plugin.toml`)\n\n";
    let head = ["key", "what", "default", "from, to", "lowered by", "holds in", "ends in"];
    page += &table(head, LIMITS.iter().map(|limit| manifest_row(limit, &manifest)));
    page += "\nWhat a job or a schedule's run may use stands in `[jobs]`: `fuel`, `cpu`, `timeout`, `stream_idle`, `request_body`, \
             `response_body` and `after_response` as above, by default what `[limits]` says; `max_concurrent` of them run at \
             once, by default a quarter of `limits.max_concurrent` (`docs/jobs.md`).\n";
    page += "\n## What the operator sets (`wasmbay.toml`)\n\nA pool that the machine cannot hold is made smaller at start, \
             with a line in the log and in `wasmbay status`.\n\n";
    page += &table(["key", "what", "default", "ends in"], OPERATOR.iter().map(|row| operator_row(row, &settings)));
    page += "\nOn a host with several tenants, what one may hold of a lane's instances and of the requests in flight is three times \
             what is still free (its reach; twice that with twice the weight of the lightest). One that takes all it can leaves a \
             quarter to the others, and who holds something never takes the last one. A quarter of each lane's instances is kept for \
             plugin calls; there the same holds, and a call beyond it is refused at once.\n";
    page += "\nPer tenant, in `[tenant.NAME] caps = { … }`, none by default:\n\n";
    page += &table(["key", "what"], tenant_caps(&settings));
    page += "\nOf keys and values, in `[kv]` for every tenant and in `[tenant.NAME.kv]` for one; what is past it is an error of the \
             call (`docs/keys.md`):\n\n";
    page += &table(["key", "what", "default"], quotas(&settings, "kv"));
    page += "\nOf jobs, in `[jobs]`; `count`, `bytes` and `body` are each tenant's, and can be said for one in `[tenant.NAME.jobs]` \
             (`docs/jobs.md`):\n\n";
    page += &table(["key", "what", "default"], quotas(&settings, "jobs"));
    page += "\nOf SQL databases, in `[sql]` and `[tenant.NAME.sql]` likewise (`docs/sql.md`):\n\n";
    page += &table(["key", "what", "default"], quotas(&settings, "sql"));
    page += "\nOf requests to other servers, in `[outbound]` and `[tenant.NAME.outbound]` likewise; what is past it waits, within the time \
             for its connection (`docs/outbound.md`):\n\n";
    page += &table(["key", "what", "default"], quotas(&settings, "outbound"));
    page += "\nOf one database on a server, in `[databases.NAME]` and `[tenant.T.databases.NAME]` (`docs/postgres.md`):\n\n";
    page += &table(["key", "what", "default"], databases(&settings));
    page += "\n## What neither sets\n\nFigures that no honest guest meets.\n\n";
    let rows = caps().into_iter().map(|cap| [cap.what.into(), cap.most, cap.past.into(), cap.reason.into()]);
    page += &table(["what", "most", "past it", "why"], rows);
    keep("limits.md", &page);
}

#[test]
fn every_limit_of_the_manifest_is_on_the_page() {
    let schema = manifest_schema();
    let keys = |table: &str| {
        let properties = schema["properties"][table]["properties"].as_object().expect("a table has keys");
        properties.keys().map(|key| format!("{table}.{key}")).collect::<Vec<_>>()
    };
    let written: BTreeSet<_> = [keys("limits"), keys("instances")].concat().into_iter().collect();
    assert_eq!(written, LIMITS.iter().map(|limit| limit.key.to_owned()).collect());
}

#[test]
fn the_bounds_on_the_page_are_those_that_a_manifest_is_held_to() {
    for key in ["cpu", "timeout", "stream_idle", "queue_timeout"] {
        assert!(reads(&format!("{key} = \"24h\"")) && !reads(&format!("{key} = \"1441m\"")), "{key}");
        assert!(!reads(&format!("{key} = \"0s\"")), "{key}");
    }
    for good in ["after_response = \"0s\"", "memory = \"64KiB\"", "queue = 0", "request_body = \"0B\"", "fuel = 1"] {
        assert!(reads(good), "{good}");
    }
    for bad in ["after_response = \"1441m\"", "memory = \"63KiB\"", "max_concurrent = 0", "fuel = 0"] {
        assert!(!reads(bad), "{bad}");
    }
}

/// Whether a compute plugin may have this under `[limits]`.
fn reads(line: &str) -> bool {
    Manifest::parse(&manifest(&format!("[limits]\n{line}\n")), "plugin.toml").is_ok()
}

fn manifest(more: &str) -> String {
    format!("manifest = 1\nname = \"p\"\ncomponent = \"p.wasm\"\nlane = \"compute\"\n{more}")
}

fn manifest_row(limit: &Limit, schema: &Value) -> [String; 7] {
    let (table, key) = limit.key.split_once('.').expect("a key is in a table");
    let schema = &schema["properties"][table]["properties"][key];
    [
        code(limit.key),
        text(&schema["description"]),
        code(&text(&schema["default"])),
        limit.bounds.to_owned(),
        lowered_by(limit.key),
        limit.holds.to_owned(),
        ends(limit.ends),
    ]
}

fn operator_row((key, codes): &(&str, &[Code]), schema: &Value) -> [String; 4] {
    let schema = &schema["properties"][key];
    [code(key), text(&schema["description"]), code(&text(&schema["default"])), ends(codes)]
}

fn tenant_caps(schema: &Value) -> Vec<[String; 2]> {
    let caps = &schema["properties"]["tenant"]["additionalProperties"]["properties"]["caps"]["properties"];
    let caps = caps.as_object().expect("caps have keys");
    caps.iter().map(|(key, value)| [code(&format!("caps.{key}")), text(&value["description"])]).collect()
}

fn quotas(schema: &Value, of: &str) -> Vec<[String; 3]> {
    let quotas = schema["properties"][of]["properties"].as_object().expect("quotas have keys");
    let row = |(key, value): (&String, &Value)| {
        [code(&format!("{of}.{key}")), text(&value["description"]), code(&text(&value["default"]))]
    };
    quotas.iter().map(row).collect()
}

fn databases(schema: &Value) -> Vec<[String; 3]> {
    let keys = &schema["properties"]["databases"]["additionalProperties"]["properties"];
    let keys = keys.as_object().expect("a database has keys").iter();
    // Where it is, and how that is protected, is no limit.
    let limits = keys.filter(|(key, _)| !matches!(key.as_str(), "url" | "tls" | "authorities"));
    let default = |value: &Value| if value.is_null() { "–".to_owned() } else { code(&text(value)) };
    limits.map(|(key, value)| [code(key), text(&value["description"]), default(&value["default"])]).collect()
}

/// The operator's settings that lower a limit: those that do when each is as low as can be.
fn lowered_by(key: &str) -> String {
    let manifest = Manifest::parse(&manifest(""), "plugin.toml").expect("a good manifest");
    let least = Caps {
        cpu: Some(Duration::from_millis(1)),
        timeout: Some(Duration::from_millis(1)),
        memory: Some(ByteSize(1)),
        fuel: Some(Fuel(1)),
        max_concurrent: Some(1),
    };
    let by_caps = manifest.capped(&least, ByteSize(2)).1;
    let by_slots = manifest.capped(&Caps::default(), ByteSize(1)).1;
    let by: Vec<_> = by_caps.iter().chain(&by_slots).filter(|note| note.key == key).map(|note| code(note.by)).collect();
    if by.is_empty() { "–".to_owned() } else { by.join(", ") }
}

fn ends(codes: &[Code]) -> String {
    let names: Vec<_> = codes.iter().map(|code_| code(code_.row().name)).collect();
    if names.is_empty() { "–".to_owned() } else { names.join(", ") }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A string or number of a schema, on one line.
fn text(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
