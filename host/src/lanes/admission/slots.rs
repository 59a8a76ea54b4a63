//! How a lane's instance slots are shared out between requests and nested plugin calls, and what is taken of them.

use super::state::Origin;
use crate::config::Lane;

/// The most hops a request may make from plugin to plugin.
pub const HOPS: u8 = 8;

/// The shares of one lane's instance slots.
///
/// A quarter is kept for nested plugin calls and shared out by hop: the first hop gets half of it, the second a
/// quarter, and so on, each at least one; what is left over is the first hop's. A call holds its slot while the calls it makes wait for theirs, so slots
/// that all hops shared could all be held by calls that wait for one more: nobody would ever go on. With shares of
/// their own, calls of the last hop make no further calls and always end; so the hop before always goes on, and so
/// up to the first. Earlier hops get more because every chain begins there and few go deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// For requests from outside.
    pub direct: u32,
    /// For plugin calls; index 0 is the first hop.
    pub nested: [u32; HOPS as usize],
}

impl Slots {
    /// Shares out `slots`.
    pub fn new(slots: u32) -> Self {
        let reserve = slots / 4;
        let mut nested = [1; HOPS as usize];
        for (hop, share) in nested.iter_mut().enumerate() {
            *share = (reserve >> (hop + 1)).max(1);
        }
        nested[0] += reserve.saturating_sub(nested.iter().sum());
        Self { direct: (slots - reserve).max(1), nested }
    }

    /// All shares together: the instances that may be alive at once, and so what the engine must have room for.
    /// More than was shared out when that is little, since every hop has at least one: by at most nine.
    pub fn total(&self) -> u32 {
        self.direct + self.nested.iter().sum::<u32>()
    }
}

/// One number for each lane and hop.
type ByOrigin = [[u32; HOPS as usize + 1]; 2];

fn index(origin: Origin) -> (usize, usize) {
    (usize::from(origin.lane == Lane::Compute), usize::from(origin.hop))
}

/// The slots of both lanes that are taken.
#[derive(Debug)]
pub(super) struct Taken {
    most: ByOrigin,
    taken: ByOrigin,
}

impl Taken {
    pub(super) fn new(io: Slots, compute: Slots) -> Self {
        let row = |slots: Slots| {
            let mut row = [slots.direct; HOPS as usize + 1];
            row[1..].copy_from_slice(&slots.nested);
            row
        };
        Self { most: [row(io), row(compute)], taken: ByOrigin::default() }
    }

    /// Whether one more can be taken.
    pub(super) fn has_free(&self, origin: Origin) -> bool {
        let (lane, hop) = index(origin);
        self.taken[lane][hop] < self.most[lane][hop]
    }

    /// Slots taken in a lane, by whomever.
    pub(super) fn in_lane(&self, lane: Lane) -> u32 {
        self.taken[usize::from(lane == Lane::Compute)].iter().sum()
    }
}

/// One plugin's shares of instance slots. Requests of one origin share slots; origins do not share with each other,
/// lest requests from outside go on riding on a slot of the reserve.
#[derive(Debug)]
pub(super) struct Shares {
    per_instance: u32,
    shares: ByOrigin,
}

impl Shares {
    pub(super) fn new(per_instance: u32) -> Self {
        Self { per_instance: per_instance.max(1), shares: ByOrigin::default() }
    }

    pub(super) fn per_instance(&self) -> u32 {
        self.per_instance
    }

    /// Whether one more fits into the slots it has.
    pub(super) fn has_room(&self, origin: Origin) -> bool {
        let (lane, hop) = index(origin);
        !self.shares[lane][hop].is_multiple_of(self.per_instance)
    }

    pub(super) fn add(&mut self, origin: Origin, taken: &mut Taken) {
        let (lane, hop) = index(origin);
        taken.taken[lane][hop] += u32::from(!self.has_room(origin));
        self.shares[lane][hop] += 1;
    }

    pub(super) fn remove(&mut self, origin: Origin, taken: &mut Taken) {
        let (lane, hop) = index(origin);
        self.shares[lane][hop] -= 1;
        taken.taken[lane][hop] -= u32::from(!self.has_room(origin));
    }

    /// Shares are as large as a new revision says. Slots may be over-taken until the old one's requests end.
    pub(super) fn set_per_instance(&mut self, per_instance: u32, taken: &mut Taken) {
        let per_instance = per_instance.max(1);
        for (shares, taken) in self.shares.iter().flatten().zip(taken.taken.iter_mut().flatten()) {
            *taken += shares.div_ceil(per_instance);
            *taken -= shares.div_ceil(self.per_instance);
        }
        self.per_instance = per_instance;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_kept_for_calls_and_halved_from_hop_to_hop() {
        let slots = Slots::new(1024);
        assert_eq!(slots, Slots { direct: 768, nested: [129, 64, 32, 16, 8, 4, 2, 1] });
        assert_eq!(slots.total(), 1024);
    }

    #[test]
    fn every_hop_has_one_however_few_there_are() {
        for count in 0..3000 {
            let slots = Slots::new(count);
            assert!(slots.direct >= 1 && slots.nested.iter().all(|share| *share >= 1), "{count}");
            assert!(slots.total() <= count + 9, "{count}: {}", slots.total());
            assert!(slots.total() >= count, "{count}: only {} are used", slots.total());
        }
    }
}
