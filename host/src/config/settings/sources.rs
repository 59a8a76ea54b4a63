//! Where a setting comes from: a flag over a `WASMBAY_*` variable over the file.

use std::path::PathBuf;

use crate::config::{
    fault::{At, Faults, Place},
    leaf::Leaf,
};

/// What the command line says, as it was typed: [`super::Settings::load`] checks it with everything else.
///
/// Each field is `--` and its name with hyphens, and the variable `WASMBAY_` and its name in capitals.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Overrides `listen`, and `PORT` too.
    pub listen: Option<String>,
    /// Overrides `admin`.
    pub admin: Option<String>,
    /// Overrides `data`; relative to the working folder.
    pub data: Option<String>,
    /// Overrides `wasi_http_03`: `true` or `false`.
    pub wasi_http_03: Option<String>,
    /// Overrides `compute_nice`.
    pub compute_nice: Option<String>,
    /// Overrides `compute_threads`.
    pub compute_threads: Option<String>,
    /// Overrides `max_memory`.
    pub max_memory: Option<String>,
    /// Overrides `io_instances`.
    pub io_instances: Option<String>,
    /// Overrides `compute_instances`.
    pub compute_instances: Option<String>,
    /// Overrides `max_concurrent`.
    pub max_concurrent: Option<String>,
    /// Overrides `max_waiting`.
    pub max_waiting: Option<String>,
    /// Overrides `max_connections`.
    pub max_connections: Option<String>,
    /// Overrides `max_connections_per_address`.
    pub max_connections_per_address: Option<String>,
    /// Overrides `drain`.
    pub drain: Option<String>,
    /// Overrides `tls.certificate`; relative to the working folder.
    pub tls_certificate: Option<String>,
    /// Overrides `tls.key`; relative to the working folder.
    pub tls_key: Option<String>,
    /// Overrides `trusted_proxies`: networks with commas between them.
    pub trusted_proxies: Option<String>,
    /// Overrides `private_networks`: networks with commas between them.
    pub private_networks: Option<String>,
    /// Overrides `nameservers`: addresses with commas between them.
    pub nameservers: Option<String>,
    /// Overrides `outbound_authorities`; relative to the working folder.
    pub outbound_authorities: Option<String>,
}

/// The environment, through a function so that tests need not change the process's own.
pub(super) struct Variables<'e>(pub(super) &'e dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    /// A variable's text. An empty one counts as unset: that is how people unset one in a compose file.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|text| !text.is_empty())
    }

    /// A variable's value, if it is set and good.
    pub(super) fn value<T: Leaf>(&self, faults: &mut Faults, name: &str) -> Option<At<T>> {
        text(faults, name, &self.get(name)?)
    }
}

/// Replaces what the file says for `key` by what a variable or, before that, a flag says.
pub(super) fn choose<T: Leaf>(
    faults: &mut Faults,
    key: &str,
    flag: Option<String>,
    variables: &Variables<'_>,
    file: &mut Option<At<T>>,
) {
    let flag = flag.map(|typed| text(faults, &format!("--{}", key.replace('_', "-")), &typed));
    let chosen = flag.or_else(|| {
        let name = format!("WASMBAY_{}", key.to_ascii_uppercase());
        Some(text(faults, &name, &variables.get(&name)?))
    });
    if let Some(chosen) = chosen {
        *file = chosen;
    }
}

/// Reads the text of the flag or variable `name`.
fn text<T: Leaf>(faults: &mut Faults, name: &str, text: &str) -> Option<At<T>> {
    let place = Place::whole(PathBuf::from(name));
    let value = faults.keep(&place, name, T::text(text))?;
    Some(At { value, place })
}
