//! How far one tenant may reach into what all tenants share.

/// What a tenant may hold, as so many times what is left. One that takes all it can get stops at three quarters, two at three
/// sevenths each.
///
/// A fixed cap would have to be so low that all tenants' caps together fit, or protect nobody from two of them. This rule
/// is that of switches whose ports share one memory: A. K. Choudhury and E. L. Hahne, "Dynamic queue length thresholds for
/// shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998.
const TIMES_WHAT_IS_LEFT: u128 = 3;

/// Whether there is anybody to leave something to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// There is one tenant: everything is for it.
    #[default]
    Everything,
    /// There are several, of which the lightest has this weight. Who weighs twice as much reaches twice as far.
    WithOthers(u32),
}

impl Reach {
    /// For a host with tenants of these weights.
    pub(super) fn among(weights: impl IntoIterator<Item = u32>) -> Self {
        let (count, least) =
            weights.into_iter().fold((0, u32::MAX), |(count, least), weight| (count + 1, least.min(weight)));
        if count > 1 { Self::WithOthers(least.max(1)) } else { Self::Everything }
    }

    /// Whether a tenant of this weight that holds so much may take one more of what is free. Who holds nothing may as long as
    /// anything is free, and who holds something never takes the last one. Of two tenants, the one that holds less per weight
    /// may whenever the other may.
    pub(super) fn allows(self, held: u32, weight: u32, free: u32) -> bool {
        match self {
            Self::Everything => free > 0,
            Self::WithOthers(_) if held == 0 || free <= 1 => free > u32::from(held > 0),
            Self::WithOthers(least) => {
                u128::from(held) * u128::from(least) < TIMES_WHAT_IS_LEFT * u128::from(free) * u128::from(weight)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of some tenants of these weights holds when all of them take what they can.
    fn filled(total: u32, weights: &[u32]) -> (Vec<u32>, u32) {
        let reach = Reach::among(weights.iter().copied().chain([weights[0]]));
        let (mut held, mut free) = (vec![0; weights.len()], total);
        loop {
            let before = free;
            for (held, weight) in held.iter_mut().zip(weights) {
                if reach.allows(*held, *weight, free) {
                    (*held, free) = (*held + 1, free - 1);
                }
            }
            if free == before {
                return (held, free);
            }
        }
    }

    #[test]
    fn who_takes_all_it_can_leaves_a_part() {
        assert_eq!(filled(1000, &[1]), (vec![750], 250));
        assert_eq!(filled(700, &[1, 1]), (vec![300, 300], 100));
        assert_eq!(filled(24, &[1]), (vec![18], 6));
        assert_eq!(filled(384, &[128]), (vec![288], 96));
        assert_eq!(filled(700, &[128, 128]), (vec![300, 300], 100));
        for total in 2..5 {
            assert_eq!(filled(total, &[7]), (vec![total - 1], 1));
        }
        assert_eq!(filled(1, &[1]), (vec![1], 0));
    }

    #[test]
    fn weight_is_reach() {
        let allows = |held, weight| Reach::among([6, 2, 3]).allows(held, weight, 100);
        assert!(allows(299, 2) && !allows(300, 2));
        assert!(allows(449, 3) && !allows(450, 3));
        assert!(allows(899, 6) && !allows(900, 6));
        // However heavy: something is left.
        let heavy = Reach::among([1, 1000]);
        assert!(heavy.allows(5000, 1000, 2) && !heavy.allows(5000, 1000, 1));
    }

    #[test]
    fn who_holds_nothing_takes_the_last() {
        let reach = Reach::among([1, 1]);
        assert!(reach.allows(0, 1, 1) && !reach.allows(1, 1, 1));
        assert!(!reach.allows(0, u32::MAX, 0));
        assert!(reach.allows(u32::MAX, u32::MAX, u32::MAX));
    }

    #[test]
    fn who_is_alone_takes_everything() {
        let reach = Reach::among([5]);
        assert!(reach.allows(u32::MAX, 1, 1));
        assert!(!reach.allows(0, 1, 0));
    }
}
