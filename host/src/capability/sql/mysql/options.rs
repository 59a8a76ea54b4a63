//! What the driver is told of a server, and what it tells the server as a session begins.

use std::time::Duration;

use mysql_async::{OptsBuilder, SslOpts};

use crate::{
    capability::{
        config::Hidden,
        sql::{address::Address, server::MAX_STATEMENT},
    },
    config::{DatabaseQuota, TlsMode},
};

/// Statements of a session that are kept prepared.
const KEPT: usize = 32;

/// Bytes of a message beside its values.
const MARGIN: u64 = 64 << 10;

/// After how long a silent connection is looked after, so that one to a machine that is gone does not stay.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long the server itself lets a statement run beyond what the host does: for a host that is no more. A reader that is
/// slow is on the server's clock, as it is not on the host's.
const BACKSTOP: Duration = Duration::from_secs(300);

/// How a connection is made to this address, within these limits.
pub(super) fn of(address: &Address, quota: &DatabaseQuota) -> OptsBuilder {
    // One message holds a row, or a statement's parameters.
    let message = quota.result.max(quota.value).max(MAX_STATEMENT as u64) + MARGIN;
    OptsBuilder::default()
        .ip_or_hostname(address.host.clone())
        .tcp_port(address.port)
        .user(Some(address.user.clone()))
        .pass(address.password.as_ref().map(Hidden::expose))
        .db_name(Some(address.database.clone()))
        .ssl_opts(tls(address))
        .tcp_keepalive(Some(KEEPALIVE))
        .prefer_socket(false)
        .max_allowed_packet(usize::try_from(message).ok())
        // The server says itself when it has closed one.
        .wait_timeout(Some(0))
        .stmt_cache_size(KEPT)
        .setup(setup(address, quota))
}

/// What is said as a session begins, and once more after it was reset: then the server has taken its own defaults.
fn setup(address: &Address, quota: &DatabaseQuota) -> Vec<String> {
    let most = quota.statement.saturating_add(BACKSTOP);
    let (seconds, millis) = (most.as_secs(), most.as_millis());
    vec![
        format!("USE `{}`", address.database.replace('`', "``")),
        // MySQL reads the first comment, MariaDB the second.
        format!("SET SESSION /*!50708 max_execution_time = {millis} */ /*M!100101 max_statement_time = {seconds} */"),
        "SET NAMES utf8mb4".to_owned(),
    ]
}

fn tls(address: &Address) -> Option<SslOpts> {
    // The operator's authorities stand in place of the public ones.
    let own = address.authorities.clone();
    let checked = SslOpts::default()
        .with_disable_built_in_roots(own.is_some())
        .with_root_certs(own.clone().map(|pem| vec![pem.into()]).unwrap_or_default());
    match address.tls {
        TlsMode::Disable => None,
        TlsMode::Require if own.is_some() => Some(checked),
        TlsMode::Prefer | TlsMode::Require => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
        TlsMode::VerifyCa | TlsMode::VerifyFull => Some(checked),
    }
}
