//! Where a value was written, and the list that every fault is added to.

use std::{borrow::Cow, fmt, path::Path, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::diagnostic::Diagnostic;

/// Where something was written: a file and perhaps a line of it, a flag or a variable.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: Arc<Path>,
    line: Option<usize>,
}

impl Place {
    /// A place without lines: a whole file, or a flag or variable by its name.
    pub(super) fn whole(file: impl AsRef<Path>) -> Self {
        Self { file: file.as_ref().into(), line: None }
    }

    /// A line of this place's file, counted from 1.
    pub(super) fn line(&self, line: usize) -> Self {
        Self { file: self.file.clone(), line: Some(line) }
    }

    /// The line's number, counted from 1.
    pub(super) fn number(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for Place {
    /// For use in a fault of the same file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "of line {line}"),
            None => write!(f, "of {}", self.file.display()),
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// What is wrong with a value and what to write instead; its place is known to the caller.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) remedy: Option<String>,
}

impl Wrong {
    /// `message` is the second half of a sentence that begins with the key.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: None }
    }

    /// Says what to do.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// Every fault found so far. Whoever checks goes on after adding one.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Diagnostic>);

impl Faults {
    /// Adds a fault of `key`.
    pub(super) fn add(&mut self, place: &Place, key: &str, wrong: Wrong) {
        let mut fault = Diagnostic::new(&*place.file, format!("`{key}` {}", wrong.message));
        fault.line = place.line;
        fault.remedy = wrong.remedy;
        self.0.push(fault);
    }

    /// Adds a fault that is not one key's.
    pub(super) fn add_other(&mut self, place: &Place, wrong: Wrong) {
        let mut fault = Diagnostic::new(&*place.file, wrong.message);
        fault.line = place.line;
        fault.remedy = wrong.remedy;
        self.0.push(fault);
    }

    /// The value that `result` holds; else its fault is added.
    pub(super) fn keep<T>(&mut self, place: &Place, key: &str, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.add(place, key, wrong)).ok()
    }

    /// What was made, when nothing is wrong with it; else every fault in the order of the files' lines.
    ///
    /// `made` is `None` only when a fault was added.
    pub(super) fn into_result<T>(mut self, made: Option<T>) -> Result<T, Vec<Diagnostic>> {
        if self.0.is_empty() {
            return Ok(made.expect("whoever made nothing has added a fault"));
        }
        // Stable: what has no line stays in the order in which it was found.
        self.0.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Err(self.0)
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
