//! The compute lane: who runs when, on which thread, and what becomes of work that nobody wants any more.

use std::{
    future::{pending, poll_fn},
    sync::{Mutex, mpsc},
    thread,
};

use super::{super::compute::SLICE_TICKS, *};

/// Blocks the only thread until it is told to go on, so that a test can line work up behind it.
fn blocker(bench: &Bench) -> (mpsc::Sender<()>, Running<()>) {
    let (go_on, wait) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    let work = bench.start(who(99, 0), Lane::Compute, |_| async move {
        started.send(()).expect("the test waits for it");
        wait.recv().expect("the test lets it go on");
    });
    running.recv().expect("a thread takes it");
    (go_on, work)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts").block_on(future)
}

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

/// Work of so many slices, which writes its name down at each.
fn slices(
    bench: &Bench,
    who: Who,
    count: usize,
    slice: Duration,
    log: &Arc<Mutex<Vec<&'static str>>>,
    name: &'static str,
) -> Running<Result<(), End>> {
    let log = Arc::clone(log);
    bench.start(who, Lane::Compute, move |guest| async move {
        for _ in 0..count {
            log.lock().expect("no panics").push(name);
            burn(slice);
            guest.tick(SLICE_TICKS).await?;
        }
        Ok(())
    })
}

#[test]
fn work_runs_on_a_thread_of_the_pool_and_starts_unasked() {
    let bench = Bench::new(1, 1);
    let (send, ran) = mpsc::channel();
    let work = bench.start(who(0, 0), Lane::Compute, |_| async move {
        send.send(thread_name()).expect("the test waits");
        7
    });
    assert_eq!(ran.recv().expect("it runs without being polled"), "compute-0");
    assert_eq!(block_on(work), Ok(7));
}

#[test]
fn a_slice_ends_after_its_ticks_and_only_if_others_wait() {
    let bench = Bench::new(1, 1);
    let alone = bench.start(who(0, 0), Lane::Compute, |guest| async move { guest.tick(10 * SLICE_TICKS).await });
    assert_eq!(block_on(alone), Ok(Ok(false)));
    let (go_on, blocked) = blocker(&bench);
    let first = bench.start(who(0, 0), Lane::Compute, |guest| async move {
        let mut gave_way = Vec::new();
        for _ in 0..2 * SLICE_TICKS {
            gave_way.push(guest.tick(1).await?);
        }
        Ok::<_, End>(gave_way)
    });
    let second = bench.start(who(0, 0), Lane::Compute, |_| async {});
    go_on.send(()).expect("it waits");
    let gave_way = block_on(first).expect("no panic").expect("nothing ends it");
    let expected: Vec<_> = (1..=2 * SLICE_TICKS).map(|tick| tick == SLICE_TICKS).collect();
    assert_eq!(gave_way, expected, "once, for the second; then it is alone");
    assert_eq!(block_on(async { (second.await, blocked.await) }), (Ok(()), Ok(())));
}

#[test]
fn short_work_overtakes_long_within_a_plugin() {
    let bench = Bench::new(1, 1);
    let log = Arc::default();
    let (go_on, _blocked) = blocker(&bench);
    let slice = Duration::from_micros(200);
    let long = slices(&bench, who(0, 0), 3, slice, &log, "long");
    let middle = slices(&bench, who(0, 0), 2, slice, &log, "middle");
    let short = slices(&bench, who(0, 0), 1, slice, &log, "short");
    go_on.send(()).expect("it waits");
    let ends = block_on(async { [long.await, middle.await, short.await] });
    assert!(ends.iter().all(|end| *end == Ok(Ok(()))));
    let log = log.lock().expect("no panics").clone();
    assert_eq!(log[..3], ["long", "middle", "short"], "each is new at first");
    assert_eq!(log.last(), Some(&"long"));
}

#[test]
fn tenants_share_by_weight_however_much_each_has_to_do() {
    let bench = Bench::new(1, 1);
    bench.lanes.set_weight(TenantId(2), 2);
    let log = Arc::default();
    let (go_on, _blocked) = blocker(&bench);
    let slice = Duration::from_micros(300);
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(slices(&bench, who(0, 0), 30, slice, &log, "many"));
    }
    all.push(slices(&bench, who(1, 0), 30, slice, &log, "one"));
    all.push(slices(&bench, who(2, 0), 60, slice, &log, "heavy"));
    go_on.send(()).expect("it waits");
    for work in all {
        assert_eq!(block_on(work), Ok(Ok(())));
    }
    let log = log.lock().expect("no panics").clone();
    // While all three have work: the first 100 slices.
    let count = |name| log[..100].iter().filter(|other| **other == name).count();
    for (name, share) in [("many", 25), ("one", 25), ("heavy", 50)] {
        assert!(count(name).abs_diff(share) <= 8, "{name} had {} of 100 slices", count(name));
    }
}

#[test]
fn work_that_waits_leaves_its_thread() {
    let bench = Bench::new(1, 1);
    let (open, gate) = tokio::sync::oneshot::channel();
    let waits = bench.start(who(0, 0), Lane::Compute, |_| async move { gate.await.map(|()| thread_name()) });
    let other = bench.start(who(0, 0), Lane::Compute, |_| async move { open.send(()) });
    assert_eq!(block_on(other), Ok(Ok(())));
    assert_eq!(block_on(waits), Ok(Ok("compute-0".to_owned())));
}

#[test]
fn the_runtimes_timers_and_tasks_are_at_hand() {
    let bench = Bench::new(1, 1);
    let work = bench.start(who(0, 0), Lane::Compute, |_| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::spawn(async { thread_name() }).await.map(|runtime| (runtime, thread_name()))
    });
    let (runtime, own) = block_on(work).expect("no panic").expect("no panic in the runtime either");
    assert_ne!(runtime, own);
    assert_eq!(own, "compute-0");
}

#[test]
fn wakes_from_everywhere_are_neither_lost_nor_doubled() {
    const WAKES: usize = 2000;
    let bench = Bench::new(1, 2);
    let (left, polling) = (Arc::new(AtomicUsize::new(WAKES)), Arc::new(AtomicUsize::new(0)));
    let waker = Arc::new(Mutex::new(None::<Waker>));
    let work = bench.start(who(0, 0), Lane::Compute, |_| {
        let (left, waker) = (Arc::clone(&left), Arc::clone(&waker));
        poll_fn(move |cx| {
            assert_eq!(polling.fetch_add(1, Ordering::SeqCst), 0, "one thread at a time");
            *waker.lock().expect("no panics") = Some(cx.waker().clone());
            let done = left.load(Ordering::SeqCst) == 0;
            polling.fetch_sub(1, Ordering::SeqCst);
            if done { Poll::Ready(()) } else { Poll::Pending }
        })
    });
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (left, waker) = (Arc::clone(&left), Arc::clone(&waker));
            thread::spawn(move || {
                for _ in 0..WAKES / 2 {
                    left.fetch_sub(1, Ordering::SeqCst);
                    if let Some(waker) = &*waker.lock().expect("no panics") {
                        waker.wake_by_ref();
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panics");
    }
    // The last wake came after the last change: it alone must be enough.
    assert_eq!(block_on(work), Ok(()));
}

/// The thread that drops what the work holds.
fn tells_its_end(ends: &mpsc::Sender<String>) -> impl Send + use<> {
    struct Tells(mpsc::Sender<String>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(thread_name()).expect("the test waits");
        }
    }
    Tells(ends.clone())
}

#[test]
fn dropping_the_handle_drops_waiting_and_lined_up_work_on_the_pool() {
    let bench = Bench::new(1, 1);
    let (ends, ended) = mpsc::channel();
    let (started, running) = mpsc::channel();
    let guard = tells_its_end(&ends);
    let waits = bench.start(who(0, 0), Lane::Compute, |guest| async move {
        let _guard = guard;
        started.send(Arc::clone(&guest.task)).expect("the test waits");
        pending::<()>().await;
    });
    let task = running.recv().expect("it starts");
    drop(waits);
    assert_eq!(ended.recv().expect("it is dropped"), "compute-0");
    assert!(task.is_cancelled());

    let (go_on, _blocked) = blocker(&bench);
    let guard = tells_its_end(&ends);
    let lined_up = bench.start(who(0, 0), Lane::Compute, |_| async move {
        let _guard = guard;
        panic!("nobody wants it to run");
    });
    let _: &Running<()> = &lined_up;
    assert_eq!(bench.lanes.load().compute_runnable, 1);
    drop(lined_up);
    assert_eq!(bench.lanes.load().compute_runnable, 0);
    assert!(ended.try_recv().is_err(), "the thread is taken");
    go_on.send(()).expect("it waits");
    assert_eq!(ended.recv().expect("it is dropped"), "compute-0");
}

#[test]
fn dropping_the_handle_interrupts_running_work() {
    let bench = Bench::new(1, 1);
    let (started, running) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let work = bench.start(who(0, 0), Lane::Compute, |guest| async move {
        started.send(()).expect("the test waits");
        wait.recv().expect("the test goes on");
        tell.send(guest.tick(1).await).expect("the test waits");
    });
    running.recv().expect("it starts");
    drop(work);
    go_on.send(()).expect("it waits");
    assert_eq!(told.recv().expect("it runs on to its next tick"), Err(End::Cancelled));
}

#[test]
fn running_work_that_waits_after_its_handle_is_gone_is_dropped_there() {
    let bench = Bench::new(1, 1);
    let (started, running) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (ends, ended) = mpsc::channel();
    let guard = tells_its_end(&ends);
    let work = bench.start(who(0, 0), Lane::Compute, |_| async move {
        let _guard = guard;
        started.send(()).expect("the test waits");
        wait.recv().expect("the test goes on");
        pending::<()>().await;
    });
    running.recv().expect("it starts");
    drop(work);
    go_on.send(()).expect("it waits");
    assert_eq!(ended.recv().expect("it is dropped"), "compute-0");
}

#[test]
fn a_panic_while_dropping_does_not_end_the_thread() {
    struct Bomb(mpsc::Sender<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.send(()).expect("the test waits");
            panic!("in the drop");
        }
    }
    let bench = Bench::new(1, 1);
    let (send, dropped) = mpsc::channel();
    let (bomb, other) = (Bomb(send.clone()), Bomb(send));
    let ends = bench.start(who(0, 0), Lane::Compute, |_| {
        let bomb = bomb;
        poll_fn(move |_| {
            let _ = &bomb;
            Poll::Ready(())
        })
    });
    assert_eq!(block_on(ends), Err(super::super::Panicked("in the drop".to_owned())));
    let waits = bench.start(who(0, 0), Lane::Compute, |_| async move {
        let _bomb = other;
        pending::<()>().await;
    });
    dropped.recv().expect("the first was dropped");
    drop(waits);
    dropped.recv().expect("the second was dropped");
    assert_eq!(block_on(bench.start(who(0, 0), Lane::Compute, |_| async { 1 })), Ok(1));
}

#[test]
fn closing_ends_running_waiting_and_lined_up_work() {
    let bench = Bench::new(1, 1);
    let (ends, ended) = mpsc::channel();
    let guard = tells_its_end(&ends);
    let (open, gate) = tokio::sync::oneshot::channel::<()>();
    let waits = bench.start(who(0, 0), Lane::Compute, |_| async move {
        let _guard = guard;
        let _ = gate.await;
    });
    let (started, running) = mpsc::channel();
    let runs = bench.start(who(0, 0), Lane::Compute, |guest| async move {
        started.send(()).expect("the test waits");
        loop {
            if let Err(end) = guest.tick(1).await {
                return end;
            }
        }
    });
    running.recv().expect("it starts");
    let guard = tells_its_end(&ends);
    let lined_up = bench.start(who(0, 0), Lane::Compute, |_| async move {
        let _guard = guard;
        pending::<()>().await;
    });
    bench.lanes.close();
    assert!(block_on(lined_up).is_err());
    assert_eq!(ended.recv().expect("it was dropped"), "compute-0");
    let runs = block_on(runs);
    assert!(runs == Ok(End::Cancelled) || runs.is_err(), "{runs:?}");
    // What waits is dropped by its waker or by its handle, wherever that is.
    open.send(()).expect("it still waits");
    assert!(block_on(waits).is_err());
    ended.recv().expect("it was dropped");
    // Work that comes too late is told so.
    assert!(block_on(bench.start(who(0, 0), Lane::Compute, |_| async {})).is_err());
}

#[test]
fn dropping_the_last_lanes_inside_work_does_not_hang() {
    let bench = Bench::new(1, 1);
    let lanes = bench.lanes.clone();
    let (go_on, wait) = mpsc::channel::<()>();
    let work = bench.start(who(0, 0), Lane::Compute, |_| async move {
        wait.recv().expect("the test goes on");
        drop(lanes);
    });
    drop(bench.lanes);
    go_on.send(()).expect("it waits");
    let _ = block_on(work);
}

#[test]
fn teardown_is_measured_on_the_pool_too() {
    let bench = Bench::new(1, 1);
    let drops = Arc::new(AtomicUsize::new(0));
    let guard = Teardown(Arc::clone(&drops), Duration::from_millis(3));
    let task = Task::new(who(0, 0), Lane::Compute, PLENTY);
    let work = bench.lanes.run(Arc::clone(&task), async move {
        let _guard = guard;
        tokio::task::yield_now().await;
    });
    assert_eq!(block_on(work), Ok(()));
    assert_eq!(drops.load(Ordering::SeqCst), 1, "the work is gone before its result is told");
    bench.lanes.close();
    assert!(task.cpu() >= Duration::from_millis(3));
}

#[test]
fn what_work_makes_is_told_at_a_tick_though_it_goes_on() {
    let bench = Bench::new(1, 1);
    let (made, mut making) = tokio::sync::oneshot::channel();
    let (go_on, wait) = mpsc::channel();
    let (say, said) = mpsc::channel();
    let mut work = bench.start(who(0, 0), Lane::Compute, |guest| async move {
        wait.recv().expect("the test goes on");
        made.send(7).expect("the test listens");
        say.send(()).expect("the test waits");
        wait.recv().expect("the test goes on");
        assert_eq!(guest.tick(1).await, Ok(false), "nobody else wants the thread");
        say.send(()).expect("the test waits");
        wait.recv().expect("the test goes on");
    });
    let wakes = Arc::<Wakes>::default();
    assert!(poll(&mut work, &wakes).is_pending());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut look =
        |work: &Running<()>| work.look(&mut Context::from_waker(&waker), |cx| Pin::new(&mut making).poll(cx));
    assert!(look(&work).is_pending());
    let step = || {
        go_on.send(()).expect("it waits");
        said.recv().expect("it says so");
    };
    step();
    assert!(!wakes.fired(), "the tick has not come");
    step();
    assert!(wakes.fired());
    assert_eq!(look(&work), Poll::Ready(Ok(7)));
    assert!(poll(&mut work, &wakes).is_pending());
    go_on.send(()).expect("it waits");
    assert_eq!(block_on(work), Ok(()));
}
