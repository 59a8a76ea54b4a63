//! The rules for `[tenant.NAME]`: what one may say, and that no two claim the same folder, host or path.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Caps, JobQuota, KeyQuota, OutboundQuota, SqlQuota, Tenant, TenantPlace, defaults, supplies,
    written::{WrittenCaps, WrittenTenant},
};
use crate::config::{
    checks::{self, Zero},
    fault::{At, Faults, Wrong},
    names, paths,
};

/// Shares are compared by division; past this the smaller one would round to nothing.
const MAX_WEIGHT: u32 = 1000;

/// Of keys, of databases, of jobs and of requests to other servers.
type Quotas = (KeyQuota, SqlQuota, JobQuota, OutboundQuota);

/// Checks every tenant, then each against those before it. The quotas are what holds where one says nothing.
pub(super) fn meant(
    faults: &mut Faults,
    written: Vec<(At<String>, WrittenTenant)>,
    quotas: Quotas,
) -> BTreeMap<String, Tenant> {
    let mut tenants = BTreeMap::new();
    let mut claims = Claims::default();
    for (name, tenant) in written {
        let key = format!("tenant.{}", name.value.escape_debug());
        faults.keep(&name.place, &key, names::kebab(&name.value));
        claims.check(faults, &key, &name.value, &tenant);
        if let Some(tenant) = one(faults, &key, tenant, quotas) {
            tenants.insert(name.value, tenant);
        }
    }
    tenants
}

fn one(faults: &mut Faults, key: &str, written: WrittenTenant, (kv, sql, jobs, outbound): Quotas) -> Option<Tenant> {
    let weight = written
        .weight
        .map_or(defaults::WEIGHT, |weight| checks::within(faults, &format!("{key}.weight"), (1, MAX_WEIGHT), &weight));
    let caps = caps(faults, key, written.caps.unwrap_or_default());
    let mut supplies = supplies::meant(faults, &format!("{key}."), written.config, written.secrets);
    let kv = written.kv.unwrap_or_default().meant(faults, &format!("{key}.kv"), kv);
    let jobs = written.jobs.unwrap_or_default().meant(faults, &format!("{key}.jobs"), jobs);
    let sql = written.sql.unwrap_or_default().meant(faults, &format!("{key}.sql"), sql);
    let outbound = written.outbound.unwrap_or_default().meant(faults, &format!("{key}.outbound"), outbound);
    let databases = written.databases.meant(faults, &format!("{key}."), &mut supplies, sql);
    let place = match (written.hosts, written.prefix) {
        (Some(hosts), None) => TenantPlace::Hosts(hosts_of(faults, key, hosts)),
        (None, Some(prefix)) => TenantPlace::Prefix(prefix_of(faults, key, prefix)),
        (Some(_), Some(prefix)) => {
            let wrong = Wrong::new("stands beside `hosts`").remedy("keep one of the two");
            faults.add(&prefix.place, &format!("{key}.prefix"), wrong);
            return None;
        }
        (None, None) => {
            let wrong = Wrong::new("has neither hosts nor a prefix");
            faults.add(&written.place, key, wrong.remedy("write hosts = [\"acme.example\"] or prefix = \"/acme\""));
            return None;
        }
    };
    let folder = written.folder?;
    let folder = faults.keep(&folder.place, &format!("{key}.folder"), names::below(&folder.value))?;
    Some(Tenant { folder, place, weight, caps, supplies, kv, sql, databases, jobs, outbound })
}

fn hosts_of(faults: &mut Faults, key: &str, written: At<Vec<At<String>>>) -> Vec<String> {
    let key = format!("{key}.hosts");
    let checked = |host: At<String>| {
        faults.keep(&host.place, &key, names::host(&host.value))?;
        Some(host.value)
    };
    written.value.into_iter().filter_map(checked).collect()
}

fn prefix_of(faults: &mut Faults, key: &str, written: At<String>) -> String {
    faults.keep(&written.place, &format!("{key}.prefix"), paths::prefix(&written.value));
    written.value
}

fn caps(faults: &mut Faults, key: &str, written: WrittenCaps) -> Caps {
    let key = |name: &str| format!("{key}.caps.{name}");
    Caps {
        cpu: written.cpu.map(|time| checks::interval(faults, &key("cpu"), Zero::Refused, &time)),
        timeout: written.timeout.map(|time| checks::interval(faults, &key("timeout"), Zero::Refused, &time)),
        memory: written.memory.map(|size| checks::memory(faults, &key("memory"), &size)),
        fuel: written.fuel.map(|fuel| checks::fuel(faults, &key("fuel"), &fuel)),
        max_concurrent: written.max_concurrent.map(|count| checks::above_zero(faults, &key("max_concurrent"), &count)),
    }
}

/// What the tenants so far have laid claim to, and who.
#[derive(Default)]
struct Claims {
    hosts: BTreeMap<String, String>,
    prefixes: BTreeMap<PathBuf, String>,
    folders: BTreeMap<PathBuf, String>,
}

impl Claims {
    /// Adds a tenant's claims and a fault for each that another has made. Bad values claim nothing.
    fn check(&mut self, faults: &mut Faults, key: &str, name: &str, tenant: &WrittenTenant) {
        for host in tenant.hosts.iter().flat_map(|hosts| &hosts.value).filter(|host| names::host(&host.value).is_ok()) {
            if let Some(owner) = self.hosts.insert(host.value.clone(), name.to_owned()) {
                let wrong = Wrong::new(format!("= {:?} is claimed already by tenant {owner}", host.value));
                faults.add(&host.place, &format!("{key}.hosts"), wrong.remedy("give each host to one tenant, once"));
            }
        }
        if let Some(At { value, place }) = &tenant.prefix
            && paths::prefix(value).is_ok()
            && let Some((other, owner)) = claim(&mut self.prefixes, Path::new(value), name)
        {
            let wrong = Wrong::new(format!("= {value:?} overlaps {other:?} of tenant {owner}"));
            faults.add(place, &format!("{key}.prefix"), wrong.remedy("give each tenant a path of its own"));
        }
        if let Some(At { value, place }) = &tenant.folder
            && let Ok(clean) = names::below(value)
            && let Some((other, owner)) = claim(&mut self.folders, &clean, name)
        {
            let wrong = Wrong::new(format!("= {value:?} overlaps {other:?} of tenant {owner}"));
            faults.add(place, &format!("{key}.folder"), wrong.remedy("give each tenant a folder of its own"));
        }
    }
}

/// Adds `path` to the claims and answers with one that it overlaps, one of which holds the other.
///
/// Paths compare by their parts, so what a path holds follows it, and what holds it is one of its parents.
fn claim(claims: &mut BTreeMap<PathBuf, String>, path: &Path, name: &str) -> Option<(PathBuf, String)> {
    let above = path.ancestors().find_map(|parent| claims.get_key_value(parent));
    let below = claims.range(path.to_owned()..).next().filter(|(next, _)| next.starts_with(path));
    let other = above.or(below).map(|(path, owner)| (path.clone(), owner.clone()));
    claims.insert(path.to_owned(), name.to_owned());
    other
}
