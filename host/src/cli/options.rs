//! The options of the commands that need settings. Each is a key of `wasmbay.toml`, checked there.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    config::{Flags, Settings},
    diagnostic::Diagnostic,
};

/// What `serve` and `dev` take.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The folder that holds the plugins' folders.
    pub dir: PathBuf,
    /// Exit 1 instead of serving when any plugin is refused at the start.
    #[arg(long)]
    pub strict: bool,
    /// Log JSON, also on a terminal.
    #[arg(long)]
    pub json: bool,
    /// The settings.
    #[command(flatten)]
    pub options: Options,
}

/// Where settings come from, and those that may be typed. Text here: the settings know what it means.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct Options {
    /// The file of settings [default: wasmbay.toml, where there is one].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where clients connect [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Where operators connect: /healthz, /readyz, /metrics, /status [default: 127.0.0.1:8081].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// The folder of durable state, compiled code among it [default: .wasmbay beside the served folder].
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Whether wasi:http 0.3 plugins may load [default: with one tenant, true].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub wasi_http_03: Option<String>,
    /// How far compute threads stand back behind those that serve, 0 to 19 [default: 10].
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub compute_nice: Option<String>,
    /// Compute threads [default: the cores; with a CPU quota one less than it].
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub compute_threads: Option<String>,
    /// The most memory a plugin may ask for, for instance 128MiB.
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    pub max_memory: Option<String>,
    /// Plugin instances alive at once in the io lane.
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub io_instances: Option<String>,
    /// Plugin instances alive at once in the compute lane.
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub compute_instances: Option<String>,
    /// Requests in flight in the whole host.
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub max_concurrent: Option<String>,
    /// Requests waiting in the whole host.
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub max_waiting: Option<String>,
    /// Connections at once to the public listener [default: what the limit of open files leaves room for].
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub max_connections: Option<String>,
    /// Connections at once from one address [default: a quarter of all].
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub max_connections_per_address: Option<String>,
    /// How long requests in flight may go on at shutdown, for instance 40s.
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub drain: Option<String>,
    /// The certificate to serve TLS with, a chain in PEM form; read again when it changes.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub tls_certificate: Option<String>,
    /// The certificate's private key.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub tls_key: Option<String>,
    /// Networks of proxies whose word about clients is believed, for instance 10.0.0.0/8,fd00::/8.
    #[arg(long, value_name = "NETS", hide_short_help = true)]
    pub trusted_proxies: Option<String>,
    /// Networks that plugins may reach though they are not public, for instance 10.1.0.0/16,127.0.0.1.
    #[arg(long, value_name = "NETS", hide_short_help = true)]
    pub private_networks: Option<String>,
    /// Who resolves the names that plugins call, for instance 10.0.0.2:53 [default: the system's name servers].
    #[arg(long, value_name = "ADDRS", hide_short_help = true)]
    pub nameservers: Option<String>,
    /// Authorities, in PEM form, to be trusted beside the public ones by plugins that call out.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub outbound_authorities: Option<String>,
}

/// Whether a folder can be looked into: a slip of the pen here is wrong usage, not a host without plugins.
///
/// # Errors
/// What is wrong with it.
pub fn folder(dir: &Path) -> Result<(), Diagnostic> {
    match std::fs::read_dir(dir) {
        Ok(_) => Ok(()),
        Err(error) => Err(Diagnostic::new(dir, format!("the folder cannot be read: {error}"))),
    }
}

impl Options {
    /// The settings that these options, the environment and the file make together.
    ///
    /// # Errors
    /// Every fault of every source at once.
    pub fn settings(self, env: &dyn Fn(&str) -> Option<String>, cwd: &Path) -> Result<Settings, Vec<Diagnostic>> {
        let flags = Flags {
            listen: self.listen,
            admin: self.admin,
            data: self.data,
            wasi_http_03: self.wasi_http_03,
            compute_nice: self.compute_nice,
            compute_threads: self.compute_threads,
            max_memory: self.max_memory,
            io_instances: self.io_instances,
            compute_instances: self.compute_instances,
            max_concurrent: self.max_concurrent,
            max_waiting: self.max_waiting,
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            drain: self.drain,
            tls_certificate: self.tls_certificate,
            tls_key: self.tls_key,
            trusted_proxies: self.trusted_proxies,
            private_networks: self.private_networks,
            nameservers: self.nameservers,
            outbound_authorities: self.outbound_authorities,
        };
        Settings::load(flags, env, self.config.as_deref(), cwd)
    }
}
