//! Whether a guest fits its manifest: what the manifest asks for that it cannot do, and what its author should know.

use super::{
    absent, cgi,
    plugin::{Kind, Loaded},
    reach::Reach,
};
use crate::{
    capability::sql::Engine,
    config::{Lane, Manifest},
};

/// Something that is granted, and how the guest can reach it.
struct Reached {
    what: &'static str,
    whose: &'static str,
    by: Reach,
    /// The functions that hold nobody up.
    better: &'static str,
}

impl Loaded {
    /// What its author should know of it, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let absent = (!self.code.0.imports.absent.is_empty()).then(|| {
            format!(
                "it imports {}, which this host does not have: a call there ends its request",
                absent::listed(&self.code.0.imports.absent)
            )
        });
        let both = self.reached_in_shared_instances().filter(|reached| reached.by.sync && reached.by.concurrent);
        let stalls = both.map(|Reached { what, better, .. }| {
            format!(
                "instances.max_concurrent is above 1, and it imports functions of {what} that make its whole instance wait: \
                 they answer with an error; those of {better} do what they should"
            )
        });
        self.granted.barred.iter().cloned().chain(absent).chain(stalls).chain(self.out_of_reach()).collect()
    }

    /// What is granted to instances that serve several requests at once, none of which may make the others wait.
    fn reached_in_shared_instances(&self) -> impl Iterator<Item = Reached> {
        let (grants, imports) = (&self.manifest.grants, &self.code.0.imports);
        let shared = self.instances.max_concurrent > 1;
        let keys = Reached {
            what: "key-value",
            whose: "stores (grants.kv)",
            by: imports.keys,
            better: "spin:key-value@3.0.0",
        };
        let engines: Vec<_> = self.granted.databases.engines().map(|(_, engine)| engine).collect();
        // Where the operator's word is not known, as by `check`, what is imported tells what will be granted.
        let is_guess = !imports.sql.iter().any(|(engine, by)| by.is_any() && engines.contains(engine));
        let databases = imports.sql.iter().map(|(engine, by)| {
            let better = match engine {
                Engine::Sqlite => "spin:sqlite@3.1.0 that are async",
                Engine::Postgres => "spin:postgres@4.2.0 that are async",
                Engine::Mysql => "spin:mysql@3.0.0",
            };
            let reached = Reached { what: engine.name(), whose: "databases (grants.sql)", by: *by, better };
            (reached, !engines.is_empty() && (is_guess || engines.contains(engine)))
        });
        let granted = std::iter::once((keys, !grants.kv.is_empty())).chain(databases).collect::<Vec<_>>();
        granted.into_iter().filter_map(move |(reached, is_granted)| (shared && is_granted).then_some(reached))
    }

    /// Databases on servers that it is granted and has no functions for.
    fn out_of_reach(&self) -> impl Iterator<Item = String> {
        let has = |engine| self.code.0.imports.sql.iter().any(|(known, reach)| *known == engine && reach.is_any());
        let unreached =
            self.granted.databases.engines().filter(move |(_, engine)| *engine != Engine::Sqlite && !has(*engine));
        unreached.map(|(name, engine)| {
            format!(
                "grants.sql names {name}, which the operator has as {}, and it imports no functions for that",
                engine.name()
            )
        })
    }

    /// What the manifest asks for that this kind of guest cannot do.
    pub(super) fn unfit(&self, manifest: &Manifest) -> Vec<String> {
        let mut faults = Vec::new();
        let instances = manifest.instances;
        if self.kind() == Kind::Cgi {
            let taken = self.granted.variables.iter().filter(|(name, _)| cgi::is_meta_variable(name));
            faults.extend(taken.map(|(name, _)| {
                format!("grants.config.{name}: a CGI command's environment has a variable of this name already; choose another")
            }));
            if instances.max_requests > 1 {
                faults.push(
                    "instances.max_requests: a CGI command serves one request and exits; leave it at 1".to_owned(),
                );
            }
            if !manifest.grants.http.is_empty() {
                faults.push("grants.http: a CGI command cannot call out; build it as a wasi:http guest".to_owned());
            }
            if !manifest.grants.kv.is_empty() {
                faults.push("grants.kv: a CGI command keeps no keys; build it as a wasi:http guest".to_owned());
            }
            if !manifest.grants.sql.is_empty() {
                faults.push("grants.sql: a CGI command asks no databases; build it as a wasi:http guest".to_owned());
            }
            if !manifest.grants.plugins.is_empty() {
                faults.push("grants.plugins: a CGI command cannot call out; build it as a wasi:http guest".to_owned());
            }
        }
        let stalls = self.reached_in_shared_instances().filter(|reached| reached.by.only_waits());
        faults.extend(stalls.map(|Reached { whose, better, .. }| {
            format!(
                "instances.max_concurrent: it reaches its {whose} only by functions that make the whole instance wait; leave \
                 it at 1, or build it with functions of {better}"
            )
        }));
        if instances.max_concurrent > 1 && self.kind() != Kind::Http03 {
            faults.push(
                "instances.max_concurrent: only wasi:http 0.3 guests serve several requests at once; leave it at 1"
                    .to_owned(),
            );
        }
        if instances.max_concurrent > 1 && manifest.lane == Lane::Compute {
            faults.push("instances.max_concurrent: only in lane = \"io\"".to_owned());
        }
        faults
    }
}
