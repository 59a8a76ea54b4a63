//! From the settings as written to the settings as meant.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::{
    Settings, TlsFiles, defaults,
    sources::{Flags, Variables, choose},
    supplies, tenants,
    written::{Written, WrittenTls},
};
use crate::{
    config::{
        checks::{self, Zero},
        fault::{At, Faults, Place, Wrong},
        leaf::{Addresses, Count, Networks},
    },
    units::ByteSize,
};

/// Priorities below a program's own (`setpriority(2)`).
const NICE: (u32, u32) = (0, 19);

/// Far above any machine's cores.
const THREADS: (u32, u32) = (1, 1024);

/// All that a 32-bit guest can address.
const MAX_MEMORY: ByteSize = ByteSize(4 << 30);

impl Written {
    /// Lays the variables and flags over what the file says.
    pub(super) fn overlay(&mut self, faults: &mut Faults, flags: Flags, variables: &Variables<'_>) {
        let flag_listens = flags.listen.is_some();
        choose(faults, "listen", flags.listen, variables, &mut self.listen);
        if !flag_listens {
            self.overlay_port(faults, variables);
        }
        choose(faults, "admin", flags.admin, variables, &mut self.admin);
        choose(faults, "data", flags.data, variables, &mut self.data);
        choose(faults, "wasi_http_03", flags.wasi_http_03, variables, &mut self.wasi_http_03);
        choose(faults, "compute_nice", flags.compute_nice, variables, &mut self.compute_nice);
        choose(faults, "compute_threads", flags.compute_threads, variables, &mut self.compute_threads);
        choose(faults, "max_memory", flags.max_memory, variables, &mut self.max_memory);
        choose(faults, "io_instances", flags.io_instances, variables, &mut self.io_instances);
        choose(faults, "compute_instances", flags.compute_instances, variables, &mut self.compute_instances);
        choose(faults, "max_concurrent", flags.max_concurrent, variables, &mut self.max_concurrent);
        choose(faults, "max_waiting", flags.max_waiting, variables, &mut self.max_waiting);
        choose(faults, "max_connections", flags.max_connections, variables, &mut self.max_connections);
        let per_address = &mut self.max_connections_per_address;
        choose(faults, "max_connections_per_address", flags.max_connections_per_address, variables, per_address);
        choose(faults, "drain", flags.drain, variables, &mut self.drain);
        let proxies = &mut self.trusted_proxies;
        overlay_networks(faults, "trusted_proxies", flags.trusted_proxies, variables, proxies);
        let private = &mut self.private_networks;
        overlay_networks(faults, "private_networks", flags.private_networks, variables, private);
        self.overlay_nameservers(faults, flags.nameservers, variables);
        let authorities = &mut self.outbound_authorities;
        choose(faults, "outbound_authorities", flags.outbound_authorities, variables, authorities);
        self.overlay_tls(faults, (flags.tls_certificate, flags.tls_key), variables);
    }

    fn overlay_tls(&mut self, faults: &mut Faults, flags: (Option<String>, Option<String>), variables: &Variables<'_>) {
        let (mut certificate, mut key) = (None, None);
        choose(faults, "tls_certificate", flags.0, variables, &mut certificate);
        choose(faults, "tls_key", flags.1, variables, &mut key);
        let Some(place) = [&certificate, &key].into_iter().flatten().map(|path| path.place.clone()).next() else {
            return;
        };
        let tls = self.tls.get_or_insert(WrittenTls { certificate: None, key: None, absent: [true; 2], place });
        tls.certificate = certificate.or(tls.certificate.take());
        tls.key = key.or(tls.key.take());
    }

    fn overlay_nameservers(&mut self, faults: &mut Faults, flag: Option<String>, variables: &Variables<'_>) {
        let mut chosen: Option<At<Addresses>> = None;
        choose(faults, "nameservers", flag, variables, &mut chosen);
        if let Some(At { value: Addresses(servers), place }) = chosen {
            self.nameservers = Some(each(servers, place));
        }
    }

    /// `PORT` replaces the port of `listen`. Platforms that set it expect a listener on every address, so that is
    /// where it binds when nothing else says where.
    fn overlay_port(&mut self, faults: &mut Faults, variables: &Variables<'_>) {
        let Some(At { value, place }) = variables.value::<u32>(faults, "PORT") else { return };
        let Ok(port) = u16::try_from(value) else {
            faults.add(&place, "PORT", Wrong::new(format!("= {value} is not a port")).remedy("0 to 65535"));
            return;
        };
        let mut listen = self.listen.take().unwrap_or(At { value: SocketAddr::from(([0, 0, 0, 0], 0)), place });
        listen.value.set_port(port);
        self.listen = Some(listen);
    }

    /// Checks everything. With faults, what is answered is not to be used.
    pub(super) fn meant(self, faults: &mut Faults) -> Settings {
        let default = Settings::default();
        self.check_addresses(faults);
        if !self.tenant.is_empty() {
            supplies::refuse(faults, &self.config, &self.secrets, &self.databases);
        }
        let mut count = |key, written: Option<At<Count>>, default| {
            written.map_or(default, |written| checks::above_zero(faults, key, &written))
        };
        let io_instances = count("io_instances", self.io_instances, default.io_instances);
        let compute_instances = count("compute_instances", self.compute_instances, default.compute_instances);
        let max_concurrent = count("max_concurrent", self.max_concurrent, default.max_concurrent);
        let max_waiting = count("max_waiting", self.max_waiting, default.max_waiting);
        let mut some =
            |key, written: Option<At<Count>>| written.map(|written| checks::above_zero(faults, key, &written));
        let max_connections = some("max_connections", self.max_connections);
        let max_connections_per_address = some("max_connections_per_address", self.max_connections_per_address);
        let mut between = |key, ends, written: At<u32>| checks::within(faults, key, ends, &written);
        let compute_threads = self.compute_threads.map(|threads| between("compute_threads", THREADS, threads) as usize);
        let compute_nice = self.compute_nice.map(|nice| between("compute_nice", NICE, nice));
        let kv = self.kv.unwrap_or_default().meant(faults, "kv", default.kv);
        let (jobs, job_quota) = self.jobs.unwrap_or_default().meant(faults);
        let sql = self.sql.unwrap_or_default().meant(faults, "sql", default.sql);
        let outbound = self.outbound.unwrap_or_default().meant(faults, "outbound", default.outbound);
        let mut supplies = supplies::meant(faults, "", self.config, self.secrets);
        let databases = self.databases.meant(faults, "", &mut supplies, sql);
        Settings {
            listen: self.listen.map_or(default.listen, |listen| listen.value),
            admin: self.admin.map_or(default.admin, |admin| admin.value),
            data: self.data.map(|data| data.value),
            wasi_http_03: self.wasi_http_03.map(|switch| switch.value),
            // A value that does not fit is out of range and has its fault.
            compute_nice: compute_nice.map_or(default.compute_nice, |nice| nice.try_into().unwrap_or(u8::MAX)),
            compute_threads,
            max_memory: self.max_memory.map_or(default.max_memory, |size| max_memory(faults, &size)),
            io_instances,
            compute_instances,
            max_concurrent,
            max_waiting,
            max_connections,
            max_connections_per_address,
            drain: self.drain.map_or(default.drain, |drain| checks::interval(faults, "drain", Zero::Allowed, &drain)),
            compiler: None,
            trusted_proxies: values(self.trusted_proxies),
            private_networks: values(self.private_networks),
            nameservers: values(self.nameservers),
            outbound_authorities: self.outbound_authorities.map(|file| file.value),
            tls: self.tls.and_then(|tls| tls_files(faults, tls)),
            tenants: tenants::meant(faults, self.tenant, (kv, sql, job_quota, outbound)),
            kv,
            sql,
            outbound,
            jobs,
            job_quota,
            state: None,
            supplies,
            databases,
        }
    }

    fn check_addresses(&self, faults: &mut Faults) {
        let admin = self.admin.as_ref().map_or_else(defaults::admin, |admin| admin.value);
        if let Some(At { value, place }) = &self.admin
            && !value.ip().is_loopback()
        {
            let wrong = Wrong::new(format!("= {value} can be reached from other machines, and nothing guards it"));
            faults.add(place, "admin", wrong.remedy("write a loopback address such as \"127.0.0.1:8081\""));
        }
        let listen = self.listen.as_ref().map_or_else(defaults::listen, |listen| listen.value);
        let places = [self.admin.as_ref().map(|at| &at.place), self.listen.as_ref().map(|at| &at.place)];
        let Some(place) = places.into_iter().flatten().next() else { return };
        let overlap = listen.ip() == admin.ip() || listen.ip().is_unspecified();
        if overlap && listen.port() == admin.port() && admin.port() != 0 {
            let wrong = Wrong::new(format!("= {admin} is the address of `listen` too"));
            faults.add(place, "admin", wrong.remedy("give the two listeners different ports"));
        }
    }
}

/// A flag or variable is one text for the whole list.
fn overlay_networks(
    faults: &mut Faults,
    key: &str,
    flag: Option<String>,
    variables: &Variables<'_>,
    file: &mut Option<At<Vec<At<IpNet>>>>,
) {
    let mut chosen: Option<At<Networks>> = None;
    choose(faults, key, flag, variables, &mut chosen);
    if let Some(At { value: Networks(networks), place }) = chosen {
        *file = Some(each(networks, place));
    }
}

/// Values that stand in one place.
fn each<T>(values: Vec<T>, place: Place) -> At<Vec<At<T>>> {
    let value = values.into_iter().map(|value| At { value, place: place.clone() }).collect();
    At { value, place }
}

/// A list's values; none without a list.
fn values<T>(written: Option<At<Vec<At<T>>>>) -> Vec<T> {
    written.map_or_else(Vec::new, |list| list.value.into_iter().map(|at| at.value).collect())
}

fn tls_files(faults: &mut Faults, written: WrittenTls) -> Option<TlsFiles> {
    let files = [("tls.certificate", &written.certificate), ("tls.key", &written.key)];
    for ((key, file), absent) in files.into_iter().zip(written.absent) {
        if absent && file.is_none() {
            faults.add(&written.place, key, Wrong::new("is missing").remedy("a certificate and its key go together"));
        }
    }
    Some(TlsFiles { certificate: written.certificate?.value, key: written.key?.value })
}

fn max_memory(faults: &mut Faults, written: &At<ByteSize>) -> ByteSize {
    checks::memory(faults, "max_memory", written);
    if written.value > MAX_MEMORY {
        let wrong = Wrong::new(format!("= {} is more than a guest can address", written.value));
        faults.add(&written.place, "max_memory", wrong.remedy(format!("{MAX_MEMORY} at most")));
    }
    written.value
}
