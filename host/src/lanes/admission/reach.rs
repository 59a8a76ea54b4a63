//! How far one tenant may reach into what all tenants share.

/// What a tenant may hold, as so many times what is left, for each unit of its weight. One that takes all it can get stops at
/// three quarters, two at three sevenths each; who holds nothing finds room as long as there is any.
///
/// A fixed cap would have to be so low that all tenants' caps together fit, or protect nobody from two of them. This rule
/// is that of switches whose ports share one memory: A. K. Choudhury and E. L. Hahne, "Dynamic queue length thresholds for
/// shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998.
const TIMES_WHAT_IS_LEFT: u64 = 3;

/// Whether there is anybody to leave something to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// There is one tenant: everything is for it.
    #[default]
    Everything,
    /// There are several.
    WithOthers,
}

impl Reach {
    /// Whether a tenant of this weight that holds so much may take one more of what is free.
    pub(super) fn allows(self, held: u32, weight: u32, free: u32) -> bool {
        let most = (TIMES_WHAT_IS_LEFT * u64::from(free)).saturating_mul(u64::from(weight));
        free > 0 && (self == Self::Everything || u64::from(held) < most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of some tenants of these weights holds when all of them take what they can.
    fn filled(total: u32, weights: &[u32]) -> (Vec<u32>, u32) {
        let (mut held, mut free) = (vec![0; weights.len()], total);
        loop {
            let before = free;
            for (held, weight) in held.iter_mut().zip(weights) {
                if Reach::WithOthers.allows(*held, *weight, free) {
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
        assert_eq!(filled(1, &[1]), (vec![1], 0));
    }

    #[test]
    fn weight_is_reach() {
        let allows = |held, weight| Reach::WithOthers.allows(held, weight, 100);
        assert!(allows(299, 1) && !allows(300, 1));
        assert!(allows(899, 3) && !allows(900, 3));
    }

    #[test]
    fn who_holds_nothing_takes_the_last() {
        assert!(Reach::WithOthers.allows(0, 1, 1));
        assert!(!Reach::WithOthers.allows(0, u32::MAX, 0));
        assert!(Reach::WithOthers.allows(u32::MAX - 1, u32::MAX, u32::MAX));
    }

    #[test]
    fn who_is_alone_takes_everything() {
        assert!(Reach::Everything.allows(u32::MAX, 1, 1));
        assert!(!Reach::Everything.allows(0, 1, 0));
    }
}
