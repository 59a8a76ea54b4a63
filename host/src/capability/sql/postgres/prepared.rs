//! Statements that a session's connection keeps prepared.

use std::collections::VecDeque;

use tokio_postgres::Statement;

use super::super::server::Complaint;

/// Statements that are kept.
const MOST: usize = 64;

/// Bytes of the longest that is kept.
const LONGEST: usize = 4 << 10;

/// What these begin with changes neither tables nor how names are found, nor what is prepared.
const HARMLESS: [&str; 18] = [
    "select",
    "insert",
    "update",
    "delete",
    "merge",
    "with",
    "values",
    "table",
    "begin",
    "start",
    "commit",
    "end",
    "rollback",
    "abort",
    "savepoint",
    "release",
    "show",
    "notify",
];

/// The last that were prepared, the most recent one first.
#[derive(Default)]
pub(super) struct Prepared(VecDeque<(String, Statement)>);

impl Prepared {
    /// The one with this text, if it is kept.
    pub(super) fn find(&mut self, text: &str) -> Option<Statement> {
        let place = self.0.iter().position(|(known, _)| known == text)?;
        let found = self.0.remove(place)?;
        let statement = found.1.clone();
        self.0.push_front(found);
        Some(statement)
    }

    /// Keeps one.
    pub(super) fn keep(&mut self, text: &str, statement: &Statement) {
        if text.len() <= LONGEST {
            self.0.truncate(MOST - 1);
            self.0.push_front((text.to_owned(), statement.clone()));
        }
    }

    /// Notes that a statement ran, after which those that are kept may not be what they were.
    pub(super) fn ran(&mut self, text: &str) {
        let word = text.trim_start().split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        if !HARMLESS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            self.clear();
        }
    }

    /// Whether a complaint says no more than that the statement was kept for too long; then it is no more.
    pub(super) fn is_outdated(&mut self, text: &str, complaint: &Complaint) -> bool {
        let routine =
            || complaint.extras.iter().any(|(name, text)| name == "routine" && text == "RevalidateCachedQuery");
        let outdated = complaint.code == "26000" || complaint.code == "0A000" && routine();
        let before = self.0.len();
        if outdated {
            self.0.retain(|(known, _)| known != text);
        }
        self.0.len() < before
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
