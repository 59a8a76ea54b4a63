//! How long the other side may be waited for: not long for the next byte, and in the long run only as long as the
//! bytes it moves are worth.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::Limits;

/// The waiting for one direction of one connection, or for one body.
///
/// Waiting uses up credit; bytes earn it back, a second for each `rate` of them, up to what there was at first. So one
/// who sends or takes a byte now and then is not waited for much longer than one who does nothing.
pub(super) struct Patience {
    idle: Duration,
    rate: u32,
    grace: Duration,
    credit: Duration,
    /// When the present wait began.
    since: Option<Instant>,
    /// Kept from one wait to the next.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Waits at most `idle` for the next byte, and in all as long as the limits' rate allows.
    pub(super) fn new(idle: Duration, limits: &Limits) -> Self {
        let (rate, grace) = (limits.rate.max(1), limits.grace);
        Self { idle, rate, grace, credit: grace, since: None, timer: None }
    }

    /// To be polled while nothing moves: resolves when that has been so for too long. The first call begins the wait,
    /// [`Patience::moved`] ends it.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() {
            let now = Instant::now();
            let deadline = now + self.idle.min(self.credit);
            self.since = Some(now);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(sleep_until(deadline))),
            }
        }
        let timer = self.timer.as_mut().expect("a wait has a timer");
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(())
    }

    /// So many bytes were moved.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.credit = self.credit.saturating_sub(since.elapsed());
        }
        if self.credit < self.grace {
            let earned = Duration::from_secs_f64(bytes as f64 / f64::from(self.rate));
            self.credit = self.credit.saturating_add(earned).min(self.grace);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{sleep, timeout};

    use super::*;

    fn patience() -> Patience {
        let limits = Limits { rate: 1000, grace: Duration::from_secs(10), ..Limits::default() };
        Patience::new(Duration::from_secs(4), &limits)
    }

    /// How many times somebody who moves `bytes` each `pause` is waited for, of a thousand.
    async fn times(bytes: usize, pause: Duration) -> usize {
        let mut patience = patience();
        for time in 0..1000 {
            if timeout(pause, poll_fn(|cx| patience.poll_end(cx))).await.is_ok() {
                return time;
            }
            patience.moved(bytes);
        }
        1000
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_nothing_is_not_waited_for_long() {
        let mut patience = patience();
        let began = Instant::now();
        poll_fn(|cx| patience.poll_end(cx)).await;
        assert_eq!(began.elapsed().as_secs(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_moves_little_is_waited_for_as_long_as_the_grace() {
        let second = Duration::from_secs(1);
        assert_eq!(times(1, second).await, 10);
        assert_eq!(times(1, second * 3).await, 3);
        // Who falls short of the rate by little uses up the grace slowly.
        assert_eq!(times(600, second).await, 23);
        assert_eq!(times(1000, second).await, 1000);
        assert_eq!(times(100_000, second * 3).await, 1000);
        assert_eq!(times(100_000, second * 5).await, 0, "not even then for so long at a stretch");
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_costs_nothing_and_haste_is_not_saved_up() {
        let mut patience = patience();
        for _ in 0..100 {
            sleep(Duration::from_secs(60)).await;
            patience.moved(1);
        }
        assert_eq!(patience.credit, patience.grace);
        patience.moved(1 << 40);
        assert_eq!(patience.credit, patience.grace);
    }
}
