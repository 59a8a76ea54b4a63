//! What a request holds of the gates, shared by whoever waits for it and the work itself.

use std::sync::{Arc, Mutex, PoisonError};

use crate::lanes::admission::{Background, Permit};

/// A permit with two owners: the request, and the guest's work. It goes back when both are gone, since the permit's
/// instance share stands for an instance that is alive, and work that is cancelled ends a little later than its request.
#[derive(Clone)]
pub(super) struct Hold(Arc<Mutex<Held>>);

enum Held {
    Request(Permit),
    Background(#[expect(dead_code, reason = "held for its drop")] Background),
    /// Only between the two.
    Nothing,
}

impl Hold {
    pub(super) fn new(permit: Permit) -> Self {
        Self(Arc::new(Mutex::new(Held::Request(permit))))
    }

    /// The response is out: gives the request's permits back for a background permit. False when there is none free;
    /// then the request's permits stay until the work has ended.
    pub(super) fn go_on(&self) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, granted) = match std::mem::replace(&mut *held, Held::Nothing) {
            Held::Request(permit) => match permit.into_background() {
                Ok(background) => (Held::Background(background), true),
                Err(permit) => (Held::Request(permit), false),
            },
            other => (other, true),
        };
        *held = next;
        granted
    }
}
