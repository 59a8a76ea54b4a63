//! `plugin.toml`: what is accepted means what it says, what is refused is refused with places and remedies.
//!
//! The input is the file. Checked:
//! * each fault is of this file, on a line of it, and says what to do;
//! * the parser accepts nothing that the published schema refuses, and complains of no key or type that it allows;
//! * a manifest that is written again, every default included, is the same manifest.

use std::{fmt::Write as _, sync::LazyLock};

use wasmbay::{
    config::{Given, Grants, Lane, Manifest, Methods, OnDisconnect, Route, Schedule, Serves, manifest_schema},
    diagnostic::Diagnostic,
    units::Interval,
};

use crate::schema::Schema;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::new(manifest_schema()));

/// Runs one input.
///
/// # Panics
/// When one of the properties does not hold.
pub fn run(input: &[u8]) {
    // Whoever reads the file refuses what is no text.
    let Ok(text) = std::str::from_utf8(input) else { return };
    let json = toml::from_str::<toml::Table>(text).ok().and_then(|table| serde_json::to_value(table).ok());
    let refusal = json.as_ref().and_then(|json| SCHEMA.refusal(json));
    match Manifest::parse(text, Manifest::FILE) {
        Ok(manifest) => {
            assert_eq!(refusal, None, "the schema refuses what the parser accepts");
            let again = written(&manifest);
            assert_eq!(Manifest::parse(&again, Manifest::FILE).as_ref(), Ok(&manifest), "{again}");
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            faults.iter().for_each(|fault| check(fault, text));
            // Of what is no TOML, or more than JSON can hold, a schema says nothing.
            if json.is_some() && refusal.is_none() {
                let fault = faults.iter().find(|fault| of_shape(fault));
                assert_eq!(fault, None, "the schema accepts what the parser refuses");
            }
        }
    }
}

/// Whether a schema can complain of it too: of a key, or of a type.
fn of_shape(fault: &Diagnostic) -> bool {
    let Some((_, said)) = fault.message.split_once("` ") else { return false };
    said.starts_with("is an unknown key")
        || said.starts_with("is missing")
        || (said.starts_with("must be ") && said.contains(", not "))
}

fn check(fault: &Diagnostic, text: &str) {
    assert_eq!(fault.file.to_str(), Some(Manifest::FILE), "{fault}");
    let lines = text.split('\n').count();
    assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)), "{fault} is on no line of the file");
    assert!(!fault.to_string().contains('\n'), "{fault} is more than a line");
    // What must stand there instead, and where TOML ends, say by themselves what to do.
    let says_it = ["must be ", "is not one of ", "not TOML"].iter().any(|words| fault.message.contains(words));
    assert!(says_it || fault.remedy.is_some(), "{fault} does not say what to do");
}

/// The manifest with every value written out.
fn written(manifest: &Manifest) -> String {
    let Manifest {
        name,
        version,
        component,
        lane,
        assets,
        on_disconnect,
        routes,
        limits,
        instances,
        grants,
        schedules,
        job_limits,
        build,
    } = manifest;
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let path = |path: &std::path::Path| quoted(path.to_str().expect("it was read from text"));
    let time = |time| quoted(&Interval(time).to_string());
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    let mut text = format!(
        "manifest = 1\nname = {}\nversion = {}\ncomponent = {}\n",
        quoted(name),
        quoted(version),
        path(component)
    );
    let lane = if *lane == Lane::Io { "io" } else { "compute" };
    let end = if *on_disconnect == OnDisconnect::Cancel { "cancel" } else { "finish" };
    let mut put = |line: String| writeln!(text, "{line}").expect("a string takes all");
    put(format!("lane = {lane:?}\non_disconnect = {end:?}"));
    if !assets.is_empty() {
        put(format!("assets = {}", list(assets.iter().map(|asset| path(asset)).collect())));
    }
    for route in routes {
        if let Serves::Files(folder) = &route.serves {
            let below = route.path.strip_suffix(Route::EVERY_PATH).expect("it ends in every path");
            put(format!("[[static]]\npath = {}", quoted(if below.is_empty() { "/" } else { below })));
            put(format!("dir = {}", path(folder)));
        } else {
            put(format!("[[route]]\npath = {}", quoted(&route.path)));
            if let Methods::Only(methods) = &route.methods {
                put(format!("methods = {}", list(methods.iter().map(|method| quoted(method.as_str())).collect())));
            }
        }
        route.host.iter().for_each(|host| put(format!("host = {}", quoted(host))));
    }
    for Schedule { cron, path } in schedules {
        put(format!("[[schedule]]\ncron = {}\ntimezone = {}", quoted(cron.pattern()), quoted(cron.zone())));
        put(format!("path = {}", quoted(path)));
    }
    put("[jobs]".to_owned());
    job_limits.fuel.iter().for_each(|fuel| put(format!("fuel = \"{fuel}\"")));
    put(format!("cpu = {}\ntimeout = {}", time(job_limits.cpu), time(job_limits.timeout)));
    put(format!("stream_idle = {}\nmax_concurrent = {}", time(job_limits.stream_idle), job_limits.max_concurrent));
    put(format!("request_body = \"{}\"\nresponse_body = \"{}\"", job_limits.request_body, job_limits.response_body));
    put(format!("after_response = {}", time(job_limits.after_response)));
    put("[limits]".to_owned());
    limits.fuel.iter().for_each(|fuel| put(format!("fuel = \"{fuel}\"")));
    put(format!("cpu = {}\ntimeout = {}", time(limits.cpu), time(limits.timeout)));
    put(format!("stream_idle = {}\nmemory = \"{}\"", time(limits.stream_idle), limits.memory));
    put(format!("request_body = \"{}\"\nresponse_body = \"{}\"", limits.request_body, limits.response_body));
    put(format!("max_concurrent = {}\nqueue = {}", limits.max_concurrent, limits.queue));
    put(format!("queue_timeout = {}\nafter_response = {}", time(limits.queue_timeout), time(limits.after_response)));
    put(format!("[instances]\nmax_requests = {}", instances.max_requests));
    put(format!("max_concurrent = {}\nwarm = {}", instances.max_concurrent, instances.warm));
    let Grants { plugins, http, config, kv, sql, jobs } = grants;
    put(format!("[grants]\nplugins = {}", list(plugins.iter().map(|name| quoted(name)).collect())));
    put(format!("http = {}", list(http.iter().map(|origin| quoted(&origin.to_string())).collect())));
    put(format!("kv = {}", list(kv.iter().map(|store| quoted(store)).collect())));
    put(format!("jobs = {jobs}"));
    put(format!("sql = {}", list(sql.iter().map(|database| quoted(database)).collect())));
    put("[grants.config]".to_owned());
    for (name, given) in config {
        put(match given {
            Given::Text(text) => format!("{name} = {}", quoted(text)),
            Given::Secret(secret) => format!("{name} = {{ secret = {} }}", quoted(secret)),
        });
    }
    if let Some(build) = build {
        put(format!("[build]\ncommand = {}", quoted(&build.command)));
        put(format!("watch = {}", list(build.watch.iter().map(|part| path(part)).collect())));
    }
    text
}
