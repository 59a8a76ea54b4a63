//! What an admitted request holds, given back when it is dropped.

use super::super::Who;
use super::{Gates, state::Origin};

/// An admitted request's permits and its share of an instance slot. Dropping it gives all of it back.
///
/// The share stands for a living instance: drop the permit when the instance is gone, not before.
#[derive(Debug)]
pub struct Permit {
    gates: Gates,
    who: Who,
    origin: Origin,
    /// Whether a [`Background`] took over.
    over: bool,
}

impl Permit {
    pub(super) fn new(gates: &Gates, who: Who, origin: Origin) -> Self {
        Self { gates: gates.clone(), who, origin, over: false }
    }

    /// Whose request it is.
    pub fn who(&self) -> Who {
        self.who
    }

    /// 0 for a request from outside, else the hop of a plugin call.
    pub fn hop(&self) -> u8 {
        self.origin.hop
    }

    /// To be called when the response's last byte is out and work goes on: gives the plugin's, tenant's and host's
    /// permits back and keeps the instance's share, as one of at most `plugin_max` of the plugin.
    ///
    /// # Errors
    /// The plugin has as many of those already. The permit comes back unchanged: end the work, then drop it.
    pub fn into_background(mut self) -> Result<Background, Self> {
        let goes_on = self.gates.change(|state| state.go_on(self.who, self.origin));
        if !goes_on {
            return Err(self);
        }
        self.over = true;
        Ok(Background { gates: self.gates.clone(), who: self.who, origin: self.origin })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.over {
            self.gates.change(|state| ((), state.release(self.who, self.origin)));
        }
    }
}

/// What work holds that goes on after its response. Dropping it gives it back.
#[derive(Debug)]
pub struct Background {
    gates: Gates,
    who: Who,
    origin: Origin,
}

impl Background {
    /// Whose work it is.
    pub fn who(&self) -> Who {
        self.who
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.gates.change(|state| ((), state.end(self.who, self.origin)));
    }
}
