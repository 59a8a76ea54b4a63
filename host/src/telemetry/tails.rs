//! The last lines of guests' logs by request, for an author who looks at a failure: kept in dev mode alone.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::RequestId;

/// Lines kept of one request: what fits on a screen beside the failure.
const LINES: usize = 20;

/// Requests with lines kept. A failure is answered while its request is among the newest.
const REQUESTS: usize = 64;

/// The last lines of the requests that wrote last.
#[derive(Default)]
pub(super) struct Tails(Mutex<VecDeque<Tail>>);

struct Tail {
    request: RequestId,
    lines: VecDeque<String>,
}

impl Tails {
    pub(super) fn push(&self, request: RequestId, line: &str) {
        let mut tails = self.lock();
        let at = tails.iter().rposition(|tail| tail.request == request).unwrap_or_else(|| {
            if tails.len() == REQUESTS {
                tails.pop_front();
            }
            tails.push_back(Tail { request, lines: VecDeque::new() });
            tails.len() - 1
        });
        let lines = &mut tails[at].lines;
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// The lines of a request, oldest first; they are not kept any longer.
    pub(super) fn take(&self, request: RequestId) -> Vec<String> {
        let mut tails = self.lock();
        let at = tails.iter().rposition(|tail| tail.request == request);
        at.and_then(|at| tails.remove(at)).map_or_else(Vec::new, |tail| tail.lines.into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Tail>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_of_the_newest_requests_are_kept() {
        let (tails, first, second) = (Tails::default(), RequestId::generate(), RequestId::generate());
        for line in 0..LINES + 5 {
            tails.push(first, &format!("a{line}"));
            tails.push(second, "b");
        }
        let lines = tails.take(first);
        assert_eq!((lines.len(), lines[0].as_str(), lines[LINES - 1].as_str()), (LINES, "a5", "a24"));
        assert!(tails.take(first).is_empty());
        for _ in 0..REQUESTS {
            tails.push(RequestId::generate(), "x");
        }
        assert!(tails.take(second).is_empty());
    }
}
