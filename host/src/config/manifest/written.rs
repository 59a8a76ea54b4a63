//! `plugin.toml` as a person wrote it: each key, whether it is there, where it stands.
//!
//! The JSON schema is made from these types, so a field's comment is what an editor shows for its key.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;

use super::{
    Lane, OnDisconnect, defaults,
    jobs::{WrittenJobs, WrittenSchedule},
};
use crate::{
    config::{
        fault::{At, Faults, Place, Wrong},
        leaf::{Count, Leaf, one_of},
        origins::OriginPattern,
        tree::{Entry, Section},
    },
    units::{ByteSize, Fuel, Interval},
};

/// A key that may be absent.
pub(super) type Key<T> = Option<At<T>>;

/// Keys that stand at the top and in no table; after the first `[table]` TOML takes them for the table's.
pub(in crate::config) const TOP: &[&str] =
    &["manifest", "name", "version", "component", "lane", "assets", "on_disconnect"];

/// A plugin's manifest: what it asks for and how it runs.
#[derive(JsonSchema)]
#[schemars(rename = "plugin.toml", deny_unknown_fields)]
pub(in crate::config) struct Written {
    /// The version of this format: 1.
    #[schemars(required, extend("const" = 1))]
    pub(super) manifest: Key<u32>,
    /// The plugin's name: kebab-case, unique within its tenant. Other plugins call it as `http://NAME.plugin.internal/`.
    #[schemars(required, extend("pattern" = "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength" = 63))]
    pub(super) name: Key<String>,
    /// Your version of the plugin. The host only shows it.
    #[schemars(extend("default" = defaults::VERSION))]
    pub(super) version: Key<String>,
    /// The file to run, relative to this folder: a component, a core module, or WebAssembly text (.wat).
    #[schemars(required)]
    pub(super) component: Key<PathBuf>,
    /// Which threads run the plugin: "io" for work that waits, "compute" for work that burns CPU.
    #[schemars(required)]
    pub(super) lane: Key<Lane>,
    /// Files and folders that the guest may read, relative to this folder. It finds them under the same names in `/`,
    /// and nothing else.
    pub(super) assets: Key<Vec<At<PathBuf>>>,
    /// What becomes of a request whose client has left.
    #[schemars(extend("default" = "cancel"))]
    pub(super) on_disconnect: Key<OnDisconnect>,
    /// The paths the plugin serves. None: every path of its tenant.
    #[schemars(with = "Option<Vec<WrittenRoute>>")]
    pub(super) route: Vec<WrittenRoute>,
    /// Files that the host itself serves.
    #[schemars(rename = "static", with = "Option<Vec<WrittenStatic>>")]
    pub(super) statics: Vec<WrittenStatic>,
    /// What one request may use. The operator's caps win.
    pub(super) limits: Option<WrittenLimits>,
    /// How instances of the plugin are used.
    pub(super) instances: Option<WrittenInstances>,
    /// What the plugin may do; nothing else exists for it.
    pub(super) grants: Option<WrittenGrants>,
    /// Requests that the host makes of the plugin when the clock says so.
    #[schemars(with = "Option<Vec<WrittenSchedule>>")]
    pub(super) schedule: Vec<WrittenSchedule>,
    /// What a job or a schedule's run may use: overrides of `[limits]`.
    pub(super) jobs: Option<WrittenJobs>,
    /// How `wasmbay dev` builds the plugin.
    pub(super) build: Option<WrittenBuild>,
}

/// One path that the plugin serves.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenRoute {
    /// Begins with `/`. `{name}` stands for one segment, `{*rest}` for the tail.
    #[schemars(required, extend("pattern" = "^/"))]
    pub(super) path: Key<String>,
    /// The methods it takes. None: all. GET also answers HEAD.
    #[schemars(extend("minItems" = 1))]
    pub(super) methods: Key<Vec<At<String>>>,
    /// The host name it is bound to. None: every host of the tenant.
    pub(super) host: Key<String>,
    #[schemars(skip)]
    pub(super) place: Place,
}

/// A folder of files that the host itself serves.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenStatic {
    /// The path above the files' own. Begins with `/`, without parameters.
    #[schemars(required, extend("pattern" = "^/"))]
    pub(super) path: Key<String>,
    /// The folder, relative to this one. A path that ends in a slash is answered with its `index.html`.
    #[schemars(required)]
    pub(super) dir: Key<PathBuf>,
    /// The host name it is bound to. None: every host of the tenant.
    pub(super) host: Key<String>,
    #[schemars(skip)]
    pub(super) place: Place,
}

/// What one request may use.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenLimits {
    /// Compute lane: fuel one request may burn, about one unit per wasm operator.
    #[schemars(extend("default" = defaults::FUEL))]
    pub(super) fuel: Key<Fuel>,
    /// Time on a CPU one request may burn, instantiation included.
    #[schemars(extend("default" = Interval(defaults::CPU)))]
    pub(super) cpu: Key<Interval>,
    /// From leaving the queue to the response's head.
    #[schemars(extend("default" = Interval(defaults::TIMEOUT)))]
    pub(super) timeout: Key<Interval>,
    /// The longest gap without a byte from the guest once the head is out.
    #[schemars(extend("default" = Interval(defaults::STREAM_IDLE)))]
    pub(super) stream_idle: Key<Interval>,
    /// The whole instance: every memory and table together.
    #[schemars(extend("default" = defaults::MEMORY))]
    pub(super) memory: Key<ByteSize>,
    /// The largest request body.
    #[schemars(extend("default" = defaults::REQUEST_BODY))]
    pub(super) request_body: Key<ByteSize>,
    /// The largest response body.
    #[schemars(extend("default" = defaults::RESPONSE_BODY))]
    pub(super) response_body: Key<ByteSize>,
    /// Requests in flight in this plugin.
    #[schemars(extend("default" = defaults::MAX_CONCURRENT, "minimum" = 1))]
    pub(super) max_concurrent: Key<Count>,
    /// Requests waiting; past that they are refused.
    #[schemars(extend("default" = defaults::QUEUE))]
    pub(super) queue: Key<Count>,
    /// The longest a request waits.
    #[schemars(extend("default" = Interval(defaults::QUEUE_TIMEOUT)))]
    pub(super) queue_timeout: Key<Interval>,
    /// How long work may go on after the response; 0 ends it there.
    #[schemars(extend("default" = Interval(defaults::AFTER_RESPONSE)))]
    pub(super) after_response: Key<Interval>,
}

/// How instances of the plugin are used.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenInstances {
    /// Requests one instance may serve in turn; 1 is a fresh sandbox for each.
    #[schemars(extend("default" = defaults::MAX_REQUESTS, "minimum" = 1))]
    pub(super) max_requests: Key<Count>,
    /// Requests at once in one instance (wasi:http 0.3, io lane).
    #[schemars(extend("default" = defaults::INSTANCE_CONCURRENT, "minimum" = 1))]
    pub(super) max_concurrent: Key<Count>,
    /// Instances kept ready ahead of need.
    #[schemars(extend("default" = defaults::WARM))]
    pub(super) warm: Key<Count>,
}

/// What the plugin may do.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenGrants {
    /// Plugins of the same tenant it may call, by name.
    pub(super) plugins: Key<Vec<At<String>>>,
    /// Other servers it may send requests to: `scheme://host[:port]`, every path of it. `*.` before a name stands for
    /// all names below it.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) http: Key<Vec<At<OriginPattern>>>,
    /// Variables it may read: a text, or the name of a secret that the operator keeps.
    #[schemars(with = "Option<BTreeMap<String, WrittenVariable>>")]
    pub(super) config: Vec<(At<String>, WrittenVariable)>,
    /// Stores of keys and values it may open, by name. The plugins of a tenant share them.
    pub(super) kv: Key<Vec<At<String>>>,
    /// Whether it may hand jobs to the host, for itself and for the plugins that it may call.
    pub(super) jobs: Key<bool>,
    /// SQL databases it may open, by name. The plugins of a tenant share them.
    pub(super) sql: Key<Vec<At<String>>>,
}

/// Where a variable's value comes from.
#[derive(JsonSchema)]
#[schemars(inline, untagged)]
pub(super) enum WrittenVariable {
    /// This text.
    Text(At<String>),
    /// A secret of the operator's.
    Secret(WrittenSecret),
}

/// A secret of the operator's.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenSecret {
    /// Its name in the operator's `[secrets]`.
    #[schemars(required)]
    pub(super) secret: Key<String>,
}

/// How `wasmbay dev` builds the plugin.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
pub(super) struct WrittenBuild {
    /// Run by the shell in this folder.
    #[schemars(required)]
    pub(super) command: Key<String>,
    /// What starts a build when it changes, relative to this folder.
    #[schemars(extend("default" = [defaults::WATCH]))]
    pub(super) watch: Key<Vec<At<PathBuf>>>,
}

impl Written {
    /// Takes every key of the file's top table.
    pub(super) fn read(mut top: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            manifest: top.required(faults, "manifest", "write manifest = 1"),
            name: top.required(faults, "name", "write a name such as \"my-plugin\""),
            version: top.leaf(faults, "version"),
            component: top.required(faults, "component", "write the file to run, such as \"plugin.wasm\""),
            lane: top.required(faults, "lane", "\"io\" for work that waits, \"compute\" for work that burns CPU"),
            assets: top.nonempty_list(faults, "assets"),
            on_disconnect: top.leaf(faults, "on_disconnect"),
            route: top.tables(faults, "route").into_iter().map(|table| WrittenRoute::read(table, faults)).collect(),
            statics: top.tables(faults, "static").into_iter().map(|table| WrittenStatic::read(table, faults)).collect(),
            limits: top.table(faults, "limits").map(|table| WrittenLimits::read(table, faults)),
            instances: top.table(faults, "instances").map(|table| WrittenInstances::read(table, faults)),
            grants: top.table(faults, "grants").map(|table| WrittenGrants::read(table, faults)),
            schedule: top
                .tables(faults, "schedule")
                .into_iter()
                .map(|table| WrittenSchedule::read(table, faults))
                .collect(),
            jobs: top.table(faults, "jobs").map(|table| WrittenJobs::read(table, faults)),
            build: top.table(faults, "build").map(|table| WrittenBuild::read(table, faults)),
        };
        top.finish(faults, &["docs"]);
        written
    }
}

impl WrittenRoute {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            place: table.place(),
            path: table.required(faults, "path", "write a path such as \"/hello\""),
            methods: table.nonempty_list(faults, "methods"),
            host: table.leaf(faults, "host"),
        };
        table.finish(faults, &[]);
        written
    }
}

impl WrittenStatic {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            place: table.place(),
            path: table.required(faults, "path", "write a path such as \"/static\""),
            dir: table.required(faults, "dir", "write the folder to serve, such as \"static\""),
            host: table.leaf(faults, "host"),
        };
        table.finish(faults, &[]);
        written
    }
}

impl WrittenLimits {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            fuel: table.leaf(faults, "fuel"),
            cpu: table.leaf(faults, "cpu"),
            timeout: table.leaf(faults, "timeout"),
            stream_idle: table.leaf(faults, "stream_idle"),
            memory: table.leaf(faults, "memory"),
            request_body: table.leaf(faults, "request_body"),
            response_body: table.leaf(faults, "response_body"),
            max_concurrent: table.leaf(faults, "max_concurrent"),
            queue: table.leaf(faults, "queue"),
            queue_timeout: table.leaf(faults, "queue_timeout"),
            after_response: table.leaf(faults, "after_response"),
        };
        table.finish(faults, &[]);
        written
    }
}

impl WrittenInstances {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            max_requests: table.leaf(faults, "max_requests"),
            max_concurrent: table.leaf(faults, "max_concurrent"),
            warm: table.leaf(faults, "warm"),
        };
        table.finish(faults, &[]);
        written
    }
}

impl WrittenGrants {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let config = table.entries(faults, "config").into_iter();
        let written = Self {
            config: config.map(|(name, entry)| (name, WrittenVariable::read(entry, faults))).collect(),
            plugins: table.list(faults, "plugins"),
            http: table.list(faults, "http"),
            kv: table.list(faults, "kv"),
            sql: table.list(faults, "sql"),
            jobs: table.leaf(faults, "jobs"),
        };
        table.finish(faults, &[]);
        written
    }
}

impl WrittenVariable {
    fn read(entry: Entry<'_>, faults: &mut Faults) -> Self {
        match entry {
            Entry::Text(text) => Self::Text(text),
            Entry::Table(mut table) => {
                let secret = table.required(faults, "secret", "write { secret = \"NAME\" }, or a text");
                table.finish(faults, &[]);
                Self::Secret(WrittenSecret { secret })
            }
        }
    }
}

impl WrittenBuild {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            command: table.required(faults, "command", "write the command that builds the component"),
            watch: table.list(faults, "watch"),
        };
        table.finish(faults, &[]);
        written
    }
}

impl Leaf for Lane {
    const WHAT: &'static str = "\"io\" or \"compute\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        one_of(text, &[("io", Self::Io), ("compute", Self::Compute)])
    }
}

impl Leaf for OnDisconnect {
    const WHAT: &'static str = "\"cancel\" or \"finish\"";

    fn text(text: &str) -> Result<Self, Wrong> {
        one_of(text, &[("cancel", Self::Cancel), ("finish", Self::Finish)])
    }
}
