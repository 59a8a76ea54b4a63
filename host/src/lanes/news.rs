//! News of compute work: whoever waits for what it makes is woken once for all that it makes in a tick.
//!
//! A short job makes its response's head, the body and its own end one after the other. Each time, its thread would be put aside
//! for one of the runtime's, which go before it, and that would find the next thing not made yet.

use std::{
    sync::atomic::{AtomicU8, Ordering::SeqCst},
    task::Context,
};

use futures_util::task::AtomicWaker;

/// The work is not being polled: what comes is told at once.
const QUIET: u8 = 0;
/// It is, and has made nothing that anybody waits for.
const BUSY: u8 = 1;
/// It is, and has.
const DUE: u8 = 2;

/// What there is to tell of one piece of work, and whom.
#[derive(Default)]
pub(super) struct News {
    state: AtomicU8,
    reader: AtomicWaker,
}

impl News {
    /// Whoever polls with this context is told.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        self.reader.register(cx.waker());
    }

    /// Something has come.
    pub(super) fn come(&self) {
        let hold = |state| (state != QUIET).then_some(DUE);
        if self.state.fetch_update(SeqCst, SeqCst, hold).is_err() {
            self.reader.wake();
        }
    }

    /// Holds back what comes until the guard is dropped: the work is being polled.
    pub(super) fn hold_back(&self) -> HeldBack<'_> {
        self.state.store(BUSY, SeqCst);
        HeldBack(self)
    }

    /// Tells what is held back, though the work goes on.
    pub(super) fn tell(&self) {
        if self.state.compare_exchange(DUE, BUSY, SeqCst, SeqCst).is_ok() {
            self.reader.wake();
        }
    }
}

/// While it lives, news are held back.
pub(super) struct HeldBack<'a>(&'a News);

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        if self.0.state.swap(QUIET, SeqCst) == DUE {
            self.0.reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::{Wake, Waker},
    };

    use super::*;

    #[derive(Default)]
    struct Reader(AtomicUsize);

    impl Wake for Reader {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn what_comes_while_the_work_is_polled_is_told_once() {
        let (news, reader) = (News::default(), Arc::<Reader>::default());
        let waker = Waker::from(Arc::clone(&reader));
        let told = |news: &News| {
            news.listen(&Context::from_waker(&waker));
            reader.0.swap(0, Relaxed)
        };
        told(&news);
        news.come();
        assert_eq!(told(&news), 1, "nobody polls it");
        let polled = news.hold_back();
        (0..3).for_each(|_| news.come());
        assert_eq!(told(&news), 0, "it is held back");
        drop(polled);
        assert_eq!(told(&news), 1, "the poll is over");
        let polled = news.hold_back();
        news.tell();
        assert_eq!(told(&news), 0, "there is nothing to tell");
        news.come();
        news.tell();
        assert_eq!(told(&news), 1, "a tick has passed");
        drop(polled);
        assert_eq!(told(&news), 0, "it was told");
        news.come();
        assert_eq!(told(&news), 1);
    }
}
