//! Whether a guest fits its manifest: what the manifest asks for that it cannot do, and what its author should know.

use super::{
    absent, cgi,
    plugin::{Kind, Loaded},
};
use crate::config::{Lane, Manifest};

impl Loaded {
    /// What its author should know of it, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let absent = (!self.imports.absent.is_empty()).then(|| {
            format!(
                "it imports {}, which this host does not have: a call there ends its request",
                absent::listed(&self.imports.absent)
            )
        });
        let both =
            self.reaches_stores_in_shared_instances() && self.imports.reach.sync && self.imports.reach.concurrent;
        let stalls = both.then(|| {
            "instances.max_concurrent is above 1, and it imports functions of key-value that make its whole instance wait: \
             they answer with an error; those of spin:key-value@3.0.0 do what they should"
                .to_owned()
        });
        absent.into_iter().chain(stalls).collect()
    }

    /// Whether it keeps keys in instances that serve several requests at once.
    fn reaches_stores_in_shared_instances(&self) -> bool {
        self.instances.max_concurrent > 1 && !self.manifest.grants.kv.is_empty()
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
            if !manifest.grants.plugins.is_empty() {
                faults.push("grants.plugins: a CGI command cannot call out; build it as a wasi:http guest".to_owned());
            }
        }
        if self.reaches_stores_in_shared_instances() && self.imports.reach.sync && !self.imports.reach.concurrent {
            faults.push(
                "instances.max_concurrent: it reaches its stores (grants.kv) only by functions that make the whole instance \
                 wait; leave it at 1, or build it with spin:key-value@3.0.0"
                    .to_owned(),
            );
        }
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
