//! The ways a request can fail: a closed list, each with one code, status, blame, retry rule and remedy.
//!
//! The replies, the documentation and the metric labels are all made from [`Code::row`]. Nothing here knows
//! HTTP beyond the number a reply will carry; `front::reply` is the one place a [`Failure`] becomes a response.

use std::{borrow::Cow, fmt, time::Duration};

/// Who has to act so that the request can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The client sent something it should not have.
    Client,
    /// The plugin broke its contract or a limit of its manifest.
    Guest,
    /// The host is out of something, or broken.
    Host,
}

/// Whether the same request may succeed when sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request fails the same way.
    Never,
    /// The request was not begun; it may be sent again after a pause.
    Later,
}

/// What is true of every failure with one [`Code`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The code itself.
    pub code: Code,
    /// The stable name: in reply bodies, logs and metric labels.
    pub name: &'static str,
    /// The HTTP status a reply carries. 499 is never sent, only logged.
    pub status: u16,
    /// Who has to act.
    pub blame: Blame,
    /// Whether sending it again can help.
    pub retry: Retry,
    /// One sentence for someone who does not know the host.
    pub title: &'static str,
    /// What to change, where the code alone decides it: mostly the manifest key to raise.
    pub remedy: Option<&'static str>,
}

macro_rules! table {
    ($($variant:ident $name:literal $status:literal $blame:ident $retry:ident $title:literal $($remedy:literal)?;)*) => {
        /// The name of one way to fail. See [`TABLE`] for what each means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        /// Every failure, in the order of their statuses.
        pub const TABLE: &[Row] = &[$(Row {
            code: Code::$variant, name: $name, status: $status, blame: Blame::$blame,
            retry: Retry::$retry, title: $title, remedy: table!(@remedy $($remedy)?),
        },)*];
    };
    (@remedy) => { None };
    (@remedy $remedy:literal) => { Some($remedy) };
}

table! {
    BadRequest "bad-request" 400 Client Never "The request is malformed.";
    NoRoute "no-route" 404 Client Never "No plugin serves this path.";
    MethodNotAllowed "method-not-allowed" 405 Client Never "The path exists, but not for this method.";
    RequestTimeout "request-timeout" 408 Client Later "The request's body did not arrive in time.";
    BodyTooLarge "body-too-large" 413 Client Never "The request's body is larger than the plugin accepts." "raise limits.request_body";
    UriTooLong "uri-too-long" 414 Client Never "The request's target is too long.";
    QuotaExceeded "quota-exceeded" 429 Client Later "The tenant has used up its quota.";
    HeadersTooLarge "headers-too-large" 431 Client Never "The request's headers are too large.";
    ClientGone "client-gone" 499 Client Never "The client left before the response was complete.";
    FuelExhausted "fuel-exhausted" 500 Guest Never "The plugin burned all the fuel one request may burn." "raise limits.fuel";
    CpuExhausted "cpu-exhausted" 500 Guest Never "The plugin spent all the CPU time one request may spend." "raise limits.cpu; long computation belongs in lane = \"compute\"";
    MemoryExhausted "memory-exhausted" 500 Guest Never "The plugin needed more memory than it may have." "raise limits.memory";
    Trap "trap" 500 Guest Never "The plugin crashed.";
    HostPanic "host-panic" 500 Host Never "The host failed while serving this request.";
    BadResponse "bad-response" 502 Guest Never "The plugin's response was not a valid one.";
    GuestError "guest-error" 502 Guest Never "The plugin answered with an error instead of a response.";
    ResponseTooLarge "response-too-large" 502 Guest Never "The plugin's response is larger than it may be." "raise limits.response_body";
    QueueFull "queue-full" 503 Host Later "Too many requests are waiting already." "raise limits.queue or limits.max_concurrent";
    QueueTimeout "queue-timeout" 503 Host Later "The request waited too long for its turn." "raise limits.queue_timeout or limits.max_concurrent";
    HostFull "host-full" 503 Host Later "The host has no room for another instance.";
    Unavailable "unavailable" 503 Host Later "The plugin is not ready.";
    Draining "draining" 503 Host Later "The host is shutting down.";
    Timeout "timeout" 504 Guest Never "The plugin took longer than it may." "raise limits.timeout";
    Loop "loop" 508 Guest Never "Plugins called each other too many times in one request.";
}

impl Code {
    /// What is true of every failure with this code.
    pub fn row(self) -> &'static Row {
        // The table is made by the same macro as the enum: variant order is row order.
        &TABLE[self as usize]
    }
}

/// One request's failure: its code and what is known of this case.
///
/// `Display` says what may be told to a client; [`Failure::inside`] is for the log and the operator alone.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}", code.row().name)]
pub struct Failure {
    /// Which of the ways to fail.
    pub code: Code,
    /// What happened, in words that are safe to show to a client.
    pub detail: Cow<'static, str>,
    /// What to change, when this case knows better than the table.
    pub remedy: Option<Cow<'static, str>>,
    /// Guest frames, the limit hit, the host's error: for the log and the operator only.
    pub inside: Option<String>,
    /// For [`Code::MethodNotAllowed`]: what the `Allow` header names.
    pub allow: Vec<http::Method>,
    /// For the 503 codes: how long the client should wait. `None` means one second.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure with the words a client may read.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), remedy: None, inside: None, allow: Vec::new(), retry_after: None }
    }

    /// A failure about which nothing is known beyond its code.
    pub fn plain(code: Code) -> Self {
        Self::new(code, code.row().title)
    }

    /// Adds what only the log and the operator may read.
    #[must_use]
    pub fn inside(mut self, inside: impl fmt::Display) -> Self {
        self.inside = Some(inside.to_string());
        self
    }

    /// Replaces the table's remedy with one that fits this case.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The remedy of this case, else the one the code has for all.
    pub fn remedy_text(&self) -> Option<&str> {
        self.remedy.as_deref().or(self.code.row().remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_its_own_row() {
        for row in TABLE {
            assert_eq!(row.code.row().name, row.name);
        }
    }

    #[test]
    fn what_may_be_retried_was_not_begun_or_is_a_quota() {
        for row in TABLE {
            assert_eq!(row.retry == Retry::Later, matches!(row.status, 408 | 429 | 503), "{}", row.name);
        }
    }
}
