//! One plugin's waiting work: the least attained first, and nothing waits for ever.

use std::collections::BTreeMap;

/// One pick in so many goes to whatever has waited longest, of any level.
///
/// Without it, long work would get nothing while short work comes as fast as the plugin's share can serve it. A
/// quarter is enough to finish, and leaves short work three quarters of what it had.
pub(super) const ELDEST_EVERY: u32 = 4;

/// Where a thing stands in its line: its level, then its arrival.
pub(super) type Place = (u64, u64);

/// Things by level and by arrival. Each operation takes logarithmic time.
pub(super) struct Line<T> {
    items: BTreeMap<Place, T>,
    /// The levels by arrival.
    arrivals: BTreeMap<u64, u64>,
    picks: u32,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), arrivals: BTreeMap::new(), picks: 0 }
    }
}

impl<T> Line<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn insert(&mut self, place: Place, item: T) {
        let (level, arrival) = place;
        self.arrivals.insert(arrival, level);
        self.items.insert(place, item);
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<T> {
        let item = self.items.remove(&place)?;
        self.arrivals.remove(&place.1);
        Some(item)
    }

    /// Takes out what is next.
    pub(super) fn pick(&mut self) -> Option<T> {
        self.picks = (self.picks + 1) % ELDEST_EVERY;
        let least = self.items.first_key_value().map(|(place, _)| *place);
        let eldest = self.arrivals.first_key_value().map(|(arrival, level)| (*level, *arrival));
        self.remove(if self.picks == 0 { eldest? } else { least? })
    }
}
