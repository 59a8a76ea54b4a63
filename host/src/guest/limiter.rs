//! What an instance may hold: one sum over all its memories and tables.

use wasmtime::ResourceLimiter;

/// Bytes of one table element.
const ELEMENT: usize = 8;

/// Counts every memory and table of one store against one limit.
///
/// The engine's own `StoreLimits` bound each memory by itself; a guest with four memories would get four times its limit.
pub(super) struct Limiter {
    limit: usize,
    used: usize,
    refused: bool,
}

impl Limiter {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0, refused: false }
    }

    /// Whether the guest was ever refused memory: a crash after that is the limit's, not the code's.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// Whether the guest holds so much that its next request would soon run out.
    pub(super) fn nearly_full(&self) -> bool {
        self.used > self.limit / 4 * 3
    }

    fn grow(&mut self, current: usize, desired: usize, element: usize) -> bool {
        let more = desired.saturating_sub(current).saturating_mul(element);
        let granted = self.used.checked_add(more).is_some_and(|sum| sum <= self.limit);
        if granted {
            self.used += more;
        } else {
            self.refused = true;
        }
        granted
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A growth past the slot's size fails after this call; it must not be counted as held.
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.refused = true;
            return Ok(false);
        }
        Ok(self.grow(current, desired, 1))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(current, desired, ELEMENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_one_sum_over_memories_and_tables() {
        let mut limiter = Limiter::new(1000);
        assert!(limiter.memory_growing(0, 500, None).expect("no error"));
        assert!(limiter.table_growing(0, 50, None).expect("no error"));
        assert!(!limiter.memory_growing(500, 700, None).expect("no error"));
        assert!(limiter.refused());
        assert!(limiter.memory_growing(500, 600, None).expect("no error"));
        assert!(limiter.nearly_full());
    }

    #[test]
    fn what_the_slot_cannot_hold_is_refused_and_not_counted() {
        let mut limiter = Limiter::new(usize::MAX);
        assert!(!limiter.memory_growing(0, 2000, Some(1000)).expect("no error"));
        assert!(!limiter.nearly_full());
    }
}
