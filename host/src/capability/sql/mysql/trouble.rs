//! What the driver complains of, in words for guests and operators: none says where the server is, or as whom it is asked.

use std::io;

use mysql_async::{DriverError, Error, IoError, ServerError, TlsError};
use mysql_common::proto::codec::error::PacketCodecError;

use crate::{
    capability::sql::server::{Complaint, Refusal},
    config::DatabaseQuota,
};

/// What is said of a handshake that came to nothing for another reason than a certificate.
const TLS_FAILED: &str = "the TLS handshake failed";

/// Why a statement came to nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Parameters that are not as many as the statement has.
    Count {
        /// As many as it has.
        wanted: usize,
        /// As many as there were.
        given: usize,
    },
    /// Before the statement was run.
    Before(Error),
    /// While it ran.
    Ran(Error),
}

impl Trouble {
    /// A connection that is no more.
    pub(super) fn closed() -> Self {
        Self::Before(DriverError::ConnectionClosed.into())
    }

    /// Whether the connection is of no more use.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, Self::Before(error) | Self::Ran(error) if error.is_fatal())
    }

    /// Whether the server itself refuses, which does not say whether a transaction goes on.
    pub(super) fn is_of_server(&self) -> bool {
        matches!(self, Self::Before(Error::Server(_)) | Self::Ran(Error::Server(_)))
    }

    pub(super) fn refusal(self, quota: &DatabaseQuota) -> Refusal {
        let (error, ran) = match self {
            Self::Count { wanted, given } => {
                return Refusal::Parameter(format!("the statement has {wanted} parameters and {given} were given"));
            }
            Self::Before(error) => (error, false),
            Self::Ran(error) => (error, true),
        };
        match error {
            Error::Server(error) => match error.code {
                // MariaDB's and MySQL's limit of a statement's time.
                1969 | 3024 => Refusal::Deadline(quota.statement),
                // The server ends, or has ended the connection.
                1053 | 1077..=1080 | 1927 => Refusal::Lost { why: error.message, ran },
                _ => Refusal::Failed(Box::new(complaint(error))),
            },
            Error::Driver(DriverError::LocalInfile(_)) => {
                Refusal::Invalid("LOAD DATA LOCAL is not allowed here: it would read a file of the host's".to_owned())
            }
            Error::Io(IoError::Io(error)) if is_too_large(&error) => Refusal::Result(quota.result),
            error => Refusal::Lost { why: of_connection(&error), ran },
        }
    }
}

/// What is said where a connection was lost already.
pub(super) fn lost() -> Refusal {
    Refusal::Lost { why: "it was closed".to_owned(), ran: false }
}

/// Why there is no connection.
pub(super) fn unreachable(error: &Error) -> Refusal {
    Refusal::Unreachable(match error {
        Error::Server(error) => match error.code {
            1045 | 1698 => "it refuses the user or the password".to_owned(),
            1044 | 1049 => "it has no such database, or the user may not use it".to_owned(),
            1040 | 1203 | 1226 => "it has as many connections as it may have".to_owned(),
            1129 | 1130 => "it refuses connections from this host".to_owned(),
            code => format!("it refuses the connection (error {code})"),
        },
        error => of_connection(error),
    })
}

/// Whether the server has no TLS at all.
pub(super) fn has_no_tls(error: &Error) -> bool {
    matches!(error, Error::Driver(DriverError::NoClientSslFlagFromServer))
}

/// Whether the server refuses only to prepare the statement.
pub(super) fn is_unpreparable(error: &Error) -> bool {
    matches!(error, Error::Server(error) if error.code == 1295)
}

/// Whether somebody has ended the statement.
pub(super) fn is_stopped(code: u16) -> bool {
    code == 1317
}

/// Whether the server has sent a message that is larger than any may be.
fn is_too_large(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(PacketCodecError::PacketTooLarge))
}

/// Not in the driver's words where they could hold what the server sent, or whom the client called.
fn of_connection(error: &Error) -> String {
    match error {
        Error::Io(IoError::Io(error)) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => of_tls(error).to_owned(),
            None => error.to_string(),
        },
        Error::Io(IoError::Tls(TlsError::Tls(error))) => of_tls(error).to_owned(),
        Error::Io(IoError::Tls(_)) => TLS_FAILED.to_owned(),
        Error::Driver(DriverError::NoClientSslFlagFromServer) => "it has no TLS".to_owned(),
        Error::Driver(DriverError::UnknownAuthPlugin { .. } | DriverError::CleartextPluginDisabled) => {
            "it wants a way to log in that this host does not know".to_owned()
        }
        Error::Driver(DriverError::ConnectionClosed) => "it was closed".to_owned(),
        _ => "it does not speak MySQL's protocol as it should".to_owned(),
    }
}

/// Whom a certificate is for is the operator's to know.
fn of_tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(_) => {
            "its certificate is not one that an authority has given for the name it was called by"
        }
        _ => TLS_FAILED,
    }
}

fn complaint(error: ServerError) -> Complaint {
    Complaint {
        severity: format!("ERROR {}", error.code),
        code: error.state,
        message: error.message,
        detail: None,
        extras: Vec::new(),
    }
}
