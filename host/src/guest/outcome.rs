//! From the engine's errors to failures, and from failures to what a guest is told.

use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::Error as HttpError;

use super::limiter::Limiter;
use crate::failure::{Code, Failure};

/// Why the host itself ended a guest, raised at an interruption.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the CPU budget is spent")]
    Cpu,
    #[error("nobody waits for the result any more")]
    Cancelled,
    #[error("another request ended the instance that served this one")]
    Neighbour,
}

/// What a guest's end means for its request.
pub(super) fn failure(error: &wasmtime::Error, limiter: Option<&Limiter>) -> Failure {
    let inside = format!("{error:?}");
    if let Some(ended) = error.downcast_ref::<Ended>() {
        return match ended {
            Ended::Cpu => Failure::plain(Code::CpuExhausted),
            Ended::Cancelled => Failure::plain(Code::ClientGone),
            Ended::Neighbour => Failure::new(Code::Trap, ended.to_string()),
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

/// What a broken body or response of a guest means.
pub(super) fn from_guest(error: &HttpError) -> Failure {
    Failure::new(Code::BadResponse, "The plugin broke off its response.").inside(error)
}
