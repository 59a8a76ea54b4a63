//! Why nothing came of a question about what a plugin keeps or knows.

use std::{error, fmt};

/// Why nothing came of it. A handler that passes it on by `?` answers with status 500; the log has all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError {
    failure: StateFailure,
    what: String,
    said: String,
}

/// The kinds of [`StateError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateFailure {
    /// The manifest does not grant it: the error names the line that would.
    Denied,
    /// There is no more room: the operator's quota.
    Full,
    /// What came is not of the shape that was asked for.
    Shape,
    /// Anything else, in words: a statement that is wrong, a deadline, a file that cannot be used.
    Failed,
}

impl StateError {
    pub(crate) fn new(failure: StateFailure, what: impl fmt::Display, said: impl fmt::Display) -> Self {
        Self { failure, what: what.to_string(), said: said.to_string() }
    }

    /// One that a line of the manifest under `[grants]` would mend.
    pub(crate) fn denied(what: impl fmt::Display, line: impl fmt::Display) -> Self {
        Self::new(StateFailure::Denied, what, format!("it is not granted: add {line} in plugin.toml"))
    }

    /// What the host says in words: a quota is what somebody can do something about.
    #[cfg(target_family = "wasm")]
    pub(crate) fn said(what: impl fmt::Display, said: String) -> Self {
        let full = said.contains("may have") || said.contains("may hold");
        Self::new(if full { StateFailure::Full } else { StateFailure::Failed }, what, said)
    }

    /// What kind it is.
    pub fn failure(&self) -> StateFailure {
        self.failure
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.said)
    }
}

impl error::Error for StateError {}
