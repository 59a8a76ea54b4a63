//! What an operator may ask of jobs: `/jobs?state=&tenant=&plugin=&after=`, `/jobs/ID`, and by POST `/jobs/ID/requeue` and
//! `/jobs/ID/cancel`.

use http::{Method, Request, header};
use url::form_urlencoded;

use crate::{
    failure::{Code, Failure},
    jobs::Ask,
    store::jobs::{Filter, State},
};

/// What a request asks; nothing when it is about something else.
///
/// # Errors
/// A question that is none.
pub(super) fn read<B>(request: &Request<B>) -> Result<Option<Ask>, Failure> {
    let Some(rest) = request.uri().path().strip_prefix("/jobs") else { return Ok(None) };
    let mut parts = rest.strip_prefix('/').unwrap_or_default().split('/');
    let (id, act, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let (ask, method) = match (id, act, more) {
        _ if !(rest.is_empty() || rest.starts_with('/')) => return Ok(None),
        ("", None, _) => (Ask::List(filter(request.uri().query().unwrap_or_default())?), Method::GET),
        (id, None, _) => (Ask::Show(id.to_owned()), Method::GET),
        (id, Some("requeue"), None) => (Ask::Requeue(id.to_owned()), Method::POST),
        (id, Some("cancel"), None) => (Ask::Cancel(id.to_owned()), Method::POST),
        _ => return Err(Failure::new(Code::NoRoute, "a job can be asked for requeue and cancel")),
    };
    if *request.method() != method && !(method == Method::GET && *request.method() == Method::HEAD) {
        let mut failure = Failure::plain(Code::MethodNotAllowed);
        failure.allow = vec![method];
        return Err(failure);
    }
    // A browser says where a page's request comes from; operators' tools do not.
    if method == Method::POST && request.headers().contains_key(header::ORIGIN) {
        return Err(Failure::new(Code::BadRequest, "web pages may not change anything here"));
    }
    Ok(Some(ask))
}

fn filter(query: &str) -> Result<Filter, Failure> {
    let mut filter = Filter::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "state" => filter.state = Some(state(&value)?),
            "tenant" => filter.tenant = Some(value.into_owned()),
            "plugin" => filter.plugin = Some(value.into_owned()),
            "after" => filter.after = Some(value.into_owned()),
            _ => return Err(Failure::new(Code::BadRequest, "jobs are listed by state, tenant, plugin and after")),
        }
    }
    Ok(filter)
}

fn state(name: &str) -> Result<State, Failure> {
    State::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| {
        let states = State::ALL.map(State::name).join(", ");
        Failure::new(Code::BadRequest, format!("a job is one of: {states}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str) -> Result<String, Code> {
        let request = Request::builder().method(method).uri(path).body(()).expect("a request");
        read(&request).map(|ask| format!("{ask:?}")).map_err(|failure| failure.code)
    }

    #[test]
    fn each_question_has_its_path_and_method() {
        assert_eq!(asked("GET", "/status").as_deref(), Ok("None"));
        assert_eq!(asked("GET", "/jobsx").as_deref(), Ok("None"));
        let listed = asked("GET", "/jobs?state=dead&tenant=a&plugin=b%20c&after=X").expect("a list");
        assert!(listed.contains("Dead") && listed.contains("b c") && listed.contains("\"X\""), "{listed}");
        assert_eq!(asked("GET", "/jobs/X").as_deref(), Ok("Some(Show(\"X\"))"));
        assert_eq!(asked("POST", "/jobs/X/requeue").as_deref(), Ok("Some(Requeue(\"X\"))"));
        assert_eq!(asked("POST", "/jobs/X/cancel").as_deref(), Ok("Some(Cancel(\"X\"))"));
        assert_eq!(asked("GET", "/jobs/X/cancel"), Err(Code::MethodNotAllowed));
        assert_eq!(asked("POST", "/jobs"), Err(Code::MethodNotAllowed));
        assert_eq!(asked("GET", "/jobs?state=asleep"), Err(Code::BadRequest));
        assert_eq!(asked("GET", "/jobs?sate=dead"), Err(Code::BadRequest));
        assert_eq!(asked("POST", "/jobs/X/eat"), Err(Code::NoRoute));
    }

    #[test]
    fn a_web_page_changes_nothing() {
        let request = Request::post("/jobs/X/cancel").header("origin", "https://evil.example").body(());
        let refused = read(&request.expect("a request")).map(|_| ()).map_err(|failure| failure.code);
        assert_eq!(refused, Err(Code::BadRequest));
    }
}
