//! What the error codes of wasi:http mean. Both versions have the same, as types of their own.

/// The failure that a code stands for.
macro_rules! failure {
    ($code:expr, $type:ident) => {
        match &$code {
            $type::HttpRequestDenied | $type::DestinationIpProhibited => $crate::fetch::FetchFailure::Denied,
            $type::ConnectionLimitReached => $crate::fetch::FetchFailure::Full,
            $type::HttpResponseTimeout
            | $type::ConnectionTimeout
            | $type::DnsTimeout
            | $type::ConnectionReadTimeout => $crate::fetch::FetchFailure::Timeout,
            $type::LoopDetected => $crate::fetch::FetchFailure::Loop,
            $type::DestinationNotFound | $type::DnsError(_) => $crate::fetch::FetchFailure::NotFound,
            $type::HttpRequestUriInvalid | $type::HttpRequestMethodInvalid => $crate::fetch::FetchFailure::Invalid,
            _ => $crate::fetch::FetchFailure::Failed,
        }
    };
}

pub(super) use failure;
