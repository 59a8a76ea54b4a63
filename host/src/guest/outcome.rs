//! From the engine's errors to failures, and from failures to what a guest is told.

use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::Error as HttpError;

use super::limiter::Limiter;
use crate::{
    capability::http::{NameTrouble, Trouble},
    failure::{Code, Failure},
};

/// Why the host itself ended a guest, raised at an interruption.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the CPU budget is spent")]
    Cpu,
    #[error("nobody waits for the result any more")]
    Cancelled,
    #[error("another request ended the instance that served this one")]
    Neighbour,
    #[error("it called {0}, which this host does not have")]
    Absent(String),
}

/// What a guest's end means for its request.
pub(super) fn failure(error: &wasmtime::Error, limiter: Option<&Limiter>) -> Failure {
    let inside = format!("{error:?}");
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return match ended {
            Ended::Cpu => Failure::plain(Code::CpuExhausted),
            Ended::Cancelled => Failure::plain(Code::ClientGone),
            Ended::Neighbour => Failure::new(Code::Trap, ended.to_string()),
            Ended::Absent(called) => {
                Failure::new(Code::Trap, format!("The plugin called {called}, which this host does not have."))
                    .remedy("build it without what calls this, or serve it on a host that has it")
            }
        }
        .inside(inside);
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Failure::plain(Code::HostFull).inside(inside);
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
        return Failure::plain(Code::FuelExhausted).inside(inside);
    }
    if limiter.is_some_and(Limiter::refused) {
        return Failure::plain(Code::MemoryExhausted).inside(inside);
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Failure::new(Code::Trap, format!("The plugin exited with status {}.", exit.0)).inside(inside);
    }
    Failure::plain(Code::Trap).inside(inside)
}

/// How a failure looks to a guest whose request or body it ended.
pub(super) fn to_guest(failure: &Failure) -> HttpError {
    match failure.code {
        Code::BodyTooLarge => HttpError::HttpRequestBodySize(None),
        Code::ResponseTooLarge => HttpError::HttpResponseBodySize(None),
        Code::RequestTimeout => HttpError::ConnectionReadTimeout,
        Code::ClientGone => HttpError::ConnectionTerminated,
        Code::NoRoute => HttpError::DestinationNotFound,
        Code::Unavailable | Code::Draining => HttpError::DestinationUnavailable,
        Code::QueueFull | Code::QueueTimeout | Code::HostFull | Code::QuotaExceeded => {
            HttpError::ConnectionLimitReached
        }
        Code::Timeout => HttpError::HttpResponseTimeout,
        Code::Loop => HttpError::LoopDetected,
        Code::MethodNotAllowed => HttpError::HttpRequestMethodInvalid,
        Code::BadRequest => HttpError::HttpProtocolError,
        _ => HttpError::InternalError(Some(failure.to_string())),
    }
}

/// How the end of an outbound request looks to its guest.
pub(super) fn trouble_to_guest(trouble: &Trouble) -> HttpError {
    match trouble {
        Trouble::Denied(_) => HttpError::HttpRequestDenied,
        Trouble::Prohibited(_) => HttpError::DestinationIpProhibited,
        Trouble::BadTarget(_) => HttpError::HttpRequestUriInvalid,
        Trouble::BadMethod => HttpError::HttpRequestMethodInvalid,
        Trouble::Name(_, NameTrouble::Unknown) => dns_error("NXDOMAIN"),
        Trouble::Name(_, NameTrouble::Refused(code)) => dns_error(code),
        Trouble::Name(_, NameTrouble::Silent) => HttpError::DnsTimeout,
        Trouble::ConnectionRefused(_) => HttpError::ConnectionRefused,
        Trouble::Unreachable(..) => HttpError::DestinationUnavailable,
        Trouble::ConnectTimeout(_) => HttpError::ConnectionTimeout,
        Trouble::Certificate(..) => HttpError::TlsCertificateError,
        Trouble::Tls(..) => HttpError::TlsProtocolError,
        Trouble::HeadTimeout => HttpError::HttpResponseTimeout,
        Trouble::BodyTimeout => HttpError::ConnectionReadTimeout,
        Trouble::HeadTooLarge => HttpError::HttpResponseHeaderSectionSize(None),
        Trouble::BodyTooLarge(most) => HttpError::HttpResponseBodySize(Some(*most)),
        Trouble::RequestTooLarge(most) => HttpError::HttpRequestBodySize(Some(*most)),
        Trouble::Malformed(_) => HttpError::HttpProtocolError,
        Trouble::Incomplete => HttpError::HttpResponseIncomplete,
        Trouble::TooMany(_) => HttpError::ConnectionLimitReached,
        Trouble::Loop => HttpError::LoopDetected,
        Trouble::Failed(failure) => to_guest(failure),
    }
}

fn dns_error(code: &str) -> HttpError {
    HttpError::DnsError { rcode: Some(code.to_owned()), info_code: None }
}

/// What a broken body or response of a guest means.
pub(super) fn from_guest(error: &HttpError) -> Failure {
    Failure::new(Code::BadResponse, "The plugin broke off its response.").inside(error)
}
