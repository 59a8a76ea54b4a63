//! The io lane: who gives way at a tick, who needs a turn, and that turns come back.

use std::{
    future::{pending, poll_fn},
    sync::Mutex,
};

use super::*;

/// Spins for ever: at each poll it burns a little, a tick passes and it is interrupted. Counts its interruptions.
fn spinner(bench: &Bench, who: Who) -> (Running<End>, Arc<AtomicUsize>) {
    let laps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&laps);
    let work = bench.start(who, Lane::Io, |guest| async move {
        loop {
            burn(Duration::from_micros(50));
            if let Err(end) = guest.tick(1).await {
                return end;
            }
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (work, laps)
}

/// One spinner that holds the only turn.
fn holder(bench: &Bench, who: Who) -> Running<End> {
    let (mut work, laps) = spinner(bench, who);
    let wakes = Arc::new(Wakes::default());
    for _ in 0..3 {
        assert!(poll(&mut work, &wakes).is_pending());
    }
    assert_eq!(laps.load(Ordering::SeqCst), 2);
    assert_eq!(bench.lanes.load().turns_out, 1);
    work
}

#[test]
fn work_is_entered_when_something_it_waits_for_has_come_and_not_because_its_handle_is_polled() {
    let bench = Bench::new(1, 0);
    let entered = Arc::new(AtomicUsize::new(0));
    let (counted, wakers) = (Arc::clone(&entered), Arc::new(Mutex::new(Vec::new())));
    let kept = Arc::clone(&wakers);
    let mut work = bench.start(who(0, 0), Lane::Io, |_| {
        poll_fn(move |cx| {
            kept.lock().expect("nobody panics").push(cx.waker().clone());
            if counted.fetch_add(1, Ordering::SeqCst) < 2 { Poll::Pending } else { Poll::Ready(()) }
        })
    });
    let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    for poller in [&first, &first, &second] {
        assert!(poll(&mut work, poller).is_pending());
    }
    assert_eq!(entered.load(Ordering::SeqCst), 1, "it begins at once, and then waits");
    let wake = || wakers.lock().expect("nobody panics")[0].wake_by_ref();
    wake();
    assert!(!first.fired() && second.fired(), "whoever polled last is told");
    wake();
    assert!(!second.fired(), "once");
    assert!(poll(&mut work, &second).is_pending());
    assert!(poll(&mut work, &second).is_pending());
    assert_eq!(entered.load(Ordering::SeqCst), 2);
    wake();
    assert!(second.fired());
    assert!(poll(&mut work, &second).is_ready());
    drop(work);
    wake();
    assert!(!second.fired(), "it is over");
}

#[test]
fn what_is_dropped_wakes_nobody() {
    let bench = Bench::new(1, 0);
    let waker = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&waker);
    let mut work = bench.start(who(0, 0), Lane::Io, |_| {
        poll_fn(move |cx| {
            *kept.lock().expect("nobody panics") = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
    });
    let wakes = Arc::new(Wakes::default());
    assert!(poll(&mut work, &wakes).is_pending());
    drop(work);
    waker.lock().expect("nobody panics").take().expect("it was polled").wake();
    assert!(!wakes.fired());
}

#[test]
fn the_first_tick_only_gives_way() {
    let bench = Bench::new(1, 0);
    let (mut work, laps) = spinner(&bench, who(0, 0));
    let wakes = Arc::new(Wakes::default());
    assert!(poll(&mut work, &wakes).is_pending());
    assert!(wakes.fired(), "it wants to go on as soon as others had their chance");
    assert_eq!((bench.lanes.load().turns_out, bench.lanes.load().turns_waiting), (0, 0));
    assert!(poll(&mut work, &wakes).is_pending());
    assert_eq!(laps.load(Ordering::SeqCst), 1);
}

#[test]
fn from_the_second_tick_on_each_lap_costs_a_turn() {
    let bench = Bench::new(1, 0);
    let (mut work, laps) = spinner(&bench, who(0, 0));
    let wakes = Arc::new(Wakes::default());
    assert!(poll(&mut work, &wakes).is_pending());
    for lap in 1..5 {
        assert!(poll(&mut work, &wakes).is_pending());
        assert!(wakes.fired());
        assert_eq!(laps.load(Ordering::SeqCst), lap);
        assert_eq!(bench.lanes.load().turns_out, 1, "alone, it gets the next turn at once");
    }
    drop(work);
    assert_eq!(bench.lanes.load().turns_out, 0);
}

#[test]
fn while_others_wait_for_turns_the_first_tick_costs_one_too() {
    let bench = Bench::new(1, 0);
    let _holder = holder(&bench, who(0, 0));
    let (mut second, _) = spinner(&bench, who(0, 0));
    let wakes = Arc::new(Wakes::default());
    assert!(poll(&mut second, &wakes).is_pending());
    assert_eq!(bench.lanes.load().turns_waiting, 0, "nobody waits yet");
    assert!(poll(&mut second, &wakes).is_pending());
    assert_eq!(bench.lanes.load().turns_waiting, 1);
    let (mut third, _) = spinner(&bench, who(0, 0));
    assert!(poll(&mut third, &wakes).is_pending());
    assert_eq!(bench.lanes.load().turns_waiting, 2);
}

#[test]
fn a_turn_comes_back_at_the_next_tick_and_goes_to_who_waits() {
    let bench = Bench::new(1, 0);
    let mut first = holder(&bench, who(0, 0));
    let (mut second, laps) = spinner(&bench, who(1, 0));
    let wakes = Arc::new(Wakes::default());
    assert!(poll(&mut second, &wakes).is_pending());
    assert!(wakes.fired());
    assert!(poll(&mut second, &wakes).is_pending());
    assert!(!wakes.fired(), "the turn is taken");
    assert!(poll(&mut second, &wakes).is_pending());
    assert_eq!(laps.load(Ordering::SeqCst), 1, "polling alone does not get it one");
    assert!(poll(&mut first, &Arc::default()).is_pending());
    assert!(wakes.fired());
    assert!(poll(&mut second, &wakes).is_pending(), "it gives way to the runtime's other work once more");
    let (out, waiting) = (bench.lanes.load().turns_out, bench.lanes.load().turns_waiting);
    assert_eq!((out, waiting), (1, 1));
    drop((first, second));
    assert_eq!((bench.lanes.load().turns_out, bench.lanes.load().turns_waiting), (0, 0));
}

#[test]
fn a_turn_comes_back_when_its_holder_waits() {
    let bench = Bench::new(1, 0);
    let mut work = bench.start(who(0, 0), Lane::Io, |guest| async move {
        guest.tick(1).await?;
        guest.tick(1).await?;
        tokio::task::yield_now().await; // stands for any wait of the guest's own
        guest.tick(1).await?;
        pending::<()>().await;
        Ok::<_, End>(())
    });
    let wakes = Arc::new(Wakes::default());
    let mut out = Vec::new();
    for _ in 0..5 {
        assert!(poll(&mut work, &wakes).is_pending());
        out.push(bench.lanes.load().turns_out);
    }
    // Gave way; won a turn; waited; gave way as a new busy run does at its first tick; waits.
    assert_eq!(out, [0, 1, 0, 0, 0]);
}

#[test]
fn a_turn_comes_back_when_its_holder_ends_or_panics() {
    let bench = Bench::new(1, 0);
    for panics in [false, true] {
        let mut work = bench.start(who(0, 0), Lane::Io, |guest| async move {
            guest.tick(1).await?;
            guest.tick(1).await?;
            assert!(!panics, "as the test wants it");
            Ok::<_, End>(())
        });
        for expected in [0, 1] {
            assert!(poll(&mut work, &Arc::default()).is_pending());
            assert_eq!(bench.lanes.load().turns_out, expected);
        }
        assert!(matches!(poll(&mut work, &Arc::default()), Poll::Ready(ended) if ended.is_err() == panics));
        assert_eq!(bench.lanes.load().turns_out, 0);
    }
}

#[test]
fn dropping_who_waits_for_a_turn_or_has_just_been_given_one_loses_none() {
    let bench = Bench::new(1, 0);
    let first = holder(&bench, who(0, 0));
    let (mut waits, _) = spinner(&bench, who(1, 0));
    let (mut next, _) = spinner(&bench, who(2, 0));
    let (wakes, next_wakes) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    for _ in 0..2 {
        assert!(poll(&mut waits, &wakes).is_pending());
        assert!(poll(&mut next, &next_wakes).is_pending());
    }
    assert_eq!(bench.lanes.load().turns_waiting, 2);
    next_wakes.fired();
    drop(first);
    // The turn is its own now, though it does not know yet.
    assert_eq!(bench.lanes.load().turns_waiting, 1);
    drop(waits);
    assert!(next_wakes.fired());
    assert_eq!((bench.lanes.load().turns_out, bench.lanes.load().turns_waiting), (1, 0));
    drop(next);
    assert_eq!((bench.lanes.load().turns_out, bench.lanes.load().turns_waiting), (0, 0));
}

#[test]
fn tenants_get_turns_by_share_not_by_how_many_spin() {
    let bench = Bench::new(1, 0);
    bench.lanes.set_weight(TenantId(1), 2);
    let mut all = Vec::new();
    for tenant in [0, 0, 0, 0, 0, 0, 1, 1, 2] {
        let (work, laps) = spinner(&bench, who(tenant, 0));
        all.push((tenant as usize, work, laps, Arc::new(Wakes::default())));
    }
    for (_, work, _, wakes) in &mut all {
        assert!(poll(work, wakes).is_pending());
    }
    for _ in 0..400 {
        for (_, work, _, wakes) in &mut all {
            if wakes.fired() {
                assert!(poll(work, wakes).is_pending());
            }
            assert!(bench.lanes.load().turns_out <= 1);
        }
    }
    let mut laps = [0_usize; 3];
    for (tenant, _, counted, _) in &all {
        laps[*tenant] += counted.load(Ordering::SeqCst);
    }
    // By CPU time, which is about the same for each lap.
    let whole: usize = laps.iter().sum();
    assert!(whole > 300, "{laps:?}");
    for (tenant, share) in [(0, 0.25), (1, 0.5), (2, 0.25)] {
        let got = laps[tenant] as f64 / whole as f64;
        assert!((got - share).abs() < 0.1, "tenant {tenant} got {got} of {laps:?}");
    }
}

#[test]
fn what_is_used_without_turns_counts_against_the_next_turn() {
    let bench = Bench::new(1, 0);
    let first = holder(&bench, who(9, 0));
    let (mut busy, busy_laps) = spinner(&bench, who(0, 0));
    let (mut idle, idle_laps) = spinner(&bench, who(1, 0));
    let wakes = [Arc::new(Wakes::default()), Arc::new(Wakes::default())];
    for _ in 0..2 {
        assert!(poll(&mut busy, &wakes[0]).is_pending());
        assert!(poll(&mut idle, &wakes[1]).is_pending());
    }
    // The first tenant does a lot of work that waits, and so needs no turn.
    let mut short = bench.start(who(0, 1), Lane::Io, |_| async { burn(Duration::from_millis(20)) });
    assert_eq!(poll(&mut short, &Arc::default()), Poll::Ready(Ok(())));
    drop(first);
    let start = (busy_laps.load(Ordering::SeqCst), idle_laps.load(Ordering::SeqCst));
    for _ in 0..100 {
        for (work, wakes) in [(&mut busy, &wakes[0]), (&mut idle, &wakes[1])] {
            if wakes.fired() {
                assert!(poll(work, wakes).is_pending());
            }
        }
    }
    let laps = (busy_laps.load(Ordering::SeqCst) - start.0, idle_laps.load(Ordering::SeqCst) - start.1);
    assert!(laps.1 > 10 * laps.0.max(1), "the busy tenant had {} laps, the idle one {}", laps.0, laps.1);
}

#[test]
fn cancelled_work_ends_at_the_next_tick() {
    let bench = Bench::new(1, 0);
    let task = Task::new(who(0, 0), Lane::Io, PLENTY);
    let guest = Guest { task: Arc::clone(&task), ticks: Arc::clone(&bench.ticks) };
    let mut work = bench.lanes.run(Arc::clone(&task), async move {
        loop {
            if let Err(end) = guest.tick(1).await {
                return end;
            }
        }
    });
    assert!(poll(&mut work, &Arc::default()).is_pending());
    task.cancel();
    assert_eq!(poll(&mut work, &Arc::default()), Poll::Ready(Ok(End::Cancelled)));
}

#[test]
fn a_turn_that_is_not_taken_up_goes_to_who_waits() {
    let bench = Bench::new(1, 0);
    let mut first = holder(&bench, who(0, 0));
    // Nobody polls the holder again, although it was woken.
    let (mut second, laps) = spinner(&bench, who(1, 0));
    let wakes = Arc::new(Wakes::default());
    for _ in 0..2 {
        assert!(poll(&mut second, &wakes).is_pending());
    }
    wakes.fired();
    let mut ticks = 0;
    while !wakes.fired() {
        bench.ticks.tick();
        ticks += 1;
        assert!(ticks < 1000, "it waits for ever");
    }
    assert!(ticks > 50, "the holder had no time");
    assert_eq!(bench.lanes.load().turns_out, 1);
    let before = laps.load(Ordering::SeqCst);
    for _ in 0..2 {
        assert!(poll(&mut second, &wakes).is_pending());
    }
    assert!(laps.load(Ordering::SeqCst) > before, "it goes on");
    // The first lines up again when it is polled after all, and has used less.
    let first_wakes = Arc::new(Wakes::default());
    assert!(poll(&mut first, &first_wakes).is_pending());
    assert_eq!(bench.lanes.load().turns_waiting, 1);
    drop(second);
    assert!(first_wakes.fired());
    drop(first);
    assert_eq!((bench.lanes.load().turns_out, bench.lanes.load().turns_waiting), (0, 0));
}
