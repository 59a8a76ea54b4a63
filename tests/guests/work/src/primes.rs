//! Whole numbers: division and branches.

/// How many primes there are up to `n`, by trial division.
pub(crate) fn count(n: u32) -> u64 {
    (2..=n).filter(|x| (2..).take_while(|d| d * d <= *x).all(|d| !x.is_multiple_of(d))).count() as u64
}
