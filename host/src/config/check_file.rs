//! A plugin's own checks: requests and what they are to be answered with.

use std::path::Path;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use schemars::JsonSchema;
use serde_json::Value;

use super::{
    fault::{At, Faults, Place, Wrong},
    file,
    tree::{self, Section},
};
use crate::diagnostic::Diagnostic;

/// One file of checks, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckFile {
    /// The checks, in the order of the file.
    pub checks: Vec<Check>,
}

/// One request and what it is to be answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What it shows, in the author's words; else its method and path.
    pub name: String,
    /// The line of the file that it begins at, counted from 1.
    pub line: Option<usize>,
    /// The method.
    pub method: Method,
    /// Path and query, as a client sends them.
    pub path: String,
    /// The request's headers, in order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The request's body.
    pub body: Sent,
    /// What the answer must be.
    pub expect: Expected,
}

/// A request's body.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Sent {
    /// None.
    #[default]
    Nothing,
    /// A text as it is.
    Text(String),
    /// JSON, said to be such by `content-type` unless the check's headers say something else.
    Json(Value),
}

/// What an answer must be. What is not said here may be anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The status.
    pub status: StatusCode,
    /// Headers that must be there with these values.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The whole body.
    pub body: Option<String>,
    /// Texts that the body must have in it.
    pub contains: Vec<String>,
    /// What the body must be as JSON. Of an object, at any depth, the members that are named here must be equal;
    /// others may be there.
    pub json: Option<Value>,
}

/// A file of checks: requests, and what your plugin is to answer.
#[derive(JsonSchema)]
#[schemars(rename = "checks/*.toml", deny_unknown_fields)]
pub(super) struct Written {
    /// One request and what it is to be answered with.
    #[schemars(with = "Vec<WrittenCheck>")]
    check: Vec<WrittenCheck>,
}

/// One request and what it is to be answered with.
#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
struct WrittenCheck {
    /// What it shows. None: its method and path.
    name: Option<At<String>>,
    /// The method.
    #[schemars(extend("default" = "GET"))]
    method: Option<At<String>>,
    /// Path and query, as a client sends them.
    #[schemars(required, extend("pattern" = "^/"))]
    path: Option<At<String>>,
    /// The request's headers.
    #[schemars(with = "Option<std::collections::BTreeMap<String, String>>")]
    headers: Vec<(At<String>, At<String>)>,
    /// The request's body, as text.
    body: Option<At<String>>,
    /// The request's body, as JSON.
    #[schemars(with = "Option<Value>")]
    json: Option<At<Value>>,
    /// What the answer must be. None: any body with status 200.
    expect: Option<WrittenExpected>,
    #[schemars(skip)]
    place: Place,
}

/// What the answer must be. What is not said may be anything.
#[derive(Default, JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
struct WrittenExpected {
    /// The status.
    #[schemars(extend("default" = 200, "minimum" = 200, "maximum" = 599))]
    status: Option<At<u32>>,
    /// Headers that must be there with these values.
    #[schemars(with = "Option<std::collections::BTreeMap<String, String>>")]
    headers: Vec<(At<String>, At<String>)>,
    /// The whole body.
    body: Option<At<String>>,
    /// Texts that the body must have in it.
    contains: Option<At<Vec<At<String>>>>,
    /// What the body must be as JSON. Of an object the members named here must be equal; others may be there.
    #[schemars(with = "Option<Value>")]
    json: Option<At<Value>>,
}

impl CheckFile {
    /// Reads a file of checks.
    ///
    /// # Errors
    /// Every fault of the file at once, or that it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let text = file::read(path, file::MAX_CHECKS).map_err(|wrong| vec![Diagnostic::new(path, wrong.message)])?;
        Self::parse(&text, path)
    }

    /// Reads a file's text. `file` is what faults name; no file is touched.
    ///
    /// # Errors
    /// Every fault of the text at once.
    pub fn parse(text: &str, file: impl AsRef<Path>) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Faults::default();
        let written = tree::read(text, &Place::whole(file), &[], &mut faults, Written::read);
        let checks = written
            .map(|written| written.check.into_iter().filter_map(|check| check.meant(&mut faults)).collect::<Vec<_>>());
        faults.into_result(checks.map(|checks| Self { checks }))
    }
}

impl Written {
    fn read(mut top: Section<'_>, faults: &mut Faults) -> Self {
        if !top.has("check") {
            faults.add(&top.place(), "check", Wrong::new("is missing").remedy("write a [[check]]"));
        }
        let check = top.tables(faults, "check").into_iter().map(|table| WrittenCheck::read(table, faults)).collect();
        top.finish(faults, &[]);
        Self { check }
    }
}

impl WrittenCheck {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            place: table.place(),
            name: table.leaf(faults, "name"),
            method: table.leaf(faults, "method"),
            path: table.required(faults, "path", "write a path such as \"/hello\""),
            headers: table.texts(faults, "headers"),
            body: table.leaf(faults, "body"),
            json: table.json(faults, "json"),
            expect: table.table(faults, "expect").map(|table| WrittenExpected::read(table, faults)),
        };
        table.finish(faults, &[]);
        written
    }

    fn meant(self, faults: &mut Faults) -> Option<Check> {
        let method = match self.method {
            None => Some(Method::GET),
            Some(At { value, place }) => faults.keep(&place, "method", method(&value)),
        };
        let path = self.path.and_then(|At { value, place }| faults.keep(&place, "path", target(value)));
        let body = match (self.body, self.json) {
            (Some(body), Some(_)) => {
                let wrong = Wrong::new("stands beside `json`").remedy("a request has one body: remove one of them");
                faults.add(&body.place, "body", wrong);
                None
            }
            (Some(body), None) => Some(Sent::Text(body.value)),
            (None, Some(json)) => Some(Sent::Json(json.value)),
            (None, None) => Some(Sent::Nothing),
        };
        let headers = headers(faults, "headers", self.headers);
        let expect = self.expect.unwrap_or_default().meant(faults);
        let (method, path) = (method?, path?);
        let name = self.name.map_or_else(|| format!("{method} {path}"), |name| name.value);
        Some(Check { name, line: self.place.number(), method, path, headers, body: body?, expect: expect? })
    }
}

impl WrittenExpected {
    fn read(mut table: Section<'_>, faults: &mut Faults) -> Self {
        let written = Self {
            status: table.leaf(faults, "status"),
            headers: table.texts(faults, "headers"),
            body: table.leaf(faults, "body"),
            contains: table.nonempty_list(faults, "contains"),
            json: table.json(faults, "json"),
        };
        table.finish(faults, &[]);
        written
    }

    fn meant(self, faults: &mut Faults) -> Option<Expected> {
        let status = match self.status {
            None => Some(StatusCode::OK),
            Some(At { value, place }) => faults.keep(&place, "expect.status", status(value)),
        };
        let headers = headers(faults, "expect.headers", self.headers);
        let contains = self.contains.map(|list| list.value).unwrap_or_default();
        Some(Expected {
            status: status?,
            headers,
            body: self.body.map(|body| body.value),
            contains: contains.into_iter().map(|text| text.value).collect(),
            json: self.json.map(|json| json.value),
        })
    }
}

fn method(text: &str) -> Result<Method, Wrong> {
    let wrong = || Wrong::new(format!("= {text:?} is not a method")).remedy("write one such as \"POST\"");
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(wrong().remedy(format!("write {:?}", text.to_ascii_uppercase())));
    }
    text.parse().map_err(|_| wrong())
}

/// What stands in a request's first line: a path, perhaps a query, all of it encoded.
fn target(path: String) -> Result<String, Wrong> {
    let wrong = |why: &str| Wrong::new(format!("= {path:?} {why}"));
    if !path.starts_with('/') {
        return Err(wrong("does not begin with a slash"));
    }
    match path.parse::<http::Uri>() {
        Ok(_) => Ok(path),
        Err(_) => Err(wrong("cannot be sent").remedy("percent-encode what is no part of a path or query")),
    }
}

fn status(number: u32) -> Result<StatusCode, Wrong> {
    let status = u16::try_from(number).ok().filter(|number| (200..600).contains(number));
    let status = status.and_then(|number| StatusCode::from_u16(number).ok());
    status.ok_or_else(|| Wrong::new(format!("= {number} is no status of an answer")).remedy("200 to 599"))
}

fn headers(faults: &mut Faults, key: &str, written: Vec<(At<String>, At<String>)>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, value) in written {
        let shown = format!("{key}.{}", name.value.escape_debug());
        match (name.value.parse::<HeaderName>(), value.value.parse::<HeaderValue>()) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            (Err(_), _) => faults.add(&name.place, &shown, Wrong::new("is not a header's name")),
            (_, Err(_)) => faults.add(&value.place, &shown, Wrong::new("has a character that no header may have")),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CheckFile, Vec<String>> {
        CheckFile::parse(text, "checks/a.toml").map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_shortest_check_is_a_get_that_answers_200() {
        let checks = parse("[[check]]\npath = \"/a?b=1\"\n").unwrap().checks;
        assert_eq!((checks[0].name.as_str(), checks[0].line), ("GET /a?b=1", Some(1)));
        assert_eq!((&checks[0].method, checks[0].expect.status), (&Method::GET, StatusCode::OK));
    }

    #[test]
    fn everything_may_be_said() {
        let text = "[[check]]\nname = \"n\"\nmethod = \"POST\"\npath = \"/\"\nheaders = { x-a = \"1\" }\n\
                    json = { a = [1, 2.5, true, \"x\"] }\n[check.expect]\nstatus = 400\n\
                    headers = { content-type = \"text/plain\" }\nbody = \"b\"\ncontains = [\"b\"]\njson = [1]\n";
        let check = parse(text).unwrap().checks.remove(0);
        assert_eq!(check.body, Sent::Json(serde_json::json!({ "a": [1, 2.5, true, "x"] })));
        assert_eq!(check.headers, [("x-a".parse().unwrap(), "1".parse().unwrap())]);
        assert_eq!(check.expect.status, 400);
        assert_eq!((check.expect.body.as_deref(), check.expect.contains.len()), (Some("b"), 1));
        assert_eq!(check.expect.json, Some(serde_json::json!([1])));
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_a_remedy() {
        let text = "[[check]]\npaht = \"/\"\nmethod = \"get\"\nbody = \"\"\njson = 1\n\
                    [check.expect]\nstatus = 99\nheader = {}\n[[check]]\npath = \"a b\"\nheaders = { \"a b\" = \"\" }\n";
        let faults = parse(text).unwrap_err();
        let expected = [
            "checks/a.toml:1: `check.path` is missing",
            "checks/a.toml:2: `check.paht` is an unknown key (did you mean `check.path`?)",
            "checks/a.toml:3: `method` = \"get\" is not a method (write \"GET\")",
            "checks/a.toml:4: `body` stands beside `json`",
            "checks/a.toml:7: `expect.status` = 99 is no status of an answer",
            "checks/a.toml:8: `check.expect.header` is an unknown key (did you mean `check.expect.headers`?)",
            "checks/a.toml:10: `path` = \"a b\" does not begin with a slash",
            "checks/a.toml:11: `headers.a b` is not a header's name",
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (fault, start) in faults.iter().zip(expected) {
            assert!(fault.starts_with(start), "{fault}");
        }
        assert!(parse("").unwrap_err()[0].contains("[[check]]"));
    }
}
