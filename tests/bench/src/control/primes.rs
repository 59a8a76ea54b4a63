//! Work that burns CPU and can be checked: counting primes.

/// How many primes there are up to and including `limit`, by trial division.
pub(crate) fn count_primes(limit: u64) -> u64 {
    (2..=limit).filter(|n| is_prime(*n)).count() as u64
}

fn is_prime(n: u64) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= n {
        if n.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    n > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_that_of_the_tables() {
        assert_eq!([0, 1, 2, 10, 100, 10_000].map(count_primes), [0, 0, 1, 4, 25, 1_229]);
    }
}
