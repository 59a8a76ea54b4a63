//! The world that a handler asks, as a test has it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use bytes::Bytes;
use http::Uri;

use crate::{FetchError, Request, Response, fetch::FetchFailure};

/// What stands for a server.
type Double = Rc<dyn Fn(http::Request<Bytes>) -> Result<Response, FetchFailure>>;

/// What a test has for its handlers.
#[derive(Clone, Default)]
pub(crate) struct World {
    /// By their origins; the last one of an origin answers.
    doubles: Vec<(String, Double)>,
    /// What is kept and known.
    pub(crate) state: State,
}

/// What is granted: whatever is not in here is denied.
#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) stores: BTreeMap<String, Rc<RefCell<BTreeMap<String, Bytes>>>>,
    #[cfg(feature = "sql")]
    pub(crate) databases: BTreeMap<String, Rc<rusqlite::Connection>>,
}

impl World {
    pub(super) fn add(
        &mut self,
        origin: &str,
        answer: impl Fn(http::Request<Bytes>) -> Result<Response, FetchFailure> + 'static,
    ) {
        self.doubles.push((origin.trim_end_matches('/').to_owned(), Rc::new(answer)));
    }

    pub(crate) async fn answer(&self, request: Request) -> Result<Response, FetchError> {
        let (parts, body) = request.into_parts();
        let to = parts.uri.to_string();
        let origin = origin(&parts.uri);
        let Some((_, double)) = self.doubles.iter().rev().find(|(known, _)| Some(known) == origin.as_ref()) else {
            return Err(FetchError::new(FetchFailure::Denied, to, "the test has no double for this origin"));
        };
        let broke = |error| FetchError::new(FetchFailure::Failed, &to, error);
        let body = body.bytes().await.map_err(broke)?;
        double(http::Request::from_parts(parts, body))
            .map_err(|failure| FetchError::new(failure, to, "as the test has it"))
    }
}

fn origin(uri: &Uri) -> Option<String> {
    Some(format!("{}://{}", uri.scheme()?, uri.authority()?))
}
