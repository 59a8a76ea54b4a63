//! How large the pieces are in which guests' bodies leave: large while few bodies are under way, small when there are many.
//!
//! A large piece costs least for each byte. But a client that reads nothing makes the host hold two or three of them, and
//! there may be thousands of such clients.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes to which one piece of each body under way may come.
const POOL: usize = 4 << 20;

/// The piece of a body that is one of a few: twice as large would move a large body no faster.
const LARGEST: usize = 64 << 10;

/// What a body gets however many there are.
const SMALLEST: usize = 8 << 10;

/// Bodies under way in this process, whose memory is one, whatever lanes and hosts share it.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// The bytes of a piece of a body that begins now.
pub(super) fn size() -> usize {
    share(UNDER_WAY.load(Relaxed))
}

fn share(others: usize) -> usize {
    (POOL / (others + 1)).clamp(SMALLEST, LARGEST)
}

/// A body under way; it counts as one until it is dropped.
pub(super) struct UnderWay(());

impl UnderWay {
    /// One more.
    pub(super) fn begin() -> Self {
        UNDER_WAY.fetch_add(1, Relaxed);
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_shrink_as_bodies_grow_in_number() {
        assert_eq!([0, 63, 127, 255, 511, 100_000].map(share), [64, 64, 32, 16, 8, 8].map(|kib| kib << 10));
        // A thousand bodies, however they came about, hold no more than this in a piece each.
        assert!((0..1000).map(share).sum::<usize>() < 17 << 20);
    }
}
