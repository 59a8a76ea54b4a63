//! One complaint about something a person wrote: where it stands, what is wrong, what to do.

use std::{fmt, path::PathBuf};

/// One fault in a manifest, in settings or in a component.
///
/// Faults are collected, never thrown one by one: a person who mends a file wants to see all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file the fault is in.
    pub file: PathBuf,
    /// The line, counted from 1; `None` when the fault is the whole file's.
    pub line: Option<usize>,
    /// What is wrong, naming the key or the item.
    pub message: String,
    /// What to write instead, or which switch to turn.
    pub remedy: Option<String>,
}

impl Diagnostic {
    /// A complaint about a whole file.
    pub fn new(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, message: message.into(), remedy: None }
    }

    /// Names the line, counted from 1.
    #[must_use]
    pub fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, " ({remedy})"),
            None => Ok(()),
        }
    }
}

/// The known name closest to `unknown`, if one is close enough to be a slip of the pen.
pub fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_slip_of_the_pen_is_found_and_a_stranger_is_not() {
        assert_eq!(did_you_mean("memmory", ["memory", "timeout"]), Some("memory"));
        assert_eq!(did_you_mean("zebra", ["memory", "timeout"]), None);
    }
}
