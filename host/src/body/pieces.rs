//! How large the pieces are in which bodies leave: small where they may be held up, by a client that has not shown that it
//! reads, and when there are many.
//!
//! A large piece costs least for each byte. But a client that stops reading makes the host hold a few of them, and there may
//! be thousands of such clients (`decisions/0066-what-an-unread-response-holds.md`).

use std::sync::{
    Arc,
    atomic::{
        AtomicU64, AtomicUsize,
        Ordering::{self, Relaxed},
    },
};

/// Bytes to which one piece of each body under way may come.
const POOL: usize = 4 << 20;

/// The piece of a body that is one of a few: twice as large would move a large body no faster.
const LARGEST: usize = 64 << 10;

/// What a body gets however many there are, once its client has taken enough.
const SMALLEST: usize = 8 << 10;

/// The piece of a body whose client has shown nothing yet.
const FIRST: usize = 2 << 10;

/// What the kernels at both ends take for a client that reads nothing, and a little more: to have taken so much shows nothing.
const UNREAD: u64 = 320 << 10;

/// A piece is this part of what was taken before: who reads a mebibyte has the largest.
const PART: u64 = 16;

/// Bodies under way in this process, whose memory is one, whatever lanes and hosts share it.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// What carries bodies to a client.
pub trait Way: Send + Sync {
    /// Whether it holds nothing back: what it is given next leaves at once, or most of it.
    fn is_clear(&self) -> bool;
}

/// What the client at the other end of a connection has taken. Clones share the count.
///
/// The server puts it into the extensions of requests that have a connection to themselves while they are answered.
#[derive(Clone)]
pub struct Taken {
    bytes: Arc<AtomicU64>,
    way: Arc<dyn Way>,
}

impl Taken {
    /// Nothing yet, on this way.
    pub fn new(way: Arc<dyn Way>) -> Self {
        Self { bytes: Arc::default(), way }
    }

    /// So many bytes more were taken.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// How many that are.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

/// How far one body has come, and so how large its next piece may be.
#[derive(Clone)]
pub struct Pace {
    /// `None` where nobody knows what is taken.
    client: Option<Taken>,
    /// What the client had taken when this body began.
    before: u64,
    /// Bytes of this body that were handed over.
    handed: u64,
}

impl Pace {
    /// A body that begins now, for this client; `None` where nobody knows what it takes.
    pub fn begin(client: Option<&Taken>) -> Self {
        Self { client: client.cloned(), before: client.map_or(0, Taken::bytes), handed: 0 }
    }

    /// A piece of so many bytes was taken by whoever hands it on.
    pub fn took(&mut self, bytes: usize) {
        self.handed = self.handed.saturating_add(bytes as u64);
    }

    /// The bytes of the next piece, at most.
    pub fn piece(&self) -> usize {
        let earned = self.earned(FIRST);
        // A short body leaves in its first piece, and nobody is asked.
        let fits = if earned == LARGEST || self.handed == 0 { earned } else { earned.max(self.clear()) };
        self.whole().min(fits)
    }

    /// The bytes of each piece of a body whose pieces are all of one size.
    pub fn even_piece(&self) -> usize {
        self.whole().min(self.earned(SMALLEST))
    }

    fn whole(&self) -> usize {
        share(UNDER_WAY.load(Ordering::Relaxed))
    }

    fn earned(&self, least: usize) -> usize {
        let taken = self.before.saturating_add(self.handed);
        if taken < UNREAD {
            return least;
        }
        usize::try_from(taken / PART).map_or(LARGEST, |earned| earned.clamp(least, LARGEST))
    }

    /// What the kernel would take now, whether the client reads or not: then nothing of it stays in our hands.
    fn clear(&self) -> usize {
        let Some(client) = &self.client else { return 0 };
        let left = client.bytes().saturating_sub(self.before);
        let between = usize::try_from(self.handed.saturating_sub(left)).unwrap_or(usize::MAX);
        let room = LARGEST.saturating_sub(between);
        if room > 0 && client.way.is_clear() { room } else { 0 }
    }
}

fn share(others: usize) -> usize {
    (POOL / (others + 1)).clamp(SMALLEST, LARGEST)
}

/// A body under way; it counts as one until it is dropped.
#[derive(Debug)]
pub struct UnderWay(());

impl UnderWay {
    /// One more.
    pub fn begin() -> Self {
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

    /// The largest piece once so many bytes were taken.
    fn piece(taken: u64) -> usize {
        Pace { client: None, before: taken, handed: 0 }.piece()
    }

    struct Always(bool);

    impl Way for Always {
        fn is_clear(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn pieces_grow_as_a_client_reads() {
        assert_eq!([0, UNREAD - 1].map(piece), [FIRST; 2]);
        assert_eq!([UNREAD, 512 << 10].map(piece), [20 << 10, 32 << 10]);
        assert_eq!(piece(1 << 40), LARGEST);
        let unknown = Pace::begin(None);
        assert_eq!((unknown.piece(), unknown.even_piece()), (FIRST, SMALLEST));
    }

    #[test]
    fn a_connection_that_read_keeps_what_it_has_shown() {
        let taken = Taken::new(Arc::new(Always(false)));
        let mut first = Pace::begin(Some(&taken));
        while first.piece() < LARGEST {
            let piece = first.piece();
            first.took(piece);
            taken.add(piece);
        }
        let second = Pace::begin(Some(&taken));
        assert_eq!((second.piece(), second.even_piece()), (LARGEST, LARGEST));
    }

    #[test]
    fn pieces_are_large_while_the_way_is_clear_and_not_before_anybody_is_known_to_want_them() {
        let begin = |clear| {
            let taken = Taken::new(Arc::new(Always(clear)));
            (Pace::begin(Some(&taken)), taken)
        };
        let (mut pace, taken) = begin(true);
        assert_eq!(pace.piece(), FIRST, "a short body asks nobody");
        pace.took(FIRST);
        assert_eq!(
            pace.piece(),
            LARGEST - FIRST,
            "with what is still on its way to the kernel it makes one large piece"
        );
        pace.took(LARGEST - FIRST);
        assert_eq!(pace.piece(), FIRST, "nothing has left");
        taken.add(LARGEST + 200);
        assert_eq!(pace.piece(), LARGEST);
        let (mut pace, taken) = begin(false);
        pace.took(FIRST);
        taken.add(FIRST);
        assert_eq!(pace.piece(), FIRST, "the kernel holds back what it has");
    }
}
