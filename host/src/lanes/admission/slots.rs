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

/// A number of slots, or of shares of them, for each lane and hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PerOrigin([[u32; HOPS as usize + 1]; 2]);

fn row(lane: Lane) -> usize {
    usize::from(lane == Lane::Compute)
}

impl PerOrigin {
    /// All there are.
    pub(super) fn all(io: Slots, compute: Slots) -> Self {
        let row = |slots: Slots| {
            let mut row = [slots.direct; HOPS as usize + 1];
            row[1..].copy_from_slice(&slots.nested);
            row
        };
        Self([row(io), row(compute)])
    }

    pub(super) fn of(&self, origin: Origin) -> u32 {
        self.0[row(origin.lane)][usize::from(origin.hop)]
    }

    pub(super) fn of_mut(&mut self, origin: Origin) -> &mut u32 {
        &mut self.0[row(origin.lane)][usize::from(origin.hop)]
    }

    /// Of one lane, whatever the hop.
    pub(super) fn in_lane(&self, lane: Lane) -> u32 {
        self.0[row(lane)].iter().sum()
    }

    /// The same with `old`, which is part of it, replaced by `new`.
    pub(super) fn exchange(&mut self, old: &Self, new: &Self) {
        let parts = old.0.iter().flatten().zip(new.0.iter().flatten());
        for (held, (old, new)) in self.0.iter_mut().flatten().zip(parts) {
            *held = *held - old + new;
        }
    }
}

/// One plugin's shares of instance slots. Requests of one origin share slots; origins do not share with each other,
/// lest requests from outside go on riding on a slot of the reserve.
#[derive(Debug)]
pub(super) struct Shares {
    per_instance: u32,
    shares: PerOrigin,
}

impl Shares {
    pub(super) fn new(per_instance: u32) -> Self {
        Self { per_instance: per_instance.max(1), shares: PerOrigin::default() }
    }

    pub(super) fn per_instance(&self) -> u32 {
        self.per_instance
    }

    /// Whether one more fits into the slots it has.
    pub(super) fn has_room(&self, origin: Origin) -> bool {
        !self.shares.of(origin).is_multiple_of(self.per_instance)
    }

    /// One more. Answers how many slots that takes: one or none.
    pub(super) fn add(&mut self, origin: Origin) -> u32 {
        let taken = u32::from(!self.has_room(origin));
        *self.shares.of_mut(origin) += 1;
        taken
    }

    /// One less. Answers how many slots that gives back: one or none.
    pub(super) fn remove(&mut self, origin: Origin) -> u32 {
        *self.shares.of_mut(origin) -= 1;
        u32::from(!self.has_room(origin))
    }

    /// The slots they come to.
    pub(super) fn slots(&self) -> PerOrigin {
        PerOrigin(self.shares.0.map(|lane| lane.map(|shares| shares.div_ceil(self.per_instance))))
    }

    /// Shares are as large as a new revision says. Slots may be over-taken until the old one's requests end.
    pub(super) fn set_per_instance(&mut self, per_instance: u32) {
        self.per_instance = per_instance.max(1);
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
